//! Clients that get a 421 instead of a session, and no process for it.
//!
//! Closing a socket that has unread octets, or gets some later, resets the
//! connection, and the reset can overtake the reply: the client would see an
//! error instead of a 421 (RFC 9293 3.10.4, 3.10.7). So after the reply our
//! side is shut down and what the client says is read away until it hangs up,
//! within limits that a flood of clients cannot stretch.

use std::collections::VecDeque;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use rustix::net::{SendFlags, send};

use crate::limits::LINGER;
use crate::smtp::standing::Standing;

/// Refused clients waited for at once; the one waited for longest gives way.
const WAITED_FOR: usize = 64;

/// Octets read away at most, some 250 pipelined commands.
const READ_AWAY: usize = 16 * 1024;

struct Leaving {
    connection: TcpStream,
    until: Instant,
    may_say: usize,
}

/// Refused clients that have not hung up yet, the oldest first.
#[derive(Default)]
pub(super) struct Refused {
    leaving: VecDeque<Leaving>,
}

impl Refused {
    /// Refuses a client. Never waits: the reply fits into the send buffer of a
    /// fresh connection.
    pub(super) fn add(&mut self, connection: TcpStream, reply: &Standing, now: Instant) {
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        let sent = send(&connection, &wire, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        let open = sent.is_ok()
            && connection.shutdown(Shutdown::Write).is_ok()
            && connection.set_nonblocking(true).is_ok();
        if !open {
            return;
        }
        if self.leaving.len() >= WAITED_FOR {
            self.leaving.pop_front();
        }
        self.leaving.push_back(Leaving { connection, until: now + LINGER, may_say: READ_AWAY });
    }

    /// What to poll for.
    pub(super) fn watch(&self, fds: &mut Vec<libc::pollfd>) {
        fds.extend(self.leaving.iter().map(|l| watched(&l.connection)));
    }

    /// Reads away what has come, and closes what is over. `fds` is what
    /// [`Refused::watch`] added.
    pub(super) fn tend(&mut self, fds: &[libc::pollfd], now: Instant) {
        let mut fds = fds.iter();
        self.leaving.retain_mut(|l| {
            let ready = fds.next().is_some_and(|fd| fd.revents != 0);
            now < l.until && (!ready || l.goes_on())
        });
    }

    /// When the next one has to be looked at.
    pub(super) fn due(&self, now: Instant) -> Option<Duration> {
        self.leaving.front().map(|l| l.until.saturating_duration_since(now))
    }

    /// Hangs up on all: their descriptors are needed.
    pub(super) fn drop_all(&mut self) {
        self.leaving.clear();
    }
}

impl Leaving {
    fn goes_on(&mut self) -> bool {
        let mut away = [0; 4096];
        match self.connection.read(&mut away) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.may_say = self.may_say.saturating_sub(n);
                self.may_say > 0
            }
        }
    }
}

/// An entry for poll: wait until this can be read from, or accepted on.
pub(super) fn watched(socket: &impl AsRawFd) -> libc::pollfd {
    libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}
