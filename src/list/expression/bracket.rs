//! Bracket expressions (POSIX XBD 9.3.5), in the order of ASCII.

use super::parser::{Parser, Part, push_octet};

impl Parser<'_> {
    /// `[…]`, behind the bracket.
    pub(super) fn bracket(&mut self) -> Result<Part, String> {
        let unfinished = || "has a [ without a ]".to_owned();
        let negated = self.take(b'^');
        let mut set = [false; 256];
        let mut first = true;
        loop {
            let octet = self.next().ok_or_else(unfinished)?;
            let sort = self.rest.first().copied();
            match (octet, sort) {
                (b']', _) if !first => break,
                (b'[', Some(b':')) => {
                    let name = self.named(b':').ok_or_else(unfinished)?;
                    let holds = class(name).ok_or("has an unknown [:class:]")?;
                    set.iter_mut().zip(0..=u8::MAX).for_each(|(in_it, b)| *in_it |= holds(&b));
                }
                _ => {
                    let low = self.element(octet).ok_or_else(unfinished)?;
                    let range = self.rest.first() == Some(&b'-')
                        && self.rest.get(1).is_some_and(|&b| b != b']');
                    let high = if range {
                        self.next();
                        let octet = self.next().ok_or_else(unfinished)?;
                        self.element(octet).ok_or_else(unfinished)?
                    } else {
                        low
                    };
                    if high < low {
                        return Err("has a range that goes backwards".to_owned());
                    }
                    set.iter_mut()
                        .take(usize::from(high) + 1)
                        .skip(low.into())
                        .for_each(|b| *b = true);
                }
            }
            first = false;
        }
        if !self.exact {
            // The text is in lower case.
            for letter in b'A'..=b'Z' {
                let upper = set.get_mut(usize::from(letter)).is_some_and(std::mem::take);
                if let Some(lower) = set.get_mut(usize::from(letter.to_ascii_lowercase())) {
                    *lower |= upper;
                }
            }
        }
        Ok(self.set(&set, negated))
    }

    /// An octet of a bracket expression, also as `[.x.]` or `[=x=]`.
    fn element(&mut self, octet: u8) -> Option<u8> {
        match (octet, self.rest.first()) {
            (b'[', Some(&sort @ (b'.' | b'='))) => match self.named(sort)? {
                [one] => Some(*one),
                _ => None,
            },
            _ => Some(octet),
        }
    }

    /// What stands between `[:` and `:]` or the like; the `[` has been read.
    fn named(&mut self, sort: u8) -> Option<&[u8]> {
        let inside = self.rest.get(1..)?;
        let end = inside.windows(2).position(|pair| pair == [sort, b']'])?;
        self.rest = inside.get(end + 2..)?;
        inside.get(..end)
    }

    fn set(&mut self, set: &[bool; 256], negated: bool) -> Part {
        let members: Vec<u8> =
            set.iter().zip(0..=u8::MAX).filter(|(is, _)| **is != negated).map(|(_, b)| b).collect();
        if let [one] = members[..] {
            return self.literal(one);
        }
        self.regex.push('[');
        for run in members.chunk_by(|a, b| *b == *a + 1) {
            if let (Some(low), Some(high)) = (run.first(), run.last()) {
                push_octet(&mut self.regex, *low);
                self.regex.push('-');
                push_octet(&mut self.regex, *high);
            }
        }
        // None: a class that holds nothing.
        if members.is_empty() {
            self.regex.push_str("^\\x00-\\xff");
        }
        self.regex.push(']');
        Part::UNKNOWN
    }
}

/// What a class of POSIX holds.
fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |b| matches!(b, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |b| b.is_ascii_whitespace() || *b == 0x0b,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}
