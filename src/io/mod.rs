//! The two connections: reading, writing and waiting, none of which ever blocks
//! for longer than it was told.

mod otherwise;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use rustix::stdio::stdin;

use crate::dialogue::Peer;
use crate::limits;
use crate::sys::{self, Waiter, Wakeup};
use crate::tls::Tls;
use crate::trace::Trace;

/// What POSIX lets one write to a pipe that poll calls ready, without blocking
/// (_POSIX_PIPE_BUF).
const PIPE_BLOCK: usize = 512;

/// The client and the MTA.
pub(crate) struct Wires {
    /// The client is a socket in clear text and not traced, which is the usual case and the
    /// short way.
    client_is_plain: bool,
    client: Ends,
    /// What encrypts the client's connection, and what is to do so.
    tls: Option<Box<Tls>>,
    prepared: Option<Box<Tls>>,
    /// Of a session that is traced.
    traced: Option<Box<Traced>>,
    mta: Option<OwnedFd>,
    waiter: Waiter,
}

/// A session that is traced. Its MTA is here, so that sessions that are not need not ask
/// themselves at each octet.
struct Traced {
    trace: Trace,
    mta: Option<OwnedFd>,
}

/// The client's descriptors.
#[derive(Clone, Copy)]
struct Ends {
    /// It is a socket on fd 0; else it is fd 0 to read and fd 1 to write, which a TLS
    /// wrapper may have made pipes.
    socket: bool,
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
            client_is_plain: client_is_socket,
            client: Ends { socket: client_is_socket },
            tls: None,
            prepared: None,
            traced: None,
            mta: None,
            waiter: Waiter::new(Some(limits::SESSION)),
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

    /// The MTA's connection, or none any more.
    pub(crate) fn set_mta(&mut self, mta: Option<OwnedFd>) {
        match &mut self.traced {
            None => self.mta = mta,
            Some(traced) => traced.mta = mta,
        }
    }

    /// The MTA's descriptor; -1 if there is none.
    #[inline(always)]
    fn mta_fd(&self) -> RawFd {
        match &self.mta {
            Some(mta) => mta.as_raw_fd(),
            None => self.traced_mta().map_or(-1, AsRawFd::as_raw_fd),
        }
    }

    /// Reads what there is into the spare capacity of `into`; 0 is the end.
    ///
    /// # Errors
    /// The socket's; `WouldBlock` when there was nothing after all.
    pub(crate) fn receive(&mut self, peer: Peer, into: &mut Vec<u8>) -> io::Result<usize> {
        let room = spare_capacity(into);
        let count = match (peer, &self.mta) {
            (Peer::Client, _) if self.client_is_plain => {
                recv(stdin(), room, RecvFlags::DONTWAIT)?.0
            }
            (Peer::Mta, Some(mta)) => recv(mta, room, RecvFlags::DONTWAIT)?.0,
            _ => self.receive_otherwise(peer, into)?,
        };
        Ok(count)
    }

    /// Writes as much as is taken at once; 0 is nothing.
    ///
    /// # Errors
    /// The socket's.
    pub(crate) fn send(&mut self, peer: Peer, bytes: &[u8]) -> io::Result<usize> {
        let sent = match (peer, &self.mta) {
            (Peer::Client, _) if self.client_is_plain => {
                send(stdin(), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            }
            (Peer::Mta, Some(mta)) => send(mta, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            _ => return self.send_otherwise(peer, bytes),
        };
        match sent {
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            // The connection is still being made.
            Err(Errno::INPROGRESS | Errno::ALREADY) => Ok(0),
            sent => Ok(sent?),
        }
    }

    /// Waits for what is of interest, a signal or the time.
    ///
    /// # Errors
    /// Those of poll.
    #[inline(always)] // It is called ten times a session, and each call has to move its result.
    pub(crate) fn wait(&mut self, interest: Interest, time: Duration) -> io::Result<Event> {
        if !self.client_is_plain {
            return Ok(self.wait_with(interest, -1, time)?.0);
        }
        let client = pollfd(0, interest.client_in, interest.client_out);
        let mut fds = [client, pollfd(self.mta_fd(), interest.mta_in, interest.mta_out)];
        match self.waiter.wait(&mut fds, time)? {
            Wakeup::Ready => {}
            Wakeup::TimedOut => return Ok(Event::TimedOut),
            Wakeup::Signal => return Ok(Event::Signal),
        }
        // Errors and hang-ups count as something to read: reading tells more.
        let [client, mta] = fds;
        Ok(Event::Ready {
            client: interest.client_in && client.revents & !libc::POLLOUT != 0,
            mta: interest.mta_in && mta.revents & !libc::POLLOUT != 0,
        })
    }

    /// The same, and for something to read from one more descriptor (none: -1); also
    /// says whether there is. Not for the usual session, whose waits are to stay short.
    ///
    /// # Errors
    /// Those of poll.
    #[cold]
    pub(crate) fn wait_with(
        &mut self,
        interest: Interest,
        also: RawFd,
        time: Duration,
    ) -> io::Result<(Event, bool)> {
        let socket = self.client.socket;
        // What TLS has of the client's octets, no poll can see.
        let news = interest.client_in && self.tls.as_mut().is_some_and(|tls| tls.has_news());
        let of_tls = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        let client_out = interest.client_out || of_tls;
        let mut fds = [
            pollfd(0, interest.client_in, client_out && socket),
            pollfd(self.mta_fd(), interest.mta_in, interest.mta_out),
            pollfd(1, false, client_out && !socket),
            pollfd(also, true, false),
        ];
        let woken = self.waiter.wait(&mut fds, if news { Duration::ZERO } else { time })?;
        let [client, mta, out, also] = fds;
        // What went wrong with it, reading tells.
        let broken = of_tls
            && woken == Wakeup::Ready
            && client.revents | out.revents != 0
            && self.flush_tls().is_err();
        let is_in = |of: libc::pollfd| woken == Wakeup::Ready && of.revents & !libc::POLLOUT != 0;
        let event = match woken {
            Wakeup::TimedOut if !news => Event::TimedOut,
            Wakeup::Signal => Event::Signal,
            _ => Event::Ready {
                client: news || broken || (interest.client_in && is_in(client)),
                mta: interest.mta_in && is_in(mta),
            },
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
        &mut self,
        room: Option<bool>,
        fds: &mut [libc::pollfd],
        time: Duration,
    ) -> io::Result<(Wakeup, bool)> {
        if self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            // What went wrong with it, reading tells.
            let _ = self.flush_tls();
        }
        let mut all = Vec::with_capacity(fds.len() + 1);
        let events = if room == Some(true) { libc::POLLIN } else { 0 };
        all.push(libc::pollfd { fd: if room.is_some() { 0 } else { -1 }, events, revents: 0 });
        all.extend_from_slice(fds);
        let news = room == Some(true) && self.tls.as_mut().is_some_and(|tls| tls.has_news());
        let woken = self.waiter.wait(&mut all, if news { Duration::ZERO } else { time })?;
        let mut seen = all.into_iter();
        let client = seen.next().is_some_and(|client| client.revents != 0);
        if news && woken != Wakeup::Signal {
            fds.iter_mut().zip(seen).for_each(|(fd, seen)| fd.revents = seen.revents);
            return Ok((Wakeup::Ready, true));
        }
        for (fd, seen) in fds.iter_mut().zip(seen) {
            fd.revents = if woken == Wakeup::Ready { seen.revents } else { 0 };
        }
        Ok((woken, client && woken == Wakeup::Ready))
    }

    /// Ends our half of the client's connection. To close it with octets
    /// unread would reset it, and the client might lose our last reply.
    pub(crate) fn finish_sending(&self) {
        if self.client.socket {
            let _ = shutdown(stdin(), Shutdown::Write);
        }
    }

    /// The same for the MTA's.
    pub(crate) fn finish_sending_to_mta(&self) {
        if let Some(mta) = self.mta.as_ref().or(self.traced_mta()) {
            let _ = shutdown(mta, Shutdown::Write);
        }
    }
}

/// An entry for poll; one that asks for nothing is passed over, for a hang-up
/// nobody reads would wake us for ever.
fn pollfd(fd: RawFd, input: bool, output: bool) -> libc::pollfd {
    let events = if input { libc::POLLIN } else { 0 } | if output { libc::POLLOUT } else { 0 };
    libc::pollfd { fd: if events == 0 { -1 } else { fd }, events, revents: 0 }
}

/// Reads from what may be a pipe, if there is something.
///
/// # Errors
/// `WouldBlock` when there is nothing; else those of read.
fn read_if_ready(fd: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<usize> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    if poll(&mut fds, Some(&Timespec::default()))? == 0 {
        return Err(Errno::AGAIN.into());
    }
    Ok(rustix::io::read(fd, room)?)
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
