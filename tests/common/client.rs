//! The client's end of the connection.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout, set_tcp_nodelay};

use super::{PATIENCE, Transcript};

/// No line has more octets than this, and no reply more lines.
const LONG: usize = 10_000;

/// A client that sends octets and expects lines.
pub struct Client {
    input: File,
    output: Option<File>,
    /// What came, and how much of it has been read as lines.
    unread: Vec<u8>,
    read: usize,
    transcript: Transcript,
    /// Takes a reset for the end of the connection: who sends on and on cannot blame the program
    /// for one. For all others a reset is a fault: on a real network it throws away replies.
    pub forgiving: bool,
}

impl Client {
    /// A client on one end of a TCP connection.
    pub fn on_socket(socket: TcpStream, transcript: &Transcript) -> Self {
        let socket = OwnedFd::from(socket);
        set_tcp_nodelay(&socket, true).expect("TCP_NODELAY");
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE)).expect("SO_SNDTIMEO");
        Self::on_pipes(socket.try_clone().expect("dup"), socket, transcript)
    }

    /// A client that reads and writes two descriptors.
    pub fn on_pipes(input: OwnedFd, output: OwnedFd, transcript: &Transcript) -> Self {
        let (input, output) = (File::from(input), Some(File::from(output)));
        let (unread, transcript) = (Vec::new(), transcript.clone());
        Self { input, output, unread, read: 0, transcript, forgiving: false }
    }

    /// Sends one line, with its CRLF.
    #[track_caller]
    pub fn says(&mut self, line: &str) {
        self.sends(format!("{line}\r\n").as_bytes());
    }

    /// Sends octets as they are, in one write.
    #[track_caller]
    pub fn sends(&mut self, octets: &[u8]) {
        self.transcript.note("C ->", octets);
        let sent = self.output.as_ref().map(|mut output| output.write_all(octets));
        if !matches!(sent, Some(Ok(()))) {
            self.transcript.fail(format!("the client could not send: {sent:?}"));
        }
    }

    /// Sends one line, if the program still takes it.
    pub fn tries(&mut self, line: &str) {
        self.sends_if_open(format!("{line}\r\n").as_bytes());
    }

    /// Sends octets, if the program still takes them.
    pub fn sends_if_open(&mut self, octets: &[u8]) {
        self.transcript.note("C ->", octets);
        let _ = self.output.as_ref().map(|mut output| output.write_all(octets));
    }

    /// Sends octets in pieces of `size`, with `pause` after each piece.
    #[track_caller]
    pub fn trickles(&mut self, octets: &[u8], size: usize, pause: Duration) {
        for piece in octets.chunks(size) {
            self.sends(piece);
            thread::sleep(pause);
        }
    }

    /// Sends octets from a thread of its own, so that the test can read (or not) at the same time.
    /// The program may refuse to take them all; the thread says how many it took.
    pub fn floods(&mut self, octets: Vec<u8>) -> JoinHandle<usize> {
        self.forgiving = true;
        let output = self.output.as_ref().and_then(|output| output.try_clone().ok());
        let mut output = output.expect("the client's own descriptor");
        self.transcript.note("C ->", &octets);
        thread::spawn(move || {
            let mut sent = 0;
            while let Some(rest) = octets.get(sent..).filter(|rest| !rest.is_empty()) {
                match output.write(rest) {
                    Ok(count) => sent += count,
                    Err(_) => break,
                }
            }
            sent
        })
    }

    /// Reads the next line. `None`: the program closed the connection. Only CRLF ends a line here.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let rest = self.unread.get(self.read..).unwrap_or_default();
            if let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
                let line = rest.get(..end).unwrap_or_default().escape_ascii().to_string();
                self.read += end + 2;
                return Some(line.replace("\\\"", "\"").replace("\\'", "'"));
            }
            if rest.len() > LONG {
                self.transcript.fail("the program sends a line without end");
            }
            if !self.fills(until) {
                if self.read < self.unread.len() {
                    self.transcript.fail("the connection was closed within a line");
                }
                return None;
            }
        }
    }

    /// Expects one line: all of it, or what stands before `…`.
    #[track_caller]
    pub fn gets(&mut self, expected: &str) {
        let got = self.line();
        let fits = got.as_deref().is_some_and(|line| match expected.strip_suffix('…') {
            Some(start) => line.starts_with(start),
            None => line == expected,
        });
        if !fits {
            self.transcript.fail(format!("the client expected  {expected}\nand got  {got:?}"));
        }
    }

    /// Reads a whole reply, of one line or several, and returns its lines.
    #[track_caller]
    pub fn reply(&mut self) -> Vec<String> {
        let mut reply = Vec::new();
        loop {
            let Some(line) = self.line() else {
                self.transcript.fail("the client expected a reply, the connection was closed")
            };
            let more = line.as_bytes().get(3) == Some(&b'-');
            reply.push(line);
            if !more {
                return reply;
            }
            if reply.len() > LONG {
                self.transcript.fail("the program sends a reply without end");
            }
        }
    }

    /// Everything until the program closes the connection.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<String> {
        let rest: Vec<_> = std::iter::from_fn(|| self.line()).take(LONG).collect();
        if rest.len() == LONG {
            self.transcript.fail("the program sends lines without end");
        }
        rest
    }

    /// Expects that the program closes the connection properly, with nothing left to read.
    #[track_caller]
    pub fn is_closed(&mut self) {
        if let Some(line) = self.line() {
            self.transcript
                .fail(format!("the client expected the end of the connection and got {line:?}"));
        }
    }

    /// Expects silence for a moment: nothing has been sent that was not read yet.
    #[track_caller]
    pub fn hears_nothing(&mut self, pause: Duration) {
        if self.read < self.unread.len() || self.readable(pause) {
            let line = self.line();
            self.transcript.fail(format!("the client expected nothing and got {line:?}"));
        }
    }

    /// Says that nothing more will come, and goes on reading.
    pub fn half_closes(&mut self) {
        self.transcript.note("C ->", b"(half-closed)\n");
        if let Some(output) = self.output.take() {
            // A pipe has no half to close: dropping its write end is the same thing.
            let _ = rustix::net::shutdown(&output, rustix::net::Shutdown::Write);
        }
    }

    /// Closes the connection with a reset.
    pub fn resets(&mut self) {
        self.transcript.note("C ->", b"(reset)\n");
        set_socket_linger(&self.input, Some(Duration::ZERO)).expect("SO_LINGER");
        self.is_gone();
    }

    /// Closes the connection.
    pub fn leaves(&mut self) {
        self.transcript.note("C ->", b"(closed)\n");
        self.is_gone();
    }

    /// Drops both descriptors; whoever reads from this client now reads nothing.
    fn is_gone(&mut self) {
        self.output = None;
        self.input = File::open("/dev/null").expect("/dev/null");
    }

    fn readable(&self, limit: Duration) -> bool {
        let mut descriptors = [PollFd::new(&self.input, PollFlags::IN)];
        let limit = limit.try_into().expect("a short time");
        poll(&mut descriptors, Some(&limit)).expect("poll") > 0
    }

    /// Reads what is there. False: the end of the connection.
    #[track_caller]
    fn fills(&mut self, until: Instant) -> bool {
        if !self.readable(until.saturating_duration_since(Instant::now())) {
            self.transcript.fail("the client waited in vain");
        }
        let mut piece = [0; 65536];
        match self.input.read(&mut piece) {
            Ok(0) => {
                self.transcript.note("-> C", b"(closed)\n");
                // As any client would, it closes its side too, and the program need not linger.
                self.is_gone();
                false
            }
            Ok(count) => {
                let piece = piece.get(..count).unwrap_or_default();
                self.transcript.note("-> C", piece);
                self.unread.drain(..std::mem::take(&mut self.read));
                self.unread.extend_from_slice(piece);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset && self.forgiving => {
                self.transcript.note("-> C", b"(reset)\n");
                false
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.transcript.fail("the program reset the connection")
            }
            Err(error) => self.transcript.fail(format!("the client could not read: {error}")),
        }
    }
}
