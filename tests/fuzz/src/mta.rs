//! The MTA's end: reads what it gets, strictly for commands and leniently for
//! the end of mail data, and knows which of its replies answers what. As the
//! obedient MTA it also finds the replies.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::client::path;

/// What the MTA owes a reply for.
#[derive(Debug)]
pub struct Unit {
    /// The command line without CRLF; of a message, all its octets.
    pub text: Vec<u8>,
    pub kind: Kind,
    /// We asked on our own account, not for the client.
    pub own: bool,
}

/// The mail data that it is to get, and whether that is all of it.
#[derive(Clone, Debug)]
pub struct Due<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub whole: bool,
    /// What the client sent, if it was kept.
    pub of: Option<&'a [u8]>,
    /// The chunk that it is to get, and how the client's is compared with it if the message
    /// goes by DATA.
    pub chunk: Option<(&'a [u8], Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Greeting,
    Command,
    AuthLine,
    /// One that is not the message's last.
    Chunk,
    Message,
}

/// What the MTA said.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<Vec<u8>>,
    /// What it is the answer to; none if it was not asked.
    pub unit: Option<usize>,
}

/// What the MTA takes what it gets for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Commands,
    Auth,
    Data,
    Chunk,
}

#[derive(Debug)]
pub struct Mta {
    /// All that it got, and how much of it is read.
    pub received: Vec<u8>,
    read: usize,
    state: State,
    pub units: Vec<Unit>,
    pub replies: Vec<Reply>,
    answered: usize,
    /// Replies that came before it was asked.
    early: VecDeque<usize>,
    /// Recipients accepted in the transaction.
    accepted: usize,
    /// The reply line, and the reply, that it is in the middle of.
    line: Vec<u8>,
    lines: Vec<Vec<u8>>,
    /// It sent octets when it owed nothing.
    pub unasked: bool,
    /// What it says can no longer be told apart as replies.
    spoiled: bool,
    pub holds: bool,
    pub mood: u8,
    challenges: u32,
    /// Where in `received` this connection began.
    began: usize,
    /// It is told what a held client has said.
    catching_up: bool,
    /// A message came to nothing, and it is to forget the transaction first.
    pub to_reset: bool,
    /// DATA is ours.
    keep: bool,
    /// It takes chunks; of the one that it gets so many octets are left.
    pub chunking: bool,
    left: usize,
    last: bool,
    /// The next DATA is ours, for a message that comes in chunks.
    pub in_place_of_bdat: bool,
    /// The units that are chunks.
    bdats: Vec<usize>,
}

/// A verb of the list, as [`verb`] writes it.
const ALLOWED: [&[u8]; 13] = [
    b"HELO", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP", b"VRFY", b"EXPN", b"HELP",
    b"QUIT", b"AUTH", b"BDAT",
];

/// The verb of a command line in upper case.
pub fn verb(line: &[u8]) -> Vec<u8> {
    line.split(|&b| b == b' ').next().unwrap_or_default().to_ascii_uppercase()
}

/// Does this verb end a transaction, when it is not refused?
pub fn ends_transaction(verb: &[u8]) -> bool {
    matches!(verb, b"RSET" | b"HELO" | b"EHLO")
}

impl Mta {
    pub fn new(keep: bool) -> Self {
        Mta {
            received: Vec::new(),
            read: 0,
            state: State::Commands,
            units: Vec::new(),
            replies: Vec::new(),
            answered: 0,
            early: VecDeque::new(),
            accepted: 0,
            line: Vec::new(),
            lines: Vec::new(),
            unasked: false,
            spoiled: false,
            holds: false,
            mood: 0,
            challenges: 0,
            began: 0,
            catching_up: false,
            to_reset: false,
            keep,
            chunking: false,
            left: 0,
            last: false,
            in_place_of_bdat: false,
            bdats: Vec::new(),
        }
    }

    /// It is connected; for a held client, who has said something already.
    pub fn connected(&mut self, held: bool) {
        self.began = self.received.len();
        self.read = self.began;
        self.state = State::Commands;
        self.answered = self.units.len();
        self.units.push(Unit { text: Vec::new(), kind: Kind::Greeting, own: held });
        self.early.clear();
        self.accepted = 0;
        self.line.clear();
        self.lines.clear();
        (self.spoiled, self.to_reset, self.catching_up) = (false, false, held);
    }

    /// Is there something that it has not answered?
    pub fn owes(&self) -> bool {
        self.answered < self.units.len()
    }

    /// Does it take what it gets for mail data, or for a chunk?
    pub fn is_in_data(&self) -> bool {
        matches!(self.state, State::Data | State::Chunk)
    }

    /// Did it get QUIT?
    pub fn quits(&self) -> bool {
        self.units.iter().any(|u| u.kind == Kind::Command && verb(&u.text) == b"QUIT")
    }

    /// The recipients of the commands that it got from this one on.
    pub fn recipients(&self, from: usize) -> Vec<Vec<u8>> {
        let rcpt = |u: &&Unit| u.kind == Kind::Command && verb(&u.text) == b"RCPT";
        self.units[from..].iter().filter(rcpt).filter_map(|u| path(&u.text)).collect()
    }

    /// Messages it said 2yz to.
    pub fn taken(&self) -> usize {
        let is_message = |reply: &&Reply| {
            reply.code / 100 == 2
                && reply.unit.is_some_and(|unit| self.units[unit].kind == Kind::Message)
        };
        self.replies.iter().filter(is_message).count()
    }

    /// Octets arrive. `data` is the mail data that is due.
    pub fn got(&mut self, bytes: &[u8], data: Option<Due<'_>>) {
        for &octet in bytes {
            let before = self.received[self.read..].last().copied().unwrap_or_default();
            let bare = (octet == b'\n') != (before == b'\r');
            // Whether the halves of a line end in two chunks are one is seen in the client's.
            assert!(!bare || self.state == State::Chunk, "the MTA gets a bare CR or LF");
            self.received.push(octet);
            match self.state {
                State::Data => self.data_octet(&data),
                State::Chunk => self.chunk_octet(&data),
                _ if octet == b'\n' => self.command_line(),
                _ => {}
            }
        }
    }

    fn command_line(&mut self) {
        let line = self.received[self.read..self.received.len() - 2].to_vec();
        self.read = self.received.len();
        let shown = line.escape_ascii();
        if self.state == State::Auth {
            assert!(line.iter().all(u8::is_ascii_graphic), "AUTH line {shown}");
            self.state = State::Commands;
            self.owe(Unit { text: line, kind: Kind::AuthLine, own: false });
            return;
        }
        let verb = verb(&line);
        assert!(ALLOWED.contains(&&verb[..]), "the MTA gets {shown}");
        let limit = if verb == b"AUTH" { 12_288 + 2 } else { 2048 + 2 };
        assert!(line.len() <= limit, "the MTA gets a line of {}", line.len());
        let control = line.iter().any(|&b| b.is_ascii_control() && b != b'\t');
        assert!(!control, "a control character: {shown}");
        match &verb[..] {
            b"DATA" => assert!(self.accepted > 0 || self.unasked, "DATA without a recipient"),
            b"MAIL" => self.accepted = 0,
            _ => {}
        }
        let own = self.is_own(&verb);
        if verb == b"BDAT" {
            assert!(self.accepted > 0 || self.unasked, "BDAT without a recipient");
            let words: Vec<_> = line.split(|&b| b == b' ').skip(1).collect();
            self.left = std::str::from_utf8(words[0]).unwrap().parse().unwrap();
            self.last = words.get(1) == Some(&&b"LAST"[..]);
            self.state = State::Chunk;
            return self.chunk_is_whole();
        }
        self.owe(Unit { text: line, kind: Kind::Command, own });
        let waiting = self.units.len() - self.answered;
        assert!(waiting <= smtp_wrapper::limits::PIPELINE + 1, "{waiting} commands in a group");
    }

    /// Is this command ours? What must come first, must.
    fn is_own(&mut self, verb: &[u8]) -> bool {
        if std::mem::take(&mut self.to_reset) {
            assert_eq!(verb, b"RSET", "behind a message that came to nothing");
            return true;
        }
        if self.catching_up {
            let before = self.units.last().map(|unit| self::verb(&unit.text)).unwrap_or_default();
            match verb {
                b"HELO" | b"EHLO" => assert_eq!(before, b"", "a greeting too late"),
                b"MAIL" => assert_ne!(before, b"MAIL", "MAIL twice"),
                b"RCPT" => {
                    assert_eq!(before, b"MAIL", "RCPT too early");
                    self.catching_up = false;
                }
                _ => panic!("nobody asked for this: {}", verb.escape_ascii()),
            }
            return verb != b"RCPT";
        }
        verb == b"DATA" && (self.keep || self.in_place_of_bdat)
    }

    fn chunk_octet(&mut self, data: &Option<Due<'_>>) {
        let due = data.as_ref().and_then(|due| due.chunk.as_ref());
        let (sent, _) = due.expect("the MTA gets a chunk that it is not to get");
        let got = &self.received[self.read..];
        assert!(sent.starts_with(got), "a chunk is changed: {}", got.escape_ascii());
        self.left -= 1;
        self.chunk_is_whole();
    }

    fn chunk_is_whole(&mut self) {
        if self.left > 0 {
            return;
        }
        let text = crate::client::chunk_text(&self.received[self.read..], self.last);
        self.read = self.received.len();
        self.state = State::Commands;
        let kind = if self.last { Kind::Message } else { Kind::Chunk };
        self.bdats.push(self.units.len());
        self.owe(Unit { text, kind, own: false });
    }

    fn data_octet(&mut self, data: &Option<Due<'_>>) {
        let got = &self.received[self.read..];
        let due = data.as_ref().expect("the MTA gets mail data that it is not to get");
        let Due { bytes: sent, whole, of, chunk } = due;
        let at = got.len() - 1;
        assert_eq!(Some(&got[at]), sent.get(at), "mail data is changed at {at}");
        let is_newline = |at: usize| matches!(got[at], b'\r' | b'\n');
        let lenient =
            is_newline(at) && (at >= 1 && got[at - 1] == b'.') && (at == 1 || is_newline(at - 2));
        if lenient {
            assert!(*whole && sent.len() <= at + 2, "the MTA gets an end of data at {at}");
        }
        if got == b".\r\n" || got.ends_with(b"\r\n.\r\n") {
            assert!(of.is_none() || got == &sent[..], "the message that was kept goes on");
            let of_client = of.unwrap_or(got).to_vec();
            let text = chunk.as_ref().map_or(of_client, |(_, text)| text.clone());
            self.read = self.received.len();
            self.state = State::Commands;
            self.owe(Unit { text, kind: Kind::Message, own: false });
        }
    }

    /// Octets that it sent are received.
    pub fn says(&mut self, bytes: &[u8]) {
        for &octet in bytes {
            self.unasked |= !self.owes();
            self.line.push(octet);
            let bare = octet == b'\n' && !self.line.ends_with(b"\r\n");
            self.spoiled |= bare
                || (self.line.len() > 1
                    && self.line[self.line.len() - 2] == b'\r'
                    && octet != b'\n');
            if self.line.ends_with(b"\r\n") && !self.spoiled {
                let mut line = std::mem::take(&mut self.line);
                line.truncate(line.len() - 2);
                self.reply_line(&line);
            }
        }
    }

    fn reply_line(&mut self, line: &[u8]) {
        let digits = line.get(..3).and_then(|code| std::str::from_utf8(code).ok());
        let code = digits.and_then(|code| code.parse::<u16>().ok());
        let (Some(code), separator) = (code, line.get(3)) else {
            self.spoiled = true;
            return;
        };
        let odd = |b: u8| b.is_ascii_control() && b != b'\t';
        let printable = |&b: &u8| if odd(b) { b'?' } else { b };
        self.lines.push(line[4.min(line.len())..].iter().map(printable).collect());
        if separator == Some(&b'-') {
            return;
        }
        self.replies.push(Reply { code, lines: std::mem::take(&mut self.lines), unit: None });
        if self.owes() {
            self.answers(self.replies.len() - 1);
        } else {
            self.early.push_back(self.replies.len() - 1);
        }
    }

    /// A command or message is complete, and wants a reply. A command's may
    /// have come already, while the command was on its way; a message's cannot.
    fn owe(&mut self, unit: Unit) {
        let is_message = matches!(unit.kind, Kind::Message | Kind::Chunk);
        self.units.push(unit);
        if !is_message && let Some(reply) = self.early.pop_front() {
            self.answers(reply);
        }
    }

    /// The reply is the answer to what is owed for longest.
    fn answers(&mut self, reply: usize) {
        let unit = &self.units[self.answered];
        let code = self.replies[reply].code;
        self.replies[reply].unit = Some(self.answered);
        self.answered += 1;
        let verb = verb(&unit.text);
        let lost = unit.own && verb == b"DATA" || self.bdats.contains(&(self.answered - 1));
        self.to_reset |= lost && code >= 400 && code != 421;
        match (code, unit.kind) {
            (354, Kind::Command) if verb == b"DATA" => self.state = State::Data,
            (334, Kind::AuthLine) => self.state = State::Auth,
            (334, Kind::Command) if verb == b"AUTH" => self.state = State::Auth,
            (200..300, Kind::Command) if verb == b"RCPT" => self.accepted += 1,
            (200..300, Kind::Command) if ends_transaction(&verb) => self.accepted = 0,
            (_, Kind::Message) => self.accepted = 0,
            (400.., Kind::Chunk) => self.accepted = 0,
            _ => {}
        }
    }

    /// What the obedient MTA says now, and whether it closes then.
    pub fn obey(&mut self) -> Option<(Vec<u8>, bool)> {
        if self.holds || self.spoiled || !self.line.is_empty() || !self.lines.is_empty() {
            return None;
        }
        let unit = self.units.get(self.answered)?;
        let verb = verb(&unit.text);
        let n = self.answered;
        let mood = std::mem::take(&mut self.mood) % 8;
        let text = match (mood, unit.kind) {
            (1, _) => format!("450 4.2.0 later {n}\r\n"),
            (2, _) => format!("550-5.7.1 no {n}\r\n550 5.7.1 never {n}\r\n"),
            (3, _) => format!("421 4.3.2 going down {n}\r\n"),
            (4, _) => "what?\r\n".to_owned(),
            (5, _) => format!("250 2.0.0 fine {n}\r\n"),
            (6, _) => format!("354 send it {n}\r\n"),
            (7, _) => String::new(),
            (_, Kind::Greeting) => format!("220 mx.example.org ESMTP {n}\r\n"),
            (_, Kind::Message | Kind::Chunk) => format!("250 2.6.0 taken {n}\r\n"),
            (_, Kind::AuthLine) if unit.text == b"*" => format!("501 5.7.0 cancelled {n}\r\n"),
            (_, Kind::AuthLine) if self.challenges.is_multiple_of(2) => {
                self.challenges += 1;
                format!("235 2.7.0 welcome {n}\r\n")
            }
            (_, Kind::AuthLine) => {
                self.challenges += 1;
                "334 UGFzc3dvcmQ6\r\n".to_owned()
            }
            _ => match &verb[..] {
                b"EHLO" if self.chunking => {
                    format!("250-mx.example.org {n}\r\n250-CHUNKING\r\n250 PIPELINING\r\n")
                }
                b"EHLO" => format!(
                    "250-mx.example.org {n}\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 AUTH LOGIN\r\n"
                ),
                b"DATA" => format!("354 go ahead {n}\r\n"),
                b"AUTH" => {
                    self.challenges += 1;
                    "334 VXNlcm5hbWU6\r\n".to_owned()
                }
                b"QUIT" => format!("221 2.0.0 bye {n}\r\n"),
                _ => format!("250 2.0.0 ok {n}\r\n"),
            },
        };
        Some((text.into_bytes(), mood == 7 || mood == 3))
    }
}
