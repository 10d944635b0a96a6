//! The listening sockets: systemd's, or our own, and in plain words what is in
//! their way.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType};
use listenfd::ListenFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::cli::Listen;
use crate::exit;

/// Where SMTP is spoken (RFC 5321 4.5.4.2).
const SMTP_PORT: u16 = 25;

/// Why we cannot listen, and what to do about it.
#[derive(Debug)]
pub(super) struct StartError {
    text: String,
    passes: bool,
}

impl StartError {
    fn lasting(text: String) -> Self {
        StartError { text, passes: false }
    }

    /// The exit status that says whether another try may help.
    pub(super) fn status(&self) -> u8 {
        if self.passes { exit::TEMPORARY } else { exit::CONFIGURATION }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Opens what the settings name; if they name nothing, takes what systemd
/// passed, or else port 25 of all addresses.
pub(super) fn open(listen: &Listen) -> Result<Vec<TcpListener>, StartError> {
    for (option, n) in [("--max", listen.max), ("--max-per-address", listen.max_per_address)] {
        if n == 0 {
            return Err(StartError::lasting(format!("{option} 0 would refuse every client")));
        }
    }
    if listen.on.is_empty() {
        let passed = passed()?;
        if !passed.is_empty() {
            return Ok(passed);
        }
    }
    let mut wanted = Vec::new();
    for text in &listen.on {
        wanted.extend(addresses(text)?);
    }
    if wanted.is_empty() {
        wanted = everywhere(SMTP_PORT);
    }
    let mut listeners = Vec::new();
    for (n, &address) in wanted.iter().enumerate() {
        if wanted.iter().take(n).any(|&earlier| earlier == address) {
            continue;
        }
        // Else [::] stands for IPv4 too, and the two would be in each other's way.
        let with_ipv4 =
            !wanted.contains(&SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()));
        match listener(address, with_ipv4, listen.backlog) {
            Ok(listener) => listeners.push(listener),
            // A machine without IPv6.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
                if !with_ipv4 && address.ip().is_unspecified() => {}
            Err(error) => return Err(explain(address, error)),
        }
    }
    Ok(listeners)
}

/// Opens one socket. It does not block: a client that is gone before it is
/// accepted must not stop us.
pub(super) fn listener(
    address: SocketAddr,
    with_ipv4: bool,
    backlog: i32,
) -> Result<TcpListener, Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Without it a restart would have to wait for the connections of before.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // OpenBSD knows no sockets for both families, and says so.
        let outcome = sockopt::set_ipv6_v6only(&socket, !with_ipv4);
        if !with_ipv4 {
            outcome?;
        }
    }
    bind(&socket, &address)?;
    listen(&socket, backlog)?;
    Ok(socket.into())
}

/// What systemd opened for us (sd_listen_fds(3)).
fn passed() -> Result<Vec<TcpListener>, StartError> {
    let mut fds = ListenFd::from_env();
    let mut listeners = Vec::new();
    for n in 0..fds.len() {
        let refuse = |why: &str| {
            StartError::lasting(format!(
                "the socket {n} passed by systemd: {why} (ListenStream= with Accept=no is needed)"
            ))
        };
        let listener = fds.take_tcp_listener(n).map_err(|error| refuse(&error.to_string()))?;
        let listener = listener.ok_or_else(|| refuse("it is not there"))?;
        if !sockopt::socket_acceptconn(&listener).unwrap_or(false) {
            return Err(refuse("it does not listen"));
        }
        listener.set_nonblocking(true).map_err(|error| refuse(&error.to_string()))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn everywhere(port: u16) -> Vec<SocketAddr> {
    let ips: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    ips.map(|ip| SocketAddr::new(ip, port)).to_vec()
}

/// The addresses that an argument stands for.
fn addresses(text: &str) -> Result<Vec<SocketAddr>, StartError> {
    let bad = |why: &str| {
        StartError::lasting(format!(
            "{text:?}: {why}; an address is PORT, HOST:PORT or [IPv6]:PORT"
        ))
    };
    if let Ok(ip) = text.parse() {
        return Ok(vec![SocketAddr::new(ip, SMTP_PORT)]);
    }
    let all_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (host, port) = match text.rsplit_once(':') {
        _ if all_digits => ("*", text),
        Some((host, port)) if !text.ends_with(']') => (host, port),
        _ => (text, "25"),
    };
    let port = port.parse().map_err(|_| bad("the port must be 1 to 65535"))?;
    let host = match host.strip_prefix('[').map(|h| h.strip_suffix(']')) {
        None => host,
        Some(Some(host)) if host.contains(':') => host,
        Some(_) => return Err(bad("no IPv6 address in brackets")),
    };
    match host {
        "*" => Ok(everywhere(port)),
        "" => Err(bad("the host is missing")),
        _ => look_up(host).map(|ips| ips.into_iter().map(|ip| with_port(ip, port)).collect()),
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// A name, or an address in the system's spelling (`fe80::1%eth0`).
fn look_up(host: &str) -> Result<Vec<SocketAddr>, StartError> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = dns_lookup::getaddrinfo(Some(host), None, Some(hints)).map_err(|error| {
        let passes = matches!(error.kind(), LookupErrorKind::Again);
        StartError { text: format!("{host:?}: {}", io::Error::from(error)), passes }
    })?;
    let found: io::Result<Vec<SocketAddr>> = found.map(|info| info.map(|i| i.sockaddr)).collect();
    found.map_err(|error| StartError::lasting(format!("{host:?}: {error}")))
}

fn explain(address: SocketAddr, error: Errno) -> StartError {
    let what = match error {
        Errno::ACCESS => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE; or let systemd or inetd listen, or take another port"
        }
        Errno::ADDRINUSE => {
            "another program listens there; 'ss -ltnp' or 'sockstat -l' shows which"
        }
        Errno::ADDRNOTAVAIL => "this machine does not have that address",
        Errno::AFNOSUPPORT => "this machine does not have that kind of address",
        Errno::MFILE | Errno::NFILE => "raise the limit on open files (ulimit -n)",
        _ => "no advice",
    };
    // Whoever holds the port may let go of it: an earlier one of us, for one.
    let passes = matches!(error, Errno::ADDRINUSE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM);
    let error = io::Error::from(error);
    StartError { text: format!("cannot listen on {address}: {error}: {what}"), passes }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_they_are_written() {
        for (text, stands_for) in [
            ("2525", "0.0.0.0:2525 [::]:2525"),
            ("*:2525", "0.0.0.0:2525 [::]:2525"),
            ("127.0.0.1:2525", "127.0.0.1:2525"),
            ("127.0.0.1", "127.0.0.1:25"),
            ("[::1]:2525", "[::1]:2525"),
            ("[::1]", "[::1]:25"),
            ("::1", "[::1]:25"), // not ":" and port 1
            ("0.0.0.0:0", "0.0.0.0:0"),
        ] {
            let found: Vec<String> =
                addresses(text).unwrap().iter().map(SocketAddr::to_string).collect();
            assert_eq!(found.join(" "), stands_for, "{text}");
        }
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            ":25",
            "65536",
            "127.0.0.1:",
            "127.0.0.1:smtp",
            "[::1",
            "[127.0.0.1]:25",
            "[::1]25",
        ] {
            let error = addresses(text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?}: ")), "{error}");
            assert_eq!(error.status(), exit::CONFIGURATION, "{error}");
        }
    }
}
