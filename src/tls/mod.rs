//! TLS on the client's connection: what lies between its socket and the octets that
//! the dialogue gets. Nothing of it runs, and nothing of it takes memory, before a
//! client asks for it.
//!
//! `Tls` is one connection, and does no waiting of its own: it is given what is
//! read from and written to the socket (`Wire`), by `io`. `server` is what it is
//! served with, `certificates` the certificates and keys, `tickets` what lets a
//! client resume a session with another of our processes.
//!
//! Rejected: rustls's unbuffered connection, which would let us own its buffers. What
//! is buffered is let go of when it is empty, so an idle session gains nothing. 0-RTT:
//! its octets may be another's, played again, and SMTP has no use for it.

pub(crate) mod certificates;
mod client_certificate;
mod server;
pub(crate) mod tickets;

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};

use crate::encryption::Encryption;
use crate::limits;

pub(crate) use server::Server;

/// The client's connection is not in clear text any more: nothing may be said on it but
/// through here.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Has TLS begun, so that a last word in clear text would be a breach of it?
#[must_use]
pub fn has_begun() -> bool {
    BEGUN.load(Ordering::Relaxed)
}

/// The connection below.
pub(crate) trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

/// An encrypted connection.
pub(crate) struct Tls {
    connection: ServerConnection,
    /// What was read from the wire at once, and how much of it is dealt with. The library
    /// itself would read it in pieces of 4096 octets, a system call each.
    incoming: Vec<u8>,
    dealt_with: usize,
    /// How much is read at once: little, until there is more to be read.
    block: usize,
    /// Octets that are encrypted, but not yet told as sent: they are not all written.
    untold: usize,
}

/// What is read at once at first, and at most.
const BLOCK: usize = 4096;
const LARGEST_BLOCK: usize = limits::CLIENT_INBOX;

impl Tls {
    /// A connection before its handshake.
    ///
    /// # Errors
    /// Says why there can be none.
    pub(crate) fn new(server: Server) -> Result<Tls, String> {
        let connection = ServerConnection::new(Arc::new(server.0)).map_err(|e| e.to_string())?;
        BEGUN.store(true, Ordering::Relaxed);
        Ok(Tls { connection, incoming: Vec::new(), dealt_with: 0, block: BLOCK, untold: 0 })
    }

    /// Is there something to be read that has come already, be it the end?
    pub(crate) fn has_news(&mut self) -> bool {
        let nothing = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.has_more() || !self.connection.reader().fill_buf().is_err_and(|e| nothing(&e))
    }

    /// Is there something that the library has not got yet?
    fn has_more(&self) -> bool {
        self.dealt_with < self.incoming.len()
    }

    /// Is there something to be written?
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Goes on with the handshake as far as the wire lets it; true when it is done.
    ///
    /// # Errors
    /// Why there will be none; the client has been told, if it could be.
    pub(crate) fn shake_hands(&mut self, wire: &mut dyn Wire) -> io::Result<bool> {
        self.flush(wire)?;
        while self.connection.is_handshaking() {
            if !self.take_in(wire)? {
                return Ok(false);
            }
            self.flush(wire)?;
        }
        Ok(!self.wants_write())
    }

    /// What there is to tell of the connection, once its handshake is done.
    pub(crate) fn encryption(&self) -> Encryption {
        let connection = &self.connection;
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let name = suite.and_then(|suite| suite.as_str()).unwrap_or("unknown");
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        Encryption {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
                _ => Some("TLSv1.2"),
            },
            // IANA has no version in their names.
            cipher: match name.strip_prefix("TLS13_") {
                Some(of_newest) => format!("TLS_{of_newest}").into(),
                None => name.into(),
            },
            sni: connection.server_name().map(str::to_owned),
            client_cert: certificate.map(|certificate| certificates::fingerprint(certificate)),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Reads what the client sent into the spare capacity of `into`; 0 is the end, as
    /// the client itself said it.
    ///
    /// # Errors
    /// `WouldBlock`; those of the wire; `InvalidData` for what is no TLS; an end that the
    /// client has not said, for anybody may have cut the connection.
    pub(crate) fn receive(&mut self, wire: &mut dyn Wire, into: &mut Vec<u8>) -> io::Result<usize> {
        let before = into.len();
        // Records without content are none that a client needs to send for long.
        for _ in 0..limits::TLS_RECORDS {
            let read = self.read_plaintext(into);
            let nothing = matches!(&read, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
            if into.len() > before && (into.len() == into.capacity() || !self.has_more()) {
                return Ok(into.len() - before);
            }
            if !nothing && !matches!(read, Ok(1..)) {
                // The end, which is told when what came before it is.
                return if into.len() > before { Ok(into.len() - before) } else { read };
            }
            if nothing && !self.take_in(wire)? {
                break;
            }
            self.flush(wire)?;
        }
        match into.len() - before {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn read_plaintext(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let mut reader = self.connection.reader();
        let plain = reader.fill_buf()?;
        let room = into.capacity() - into.len();
        if room == 0 {
            // Nothing is not the end.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = plain.get(..room).unwrap_or(plain);
        into.extend_from_slice(taken);
        let count = taken.len();
        reader.consume(count);
        Ok(count)
    }

    /// Takes in what the wire has; false if it has nothing now.
    fn take_in(&mut self, wire: &mut dyn Wire) -> io::Result<bool> {
        if !self.has_more() && !self.read_wire(wire)? {
            return Ok(false);
        }
        let mut octets = self.incoming.get(self.dealt_with..).unwrap_or_default();
        match self.connection.read_tls(&mut octets)? {
            0 if self.connection.is_handshaking() => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            count => self.dealt_with += count,
        }
        match self.connection.process_new_packets() {
            Ok(_) => Ok(true),
            Err(error) => {
                // The alert; the error tells more than that it cannot be sent.
                let _ = self.flush(wire);
                Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
            }
        }
    }

    /// Reads the wire; false if it has nothing now. With nothing read it has ended.
    fn read_wire(&mut self, wire: &mut dyn Wire) -> io::Result<bool> {
        if self.incoming.len() == self.block && self.block < LARGEST_BLOCK {
            self.block *= 2;
        }
        self.incoming.resize(self.block, 0);
        let read = wire.read(&mut self.incoming);
        self.incoming.truncate(*read.as_ref().unwrap_or(&0));
        self.dealt_with = 0;
        match read {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Sends as much of this as the wire takes; 0 is nothing. What was encrypted, but
    /// is not written, has to be the beginning of what is sent the next time.
    ///
    /// # Errors
    /// Those of the wire.
    pub(crate) fn send(&mut self, wire: &mut dyn Wire, octets: &[u8]) -> io::Result<usize> {
        self.flush(wire)?;
        if self.wants_write() {
            return Ok(0);
        }
        if self.untold == 0 {
            let block = octets.get(..limits::OUTBOX).unwrap_or(octets);
            self.untold = self.connection.writer().write(block)?;
            self.flush(wire)?;
        }
        match self.wants_write() {
            true => Ok(0),
            false => Ok(std::mem::take(&mut self.untold).min(octets.len())),
        }
    }

    /// Writes as much as the wire takes.
    ///
    /// # Errors
    /// Those of the wire.
    pub(crate) fn flush(&mut self, wire: &mut dyn Wire) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(wire) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => break,
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Says that nothing more will be sent, if the wire takes it at once.
    pub(crate) fn finish(&mut self, wire: &mut dyn Wire) {
        self.connection.send_close_notify();
        let _ = self.flush(wire);
    }
}
