//! One connection to the scripted MTA.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::Act;
use super::mta::{End, Heard, Message, Shared, lock};

/// One connection, in a thread of its own.
pub struct Connection {
    socket: TcpStream,
    number: usize,
    shared: Arc<Shared>,
    /// What has not been understood yet.
    pending: Vec<u8>,
    /// Where in `pending` to go on looking.
    searched: usize,
    /// `Some` between the 354 and the end of mail data; true once some of it has come.
    in_data: Option<bool>,
    envelope: Message,
    /// Answers nothing any more.
    silent: bool,
    lenient: bool,
    /// The last line ended with a CR that a LF may still follow.
    after_cr: bool,
}

impl Connection {
    pub fn new(socket: TcpStream, number: usize, shared: Arc<Shared>) -> Self {
        let (envelope, pending) = (Message::default(), Vec::new());
        let (searched, in_data, silent) = (0, None, false);
        let lenient = lock(&shared.script).lenient;
        Self {
            socket,
            number,
            shared,
            pending,
            searched,
            in_data,
            envelope,
            silent,
            lenient,
            after_cr: false,
        }
    }

    pub fn serves(mut self) {
        let _ = self.socket.set_nodelay(true);
        let end = if self.does(b"(greeting)") { self.listens() } else { End::Ours };
        self.shared.transcript.note("-> MTA", format!("({end:?})\n").as_bytes());
        self.hears(|heard| heard.end = Some(end));
    }

    fn listens(&mut self) -> End {
        let mut piece = vec![0; 65536];
        loop {
            let count = match self.socket.read(&mut piece) {
                Ok(0) => return End::Closed,
                Ok(count) => count,
                Err(_) => return End::Lost,
            };
            let piece = piece.get(..count).unwrap_or_default();
            self.shared.transcript.note("-> MTA", piece);
            self.pending.extend_from_slice(piece);
            self.hears(|heard| heard.octets.extend_from_slice(piece));
            if !self.understands() {
                return End::Ours;
            }
        }
    }

    fn hears(&self, what: impl FnOnce(&mut Heard)) {
        if let Some(heard) = lock(&self.shared.heard).get_mut(self.number) {
            what(heard);
        }
        self.shared.news.notify_all();
    }

    /// Acts on every whole command or message that has come. False: the script closed the
    /// connection.
    fn understands(&mut self) -> bool {
        loop {
            if self.after_cr && !self.pending.is_empty() {
                self.after_cr = false;
                if self.pending.starts_with(b"\n") {
                    self.pending.remove(0);
                }
            }
            let go_on = match self.in_data {
                Some(false) if !self.pending.is_empty() => {
                    self.in_data = Some(true);
                    self.does(b"(data)")
                }
                Some(_) => match self.message() {
                    Some(message) => {
                        self.in_data = None;
                        self.hears(|heard| heard.messages.push(message));
                        self.does(b".")
                    }
                    None => return true,
                },
                None => match self.command() {
                    Some(line) => self.obeys(&line),
                    None => return true,
                },
            };
            if !go_on {
                return false;
            }
        }
    }

    fn ends_line(&self, at: usize) -> bool {
        let after_cr = || at > 0 && self.pending.get(at - 1) == Some(&b'\r');
        match self.pending.get(at) {
            Some(b'\r') => self.lenient,
            Some(b'\n') => self.lenient || after_cr(),
            _ => false,
        }
    }

    fn command(&mut self) -> Option<Vec<u8>> {
        let end = (self.searched..self.pending.len()).find(|&at| self.ends_line(at));
        self.searched = end.map_or(self.pending.len(), |_| 0);
        let mut line = self.pending.drain(..=end?).collect::<Vec<u8>>();
        self.after_cr = line.ends_with(b"\r");
        while line.ends_with(b"\r") || line.ends_with(b"\n") {
            line.pop();
        }
        Some(line)
    }

    fn message(&mut self) -> Option<Message> {
        loop {
            let rest = self.pending.get(self.searched..)?;
            let Some(dot) = rest.iter().position(|&octet| octet == b'.') else {
                self.searched = self.pending.len();
                return None;
            };
            let dot = self.searched + dot;
            let alone = dot == 0 || self.ends_line(dot - 1);
            let end = match self.pending.get(dot + 1..)? {
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] if self.lenient => 1,
                // Not decided before one more octet has come.
                [] | [b'\r'] if alone => {
                    self.searched = dot;
                    return None;
                }
                _ => 0,
            };
            self.searched = dot + 1;
            if alone && end > 0 {
                self.searched = 0;
                self.after_cr = end == 1 && self.pending.get(dot + 1) == Some(&b'\r');
                let data = self.pending.drain(..dot + 1 + end).take(dot).collect();
                return Some(Message { data, ..std::mem::take(&mut self.envelope) });
            }
        }
    }

    fn obeys(&mut self, line: &[u8]) -> bool {
        let argument = || String::from_utf8_lossy(line.get(5..).unwrap_or_default()).into_owned();
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_slice() {
            b"MAIL" => self.envelope = Message { from: argument(), ..Message::default() },
            b"RCPT" => self.envelope.to.push(argument()),
            _ => {}
        }
        self.does(line)
    }

    /// Does what the script says for this moment. False: the connection is over.
    fn does(&mut self, moment: &[u8]) -> bool {
        let act = lock(&self.shared.script).act(moment);
        match act {
            Some(act) if !self.silent => self.performs(moment, act),
            _ => true,
        }
    }

    fn performs(&mut self, moment: &[u8], act: Act) -> bool {
        match act {
            Act::Say(octets) => self.replies(moment, &octets),
            Act::Slowly(pause, octets) => {
                self.expects_data(moment, &octets);
                octets.chunks(1).all(|octet| {
                    thread::sleep(pause);
                    self.writes(octet)
                })
            }
            Act::Held(octets) => {
                while !self.may_go() {
                    thread::sleep(Duration::from_millis(5));
                }
                self.replies(moment, &octets)
            }
            Act::Endless(octets) => {
                while self.writes(&octets) {}
                false
            }
            Act::Silence => {
                self.silent = true;
                true
            }
            Act::Deaf => {
                // It will never hear of the connection's end, either.
                self.hears(|heard| heard.end = Some(End::Ours));
                while !*lock(&self.shared.over) {
                    thread::sleep(Duration::from_millis(20));
                }
                false
            }
            Act::Last(octets) => {
                self.writes(&octets);
                false
            }
            Act::Close => false,
            Act::Reset => {
                let _ = set_socket_linger(&self.socket, Some(Duration::ZERO));
                false
            }
        }
    }

    /// True once for each time that the test lets a held reply go.
    fn may_go(&self) -> bool {
        let mut let_go = lock(&self.shared.let_go);
        let free = *let_go > 0;
        *let_go = let_go.saturating_sub(1);
        free || *lock(&self.shared.over)
    }

    fn replies(&mut self, moment: &[u8], octets: &[u8]) -> bool {
        self.expects_data(moment, octets);
        // Whether the program still takes it or not: it is the program that ends the connection.
        self.writes(octets);
        true
    }

    /// After a 354 to DATA come mail data.
    fn expects_data(&mut self, moment: &[u8], reply: &[u8]) {
        let data = moment.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"DATA"));
        if data && reply.starts_with(b"354") {
            (self.in_data, self.searched) = (Some(false), 0);
        }
    }

    fn writes(&mut self, octets: &[u8]) -> bool {
        if !octets.is_empty() {
            self.shared.transcript.note("MTA ->", octets);
        }
        self.socket.write_all(octets).is_ok()
    }
}
