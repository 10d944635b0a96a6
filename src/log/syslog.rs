//! syslogd's socket, and that it may be fd 2.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::stdio::{dup2_stderr, stderr};
use syslog::{LogFormat, Logger, LoggerBackend, Severity};

use crate::sys;

/// Where syslogd listens, on Linux and the BSDs.
pub(super) const SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// The `syslog` crate's logger, which hands on what it is given.
pub(super) type Syslog = Logger<LoggerBackend, AsItIs>;

/// A socket for syslogd.
pub(super) fn socket() -> io::Result<UnixDatagram> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?.into())
}

/// Connects to syslogd. The crate's own way of opening blocks when syslogd
/// listens on a stream and is stuck, and gives up at the first stale socket.
pub(super) fn connect(socket: &UnixDatagram, path: Option<&str>) -> io::Result<()> {
    let standard = &SOCKETS[..];
    let paths = path.as_ref().map_or(standard, std::slice::from_ref);
    let mut outcome = Err(io::ErrorKind::NotFound.into());
    for path in paths {
        outcome = socket.connect(path);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Is there a syslogd to be connected to, at this path or where one usually is?
///
/// # Errors
/// Why not.
pub(crate) fn reaches_syslog(path: Option<&str>) -> io::Result<()> {
    connect(&socket()?, path)
}

/// The logger that writes to this socket.
pub(super) fn logger(socket: UnixDatagram) -> Syslog {
    Logger::new(LoggerBackend::Unix(socket), AsItIs)
}

/// Points fd 2 away from where it leads, which under inetd is the client: to a socket that is not
/// connected. Until it is, nobody can write to it, and unlike /dev/null it is in every jail.
///
/// # Errors
/// There is none; then fd 2 is closed, and what is opened next would be taken for it.
pub(super) fn socket_as_stderr() -> io::Result<UnixDatagram> {
    sys::close_stderr();
    let socket = socket()?;
    // It has the lowest number that is free, and 0 and 1 are the client, if they are open.
    if socket.as_raw_fd() == stderr().as_raw_fd() {
        return Ok(socket);
    }
    dup2_stderr(&socket)?;
    Ok(sys::take_stderr().into())
}

/// Lines come as syslogd wants them, with their level ([`super::line::tag`]).
pub(super) struct AsItIs;

impl LogFormat<&[u8]> for AsItIs {
    fn format<W: Write>(&self, to: &mut W, _: Severity, tagged: &[u8]) -> syslog::Result<()> {
        Ok(to.write_all(tagged)?)
    }
}
