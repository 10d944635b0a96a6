//! Which sessions run, for whom, and whether one more may start.
//!
//! Reaping needs neither threads nor signals: a process that has ended is only
//! of interest when the next one asks for its place, so the caps themselves
//! reap before they refuse. Apart from that, each start takes away one ended
//! process, and the accept loop looks once a second while any are left.
//! Rejected: SIGCHLD with a self-pipe or signalfd (a signal, a read and an
//! interrupted poll for each session, and unsafe code); a pidfd for each
//! session (poll's cost grows with the sessions); ignoring SIGCHLD (the caps
//! would not know that a place is free).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use rustix::process::{Pid, WaitOptions, wait};

/// Signals by which a person ends a session.
const USUAL: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// How many sessions may run at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    /// In all.
    pub(super) total: usize,
    /// For one client address.
    pub(super) per_address: usize,
}

/// Why a session may not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The cap on all sessions is reached.
    Total,
    /// The cap on the sessions of this client is reached.
    Address,
}

/// The sessions that run.
pub(super) struct Sessions {
    caps: Caps,
    running: HashMap<Pid, IpAddr>,
    of_address: HashMap<IpAddr, usize>,
    crashed: Option<String>,
}

impl Sessions {
    pub(super) fn new(caps: Caps) -> Self {
        Sessions { caps, running: HashMap::new(), of_address: HashMap::new(), crashed: None }
    }

    pub(super) fn caps(&self) -> Caps {
        self.caps
    }

    /// Sessions not yet known to have ended.
    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    /// Whether this client may have a session now.
    pub(super) fn admit(&mut self, client: IpAddr) -> Result<(), Full> {
        let client = customer(client);
        self.room(client).or_else(|_| {
            self.reap();
            self.room(client)
        })
    }

    fn room(&self, client: IpAddr) -> Result<(), Full> {
        if self.running.len() >= self.caps.total {
            return Err(Full::Total);
        }
        match self.of_address.get(&client) {
            Some(&n) if n >= self.caps.per_address => Err(Full::Address),
            None if self.caps.per_address == 0 => Err(Full::Address),
            _ => Ok(()),
        }
    }

    /// Counts a session that has started, and reaps one that has ended: in the
    /// long run that is all of them, at one system call each.
    pub(super) fn started(&mut self, session: Pid, client: IpAddr) {
        let client = customer(client);
        self.running.insert(session, client);
        *self.of_address.entry(client).or_default() += 1;
        self.reap_one();
    }

    /// Reaps all that have ended.
    pub(super) fn reap(&mut self) {
        while self.reap_one() {}
    }

    /// What is to be told of a session that ended as none should, once.
    pub(super) fn crashed(&mut self) -> Option<String> {
        self.crashed.take()
    }

    fn reap_one(&mut self) -> bool {
        let Ok(Some((session, status))) = wait(WaitOptions::NOHANG) else {
            return false;
        };
        // A child that is not ours to count: whoever exec'ed us left it behind.
        let Some(client) = self.running.remove(&session) else {
            return true;
        };
        // A session that a signal ended could not say so itself.
        if let Some(signal) = status.terminating_signal().filter(|s| !USUAL.contains(s)) {
            self.crashed =
                Some(format!("the session {session} of [{client}] was ended by signal {signal}"));
        }
        if let Some(n) = self.of_address.get_mut(&client) {
            *n -= 1;
            if *n == 0 {
                self.of_address.remove(&client);
            }
        }
        true
    }
}

/// Who is counted as one: an IPv6 customer has at least a /64 of addresses
/// (RFC 6177) and could take all places with them.
fn customer(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}
