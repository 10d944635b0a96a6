//! A conversation with an MTA, command by command. It is called, read and framed
//! by what sessions use; only that it goes one command at a time is its own.
//!
//! Whatever the MTA does, a reply is waited for no longer than a limit, all of them
//! together no longer than another, and no more than a reply's length is kept.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::activation::Client;
use crate::dialogue::Peer;
use crate::io::{Event, Interest, Wires};
use crate::limits;
use crate::smtp::line::{CRLF, Framed, frame};
use crate::smtp::reply::{Arriving, Reply};
use crate::sys::{self, Wakeup};
use crate::upstream::{Program, Upstream, Waiting};

use super::findings::outside;

/// The client whom we stand for: a stranger, of a network that is nobody's (RFC 5737).
pub(super) const STRANGER: Client =
    Client { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port: 4000, is_socket: true };

/// For one reply. Postfix's postscreen takes 6 seconds to greet, a careful MTA some to
/// look up a domain; who types `check` does not wait for more.
const REPLY: Duration = Duration::from_secs(30);

/// For a whole conversation.
const CONVERSATION: Duration = Duration::from_secs(60);

/// For the answer to QUIT, which changes nothing.
const FAREWELL: Duration = Duration::from_secs(2);

/// Lines of a program's standard error that are shown.
const LINES: usize = 5;

/// Why the conversation is over.
#[derive(Debug)]
pub(super) enum Fault {
    /// The MTA closed.
    Closed,
    /// It said nothing for this long.
    Silent(Duration),
    /// It said this, which is no reply.
    NoReply(Vec<u8>),
    /// It said this before it was asked.
    Unasked(Vec<u8>),
    /// The connection broke.
    Broken(io::Error),
    /// We are to end.
    Over,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Closed => f.write_str("it closed the connection"),
            Fault::Silent(limit) => {
                write!(f, "it said nothing (complete) in {} seconds", limit.as_secs_f32())
            }
            Fault::NoReply(said) => {
                write!(f, "it said what is no reply of SMTP: {}", outside(said))
            }
            Fault::Unasked(said) => write!(f, "it spoke before it was asked: {}", outside(said)),
            Fault::Broken(error) => write!(f, "the connection broke: {error}"),
            Fault::Over => f.write_str("SIGTERM came"),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Fault::Closed,
            _ => Fault::Broken(error),
        }
    }
}

/// How long one reply is waited for.
pub(super) fn limit(time_limit: Option<Duration>) -> Duration {
    time_limit.unwrap_or(REPLY).min(REPLY)
}

/// A conversation with an MTA.
pub(super) struct Conversation<'a> {
    wires: &'a mut Wires,
    program: Option<Program>,
    inbox: Vec<u8>,
    arriving: Arriving,
    limit: Duration,
    end: Instant,
    /// What was asked last.
    asked: String,
    /// What the MTA, a program, wrote to standard error.
    pub(super) errors: Vec<String>,
}

impl<'a> Conversation<'a> {
    /// Calls the MTA, or starts it for the stranger.
    ///
    /// # Errors
    /// Why it cannot be called.
    pub(super) fn call(
        upstream: &Upstream,
        wires: &'a mut Wires,
        limit: Duration,
    ) -> io::Result<Conversation<'a>> {
        let mut program = None;
        let mta = match upstream {
            Upstream::Exec(run) => {
                let (started, mta) = Waiting::new(run, &mut Vec::new())?.start(&STRANGER, None)?;
                program = Some(started);
                mta
            }
            _ => upstream.call(true, limit, &|socket| wires.connected(socket, limit))?,
        };
        wires.set_mta(Some(mta));
        Ok(Conversation {
            wires,
            program,
            inbox: Vec::with_capacity(limits::MTA_INBOX),
            arriving: Arriving::default(),
            limit,
            end: Instant::now() + CONVERSATION,
            asked: "the connection".to_owned(),
            errors: Vec::new(),
        })
    }

    /// What was asked last, for people.
    pub(super) fn asked(&self) -> &str {
        &self.asked
    }

    /// From here on a reply is waited for no longer than this.
    pub(super) fn hurry(&mut self, limit: Duration) {
        self.limit = self.limit.min(limit);
    }

    /// Sends a command, without its CRLF, and waits for the reply.
    pub(super) fn ask(&mut self, command: &str) -> Result<Reply, Fault> {
        // What it says now, it says before it is asked; taken for the reply, it would shift
        // all that follow.
        if self.inbox.is_empty() {
            match self.wires.receive(Peer::Mta, &mut self.inbox) {
                Ok(0) => return Err(Fault::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !self.inbox.is_empty() || self.arriving.has_begun() {
            return Err(Fault::Unasked(self.inbox.clone()));
        }
        self.asked = command.to_owned();
        self.tell(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends octets.
    pub(super) fn tell(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let by = self.deadline();
        let mut rest = octets;
        while !rest.is_empty() {
            match self.wires.send(Peer::Mta, rest)? {
                0 => drop(self.wait(Interest { mta_out: true, ..Interest::default() }, by)?),
                count => rest = rest.get(count..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Waits for a reply.
    pub(super) fn reply(&mut self) -> Result<Reply, Fault> {
        let by = self.deadline();
        let mut seen = 0;
        loop {
            match frame(&self.inbox, seen) {
                Framed::Line(length) => {
                    seen = 0;
                    let line: Vec<u8> = self.inbox.drain(..length + CRLF).take(length).collect();
                    match self.arriving.line(&line) {
                        Ok(Some(reply)) => return Ok(reply),
                        Ok(None) => {}
                        Err(_) => return Err(Fault::NoReply(line)),
                    }
                }
                Framed::Bare(_) => return Err(Fault::NoReply(self.inbox.clone())),
                Framed::Partial(_) if self.inbox.len() >= limits::REPLY_LINE => {
                    return Err(Fault::NoReply(self.inbox.clone()));
                }
                Framed::Partial(looked_at) => {
                    seen = looked_at;
                    self.hear(by)?;
                }
            }
        }
    }

    fn deadline(&self) -> Instant {
        (Instant::now() + self.limit).min(self.end)
    }

    /// Waits for octets.
    fn hear(&mut self, by: Instant) -> Result<(), Fault> {
        loop {
            if !self.wait(Interest { mta_in: true, ..Interest::default() }, by)? {
                continue;
            }
            self.inbox.reserve(limits::REPLY);
            match self.wires.receive(Peer::Mta, &mut self.inbox) {
                Ok(0) => return Err(Fault::Closed),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits; true if the MTA has something to read.
    fn wait(&mut self, interest: Interest, by: Instant) -> Result<bool, Fault> {
        let left = by.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Fault::Silent(self.limit));
        }
        let errors = self.program.as_ref().map_or(-1, Program::errors);
        let (event, program) = self.wires.wait_with(interest, errors, left)?;
        if program {
            self.hear_errors();
        }
        match event {
            Event::Ready { mta, .. } => Ok(mta),
            Event::TimedOut => Err(Fault::Silent(self.limit)),
            Event::Signal if sys::terminated() || sys::time_is_up() => Err(Fault::Over),
            // A program has ended: what it said can be read, and then the end.
            Event::Signal => Ok(self.program.as_ref().is_some_and(|p| p.end().is_some())),
        }
    }

    fn hear_errors(&mut self) -> bool {
        let errors = &mut self.errors;
        let keep = |line: &[u8]| {
            if errors.len() < LINES {
                errors.push(outside(line));
            }
        };
        self.program.as_mut().is_some_and(|program| program.hear(keep))
    }

    /// Says QUIT, if it is the time for it, and ends; a program is given a moment to
    /// end by itself. Gives what it wrote to standard error.
    pub(super) fn finish(mut self, politely: bool) -> Vec<String> {
        if politely {
            self.hurry(FAREWELL);
            let _ = self.ask("QUIT");
        }
        self.wires.set_mta(None);
        let end = Instant::now() + limits::MTA_PROGRAM_END;
        while let Some(program) = &self.program {
            let left = end.saturating_duration_since(Instant::now());
            if program.end().is_some() || left.is_zero() || sys::terminated() {
                break;
            }
            let mut fds = [libc::pollfd { fd: program.errors(), events: libc::POLLIN, revents: 0 }];
            match self.wires.wait_beside(None, &mut fds, left) {
                Ok((Wakeup::Ready, _)) => drop(self.hear_errors()),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let mut pieces = LINES;
        while pieces > 0 && self.hear_errors() {
            pieces -= 1;
        }
        // What is left of its group is killed with it.
        self.errors
    }
}
