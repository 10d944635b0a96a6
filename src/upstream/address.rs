//! An MTA at an address: host and port, and how it is called.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use super::Connected;

/// Host and port of the MTA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// An address, or a name for the system's resolver.
    host: Host,
    /// TCP port.
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Default for Address {
    /// 127.0.0.1:8025, as in the original.
    fn default() -> Self {
        Address { host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port: 8025 }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            Host::Ip(ip) => write!(f, "{ip}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) =
            text.rsplit_once(':').ok_or("must be HOST:PORT, unix:/path or exec:/path")?;
        let port = port.parse::<NonZeroU16>().map_err(|_| "the port must be 1 to 65535")?.get();
        let mut address = Address { port, ..Address::default() };
        if host.contains(':') && !host.starts_with('[') {
            return Err("an IPv6 address stands in brackets, as in [::1]:8025".to_owned());
        }
        address
            .set_host(host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host))?;
        Ok(address)
    }
}

impl Address {
    /// Sets the host, an address (IPv6 without brackets) or a name.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn set_host(&mut self, host: &str) -> Result<(), String> {
        let name_like = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        self.host = match host.parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) if !host.is_empty() && host.bytes().all(name_like) => {
                Host::Name(host.to_owned())
            }
            Err(_) => return Err("neither an address nor a host name".to_owned()),
        };
        Ok(())
    }

    /// The socket addresses that the host stands for; a name is looked up as
    /// the system does it (hosts file, nsswitch), once, without a limit of ours.
    ///
    /// # Errors
    /// The resolver's.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(match &self.host {
            Host::Ip(ip) => vec![SocketAddr::new(*ip, self.port)],
            Host::Name(name) => dns_lookup::lookup_host(name)
                .map_err(io::Error::from)?
                .map(|ip| SocketAddr::new(ip, self.port))
                .collect(),
        })
    }

    /// Is it a name, for the system's resolver?
    #[must_use]
    pub fn is_named(&self) -> bool {
        matches!(self.host, Host::Name(_))
    }

    /// Begins to connect. Whether the MTA answers shows when it is read from:
    /// a refused connection is an error there, so that a session needs neither
    /// a second poll nor a question for the socket's error. Only where another
    /// address can be tried (a name may have several, localhost has) or another
    /// MTA (`waits`) is it worth a wait.
    ///
    /// # Errors
    /// When no address could be connected, or even tried.
    pub fn call(&self, waits: bool, wait: &Connected<'_>) -> io::Result<OwnedFd> {
        let addresses = self.resolve()?;
        let mut outcome = Err(Errno::NOENT.into());
        for (n, address) in addresses.iter().enumerate() {
            outcome = begin(address).map_err(io::Error::from);
            if waits || n + 1 < addresses.len() {
                outcome = outcome.and_then(|socket| wait(&socket).map(|()| socket));
            }
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

fn begin(address: &SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Commands and the end of mail data are small writes that must not wait
    // for the acknowledgement of the one before (40 ms each, measured).
    sockopt::set_tcp_nodelay(&socket, true)?;
    match connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in ["127.0.0.1:8025", "[::1]:25", "mx.example.org:8025"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("127.0.0.1", "HOST:PORT"),
            ("::1:25", "brackets"),
            ("a:65536", "65535"),
            (":25", "neither"),
            ("a b:25", "neither"),
            ("[::1:25", "neither"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
