//! One side of a session: who asks, that is the client, or we before the MTA; and who
//! answers.
//!
//! It knows as much of the dialogue as it takes to tell mail data and credentials from
//! commands, and where it cannot know it keeps silent: behind DATA and AUTH nothing is
//! shown until an answer to them says that they came to nothing. Octets behind BDAT (RFC 3030)
//! are mail data, whatever is answered. Of a line that is no command only the length is
//! shown, for it may be mail data or credentials of a peer that is out of step.

use crate::dialogue::known_mechanism;
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
    /// It began when credentials were to come.
    secret: bool,
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
        let Partial { mut text, octets, secret: _ } = std::mem::take(self);
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
    /// Answers that are outstanding, the greeting to begin with; and how many of them come
    /// before that to AUTH.
    owed: u32,
    before_auth: u32,
}

impl Side {
    /// One whose lines begin so.
    pub(super) fn new(asker: &'static str, answerer: &'static str) -> Side {
        let (asked, answered) = (Partial::default(), Partial::default());
        let (owed, before_auth) = (1, 0);
        Side { marks: (asker, answerer), asks: Asks::Commands, asked, answered, owed, before_auth }
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
                    self.asked.secret |= matches!(self.asks, Asks::Credentials);
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
        let secret = self.asked.secret;
        let octets = self.asked.octets;
        let mut line = self.asked.line();
        let word = line.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(line.len());
        let verb = line.get(..word).unwrap_or_default().to_ascii_uppercase();
        let argument = line.get(word..).unwrap_or_default().trim_ascii().to_vec();
        let next = argument.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
        match verb.as_slice() {
            _ if secret => line = CREDENTIALS.to_vec(),
            b"AUTH" => {
                line = verb;
                if let Some(mechanism) = known_mechanism(next) {
                    line.push(b' ');
                    line.extend_from_slice(mechanism.to_ascii_uppercase().as_bytes());
                }
                if argument.len() > next.len() || known_mechanism(next).is_none() {
                    line.push(b' ');
                    line.extend_from_slice(CREDENTIALS);
                }
                self.asks = Asks::Credentials;
                self.before_auth = self.owed;
            }
            b"DATA" => self.asks = Asks::Message { end: End::Line, octets: 0 },
            b"BDAT" => {
                let number = std::str::from_utf8(next).ok().and_then(|size| size.parse().ok());
                if let Some(octets @ 1..) = number {
                    self.asks = Asks::Chunk { octets, left: octets };
                }
            }
            verb if VERBS.contains(&verb) || line.is_empty() => {}
            _ => line = format!("({octets} octets that are no command)").into_bytes(),
        }
        self.owed = self.owed.saturating_add(1);
        lines.push([self.marks.0.as_bytes(), &line].concat());
    }

    /// Tells of the mail data that were seen.
    fn mail_data(&mut self, whole: bool, lines: &mut Vec<Vec<u8>>) {
        let octets = match &self.asks {
            Asks::Message { octets, .. } => *octets,
            Asks::Chunk { octets, left } => octets - left,
            Asks::Commands | Asks::Credentials => return,
        };
        if whole && matches!(self.asks, Asks::Message { .. }) {
            self.owed = self.owed.saturating_add(1);
        }
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
        self.owed = self.owed.saturating_sub(1);
        match (code, &self.asks) {
            (_, Asks::Credentials) if self.before_auth > 0 => self.before_auth -= 1,
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

/// What a line that is shown begins with.
const VERBS: &[&[u8]] = &[
    b"EHLO",
    b"HELO",
    b"LHLO",
    b"MAIL",
    b"RCPT",
    b"RSET",
    b"NOOP",
    b"QUIT",
    b"VRFY",
    b"EXPN",
    b"HELP",
    b"STARTTLS",
    b"ETRN",
    b"XCLIENT",
    b"XFORWARD",
    b"PROXY",
];
const CREDENTIALS: &[u8] = b"(credentials)";
const CLOSED: &[u8] = b"(closed)";
