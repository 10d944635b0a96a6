//! Whom to ask: what resolv.conf(5) says of it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};

/// Name servers that are asked; more are not looked at (resolv.conf(5), MAXNS).
const SERVERS: usize = 3;
/// Port of DNS.
const PORT: u16 = 53;
/// For one answer, without `options timeout`.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most that `options timeout` may say.
const LONGEST_TIMEOUT: u32 = 30;
/// How often each server is asked, without `options attempts`.
const ATTEMPTS: u32 = 2;
/// The most that `options attempts` may say.
const MOST_ATTEMPTS: u32 = 5;
/// A file is read up to here, in octets.
const FILE: usize = 8 * 1024;

/// Whom to ask, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name servers, at least one.
    pub servers: Vec<SocketAddr>,
    /// How long one is waited for.
    pub timeout: Duration,
    /// How often each is asked.
    pub attempts: u32,
}

impl Config {
    /// These servers, and the system's usual patience. Without any it is the one
    /// on this machine.
    #[must_use]
    pub fn of(mut servers: Vec<SocketAddr>) -> Config {
        if servers.is_empty() {
            servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        servers.truncate(SERVERS);
        Config { servers, timeout: TIMEOUT, attempts: ATTEMPTS }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Those of reading it. Lines that are not understood are passed over.
    pub fn read(path: &Path) -> io::Result<Config> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let file = open(path, flags, Mode::empty())?;
        let mut text = Vec::with_capacity(FILE);
        // One call, for a session may come here; a file of this kind comes whole.
        while let Err(error) = read(&file, spare_capacity(&mut text)) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        Ok(Config::parse(&text))
    }

    /// Reads the text of such a file.
    #[must_use]
    pub fn parse(text: &[u8]) -> Config {
        let (mut servers, mut timeout, mut attempts) = (Vec::new(), None, None);
        for line in text.split(|&b| b == b'\n') {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A scope (fe80::1%eth0) names a link, which is nothing to rely on.
                    let ip = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    servers.extend(ip.map(|ip| SocketAddr::new(ip, PORT)));
                }
                Some("options") => {
                    for word in words {
                        timeout = option(word, "timeout:", LONGEST_TIMEOUT).or(timeout);
                        attempts = option(word, "attempts:", MOST_ATTEMPTS).or(attempts);
                    }
                }
                _ => {}
            }
        }
        let config = Config::of(servers);
        Config {
            timeout: timeout.map_or(config.timeout, |seconds| Duration::from_secs(seconds.into())),
            attempts: attempts.unwrap_or(config.attempts),
            ..config
        }
    }
}

/// The number behind this name, at least 1.
fn option(word: &str, name: &str, most: u32) -> Option<u32> {
    let number = word.strip_prefix(name)?.parse::<u32>().ok()?;
    Some(number.clamp(1, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says() {
        let servers = |text: &str| {
            let config = Config::parse(text.as_bytes());
            config.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        for (text, expected) in [
            ("", "127.0.0.1:53"),
            ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", "192.0.2.1:53 [2001:db8::1]:53"),
            ("nameserver\t192.0.2.1 # a comment\n", "192.0.2.1:53"),
            ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n", "127.0.0.1:53"),
            ("nameserver fe80::1%eth0\nnameserver x\nnameserver\n", "127.0.0.1:53"),
            (
                "search a\nnameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4",
                "1.1.1.1:53 1.1.1.2:53 1.1.1.3:53",
            ),
            ("nameserver 192.0.2.1\r\n", "192.0.2.1:53"),
            ("name\u{e9}server 192.0.2.1", "127.0.0.1:53"),
        ] {
            assert_eq!(servers(text), expected, "{text:?}");
        }
        for (text, timeout, attempts) in [
            ("", 5, 2),
            ("options timeout:1 attempts:4", 1, 4),
            ("options rotate timeout:0 attempts:99", 1, 5),
            ("options timeout:-1 attempts:x", 5, 2),
            ("options timeout:99999999999", 5, 2),
        ] {
            let config = Config::parse(text.as_bytes());
            let said = (config.timeout.as_secs(), config.attempts);
            assert_eq!(said, (timeout, attempts), "{text:?}");
        }
    }
}
