//! Who the client is by its reverse DNS: its names, and which of them lead back
//! to its address (RFC 8601 2.7.3 "iprev"; forward-confirmed reverse DNS).
//!
//! A name that is not confirmed is only what somebody says of himself; filters
//! and lists get to see confirmed ones. "No name" and "no answer" are never
//! mixed up: a name server that is down refuses nobody.
//!
//! The stub resolver ([`crate::dns`]) asks, while filters wait for other things;
//! `resolver = "system"` asks the system's (hosts file, nsswitch), which takes
//! the time it takes. musl's does not tell the two apart, which is why it is
//! not the default.

mod lookup;
mod naming;
mod system;

use std::net::IpAddr;
use std::time::Duration;

use crate::dns::Trouble;

pub use lookup::Lookup;
pub use naming::Naming;

/// What reverse DNS says of an address (RFC 8601 2.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iprev {
    /// A name leads back to the address.
    Pass,
    /// There are names, and none leads back.
    Fail,
    /// There was no telling: DNS did not answer.
    TempError,
    /// The address has no name.
    PermError,
}

impl Iprev {
    /// Its name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Iprev::Pass => "pass",
            Iprev::Fail => "fail",
            Iprev::TempError => "temperror",
            Iprev::PermError => "permerror",
        }
    }
}

/// The host names of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What came of it.
    pub iprev: Iprev,
    /// The names that lead back, without the final dot, in the alphabet's order.
    pub confirmed: Vec<Vec<u8>>,
    /// A name for the log, confirmed or not.
    pub name: Option<Vec<u8>>,
    /// Why there was no telling, or not of every name.
    pub trouble: Option<Trouble>,
    /// How many questions were asked.
    pub questions: u32,
    /// How long it took.
    pub took: Duration,
}

impl Host {
    /// A host with this name, which is taken to lead back, as for trials of a
    /// configuration.
    #[must_use]
    pub fn given(name: Option<&[u8]>) -> Host {
        let names = name.map(plain).filter(|name| !name.is_empty());
        Host {
            iprev: if names.is_some() { Iprev::Pass } else { Iprev::PermError },
            confirmed: names.iter().cloned().collect(),
            name: names,
            trouble: None,
            questions: 0,
            took: Duration::ZERO,
        }
    }
}

/// A name without its final dot.
fn plain(name: &[u8]) -> Vec<u8> {
    name.strip_suffix(b".").unwrap_or(name).to_vec()
}

/// Is it an address of this machine or of a private network, which no name
/// server of the Internet knows (RFC 6890)?
#[must_use]
pub fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
