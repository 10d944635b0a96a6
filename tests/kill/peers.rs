//! The client and the MTA of a session that may end at any octet: they never fail, they remember.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::common::{PATIENCE, Transcript};
use super::shot::{Shot, Way};

/// One thing a client does.
#[derive(Clone, Debug)]
pub enum Step {
    Say(Vec<u8>),
    /// What was said is the end of a message.
    Sent,
    /// A reply is waited for.
    Hear,
    /// The reply to a message is.
    Verdict,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset,
    /// It did not, as long as anybody would wait.
    Open,
}

/// What the client has seen.
#[derive(Debug)]
pub struct Seen {
    /// The last line of each reply that came whole.
    pub replies: Vec<String>,
    /// The replies to its messages; those that did not come are not there.
    pub verdicts: Vec<String>,
    /// How many messages it has sent to their end.
    pub sent: usize,
    pub end: End,
}

pub struct Client {
    socket: TcpStream,
    shot: Arc<Shot>,
    transcript: Transcript,
    seen: Vec<u8>,
    read: usize,
    replies: Vec<String>,
    end: Option<End>,
}

impl Client {
    pub fn new(socket: TcpStream, shot: &Arc<Shot>, transcript: &Transcript) -> Client {
        prepare(&socket);
        let (shot, transcript) = (Arc::clone(shot), transcript.clone());
        let (seen, read, replies, end) = (Vec::new(), 0, Vec::new(), None);
        Client { socket, shot, transcript, seen, read, replies, end }
    }

    pub fn plays(mut self, steps: &[Step]) -> Seen {
        let (mut sent, mut wanted) = (0, 0);
        for step in steps {
            let goes_on = match step {
                Step::Say(octets) => self.says(octets),
                Step::Sent => {
                    sent += 1;
                    self.shot.has_sent();
                    true
                }
                Step::Hear | Step::Verdict => {
                    wanted += 1;
                    self.hears(wanted)
                }
            };
            if !goes_on {
                break;
            }
        }
        self.hears(usize::MAX);
        let end = self.end.unwrap_or(End::Open);
        self.transcript.note("-> C", format!("({end:?})\n").as_bytes());
        let verdicts = steps.iter().filter(|step| matches!(step, Step::Hear | Step::Verdict));
        let verdicts = verdicts.zip(&self.replies);
        let verdicts = verdicts.filter(|(step, _)| matches!(step, Step::Verdict));
        let verdicts = verdicts.map(|(_, reply)| reply.clone()).collect();
        Seen { replies: self.replies, verdicts, sent, end }
    }

    fn says(&mut self, octets: &[u8]) -> bool {
        let mut rest = octets;
        while !rest.is_empty() {
            if self.shot.silences_client() {
                return false;
            }
            let most = self.shot.room(Way::ClientSends, rest.len().min(64 * 1024));
            self.transcript.note("C ->", &rest[..most]);
            match self.socket.write(&rest[..most]) {
                Ok(count) => {
                    rest = &rest[count..];
                    self.shot.passed(Way::ClientSends, count);
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Reads until there are so many replies; false if that is not to be.
    fn hears(&mut self, wanted: usize) -> bool {
        while self.replies.len() < wanted && self.end.is_none() {
            let mut piece = [0; 4096];
            let room = self.shot.room(Way::ClientGets, piece.len());
            match read(&mut self.socket, &mut piece[..room]) {
                Ok(octets) => {
                    self.transcript.note("-> C", octets);
                    self.seen.extend_from_slice(octets);
                    self.replies();
                    self.shot.passed(Way::ClientGets, octets.len());
                }
                Err(end) => self.end = Some(end),
            }
        }
        self.replies.len() >= wanted
    }

    fn replies(&mut self) {
        while let Some(end) = self.seen[self.read..].iter().position(|&octet| octet == b'\n') {
            let line = &self.seen[self.read..self.read + end];
            if line.get(3) != Some(&b'-') {
                self.replies.push(line.escape_ascii().to_string().replace("\\r", ""));
            }
            self.read += end + 1;
        }
    }
}

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

fn prepare(socket: &TcpStream) {
    socket.set_nodelay(true).expect("TCP_NODELAY");
    socket.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
    socket.set_write_timeout(Some(PATIENCE)).expect("SO_SNDTIMEO");
}

/// Reads a piece, or the end.
fn read<'a>(socket: &mut TcpStream, piece: &'a mut [u8]) -> Result<&'a [u8], End> {
    match socket.read(piece) {
        Ok(0) => Err(End::Closed),
        Ok(count) => Ok(&piece[..count]),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(End::Open),
        Err(_) => Err(End::Reset),
    }
}
