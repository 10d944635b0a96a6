//! One question on its way: to one server after the other, by UDP and, if need
//! be, TCP, until one answers.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

use super::message::{ALIASES, Asked, Said, mark_as_cut};
use super::{Answer, Config, Kind, Trouble};

/// What a datagram may hold; more than 512 octets is none of an honest server, who was not asked for more. What does not
/// fit is asked for by TCP.
const DATAGRAM: usize = 768;
/// Messages that are no answer are passed over so many at a time; then others
/// have their turn.
const AT_A_TIME: usize = 32;
/// The length before a message on TCP (RFC 1035 4.2.2).
const PREFIX: usize = 2;

/// A question.
pub(super) struct Query {
    kind: Kind,
    stage: Stage,
    /// Servers tried so far, each attempt counted.
    tries: usize,
    /// Servers that need not be asked again, a bit each.
    spent: u32,
    /// Aliases that were asked for in place of the name.
    aliases: usize,
    /// The most telling of what went wrong.
    trouble: Trouble,
    /// When it was asked, and how long the answer took.
    began: Instant,
    took: Option<Duration>,
}

enum Stage {
    Open {
        asked: Asked,
        wire: Wire,
        until: Instant,
    },
    /// The socket that the answer came on is good for one more question to the
    /// first server; to open another one takes three system calls.
    Done(Answer, Option<OwnedFd>),
}

enum Wire {
    Udp(OwnedFd),
    Tcp {
        socket: OwnedFd,
        /// Octets sent, prefix included.
        sent: usize,
        inbox: Vec<u8>,
    },
}

impl Query {
    /// Asks.
    pub(super) fn start(
        config: &Config,
        name: &[u8],
        kind: Kind,
        spare: Option<OwnedFd>,
        now: Instant,
    ) -> Query {
        let mut query = Query::given_up(kind, now);
        query.trouble = Trouble::TimedOut;
        query.ask(config, name, spare, now);
        query
    }

    /// A socket to the first server that is not needed any more.
    pub(super) fn spare(&mut self) -> Option<OwnedFd> {
        match &mut self.stage {
            Stage::Done(_, spare) => spare.take(),
            Stage::Open { .. } => None,
        }
    }

    /// A question that is not asked.
    pub(super) fn given_up(kind: Kind, now: Instant) -> Query {
        let trouble = Trouble::Refused;
        let stage = Stage::Done(Answer::Trouble(trouble), None);
        Query { kind, stage, tries: 0, spent: 0, aliases: 0, trouble, began: now, took: None }
    }

    /// Notes when it was answered.
    pub(super) fn clock(&mut self, now: Instant) {
        if self.took.is_none() && matches!(self.stage, Stage::Done(..)) {
            self.took = Some(now.saturating_duration_since(self.began));
        }
    }

    /// How long the answer took.
    pub(super) fn took(&self) -> Duration {
        self.took.unwrap_or_default()
    }

    /// Asks for a name, the first server first.
    fn ask(&mut self, config: &Config, name: &[u8], spare: Option<OwnedFd>, now: Instant) {
        (self.tries, self.spent) = (0, 0);
        // Unpredictable, without a system call for each (RFC 5452 9.2).
        let id = RandomState::new().build_hasher().finish() as u16;
        match Asked::new(id, name, self.kind) {
            Some(asked) => self.send(config, asked, spare, now),
            // What is no name has nothing.
            None => self.stage = Stage::Done(Answer::NoName, spare),
        }
    }

    /// Sends it to the next server that is worth it.
    fn send(&mut self, config: &Config, asked: Asked, mut spare: Option<OwnedFd>, now: Instant) {
        let count = config.servers.len();
        let most = count * config.attempts as usize;
        while self.tries < most {
            let number = self.tries % count;
            self.tries += 1;
            let spent = 1 << number;
            let Some(server) = config.servers.get(number).filter(|_| self.spent & spent == 0)
            else {
                continue;
            };
            match udp(server, &asked.octets, spare.take().filter(|_| number == 0)) {
                Ok(socket) => {
                    let until = now + config.timeout;
                    self.stage = Stage::Open { asked, wire: Wire::Udp(socket), until };
                    return;
                }
                Err(_) => {
                    self.spent |= spent;
                    self.trouble = self.trouble.max(Trouble::Unreachable);
                }
            }
        }
        self.stage = Stage::Done(Answer::Trouble(self.trouble), None);
    }

    /// What to wait for.
    pub(super) fn pollfd(&self) -> Option<libc::pollfd> {
        let Stage::Open { asked, wire, .. } = &self.stage else { return None };
        let (socket, events) = match wire {
            Wire::Udp(socket) => (socket, libc::POLLIN),
            Wire::Tcp { socket, sent, .. } => match *sent < asked.octets.len() + PREFIX {
                true => (socket, libc::POLLOUT),
                false => (socket, libc::POLLIN),
            },
        };
        Some(libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 })
    }

    /// When this server has had its time.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Open { until, .. } => Some(*until),
            Stage::Done(..) => None,
        }
    }

    pub(super) fn answer(&self) -> Option<&Answer> {
        match &self.stage {
            Stage::Open { .. } => None,
            Stage::Done(answer, _) => Some(answer),
        }
    }

    /// The time for all questions is over.
    pub(super) fn give_up(&mut self) {
        if matches!(self.stage, Stage::Open { .. }) {
            self.stage = Stage::Done(Answer::Trouble(self.trouble), None);
        }
    }

    /// Goes on, as far as that takes no waiting.
    pub(super) fn advance(&mut self, config: &Config, now: Instant, room: &mut Vec<u8>) {
        let Stage::Open { asked, wire, until } = &mut self.stage else { return };
        let said = match wire {
            Wire::Udp(socket) => read_datagrams(socket, asked, room),
            Wire::Tcp { socket, sent, inbox } => read_stream(socket, asked, sent, inbox),
        };
        let late = now >= *until;
        match said {
            Ok(None) if late => self.next(config, Trouble::TimedOut, now),
            Ok(None | Some(Said::Nothing)) => {}
            Ok(Some(Said::Answer(answer))) => self.done(config, answer),
            Ok(Some(Said::Failed(trouble))) => self.next(config, trouble, now),
            Ok(Some(Said::Truncated)) => self.by_tcp(config, now),
            Ok(Some(Said::Alias(name))) if self.aliases < ALIASES => {
                self.aliases += 1;
                self.ask(config, &name, None, now);
            }
            Ok(Some(Said::Alias(_))) => {
                self.stage = Stage::Done(Answer::Trouble(Trouble::Malformed), None)
            }
            Err(_) => self.next(config, Trouble::Unreachable, now),
        }
    }

    /// This server is of no help: the next one.
    fn next(&mut self, config: &Config, trouble: Trouble, now: Instant) {
        self.trouble = self.trouble.max(trouble);
        // One that was silent may have lost the question.
        if trouble != Trouble::TimedOut {
            self.spent |= 1 << self.server(config);
        }
        let done = Stage::Done(Answer::Trouble(self.trouble), None);
        if let Stage::Open { asked, .. } = std::mem::replace(&mut self.stage, done) {
            self.send(config, asked, None, now);
        }
    }

    /// It is answered.
    fn done(&mut self, config: &Config, answer: Answer) {
        let first = self.server(config) == 0;
        let open = std::mem::replace(&mut self.stage, Stage::Done(answer, None));
        if let (Stage::Open { wire: Wire::Udp(socket), .. }, Stage::Done(_, spare)) =
            (open, &mut self.stage)
        {
            *spare = first.then_some(socket);
        }
    }

    /// The number of the server that was asked last.
    fn server(&self, config: &Config) -> usize {
        self.tries.saturating_sub(1) % config.servers.len().max(1)
    }

    /// Asks the same server by TCP.
    #[inline(never)] // Not in every session.
    fn by_tcp(&mut self, config: &Config, now: Instant) {
        let server = config.servers.get(self.server(config));
        match (&mut self.stage, server.map(tcp)) {
            // It was TCP already: a message that claims to be cut there is none.
            (Stage::Open { wire: Wire::Tcp { .. }, .. }, _) => {
                self.next(config, Trouble::Malformed, now);
            }
            (Stage::Open { wire, until, .. }, Some(Ok(socket))) => {
                *wire = Wire::Tcp { socket, sent: 0, inbox: Vec::new() };
                *until = now + config.timeout;
            }
            _ => self.next(config, Trouble::Unreachable, now),
        }
    }
}

fn open(server: &SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// A socket that no other question is under way on, so that the port is one more
/// thing to guess (RFC 5452 9.2).
fn udp(server: &SocketAddr, octets: &[u8], spare: Option<OwnedFd>) -> Result<OwnedFd, Errno> {
    let socket = match spare {
        Some(socket) => socket,
        None => {
            let socket = open(server, SocketType::DGRAM)?;
            connect(&socket, server)?;
            socket
        }
    };
    send(&socket, octets, SendFlags::NOSIGNAL)?;
    Ok(socket)
}

fn tcp(server: &SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = open(server, SocketType::STREAM)?;
    match connect(&socket, server) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// Reads until there is an answer, or nothing more.
fn read_datagrams(socket: &OwnedFd, asked: &Asked, room: &mut Vec<u8>) -> io::Result<Option<Said>> {
    for _ in 0..AT_A_TIME {
        room.clear();
        room.reserve(DATAGRAM);
        match recv(socket, spare_capacity(room), RecvFlags::DONTWAIT) {
            Ok(_) => {
                // As the server would have said, had it kept to what was asked for.
                if room.len() == room.capacity() {
                    mark_as_cut(room);
                }
                match asked.read(room) {
                    Said::Nothing => {}
                    said => return Ok(Some(said)),
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Sends the rest of the question, then reads the answer.
#[inline(never)] // Not in every session.
fn read_stream(
    socket: &OwnedFd,
    asked: &Asked,
    sent: &mut usize,
    inbox: &mut Vec<u8>,
) -> io::Result<Option<Said>> {
    let length = asked.octets.len() as u16;
    let all = [&length.to_be_bytes()[..], &asked.octets].concat();
    while let Some(rest) = all.get(*sent..).filter(|rest| !rest.is_empty()) {
        match send(socket, rest, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(count) => *sent += count,
            // The connection is still being made, or takes nothing.
            Err(Errno::AGAIN | Errno::INTR | Errno::NOTCONN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    loop {
        let wanted = match *inbox.as_slice() {
            [high, low, ..] => PREFIX + usize::from(u16::from_be_bytes([high, low])),
            _ => PREFIX,
        };
        if inbox.len() >= wanted && wanted > PREFIX {
            let message = inbox.get_mut(PREFIX..wanted).unwrap_or_default();
            return Ok(Some(match asked.read(message) {
                Said::Nothing => Said::Failed(Trouble::Malformed),
                said => said,
            }));
        }
        if inbox.len() >= PREFIX && wanted == PREFIX {
            return Ok(Some(Said::Failed(Trouble::Malformed)));
        }
        inbox.reserve(wanted - inbox.len());
        match recv(socket, spare_capacity(inbox), RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Ok(Some(Said::Failed(Trouble::Malformed))),
            Ok(_) => {}
            Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}
