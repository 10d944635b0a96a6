//! The MTAs behind: where they are, and how one is called.
//!
//! There may be several, in an order: the next one is called when one does not
//! come to greet (`dialogue` says when). No state is kept of which one was down:
//! a process lives as long as its session, and a connection that is refused at
//! once costs less than a file to ask.

mod address;
mod program;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

pub use address::Address;
pub(crate) use program::{Program, Waiting};

/// Waits until a connection stands, or says why it does not.
pub type Connected<'a> = dyn Fn(&OwnedFd) -> io::Result<()> + 'a;

/// An MTA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// At an address.
    Tcp(Address),
    /// On a Unix socket with this path.
    Unix(&'static str),
    /// A program, and its arguments, parted by white space: it is started for the
    /// session, as inetd would start it.
    Exec(&'static str),
}

impl Upstream {
    /// Reads `HOST:PORT`, `[IPv6]:PORT`, `unix:/path` or `exec:/path ARGUMENT…`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &'static str) -> Result<Upstream, String> {
        let path = |path: &str| match path.starts_with('/') && !path.contains('\0') {
            true => Ok(()),
            false => Err("the path must begin with a slash".to_owned()),
        };
        if let Some(socket) = text.strip_prefix("unix:") {
            path(socket)?;
            SocketAddrUnix::new(socket).map_err(|_| "the path is too long for a socket")?;
            Ok(Upstream::Unix(socket))
        } else if let Some(run) = text.strip_prefix("exec:") {
            path(run)?;
            Ok(Upstream::Exec(run))
        } else {
            text.parse().map(Upstream::Tcp)
        }
    }

    /// Is it a program, which knows the client by its environment?
    #[must_use]
    pub fn is_program(&self) -> bool {
        matches!(self, Upstream::Exec(_))
    }

    /// Its port, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Upstream::Tcp(address) => Some(address.port),
            Upstream::Unix(_) | Upstream::Exec(_) => None,
        }
    }

    /// The path of its socket, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<&'static str> {
        match self {
            Upstream::Unix(path) => Some(path),
            Upstream::Tcp(_) | Upstream::Exec(_) => None,
        }
    }

    /// Is the system's resolver to be asked where it is?
    #[must_use]
    pub fn is_named(&self) -> bool {
        matches!(self, Upstream::Tcp(address) if address.is_named())
    }

    /// Connects to it. With `waits`, not before the connection stands is it
    /// there; see [`Address::call`].
    ///
    /// # Errors
    /// When it could not be connected.
    #[inline(always)]
    pub fn call(&self, waits: bool, limit: Duration, wait: &Connected<'_>) -> io::Result<OwnedFd> {
        match self {
            Upstream::Tcp(address) => address.call(waits, wait),
            Upstream::Unix(path) => call_unix(path, limit),
            // It is started, not connected.
            Upstream::Exec(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// A Unix socket takes a connection at once, unless its queue is full; to wait
/// for a place in it the call has to block, in the kernel, with a limit.
fn call_unix(path: &str, limit: Duration) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(limit))?;
    connect(&socket, &address)?;
    Ok(socket)
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Upstream::Tcp(address) => address.fmt(f),
            Upstream::Unix(path) => write!(f, "unix:{path}"),
            Upstream::Exec(run) => write!(f, "exec:{run}"),
        }
    }
}

/// The MTAs, in the order in which they are tried; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstreams {
    first: Upstream,
    /// Rarely any, so that a session with one takes no memory for a list.
    more: Vec<Upstream>,
    /// Another one that an option names is added; else it replaces them.
    add: bool,
}

impl Default for Upstreams {
    fn default() -> Self {
        let first = Upstream::Tcp(Address::default());
        Upstreams { first, more: Vec::new(), add: false }
    }
}

impl Upstreams {
    /// Takes over a list of the configuration.
    ///
    /// # Errors
    /// Says which one is wrong, or that there is none.
    pub fn read(texts: &[&'static str]) -> Result<Upstreams, String> {
        let of = |text: &&'static str| match texts.len() {
            1 => Upstream::parse(text),
            _ => Upstream::parse(text).map_err(|what| format!("{text:?}: {what}")),
        };
        let (first, more) = texts.split_first().ok_or("is empty: there must be an MTA")?;
        let more = more.iter().map(of).collect::<Result<_, _>>()?;
        Ok(Upstreams { first: of(first)?, more, add: false })
    }

    /// Takes one that an option names: the first replaces what there was before,
    /// others are added.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn option(&mut self, text: &'static str) -> Result<(), String> {
        let upstream = Upstream::parse(text)?;
        if self.add {
            self.more.push(upstream);
        } else {
            *self = Upstreams { first: upstream, more: Vec::new(), add: true };
        }
        Ok(())
    }

    /// What follows overrides what there is: the next option replaces.
    pub fn overridden(&mut self) {
        self.add = false;
    }

    /// Changes the address of the one MTA that the original's options are about.
    ///
    /// # Errors
    /// Those of the change.
    pub fn change_only(
        &mut self,
        change: impl FnOnce(&mut Address) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut address = match &self.first {
            Upstream::Tcp(address) => address.clone(),
            Upstream::Unix(_) | Upstream::Exec(_) => Address::default(),
        };
        change(&mut address)?;
        self.first = Upstream::Tcp(address);
        self.more.clear();
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.more.len()
    }

    /// A process for each that is a program, and which one that is.
    pub(crate) fn programs(&self) -> Vec<(usize, io::Result<Waiting>)> {
        let mut all = Vec::new();
        for (n, upstream) in self.iter().enumerate() {
            if let Upstream::Exec(run) = upstream {
                let waiting = Waiting::new(run, &mut all);
                all.push((n, waiting));
            }
        }
        all
    }

    /// The n-th, counted from 0; the first if there is none such.
    #[must_use]
    pub fn nth(&self, n: usize) -> &Upstream {
        n.checked_sub(1).and_then(|n| self.more.get(n)).unwrap_or(&self.first)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Upstream> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl fmt::Display for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.more.iter().try_for_each(|upstream| write!(f, ", then {upstream}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read_and_written() {
        let texts = [
            "127.0.0.1:8025",
            "[::1]:25",
            "mx.example:25",
            "unix:/run/mta",
            "exec:/usr/sbin/mta -bs",
        ];
        let upstreams = Upstreams::read(&texts).unwrap();
        assert_eq!(upstreams.to_string(), texts.join(", then "));
        assert_eq!(upstreams.count(), 5);
        assert!(upstreams.nth(4).is_program() && !upstreams.nth(3).is_program());
        for (text, why) in [
            ("unix:run/mta", "begin with a slash"),
            ("exec:mta -bs", "begin with a slash"),
            ("exec:", "begin with a slash"),
            ("unix:/a\0b", "begin with a slash"),
            ("exec:/a\0b", "begin with a slash"),
            ("/run/mta", "must be HOST:PORT, unix:/path or exec:/path"),
        ] {
            let error = Upstream::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let long: &'static str = format!("unix:/{}", "x".repeat(200)).leak();
        assert!(Upstream::parse(long).unwrap_err().contains("too long"));
        assert!(Upstreams::read(&[]).unwrap_err().contains("empty"));
        assert!(Upstreams::read(&["a:1", "b"]).unwrap_err().starts_with("\"b\": must be"));
    }

    #[test]
    fn options_replace_and_then_add() {
        let port = |address: &mut Address| {
            address.port = 6;
            Ok(())
        };
        let mut upstreams = Upstreams::read(&["a:1", "b:2"]).unwrap();
        upstreams.option("c:3").unwrap();
        upstreams.option("unix:/d").unwrap();
        assert_eq!(upstreams.to_string(), "c:3, then unix:/d");
        upstreams.overridden();
        upstreams.option("e:5").unwrap();
        assert_eq!(upstreams.to_string(), "e:5");
        upstreams.option("exec:/f").unwrap();
        upstreams.change_only(port).unwrap();
        assert_eq!(upstreams.to_string(), "e:6");
        upstreams.overridden();
        upstreams.option("exec:/f").unwrap();
        upstreams.change_only(port).unwrap();
        assert_eq!(upstreams.to_string(), "127.0.0.1:6");
    }
}
