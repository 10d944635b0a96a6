//! The system's resolver: hosts file, nsswitch, whatever it is set to.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use dns_lookup::{LookupErrorKind, getnameinfo};

use super::{Host, Iprev, plain};
use crate::dns::Trouble;

/// NI_NAMEREQD: an address in place of a name is no name.
const NAME_REQUIRED: i32 = libc::NI_NAMEREQD;

/// Asks the system's resolver, for as long as that takes.
#[must_use]
pub(super) fn ask(ip: IpAddr) -> Host {
    let began = Instant::now();
    let host = |iprev, name: Option<Vec<u8>>, trouble, questions| Host {
        iprev,
        confirmed: name.iter().filter(|_| iprev == Iprev::Pass).cloned().collect(),
        name,
        trouble,
        questions,
        took: began.elapsed(),
    };
    let name = match getnameinfo(&SocketAddr::new(ip, 0), NAME_REQUIRED) {
        Ok((name, _)) => name,
        Err(error) => {
            return match error.kind() {
                LookupErrorKind::NoName | LookupErrorKind::NoData => {
                    host(Iprev::PermError, None, None, 1)
                }
                _ => host(Iprev::TempError, None, Some(Trouble::ServFail), 1),
            };
        }
    };
    let shown = Some(plain(name.as_bytes()));
    match dns_lookup::lookup_host(&name) {
        Ok(mut addresses) => {
            let leads_back = addresses.any(|address| address.to_canonical() == ip);
            let iprev = if leads_back { Iprev::Pass } else { Iprev::Fail };
            host(iprev, shown, None, 2)
        }
        Err(error) => match error.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => host(Iprev::Fail, shown, None, 2),
            _ => host(Iprev::TempError, shown, Some(Trouble::ServFail), 2),
        },
    }
}
