//! One side of a session: who asks, that is the client, or we before the MTA; and who
//! answers.
//!
//! It knows as much of the dialogue as it takes to tell mail data and credentials from
//! commands, and where it cannot know it keeps silent: behind DATA and AUTH nothing is
//! shown until an answer says that they came to nothing. Octets behind BDAT (RFC 3030) are
//! mail data, whatever is answered.

use crate::limits;

/// What the asker sends next.
enum Asks {
    Commands,
    /// What proves who it is (RFC 4954).
    Credentials,
    /// A message, up to the dot: what of that was seen, and the octets so far.
    Message {
        end: End,
        octets: u64,
    },
    /// So many octets of a message; how many there are still to come.
    Chunk {
        octets: u64,
        left: u64,
    },
}

/// How much of CR LF "." CR LF was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    None,
    Cr,
    Line,
    Dot,
    DotCr,
    Whole,
}

impl End {
    fn after(self, octet: u8) -> End {
        match (self, octet) {
            (End::DotCr, b'\n') => End::Whole,
            (End::Dot, b'\r') => End::DotCr,
            (End::Line, b'.') => End::Dot,
            (End::Cr, b'\n') => End::Line,
            (_, b'\r') => End::Cr,
            _ => End::None,
        }
    }
}

/// A line that is not whole yet.
#[derive(Default)]
struct Partial {
    /// Its beginning.
    text: Vec<u8>,
    octets: usize,
}

impl Partial {
    /// Takes octets up to the end of the line; how many, and whether that was there.
    fn take(&mut self, octets: &[u8]) -> (usize, bool) {
        let end = memchr::memchr(b'\n', octets);
        let count = end.map_or(octets.len(), |end| end + 1);
        let room = limits::TRACE_LINE.saturating_sub(self.text.len()).min(count);
        self.text.extend_from_slice(octets.get(..room).unwrap_or_default());
        self.octets += count;
        (count, end.is_some())
    }

    /// The line without its CR LF; what is left of one that was cut says so.
    fn line(&mut self) -> Vec<u8> {
        let Partial { mut text, octets } = std::mem::take(self);
        if text.len() < octets {
            text.extend_from_slice(format!("... ({octets} octets)").as_bytes());
        } else if text.ends_with(b"\r\n") {
            text.truncate(text.len() - 2);
        }
        text
    }
}

/// One side.
pub(super) struct Side {
    marks: (&'static str, &'static str),
    asks: Asks,
    asked: Partial,
    answered: Partial,
}

impl Side {
    /// One whose lines begin so.
    pub(super) fn new(asker: &'static str, answerer: &'static str) -> Side {
        let (asked, answered) = (Partial::default(), Partial::default());
        Side { marks: (asker, answerer), asks: Asks::Commands, asked, answered }
    }

    /// The asker sent these octets; appends the lines that are whole.
    pub(super) fn asked(&mut self, octets: &[u8], lines: &mut Vec<Vec<u8>>) {
        let mut rest = octets;
        while !rest.is_empty() {
            let taken = match &mut self.asks {
                Asks::Message { end, octets } => {
                    let after = |octet: &u8| {
                        *end = end.after(*octet);
                        *end == End::Whole
                    };
                    let last = rest.iter().position(after);
                    let taken = last.map_or(rest.len(), |last| last + 1);
                    *octets += taken as u64;
                    if last.is_some() {
                        self.mail_data(true, lines);
                    }
                    taken
                }
                Asks::Chunk { left, .. } => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.mail_data(true, lines);
                    }
                    taken
                }
                Asks::Commands | Asks::Credentials => {
                    let (taken, whole) = self.asked.take(rest);
                    if whole {
                        self.line_asked(lines);
                    }
                    taken
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    fn line_asked(&mut self, lines: &mut Vec<Vec<u8>>) {
        let mut line = self.asked.line();
        if let Asks::Credentials = self.asks {
            line = CREDENTIALS.to_vec();
        }
        let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let next = words.next();
        match verb.as_slice() {
            b"DATA" => self.asks = Asks::Message { end: End::Line, octets: 0 },
            b"AUTH" => {
                let mechanism = next.unwrap_or_default();
                let more = words.next().is_some();
                line = [b"AUTH ", mechanism].concat();
                if more {
                    line.push(b' ');
                    line.extend_from_slice(CREDENTIALS);
                }
                self.asks = Asks::Credentials;
            }
            b"BDAT" => {
                let number = next.and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
                if let Some(octets @ 1..) = number {
                    self.asks = Asks::Chunk { octets, left: octets };
                }
            }
            _ => {}
        }
        lines.push([self.marks.0.as_bytes(), &line].concat());
    }

    /// Tells of the mail data that were seen.
    fn mail_data(&mut self, whole: bool, lines: &mut Vec<Vec<u8>>) {
        let octets = match &self.asks {
            Asks::Message { octets, .. } => *octets,
            Asks::Chunk { octets, left } => octets - left,
            Asks::Commands | Asks::Credentials => return,
        };
        self.asks = Asks::Commands;
        let end = if whole { "" } else { ", not all of it" };
        lines.push(format!("{}({octets} octets of mail data{end})", self.marks.0).into_bytes());
    }

    /// The answerer sent these octets; appends the lines that are whole.
    pub(super) fn answered(&mut self, octets: &[u8], lines: &mut Vec<Vec<u8>>) {
        let mut rest = octets;
        while !rest.is_empty() {
            let (taken, whole) = self.answered.take(rest);
            rest = rest.get(taken..).unwrap_or_default();
            if whole {
                let line = self.answered.line();
                self.answer(&line);
                lines.push([self.marks.1.as_bytes(), &line].concat());
            }
        }
    }

    /// What follows from a line of an answer.
    fn answer(&mut self, line: &[u8]) {
        let (Some(code), None | Some(b' ')) = (line.get(..3), line.get(3)) else { return };
        match (code, &self.asks) {
            (b"354", Asks::Commands) => self.asks = Asks::Message { end: End::Line, octets: 0 },
            (b"334", Asks::Commands) => self.asks = Asks::Credentials,
            (b"235" | [b'4' | b'5', ..], Asks::Credentials)
            | ([b'4' | b'5', ..], Asks::Message { octets: 0, .. }) => self.asks = Asks::Commands,
            _ => {}
        }
    }

    /// The asker will send nothing more.
    pub(super) fn asker_has_closed(&mut self, lines: &mut Vec<Vec<u8>>) {
        self.mail_data(false, lines);
        if self.asked.octets > 0 {
            self.line_asked(lines);
        }
        lines.push([self.marks.0.as_bytes(), CLOSED].concat());
    }

    /// The answerer will send nothing more.
    pub(super) fn answerer_has_closed(&mut self, lines: &mut Vec<Vec<u8>>) {
        if self.answered.octets > 0 {
            lines.push([self.marks.1.as_bytes(), &self.answered.line()].concat());
        }
        lines.push([self.marks.1.as_bytes(), CLOSED].concat());
    }
}

const CREDENTIALS: &[u8] = b"(credentials)";
const CLOSED: &[u8] = b"(closed)";
