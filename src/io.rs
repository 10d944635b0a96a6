//! The two connections: reading, writing and waiting, none of which ever blocks
//! for longer than it was told.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use rustix::stdio::{stdin, stdout};

use crate::dialogue::Peer;
use crate::limits;
use crate::sys::{self, Waiter, Wakeup};
use crate::trace::Trace;

/// What POSIX lets one write to a pipe that poll calls ready, without blocking
/// (_POSIX_PIPE_BUF).
const PIPE_BLOCK: usize = 512;

/// The client and the MTA.
pub(crate) struct Wires {
    /// The client is a socket on fd 0; else it is fd 0 to read and fd 1 to
    /// write, which a TLS wrapper may have made pipes.
    client_is_socket: bool,
    mta: Option<OwnedFd>,
    waiter: Waiter,
    /// Everything is written down.
    trace: Option<Box<RefCell<Trace>>>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Interest {
    /// Something to read from the client.
    pub client_in: bool,
    /// The client takes more.
    pub client_out: bool,
    /// Something to read from the MTA.
    pub mta_in: bool,
    /// The MTA takes more.
    pub mta_out: bool,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A peer has something to read, be it the end, or takes more.
    Ready {
        /// The client has something to read.
        client: bool,
        /// The MTA has something to read.
        mta: bool,
    },
    /// The time has passed.
    TimedOut,
    /// A signal came.
    Signal,
}

impl Wires {
    /// The client as it was handed to us; no MTA yet.
    #[must_use]
    pub(crate) fn new(client_is_socket: bool) -> Self {
        if client_is_socket {
            // A reply must not wait for the acknowledgement of the one before.
            // A Unix socket has no such option and needs none.
            let _ = sockopt::set_tcp_nodelay(stdin(), true);
        }
        Wires {
            client_is_socket,
            mta: None,
            waiter: Waiter::new(Some(limits::SESSION)),
            trace: None,
        }
    }

    /// Waits until a connection stands; also if the session is to end, which the
    /// next wait deals with.
    ///
    /// # Errors
    /// Why it does not stand.
    pub(crate) fn connected(&self, socket: &OwnedFd, limit: Duration) -> io::Result<()> {
        let end = Instant::now() + limit;
        loop {
            let mut fds =
                [libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
            match self.waiter.wait(&mut fds, end.saturating_duration_since(Instant::now()))? {
                Wakeup::Ready => return Ok(sockopt::socket_error(socket)??),
                Wakeup::TimedOut => return Err(Errno::TIMEDOUT.into()),
                Wakeup::Signal if sys::terminated() || sys::time_is_up() => return Ok(()),
                Wakeup::Signal => {}
            }
        }
    }

    /// From here on everything is written down.
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(Box::new(RefCell::new(trace)));
    }

    /// The MTA's connection, or none any more.
    pub(crate) fn set_mta(&mut self, mta: Option<OwnedFd>) {
        self.mta = mta;
    }

    /// Reads what there is into the spare capacity of `into`; 0 is the end.
    ///
    /// # Errors
    /// The socket's; `WouldBlock` when there was nothing after all.
    pub(crate) fn receive(&self, peer: Peer, into: &mut Vec<u8>) -> io::Result<usize> {
        let before = into.len();
        let room = spare_capacity(into);
        let count = match (peer, &self.mta) {
            (Peer::Client, _) if !self.client_is_socket => rustix::io::read(stdin(), room)?,
            (Peer::Client, _) => recv(stdin(), room, RecvFlags::DONTWAIT)?.0,
            (Peer::Mta, Some(mta)) => recv(mta, room, RecvFlags::DONTWAIT)?.0,
            (Peer::Mta, None) => 0,
        };
        if let Some(trace) = &self.trace {
            trace.borrow_mut().received(peer, into.get(before..).unwrap_or_default());
        }
        Ok(count)
    }

    /// Writes as much as is taken at once; 0 is nothing.
    ///
    /// # Errors
    /// The socket's.
    pub(crate) fn send(&self, peer: Peer, bytes: &[u8]) -> io::Result<usize> {
        let sent = match (peer, &self.mta) {
            (Peer::Client, _) if !self.client_is_socket => {
                write_if_ready(stdout(), bytes.get(..PIPE_BLOCK).unwrap_or(bytes))
            }
            (Peer::Client, _) => send(stdin(), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            (Peer::Mta, Some(mta)) => send(mta, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            (Peer::Mta, None) => Err(Errno::NOTCONN),
        };
        match sent {
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            // The connection is still being made.
            Err(Errno::INPROGRESS | Errno::ALREADY) => Ok(0),
            sent => {
                let count = sent?;
                if let Some(trace) = &self.trace {
                    trace.borrow_mut().sent(peer, bytes.get(..count).unwrap_or_default());
                }
                Ok(count)
            }
        }
    }

    /// Waits for what is of interest, a signal or the time.
    ///
    /// # Errors
    /// Those of poll.
    #[inline(always)] // It is called ten times a session, and each call has to move its result.
    pub(crate) fn wait(&self, interest: Interest, time: Duration) -> io::Result<Event> {
        let client = pollfd(0, interest.client_in, interest.client_out && self.client_is_socket);
        let client_out = pollfd(1, false, interest.client_out && !self.client_is_socket);
        let mta = self.mta.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let mut fds = [client, pollfd(mta, interest.mta_in, interest.mta_out), client_out];
        let used = if self.client_is_socket { &mut fds[..2] } else { &mut fds[..] };
        match self.waiter.wait(used, time)? {
            Wakeup::Ready => {}
            Wakeup::TimedOut => return Ok(Event::TimedOut),
            Wakeup::Signal => return Ok(Event::Signal),
        }
        // Errors and hang-ups count as something to read: reading tells more.
        let [client, mta, _] = fds;
        Ok(Event::Ready {
            client: interest.client_in && client.revents & !libc::POLLOUT != 0,
            mta: interest.mta_in && mta.revents & !libc::POLLOUT != 0,
        })
    }

    /// The same, and for something to read from one more descriptor; also says
    /// whether there is. Not for the usual session, whose waits are to stay short.
    ///
    /// # Errors
    /// Those of poll.
    #[cold]
    pub(crate) fn wait_with(
        &self,
        interest: Interest,
        also: RawFd,
        time: Duration,
    ) -> io::Result<(Event, bool)> {
        let socket = self.client_is_socket;
        let mta = self.mta.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let mut fds = [
            pollfd(0, interest.client_in, interest.client_out && socket),
            pollfd(mta, interest.mta_in, interest.mta_out),
            pollfd(1, false, interest.client_out && !socket),
            pollfd(also, true, false),
        ];
        let woken = self.waiter.wait(&mut fds, time)?;
        let [client, mta, _, also] = fds;
        let event = match woken {
            Wakeup::Ready => Event::Ready {
                client: interest.client_in && client.revents & !libc::POLLOUT != 0,
                mta: interest.mta_in && mta.revents & !libc::POLLOUT != 0,
            },
            Wakeup::TimedOut => Event::TimedOut,
            Wakeup::Signal => Event::Signal,
        };
        Ok((event, woken == Wakeup::Ready && also.revents != 0))
    }

    /// Waits for these descriptors, and for the client beside them: for what it
    /// sends, if there is room for it (`Some(true)`), and for a break of its
    /// connection (`Some`). Gives how the wait ended, and whether the client is
    /// to be read.
    ///
    /// # Errors
    /// Those of poll.
    pub(crate) fn wait_beside(
        &self,
        room: Option<bool>,
        fds: &mut [libc::pollfd],
        time: Duration,
    ) -> io::Result<(Wakeup, bool)> {
        let mut all = Vec::with_capacity(fds.len() + 1);
        let events = if room == Some(true) { libc::POLLIN } else { 0 };
        all.push(libc::pollfd { fd: if room.is_some() { 0 } else { -1 }, events, revents: 0 });
        all.extend_from_slice(fds);
        let woken = self.waiter.wait(&mut all, time)?;
        let mut seen = all.into_iter();
        let client = seen.next().is_some_and(|client| client.revents != 0);
        for (fd, seen) in fds.iter_mut().zip(seen) {
            fd.revents = if woken == Wakeup::Ready { seen.revents } else { 0 };
        }
        Ok((woken, client && woken == Wakeup::Ready))
    }

    /// Ends our half of the client's connection. To close it with octets
    /// unread would reset it, and the client might lose our last reply.
    pub(crate) fn finish_sending(&self) {
        if self.client_is_socket {
            let _ = shutdown(stdin(), Shutdown::Write);
        }
    }
}

/// An entry for poll; one that asks for nothing is passed over, for a hang-up
/// nobody reads would wake us for ever.
fn pollfd(fd: RawFd, input: bool, output: bool) -> libc::pollfd {
    let events = if input { libc::POLLIN } else { 0 } | if output { libc::POLLOUT } else { 0 };
    libc::pollfd { fd: if events == 0 { -1 } else { fd }, events, revents: 0 }
}

/// Writes to what may be a pipe, terminal or file, if it can be done at once.
/// The descriptor may be shared with others, so it is not made non-blocking,
/// and what is written in one call is not mixed with what they write.
///
/// # Errors
/// `AGAIN` when it would block; else those of write.
pub(crate) fn write_if_ready(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    if poll(&mut fds, Some(&Timespec::default()))? == 0 {
        return Err(Errno::AGAIN);
    }
    rustix::io::write(fd, bytes)
}
