//! A client that is no plain socket (encrypted, or a pair of pipes), and a session that is
//! traced.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::stdio::{stdin, stdout};

use super::{Ends, PIPE_BLOCK, Traced, Wires, pollfd, read_if_ready, write_if_ready};
use crate::dialogue::Peer;
use crate::encryption::Encryption;
use crate::sys::{self, Wakeup};
use crate::tls::Tls;
use crate::trace::Trace;

impl Wires {
    /// From here on everything is written down.
    #[cold]
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.client_is_plain = false;
        self.traced = Some(Box::new(Traced { trace, mta: self.mta.take() }));
    }

    /// From here on nothing is: what passes is nobody's to read.
    #[cold]
    pub(crate) fn end_trace(&mut self) {
        if let Some(traced) = self.traced.take() {
            self.mta = traced.mta;
        }
    }

    /// The MTA of a session that is traced.
    #[cold]
    pub(super) fn traced_mta(&self) -> Option<&OwnedFd> {
        self.traced.as_ref()?.mta.as_ref()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn receive_otherwise(
        &mut self,
        peer: Peer,
        into: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let before = into.len();
        let count = match (peer, &mut self.tls, self.traced.as_ref().and_then(|t| t.mta.as_ref())) {
            (Peer::Client, Some(tls), _) => tls.receive(&mut self.client, into)?,
            (Peer::Client, None, _) if self.client.socket => {
                recv(stdin(), spare_capacity(into), RecvFlags::DONTWAIT)?.0
            }
            (Peer::Client, None, _) => rustix::io::read(stdin(), spare_capacity(into))?,
            (Peer::Mta, _, Some(mta)) => recv(mta, spare_capacity(into), RecvFlags::DONTWAIT)?.0,
            (Peer::Mta, _, None) => return Ok(0),
        };
        if let Some(traced) = &mut self.traced {
            traced.trace.received(peer, into.get(before..).unwrap_or_default());
        }
        Ok(count)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn send_otherwise(&mut self, peer: Peer, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = match (peer, &mut self.tls, self.traced.as_ref().and_then(|t| t.mta.as_ref())) {
            (Peer::Client, Some(tls), _) => tls.send(&mut self.client, bytes),
            (Peer::Client, None, _) => self.client.write(bytes),
            (Peer::Mta, _, Some(mta)) => send(mta, bytes, flags).map_err(io::Error::from),
            (Peer::Mta, _, None) => Err(Errno::NOTCONN.into()),
        };
        let count = match sent {
            Ok(count) => count,
            Err(error) => {
                let errno = Errno::from_io_error(&error);
                return match errno {
                    Some(Errno::AGAIN | Errno::INTR | Errno::INPROGRESS | Errno::ALREADY) => Ok(0),
                    _ if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                    _ => Err(error),
                };
            }
        };
        if let Some(traced) = &mut self.traced {
            traced.trace.sent(peer, bytes.get(..count).unwrap_or_default());
        }
        Ok(count)
    }

    pub(super) fn flush_tls(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.flush(&mut self.client),
            None => Ok(()),
        }
    }

    /// With this the client's connection will be encrypted; until then it is as before.
    #[cold]
    pub(crate) fn prepare(&mut self, tls: Tls) {
        self.prepared = Some(Box::new(tls));
    }

    /// Encrypts the client's connection, which takes no longer than this; also if the
    /// session is to end.
    ///
    /// # Errors
    /// Why it is not encrypted; there is no going on with it.
    #[cold]
    pub(crate) fn encrypt(&mut self, limit: Duration) -> io::Result<Encryption> {
        self.tls = self.prepared.take();
        self.client_is_plain = false;
        let Some(tls) = &mut self.tls else { return Err(io::ErrorKind::NotConnected.into()) };
        let end = Instant::now() + limit;
        while !tls.shake_hands(&mut self.client)? {
            let out = tls.wants_write();
            let socket = self.client.socket;
            let mut fds = [pollfd(0, true, out && socket), pollfd(1, false, out && !socket)];
            let left = end.saturating_duration_since(Instant::now());
            match self.waiter.wait(&mut fds, left)? {
                Wakeup::Ready if !left.is_zero() => {}
                Wakeup::Ready | Wakeup::TimedOut => return Err(Errno::TIMEDOUT.into()),
                Wakeup::Signal if sys::terminated() || sys::time_is_up() => {
                    return Err(io::Error::other("the session is to end"));
                }
                Wakeup::Signal => {}
            }
        }
        Ok(tls.encryption())
    }

    /// Tells a client whose connection is encrypted that nothing more will be sent.
    pub(crate) fn finish_tls(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.finish(&mut self.client);
        }
    }
}

/// What comes from the client as it comes.
impl Read for Ends {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.socket {
            true => Ok(recv(stdin(), room, RecvFlags::DONTWAIT)?.0),
            // A pipe may not be made non-blocking: it may be shared.
            false => read_if_ready(stdin(), room),
        }
    }
}

impl Write for Ends {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self.socket {
            true => Ok(send(stdin(), octets, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?),
            false => Ok(write_if_ready(stdout(), octets.get(..PIPE_BLOCK).unwrap_or(octets))?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
