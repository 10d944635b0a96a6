//! Expressions but for what stands in brackets, by recursive descent. What is known
//! of the texts that match is gathered on the way.

/// How often something may be repeated.
const MOST_TIMES: u32 = 255;
/// How deep groups may lie in one another.
pub(super) const DEEPEST: u32 = 32;
/// Octets that an expression may stand for, repetitions multiplied: what the `regex`
/// crate always takes.
const MOST_PLACES: usize = 4000;
/// Signs of repetition behind one thing.
const MOST_SIGNS: u32 = 4;
/// Alternatives of a fixed part that are remembered.
const ALTERNATIVES: usize = 16;

/// What is known of a part of an expression.
pub(super) struct Part {
    /// It matches this and nothing else.
    is: Option<Vec<u8>>,
    /// One of these is in whatever it matches.
    holds: Vec<Vec<u8>>,
}

impl Part {
    pub(super) const UNKNOWN: Part = Part { is: None, holds: Vec::new() };

    fn needs(self) -> Vec<Vec<u8>> {
        match self.is {
            Some(is) if is.is_empty() => Vec::new(),
            Some(is) => vec![is.to_ascii_lowercase()],
            None => self.holds,
        }
    }
}

/// How much a text that must hold one of these is narrowed down.
fn worth(needs: &[Vec<u8>]) -> usize {
    needs.iter().map(Vec::len).min().unwrap_or(0)
}

/// A parser by recursive descent.
pub(super) struct Parser<'a> {
    pub(super) rest: &'a [u8],
    pub(super) exact: bool,
    depth: u32,
    /// Octets that what has been read stands for.
    places: usize,
    pub(super) regex: String,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, exact: bool) -> Parser<'a> {
        Parser { rest: text.as_bytes(), exact, depth: 0, places: 0, regex: String::new() }
    }

    /// The expression for the `regex` crate, and what a text must hold.
    pub(super) fn whole(mut self) -> Result<(String, Vec<Vec<u8>>), String> {
        let part = self.alternatives()?;
        match self.rest {
            [] => Ok((self.regex, part.needs())),
            _ => Err("has a ) without a (".to_owned()),
        }
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, wanted: u8) -> bool {
        let there = self.rest.first() == Some(&wanted);
        if there {
            self.next();
        }
        there
    }

    fn alternatives(&mut self) -> Result<Part, String> {
        let first = self.sequence()?;
        if self.rest.first() != Some(&b'|') {
            return Ok(first);
        }
        let mut holds = first.needs();
        let mut known = !holds.is_empty();
        while self.take(b'|') {
            self.regex.push('|');
            let needs = self.sequence()?.needs();
            known &= !needs.is_empty() && holds.len() + needs.len() <= ALTERNATIVES;
            holds.extend(needs);
        }
        Ok(if known { Part { is: None, holds } } else { Part::UNKNOWN })
    }

    fn sequence(&mut self) -> Result<Part, String> {
        // What is fixed at a stretch, and the best of what came before.
        let (mut run, mut best, mut fixed) = (Vec::new(), Vec::new(), true);
        let mut better = |needs: Vec<Vec<u8>>| {
            if worth(&needs) > worth(&best) {
                best = needs;
            }
        };
        while !matches!(self.rest.first(), None | Some(b'|' | b')')) {
            let part = self.repeated()?;
            match part.is {
                Some(is) => run.extend(is),
                None => {
                    fixed = false;
                    better(Part { is: Some(std::mem::take(&mut run)), holds: Vec::new() }.needs());
                    better(part.holds);
                }
            }
        }
        if fixed {
            return Ok(Part { is: Some(run), holds: Vec::new() });
        }
        better(Part { is: Some(run), holds: Vec::new() }.needs());
        Ok(Part { is: None, holds: best })
    }

    /// A part with what stands behind it of `*`, `+`, `?` and `{n,m}`.
    fn repeated(&mut self) -> Result<Part, String> {
        let (start, before) = (self.regex.len(), self.places);
        let mut part = self.single()?;
        self.places += 1;
        let mut signs = 0;
        while let Some((sign, least, most)) = self.times()? {
            signs += 1;
            // In a group: `a+?` is for POSIX what `(a+)?` is.
            self.regex.insert_str(start, "(?:");
            self.regex.push(')');
            self.regex.push_str(&sign);
            self.places = before + (self.places - before).saturating_mul(most.max(1) as usize);
            if self.places > MOST_PLACES || signs > MOST_SIGNS {
                return Err("repeats too much in all".to_owned());
            }
            part = match least {
                0 => Part::UNKNOWN,
                _ => Part { is: None, holds: part.needs() },
            };
        }
        Ok(part)
    }

    /// How often, how often at least, and how often it has to be written out.
    fn times(&mut self) -> Result<Option<(String, u32, u32)>, String> {
        let (sign, least) = match self.rest.first() {
            Some(b'*') => ("*", 0),
            Some(b'+') => ("+", 1),
            Some(b'?') => ("?", 0),
            Some(b'{') => return self.interval(),
            _ => return Ok(None),
        };
        self.next();
        Ok(Some((sign.to_owned(), least, 1)))
    }

    /// `{n}`, `{n,}`, `{n,m}` or `{,m}`; `None` if the brace is only a brace.
    fn interval(&mut self) -> Result<Option<(String, u32, u32)>, String> {
        let Some(end) = self.rest.iter().position(|&b| b == b'}') else { return Ok(None) };
        let inside = std::str::from_utf8(self.rest.get(1..end).unwrap_or_default()).unwrap_or("x");
        let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !digits(least) || !digits(most) || inside.is_empty() {
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= MOST_TIMES);
        let least = if least.is_empty() { Some(0) } else { number(least) };
        let bad = || format!("repeats something more than {MOST_TIMES} times, or backwards");
        let least = least.ok_or_else(bad)?;
        let (sign, most) = match most {
            "" => (format!("{{{least},}}"), least + 1),
            most => match number(most).filter(|most| *most >= least) {
                Some(most) => (format!("{{{least},{most}}}"), most),
                None => return Err(bad()),
            },
        };
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Ok(Some((sign, least, most)))
    }

    fn single(&mut self) -> Result<Part, String> {
        let empty = || Ok(Part { is: Some(Vec::new()), holds: Vec::new() });
        match self.next() {
            Some(b'(') => self.group(),
            Some(b'[') => self.bracket(),
            Some(b'.') => {
                self.regex.push_str("[\\x00-\\xff]");
                Ok(Part::UNKNOWN)
            }
            Some(b'^') => {
                self.regex.push_str("\\A");
                empty()
            }
            Some(b'$') => {
                self.regex.push_str("\\z");
                empty()
            }
            Some(b'\\') => self.escape(),
            Some(sign @ (b'*' | b'+' | b'?')) => Err(format!(
                "has a {} with nothing in front that it could repeat",
                char::from(sign)
            )),
            Some(octet) => Ok(self.literal(octet)),
            None => empty(),
        }
    }

    pub(super) fn literal(&mut self, octet: u8) -> Part {
        let octet = if self.exact { octet } else { octet.to_ascii_lowercase() };
        push_octet(&mut self.regex, octet);
        Part { is: Some(vec![octet]), holds: Vec::new() }
    }

    fn group(&mut self) -> Result<Part, String> {
        if self.rest.starts_with(b"?:") {
            self.rest = self.rest.get(2..).unwrap_or_default();
        } else if self.rest.first() == Some(&b'?') {
            return Err("has a (?…): look-around and switches are not known here".to_owned());
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("has more than {DEEPEST} groups in one another"));
        }
        self.regex.push_str("(?:");
        let part = self.alternatives()?;
        if !self.take(b')') {
            return Err("has a ( without a )".to_owned());
        }
        self.regex.push(')');
        self.depth -= 1;
        Ok(part)
    }

    fn escape(&mut self) -> Result<Part, String> {
        let short = match self.next() {
            None => return Err("ends in a backslash".to_owned()),
            Some(sign) if !sign.is_ascii_alphanumeric() && !matches!(sign, b'<' | b'>') => {
                return Ok(self.literal(sign));
            }
            Some(sign @ (b'd' | b'D' | b's' | b'S' | b'w' | b'W')) => {
                self.regex.extend(['\\', char::from(sign)]);
                return Ok(Part::UNKNOWN);
            }
            Some(b'b') => "\\b",
            Some(b'B') => "\\B",
            Some(b'<') => "\\b{start}",
            Some(b'>') => "\\b{end}",
            Some(digit @ b'1'..=b'9') => {
                return Err(format!("has a back-reference \\{}", char::from(digit)));
            }
            Some(other) => return Err(format!("has an unknown escape \\{}", char::from(other))),
        };
        self.regex.push_str(short);
        Ok(Part { is: Some(Vec::new()), holds: Vec::new() })
    }
}

pub(super) fn push_octet(regex: &mut String, octet: u8) {
    if octet.is_ascii_alphanumeric() {
        regex.push(octet.into());
    } else {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digit = |n: u8| HEX.get(usize::from(n)).map_or('0', |&digit| char::from(digit));
        regex.extend(['\\', 'x', digit(octet >> 4), digit(octet & 15)]);
    }
}
