//! The client's end: reads the replies strictly, matches them to what it has
//! sent, and works out from them what the records must say.

use std::cell::Cell;

use smtp_wrapper::limits;
use smtp_wrapper::smtp::command::{self, Command};
use smtp_wrapper::smtp::standing::{self, ALL, Standing};
use smtp_wrapper::stage::Stage;

use crate::filters::{Filters, NAME};
use crate::mta::{Kind, Mta, Unit, ends_transaction, verb};

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    pub to: Vec<u8>,
    pub code: Option<u16>,
    pub at: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Commands,
    Auth,
    Data,
    /// A message was answered before its end, for it went on for too long:
    /// what follows is not to be told apart.
    Adrift,
}

/// A chunk, as far as it has arrived.
pub struct Chunk<'a> {
    pub content: &'a [u8],
    pub last: bool,
    pub whole: bool,
}

impl Chunk<'_> {
    /// How it is compared with what the MTA gets.
    pub fn text(&self) -> Vec<u8> {
        chunk_text(self.content, self.last)
    }
}

/// The same for one of these octets.
pub fn chunk_text(content: &[u8], last: bool) -> Vec<u8> {
    [content, if last { b" (last chunk)" } else { b" (chunk)" }].concat()
}

#[derive(Debug)]
pub struct Client {
    /// What of it has arrived, and how much of that is answered.
    sent: Vec<u8>,
    answered: usize,
    searched: Cell<(usize, usize)>,
    /// All that it got.
    pub received: Vec<u8>,
    state: State,
    greeted: bool,
    line: Vec<u8>,
    lines: Vec<Vec<u8>>,
    code: u16,
    /// After this reply there must be none.
    pub last: bool,
    /// Replies of the MTA that are accounted for.
    used: usize,
    transaction: Option<Vec<Vec<u8>>>,
    /// The recipients whose fate it knows, and whether their message was taken.
    pub decided: Vec<(Vec<u8>, bool)>,
    pub time_passed: bool,
    pub taken: usize,
    /// The content of the chunks of this message that were taken.
    chunks: Vec<u8>,
    /// The message has begun to come in chunks.
    chunked: bool,
    /// Octets since the last line end.
    unended: usize,
    /// It has sent a line so long that it may be given up.
    pub endless: bool,
}

impl Client {
    pub fn new() -> Self {
        Client {
            sent: Vec::new(),
            answered: 0,
            searched: Cell::new((0, 0)),
            received: Vec::new(),
            state: State::Commands,
            greeted: false,
            line: Vec::new(),
            lines: Vec::new(),
            code: 0,
            last: false,
            used: 0,
            transaction: None,
            decided: Vec::new(),
            time_passed: false,
            taken: 0,
            chunks: Vec::new(),
            chunked: false,
            unended: 0,
            endless: false,
        }
    }

    /// What it sent has arrived.
    pub fn sends(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        for octet in bytes {
            self.unended = if *octet == b'\n' { 0 } else { self.unended + 1 };
            self.endless |= self.unended > limits::LINE_WITHOUT_END;
        }
    }

    /// How many octets have arrived.
    pub fn arrived(&self) -> usize {
        self.sent.len()
    }

    /// What stands at this octet, up to the end of the line.
    pub fn line_at(&self, at: usize) -> &[u8] {
        self.sent[at..].split(|&b| b == b'\r').next().unwrap_or_default()
    }

    /// The paths of all lines that may be RCPT; behind a chunk one may begin anywhere.
    pub fn recipients(&self) -> Vec<Vec<u8>> {
        let begins = |line: &[u8]| -> Vec<usize> {
            let words = line.windows(5).enumerate();
            words.filter(|(_, w)| w.eq_ignore_ascii_case(b"RCPT ")).map(|(at, _)| at).collect()
        };
        let lines = self.sent.split(|&b| b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        lines.flat_map(|l| begins(l).into_iter().filter_map(|at| path(&l[at..]))).collect()
    }

    /// The complete command, line, message or chunk that is to be answered next.
    fn unit(&self) -> Option<&[u8]> {
        let rest = &self.sent[self.answered..];
        if self.state == State::Data {
            return self.data().filter(|(_, whole)| *whole).map(|(data, _)| data);
        }
        let line = self.line()?;
        match self.chunk() {
            Some(chunk) => chunk.whole.then(|| &rest[..line.len() + 2 + chunk.content.len()]),
            None => Some(&rest[..line.len() + 2]),
        }
    }

    /// The complete line that is to be answered next, or begins what is.
    fn line(&self) -> Option<&[u8]> {
        let rest = &self.sent[self.answered..];
        let length = rest.iter().position(|b| matches!(b, b'\r' | b'\n'))?;
        rest[length..].starts_with(b"\r\n").then(|| &rest[..length])
    }

    /// Is BDAT the line before the last so many octets?
    pub fn said_bdat(&self, unread: usize) -> bool {
        let read = &self.sent[..self.sent.len() - unread];
        let line = read.strip_suffix(b"\r\n").unwrap_or(read);
        let line = line.rsplit(|&b| b == b'\n').next().unwrap_or_default();
        verb(line) == b"BDAT"
    }

    /// The chunk that is to be answered next.
    pub fn chunk(&self) -> Option<Chunk<'_>> {
        if !self.greeted || self.state != State::Commands {
            return None;
        }
        let line = self.line().filter(|line| line.len() + 2 <= limits::COMMAND_LINE)?;
        let Ok(Command::Bdat { size, last }) = command::parse(line) else { return None };
        let rest = &self.sent[self.answered + line.len() + 2..];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let content = rest.get(..size).unwrap_or(rest);
        Some(Chunk { content, last, whole: content.len() == size })
    }

    /// What its chunks so far are as mail data, and whether that is a whole message.
    pub fn chunks_as_data(&self) -> Option<(Vec<u8>, bool)> {
        let chunk = self.chunk()?;
        let content = [&self.chunks[..], chunk.content].concat();
        let mut data = Vec::new();
        for (at, octet) in content.iter().enumerate() {
            let at_line_start = at == 0 || content[..at].ends_with(b"\r\n");
            data.extend((*octet == b'.' && at_line_start).then_some(b'.'));
            data.push(*octet);
        }
        let whole = chunk.whole && chunk.last;
        if whole {
            let ended = content.is_empty() || content.ends_with(b"\r\n");
            data.extend_from_slice(if ended { b".\r\n" } else { b"\r\n.\r\n" });
        }
        Some((data, whole))
    }

    /// The mail data sent so far, and whether that is all of it.
    pub fn data(&self) -> Option<(&[u8], bool)> {
        let rest = &self.sent[self.answered..];
        if self.state != State::Data {
            return None;
        }
        if rest.starts_with(b".\r\n") {
            return Some((&rest[..3], true));
        }
        // What has been searched without success is not searched again.
        let (from, seen) = self.searched.get();
        let seen = if from == self.answered { seen } else { 0 };
        match memmem(&rest[seen..], b"\r\n.\r\n") {
            Some(at) => Some((&rest[..seen + at + 5], true)),
            None => {
                self.searched.set((self.answered, rest.len().saturating_sub(4)));
                Some((rest, false))
            }
        }
    }

    /// Is there something complete that has no reply?
    pub fn waits(&self) -> bool {
        self.greeted && self.state != State::Adrift && self.unit().is_some()
    }

    pub fn is_adrift(&self) -> bool {
        self.state == State::Adrift
    }

    pub fn got(&mut self, bytes: &[u8], mta: &Mta, filters: &mut Filters) {
        self.received.extend_from_slice(bytes);
        for &octet in bytes {
            let after_cr = self.line.last() == Some(&b'\r');
            assert_eq!(octet == b'\n', after_cr, "the client gets a bare CR or LF");
            self.line.push(octet);
            if octet == b'\n' {
                let mut line = std::mem::take(&mut self.line);
                line.truncate(line.len() - 2);
                self.reply_line(&line, mta, filters);
            }
        }
    }

    fn reply_line(&mut self, line: &[u8], mta: &Mta, filters: &mut Filters) {
        let shown = line.escape_ascii().to_string();
        assert!(line.len() >= 4, "the client gets {shown}");
        assert!(line[..3].iter().all(u8::is_ascii_digit), "the client gets {shown}");
        assert!(matches!(line[0], b'2'..=b'5'), "the client gets {shown}");
        let control = |&b: &u8| b.is_ascii_control() && b != b'\t';
        assert!(!line.iter().any(control), "a control character: {shown}");
        let code = line[..3].iter().fold(0, |code, b| code * 10 + u16::from(b - b'0'));
        assert!(self.lines.is_empty() || self.code == code, "another code: {shown}");
        self.code = code;
        self.lines.push(line[4..].to_vec());
        match line[3] {
            b'-' => {}
            b' ' => {
                let lines = std::mem::take(&mut self.lines);
                self.reply(code, &lines, mta, filters);
            }
            _ => panic!("the client gets {shown}"),
        }
    }

    fn reply(&mut self, code: u16, lines: &[Vec<u8>], mta: &Mta, filters: &mut Filters) {
        let shown = format!("{code} {}", lines[0].escape_ascii());
        assert!(!self.last, "after the last reply comes {shown}");
        let ours = self.ours(code, lines, filters);
        // The original said 451 where it closed.
        let closes = |s: &Standing| matches!(s.rule, "mta.away" | "session.client-silent");
        self.last = code == 421 || ours.is_some_and(closes);
        let text = self.unit().map(<[u8]>::to_vec).unwrap_or_default();
        let refused = filters.refused(code, lines, self.greeted, &text);
        if !self.greeted {
            self.greeted = true;
            assert!(matches!(code, 220 | 400..), "greeting {shown}");
            let held = filters.held && lines[..] == [format!("{NAME} ESMTP").into_bytes()];
            self.account(code, lines, ours.is_some() || refused || held, None, mta, filters);
            return;
        }
        if self.state == State::Adrift {
            assert!(code == 221 || code >= 400, "adrift: {shown}");
            return;
        }
        let Some(unit) = self.unit().map(<[u8]>::to_vec) else {
            assert!(code >= 400, "a reply to nothing: {shown}");
            if self.state == State::Data && self.time_passed && !(ours.is_some() && self.last) {
                self.state = State::Adrift;
                self.message(code);
            } else {
                self.last = true;
            }
            return;
        };
        let chunk = self.chunk().map(|chunk| (chunk.text(), chunk.content.to_vec(), chunk.last));
        self.answered += unit.len();
        let line = unit.strip_suffix(b"\r\n").unwrap_or(&unit);
        let (kind, text) = match (self.state, &chunk) {
            (_, Some((text, _, last))) => {
                (if *last { Kind::Message } else { Kind::Chunk }, &text[..])
            }
            (State::Data, _) => (Kind::Message, &unit[..]),
            (State::Auth, _) => (Kind::AuthLine, line),
            _ => (Kind::Command, line),
        };
        let verb = if kind == Kind::Command { verb(line) } else { Vec::new() };
        let asked = Unit { text: text.to_vec(), kind, own: false };
        let hello = filters.held
            && matches!(&verb[..], b"HELO" | b"EHLO")
            && (code, lines[0].as_slice()) == (250, NAME.as_bytes());
        let ours_now = ours.is_some() || refused || hello;
        let unasked = self.account(code, lines, ours_now, Some(&asked), mta, filters);
        self.state = match code {
            354 if verb == b"DATA" => State::Data,
            334 if verb == b"AUTH" || kind == Kind::AuthLine => State::Auth,
            300..400 => panic!("{shown} to {}", line.escape_ascii()),
            _ => State::Commands,
        };
        if let Some((_, content, last)) = chunk {
            // Out of order it is nobody's message.
            let begun = self.transaction.as_ref().is_some_and(|accepted| !accepted.is_empty());
            (self.chunked, self.chunks) = match code < 400 && !last {
                true => (true, [&self.chunks[..], &content].concat()),
                false => (false, Vec::new()),
            };
            if !begun || (code < 400 && !last) {
                assert!(begun || code >= 400, "a chunk of nothing: {shown}");
                return;
            }
        }
        if matches!(kind, Kind::Message | Kind::Chunk) {
            self.taken += usize::from(code < 400);
            // With a 421 of ours the session is broken off, and so is the
            // transaction, even if all of the message was here.
            match ours {
                Some(_) if code == 421 => self.abandoned(),
                _ => self.message(code),
            }
            return;
        }
        match &verb[..] {
            b"MAIL" if code < 400 => {
                self.abandoned();
                self.transaction = Some(Vec::new());
            }
            b"RCPT" => match (&mut self.transaction, path(line)) {
                (_, None) => assert!(code >= 400, "RCPT without a path: {shown}"),
                (Some(accepted), Some(to)) if code < 400 => accepted.push(to),
                // What the MTA closes with by itself is not about this recipient.
                (_, Some(to)) if ours.is_none() && !(unasked && code == 421) => {
                    self.decided.push((to, false));
                }
                _ => {}
            },
            other if code < 400 && ends_transaction(other) => self.abandoned(),
            _ => {}
        }
    }

    /// The reply of ours that this is. A positive one is ours only where we may
    /// give it; else it has to be the MTA's.
    fn ours(&self, code: u16, lines: &[Vec<u8>], filters: &Filters) -> Option<&'static Standing> {
        let original = filters.plan.original;
        let as_said = |s| if original { standing::as_original(s) } else { s };
        let is_it = |s: &&Standing| s.code == code && s.text.as_bytes() == &lines[0][..];
        let ours = ALL.iter().map(as_said).find(is_it).filter(|_| lines.len() == 1)?;
        let verb = self.unit().and(self.line()).filter(|_| self.state == State::Commands).map(verb);
        let verb = verb.unwrap_or_default();
        let may = match ours.rule {
            "smtp.bye" => verb == b"QUIT",
            "smtp.send-mail-data" => verb == b"DATA" && filters.plan.keep,
            "smtp.ok" if verb == b"BDAT" => self.chunk().is_some_and(|chunk| !chunk.last),
            "smtp.ok" if self.chunked => matches!(&verb[..], b"RSET" | b"NOOP"),
            "smtp.ok" => filters.held && matches!(&verb[..], b"MAIL" | b"RSET" | b"NOOP"),
            "smtp.cannot-verify" => (filters.held || self.chunked) && verb == b"VRFY",
            _ => code >= 400,
        };
        may.then_some(ours)
    }

    /// Finds what the MTA said of which this is the relayed form; true if the client's
    /// command was not what it answered.
    fn account(
        &mut self,
        code: u16,
        lines: &[Vec<u8>],
        ours: bool,
        asked: Option<&Unit>,
        mta: &Mta,
        filters: &Filters,
    ) -> bool {
        if ours {
            return false;
        }
        let is_hello = asked.is_some_and(|unit| matches!(&verb(&unit.text)[..], b"EHLO" | b"HELO"));
        let same = |reply: &&(usize, &crate::mta::Reply)| {
            let said = &reply.1.lines;
            let unit = reply.1.unit.map(|unit| &mta.units[unit]);
            let own = unit.is_some_and(|unit| unit.own);
            let is_rcpt = asked.is_some_and(|asked| verb(&asked.text) == b"RCPT");
            if is_rcpt && (own || unit.is_none() && filters.held) {
                // A held client's recipient gets what its MAIL, say, was refused with.
                let last = said.last().map(|line| String::from_utf8_lossy(line).into_owned());
                let last = last.unwrap_or_default();
                if lines[..] == [last.into_bytes()] && code >= 400 && reply.1.code == code {
                    return true;
                }
            }
            let is_message = |kind| matches!(kind, Kind::Message | Kind::Chunk);
            let text = if is_hello { said[0] == lines[0] } else { said[..] == *lines };
            let fits = match (unit, asked) {
                (None, Some(asked)) => code >= 400 || !is_message(asked.kind),
                (Some(unit), Some(asked)) => {
                    is_same(unit, asked)
                        || code >= 400 && is_message(asked.kind)
                        || code == 421 && own
                }
                (unit, None) => unit.is_none_or(|unit| unit.kind == Kind::Greeting),
            };
            reply.1.code == code && text && fits && (!own || code >= 400)
        };
        let replies: Vec<_> = mta.replies.iter().enumerate().skip(self.used).collect();
        let found = replies.iter().find(same);
        let shown = lines[0].escape_ascii();
        let to = asked.map(|unit| unit.text.escape_ascii().to_string());
        let (at, reply) =
            found.unwrap_or_else(|| panic!("the MTA did not say {code} {shown} to {to:?}"));
        self.used = at + 1;
        reply.unit.is_none_or(|unit| mta.units[unit].own)
    }

    fn message(&mut self, code: u16) {
        (self.chunked, self.chunks) = (false, Vec::new());
        for to in self.transaction.take().unwrap_or_default() {
            self.decided.push((to, code < 400));
        }
    }

    /// The transaction ends without an answer to its message.
    pub fn abandoned(&mut self) {
        (self.chunked, self.chunks) = (false, Vec::new());
        for to in self.transaction.take().unwrap_or_default() {
            self.decided.push((to, false));
        }
    }
}

/// Is what the MTA got what the client sent? Paths may have been mended.
fn is_same(got: &Unit, sent: &Unit) -> bool {
    let plain = |line: &[u8]| -> Vec<u8> {
        line.iter().copied().filter(|b| !b" \t\x0c<>".contains(b)).collect()
    };
    got.kind == sent.kind
        && match got.kind {
            Kind::Command if matches!(&verb(&got.text)[..], b"MAIL" | b"RCPT") => {
                plain(&got.text) == plain(&sent.text)
            }
            Kind::AuthLine => got.text == sent.text || got.text == b"*",
            _ => got.text == sent.text,
        }
}

/// The forward-path of a RCPT line, if it has one.
pub fn path(line: &[u8]) -> Option<Vec<u8>> {
    let rest = line.get(b"RCPT TO:".len()..)?.trim_ascii_start();
    let Some(rest) = rest.strip_prefix(b"<") else {
        return rest.split(|&b| b == b' ').next().map(<[u8]>::to_vec);
    };
    let (mut quoted, mut escaped) = (false, false);
    let end = rest.iter().position(|&b| {
        let end = b == b'>' && !quoted;
        quoted ^= b == b'"' && !escaped;
        escaped = quoted && b == b'\\' && !escaped;
        end
    });
    Some(rest[..end?].to_vec())
}

fn memmem(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}
