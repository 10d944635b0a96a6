//! The client of a session that may end at any octet: it never fails, it remembers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

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

pub fn prepare(socket: &TcpStream) {
    socket.set_nodelay(true).expect("TCP_NODELAY");
    socket.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
    socket.set_write_timeout(Some(PATIENCE)).expect("SO_SNDTIMEO");
}

/// Reads a piece, or the end.
pub fn read<'a>(socket: &mut TcpStream, piece: &'a mut [u8]) -> Result<&'a [u8], End> {
    match socket.read(piece) {
        Ok(0) => Err(End::Closed),
        Ok(count) => Ok(&piece[..count]),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(End::Open),
        Err(_) => Err(End::Reset),
    }
}
