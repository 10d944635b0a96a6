//! Finding out the client's host names, while whoever asks waits for other things.

use std::cell::OnceCell;
use std::time::Instant;

use super::{Host, Lookup, system};
use crate::activation::Client;
use crate::config::{Dns, Resolver};

/// How far it is.
pub enum Naming {
    /// Nothing has been asked.
    Idle {
        /// A filter may need it: what is waited for meanwhile is no time lost.
        wanted: bool,
    },
    /// Questions are under way.
    Asking(Box<Lookup>),
    /// There is nothing more to ask. What was opened for it is left to the end of the
    /// process, which is near.
    Done(Option<Box<Lookup>>),
}

impl Naming {
    /// The beginning; a filter may need it.
    #[must_use]
    pub const fn new(wanted: bool) -> Naming {
        Naming::Idle { wanted }
    }

    /// Asks, if that has not been done. `meanwhile`: nobody waits for it yet.
    ///
    /// # Errors
    /// What is wrong with the resolver's configuration, once; there are servers
    /// to ask nevertheless.
    pub fn start(
        &mut self,
        dns: &Dns,
        client: &Client,
        host: &OnceCell<Host>,
        meanwhile: bool,
    ) -> Result<(), String> {
        match self {
            Naming::Idle { wanted } if *wanted || !meanwhile => {}
            _ => return Ok(()),
        }
        if dns.resolver == Resolver::System {
            // It is not to be had beside anything else.
            if !meanwhile {
                *self = Naming::Done(None);
                let _ = host.set(system::ask(client.ip));
            }
            return Ok(());
        }
        let (servers, trouble) = dns.servers();
        *self = Naming::Asking(Box::new(Lookup::start(servers, client.ip, dns.time_limit)));
        trouble.map_or(Ok(()), Err)
    }

    /// Is there an answer to wait for?
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self, Naming::Asking(_))
    }

    /// What was asked, if the stub resolver asked.
    #[must_use]
    pub fn lookup(&self) -> Option<&Lookup> {
        match self {
            Naming::Asking(lookup) | Naming::Done(Some(lookup)) => Some(lookup),
            Naming::Idle { .. } | Naming::Done(None) => None,
        }
    }

    /// What to wait for; and until when.
    #[must_use]
    pub fn fds(&self, into: &mut Vec<libc::pollfd>) -> Option<Instant> {
        match self {
            Naming::Asking(lookup) => {
                lookup.fds(into);
                lookup.wakes_at()
            }
            Naming::Idle { .. } | Naming::Done(_) => None,
        }
    }

    /// Goes on with it.
    pub fn advance(&mut self, host: &OnceCell<Host>) {
        let Naming::Asking(lookup) = self else { return };
        if let Some(known) = lookup.advance() {
            let _ = host.set(known);
            if let Naming::Asking(lookup) = std::mem::replace(self, Naming::Done(None)) {
                *self = Naming::Done(Some(lookup));
            }
        }
    }
}
