//! Balancers in front of us, whose connections begin with a PROXY header
//! ([`crate::proxy`]) that says who the client is. Only those that the
//! configuration lists are believed, and must send one; from anybody else such a
//! line is a command like any other, which SMTP does not have.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::stdin;

use crate::activation::{self, Client};
use crate::filter::Facts;
use crate::limits;
use crate::list::{List, Topic};
use crate::proxy::{self, Progress, Says};
use crate::stage::{Stage, Stages};

/// The balancers, as addresses and networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancers {
    texts: Vec<&'static str>,
}

impl Balancers {
    /// Takes addresses and networks.
    ///
    /// # Errors
    /// Says what is wrong with them.
    #[inline(never)] // Not in every session.
    pub fn read(texts: Vec<&'static str>) -> Result<Balancers, String> {
        let list = List::parse(&texts, Topic::Address)?;
        if list.has_hosts() || list.stages() != Stages::only(Stage::Connect) {
            return Err("must be addresses and networks: names can be made up".to_owned());
        }
        Ok(Balancers { texts })
    }

    /// Is this one of them? Asked once in a session.
    fn has(&self, client: &Client) -> bool {
        let Ok(list) = List::parse(&self.texts, Topic::Address) else { return false };
        let host = std::cell::OnceCell::new();
        let facts = Facts {
            client,
            host: &host,
            encryption: None,
            session: "",
            hello: &[],
            helo: &[],
            from: None,
            recipient: None,
            to: &[],
            envelope: &[],
            auth: None,
            lifted: false,
            message: None,
        };
        list.find_at(Stage::Connect, &facts).is_some()
    }

    /// Who the client is, if its connection comes from a balancer.
    ///
    /// # Errors
    /// Why there is no telling.
    #[inline(never)] // Not in every session.
    pub(crate) fn client(&self, client: Client) -> Result<Client, NoHeader> {
        if !self.has(&client) {
            return Ok(client);
        }
        match read(stdin())? {
            Says::Own => Ok(client),
            Says::Connection { source, destination } => {
                activation::set_local(destination);
                Ok(Client { ip: source.ip(), port: source.port(), ..client })
            }
        }
    }
}

/// Why a balancer's connection has no header.
#[derive(Debug)]
pub(crate) enum NoHeader {
    /// It was closed before the first octet, as by somebody who only looks
    /// whether we are there.
    Looked,
    /// It was closed within the header.
    CutOff,
    /// The header did not come in time.
    Late,
    /// What came is none.
    Malformed(&'static str),
    /// It cannot be read.
    Broken(io::Error),
}

impl fmt::Display for NoHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoHeader::Looked => f.write_str("the balancer connected and sent nothing"),
            NoHeader::CutOff => f.write_str("the balancer closed within its PROXY header"),
            NoHeader::Late => f.write_str("the balancer's PROXY header did not come in time"),
            NoHeader::Malformed(why) => write!(f, "the balancer's connection: {why}"),
            NoHeader::Broken(error) => write!(f, "the balancer's PROXY header: {error}"),
        }
    }
}

/// Reads the header, and nothing behind it.
fn read(fd: BorrowedFd<'_>) -> Result<Says, NoHeader> {
    let end = Instant::now() + limits::PROXY_HEADER_WAIT;
    let (mut header, mut piece) = (Vec::new(), [0; 512]);
    loop {
        let needed = match proxy::decode(&header).map_err(NoHeader::Malformed)? {
            Progress::Complete(says) => return Ok(says),
            Progress::Needs(needed) => needed.min(piece.len()),
        };
        wait(fd, end)?;
        let room = piece.get_mut(..needed).unwrap_or_default();
        match rustix::io::read(fd, &mut *room) {
            Ok(0) if header.is_empty() => return Err(NoHeader::Looked),
            Ok(0) => return Err(NoHeader::CutOff),
            Ok(count) => header.extend_from_slice(room.get(..count).unwrap_or_default()),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(Errno::CONNRESET) if header.is_empty() => return Err(NoHeader::Looked),
            Err(error) => return Err(NoHeader::Broken(error.into())),
        }
    }
}

/// Waits until there is something to read.
fn wait(fd: BorrowedFd<'_>, end: Instant) -> Result<(), NoHeader> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let limit = Timespec::try_from(left).map_err(|_| NoHeader::Late)?;
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&limit)) {
            Ok(0) => return Err(NoHeader::Late),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(NoHeader::Broken(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_balancers() {
        for (texts, fits) in [
            (&["192.0.2.0/24", "::1"][..], true),
            (&["balancer.example"], false),
            (&["192.0.2.1", "from:a@b"], false),
            (&[], false),
            (&["192.0.2.1/24"], false),
        ] {
            assert_eq!(Balancers::read(texts.to_vec()).is_ok(), fits, "{texts:?}");
        }
    }
}
