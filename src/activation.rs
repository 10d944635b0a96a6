//! Who started us, and who is the client.
//!
//! After this the client is fd 0 (and fd 1, if they are pipes), whoever handed
//! it to us in which way.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, getpeername, getsockname, sockopt};
use rustix::stdio::{dup2_stdin, dup2_stdout, stdin};

use crate::sys;

/// The client of this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; IPv4-mapped IPv6 is made plain IPv4.
    pub ip: IpAddr,
    /// Its port; 0 when the supervisor did not tell.
    pub port: u16,
    /// It is a socket on fd 0, not a pair of pipes on 0 and 1.
    pub is_socket: bool,
}

impl Client {
    /// Its address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

/// Why there is no session.
#[derive(Debug)]
pub enum NoClient {
    /// The client had gone before we started.
    Gone,
    /// fd 0 is a terminal: somebody tries the program by hand.
    Terminal,
    /// fd 0 is a socket that listens: the supervisor was to accept.
    Listening,
    /// There is no telling who it is; whatever it is, it is not trusted.
    Unknown(io::Error),
}

impl fmt::Display for NoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoClient::Gone => f.write_str("the client had gone before the session began"),
            NoClient::Terminal => f.write_str(
                "standard input is a terminal, but a session wants a client's socket there: \
                 run `smtp-wrapper try` for a trial, `smtp-wrapper listen` to accept \
                 connections, or have inetd or systemd start it",
            ),
            NoClient::Listening => f.write_str(
                "fd 0 is a listening socket: use Accept=yes (systemd) or nowait (inetd), \
                 or start `smtp-wrapper listen`",
            ),
            NoClient::Unknown(why) => write!(
                f,
                "fd 0 has no peer address ({why}), and neither TCPREMOTEIP nor REMOTE_ADDR is set",
            ),
        }
    }
}

/// Is there an Internet client at the other end?
#[must_use]
pub fn is_client(fd: BorrowedFd<'_>) -> bool {
    let is_inet = |peer: SocketAddrAny| SocketAddr::try_from(peer).is_ok();
    getpeername(fd).is_ok_and(|peer| peer.is_some_and(is_inet))
}

/// What a balancer told of the address that the client connected to.
static TOLD_LOCAL: OnceLock<SocketAddr> = OnceLock::new();

/// The client is a balancer's, and connected to this address.
pub fn set_local(local: SocketAddr) {
    let _ = TOLD_LOCAL.set(local);
}

/// Our address on the client's connection, if it has one.
#[must_use]
pub fn local() -> Option<SocketAddr> {
    if let Some(told) = TOLD_LOCAL.get() {
        return Some(*told);
    }
    let local = SocketAddr::try_from(getsockname(stdin()).ok()?).ok()?;
    Some(SocketAddr::new(local.ip().to_canonical(), local.port()))
}

/// Finds the client.
///
/// # Errors
/// Says why there is none.
pub fn client() -> Result<Client, NoClient> {
    match getpeername(stdin()) {
        Ok(Some(peer)) => of_socket(peer.try_into().ok()),
        Ok(None) => of_socket(None),
        Err(Errno::NOTCONN) => not_connected(),
        Err(_) if take_passed_socket() => match getpeername(stdin()) {
            Ok(peer) => of_socket(peer.and_then(|p| p.try_into().ok())),
            Err(_) => not_connected(),
        },
        Err(error) => told(false).ok_or_else(|| {
            if rustix::termios::isatty(stdin()) {
                NoClient::Terminal
            } else {
                NoClient::Unknown(error.into())
            }
        }),
    }
}

/// fd 0 is a connected socket, of the Internet if it has such an address.
fn of_socket(peer: Option<SocketAddr>) -> Result<Client, NoClient> {
    match peer {
        Some(peer) => {
            Ok(Client { ip: peer.ip().to_canonical(), port: peer.port(), is_socket: true })
        }
        None => told(true).ok_or_else(|| NoClient::Unknown(Errno::AFNOSUPPORT.into())),
    }
}

fn not_connected() -> Result<Client, NoClient> {
    match sockopt::socket_acceptconn(stdin()) {
        Ok(true) => Err(NoClient::Listening),
        _ => Err(NoClient::Gone),
    }
}

/// The address that a supervisor of the UCSPI kind, or systemd, has put into
/// the environment.
fn told(is_socket: bool) -> Option<Client> {
    let of = |ip: &str, port: &str| {
        let ip: IpAddr = std::env::var(ip).ok()?.parse().ok()?;
        let port = std::env::var(port).ok().and_then(|p| p.parse().ok()).unwrap_or(0);
        Some(Client { ip: ip.to_canonical(), port, is_socket })
    };
    of("TCPREMOTEIP", "TCPREMOTEPORT").or_else(|| of("REMOTE_ADDR", "REMOTE_PORT"))
}

/// Takes the socket that systemd passed as fd 3 (sd_listen_fds(3)) and makes it
/// fd 0 and 1.
fn take_passed_socket() -> bool {
    if sys::variable("LISTEN_FDS").is_none() {
        return false;
    }
    let mut passed = listenfd::ListenFd::from_env();
    let family = AddressFamily::INET.as_raw().into(); // IPv6 is taken too
    let kind = SocketType::STREAM.as_raw() as i32;
    match passed.take_custom::<OwnedFd>(0, family, kind, "TCP connection") {
        Ok(Some(socket)) => dup2_stdin(&socket).and_then(|()| dup2_stdout(&socket)).is_ok(),
        _ => false,
    }
}
