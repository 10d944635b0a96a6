//! The MTA of a session that may end at any octet: it never fails, it remembers.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::client::{End, prepare, read};
use super::common::Transcript;
use super::shot::{Shot, Way};

/// What the MTA has taken.
#[derive(Debug, Default)]
pub struct Taken {
    /// Each message of which it saw the end: its content, without what transparency adds.
    pub messages: Vec<Vec<u8>>,
    /// How many octets had come with each.
    pub ends: Vec<u64>,
    /// To how many it has said 250 in full.
    pub accepted: usize,
    pub end: Option<End>,
}

/// How the MTA behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// It offers CHUNKING.
    pub chunking: bool,
    /// So long it thinks about each message.
    pub thinks: Duration,
    /// And so long before it reads on.
    pub dawdles: Duration,
}

/// What it reads at once, and what the kernel keeps for it, at least: who sends it more has to wait.
const PIECE: usize = 16 * 1024;

pub struct Mta {
    socket: TcpStream,
    shot: Arc<Shot>,
    transcript: Transcript,
    manners: Manners,
    /// What came and is not understood yet.
    pending: Vec<u8>,
    phase: Phase,
    content: Vec<u8>,
    taken: Taken,
}

enum Phase {
    Commands,
    Data,
    /// So many octets are to come of a chunk, which is the last.
    Chunk(usize, bool),
}

impl Mta {
    /// Serves one connection.
    pub fn serves(
        listener: TcpListener,
        manners: Manners,
        shot: &Arc<Shot>,
        transcript: &Transcript,
    ) -> thread::JoinHandle<Taken> {
        let (shot, transcript) = (Arc::clone(shot), transcript.clone());
        thread::spawn(move || {
            set_socket_recv_buffer_size(&listener, PIECE).expect("SO_RCVBUF");
            let Ok((socket, _)) = listener.accept() else { return Taken::default() };
            prepare(&socket);
            let (pending, content) = (Vec::new(), Vec::new());
            let (phase, taken) = (Phase::Commands, Taken::default());
            Mta { socket, shot, transcript, manners, pending, phase, content, taken }.listens()
        })
    }

    fn listens(mut self) -> Taken {
        self.says("220 mta.test ESMTP\r\n");
        let mut piece = vec![0; PIECE];
        loop {
            let room = self.shot.room(Way::MtaGets, piece.len());
            match read(&mut self.socket, &mut piece[..room]) {
                Ok(octets) => {
                    self.transcript.note("-> MTA", octets);
                    self.pending.extend_from_slice(octets);
                    self.shot.passed(Way::MtaGets, octets.len());
                }
                Err(end) => {
                    self.transcript.note("-> MTA", format!("({end:?})\n").as_bytes());
                    self.taken.end = Some(end);
                    return self.taken;
                }
            }
            let pending = std::mem::take(&mut self.pending);
            let used = self.understands(&pending);
            if !self.manners.dawdles.is_zero() {
                thread::sleep(self.manners.dawdles);
            }
            self.pending = pending[used..].to_vec();
        }
    }

    /// Acts on what is whole; gives how much that was.
    fn understands(&mut self, octets: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let rest = &octets[at..];
            if let Phase::Chunk(left, last) = self.phase {
                let part = left.min(rest.len());
                self.content.extend_from_slice(&rest[..part]);
                at += part;
                self.phase = Phase::Chunk(left - part, last);
                if part < left {
                    return at;
                }
                self.phase = Phase::Commands;
                if last {
                    self.has_message((octets.len() - at) as u64);
                } else {
                    self.says("250 2.0.0 chunk\r\n");
                }
                continue;
            }
            let Some(end) = rest.iter().position(|&octet| octet == b'\n') else { return at };
            let line = &rest[..=end];
            at += line.len();
            match self.phase {
                Phase::Data if line == b".\r\n" => {
                    self.phase = Phase::Commands;
                    self.has_message((octets.len() - at) as u64);
                }
                Phase::Data => {
                    let content = line.strip_prefix(b".").unwrap_or(line);
                    self.content.extend_from_slice(content);
                }
                _ => self.obeys(&String::from_utf8_lossy(line).to_ascii_uppercase()),
            }
        }
    }

    fn obeys(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        let reply = match words.as_slice() {
            ["EHLO", ..] if self.manners.chunking => {
                "250-mta.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
            }
            ["EHLO", ..] => "250-mta.test\r\n250 PIPELINING\r\n",
            ["DATA"] => {
                self.phase = Phase::Data;
                "354 go ahead\r\n"
            }
            ["BDAT", count, last @ ..] => {
                self.phase = Phase::Chunk(count.parse().unwrap_or_default(), !last.is_empty());
                return;
            }
            ["QUIT"] => "221 2.0.0 goodbye\r\n",
            _ => "250 2.1.0 ok\r\n",
        };
        self.says(reply);
    }

    /// The end of a message is here; so many octets came behind it.
    fn has_message(&mut self, behind: u64) {
        let number = self.taken.messages.len();
        self.taken.messages.push(std::mem::take(&mut self.content));
        self.taken.ends.push(self.shot.count(Way::MtaGets) - behind);
        thread::sleep(self.manners.thinks);
        self.shot.has_come(number);
        if self.says("250 2.0.0 queued\r\n") {
            self.taken.accepted += 1;
            self.shot.has_answered(number);
        }
    }

    /// True if it was said in full before the session was gone.
    fn says(&mut self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.shot.silences_mta() {
                return false;
            }
            let most = self.shot.room(Way::MtaSends, rest.len());
            self.transcript.note("MTA ->", &rest[..most]);
            match self.socket.write(&rest[..most]) {
                Ok(count) => {
                    rest = &rest[count..];
                    self.shot.passed(Way::MtaSends, count);
                }
                Err(_) => return false,
            }
        }
        true
    }
}
