//! Who was refused for now, and what they did then.
//!
//! What is refused is kept by client, sender and recipient (a *group*), and the client by
//! its address (a *host*). The client of a group is the domain of the host's confirmed
//! name, so that a pool of servers is one whatever its networks are; without such a name,
//! and for the machines of a provider's customers, it is the network (IPv4 /24, IPv6 /64).

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::quality::{FixedState, RandomState};

use super::delays::Delays;
use super::facts::{Facts, domain};
use super::group::Group;
use super::names;
use super::spread::Spread;
use super::table::{Aging, Table};

/// Groups and hosts at most, some 100 MB.
const GROUPS: usize = 458_752;
const HOSTS: usize = 229_376;

/// So long are senders looked at together.
const BURST: u32 = 10;
/// Octets of a text that is kept.
const TEXT: usize = 100;

/// A client by its address.
pub(super) struct Host {
    pub(super) ip: IpAddr,
    /// Its confirmed name.
    pub(super) name: Option<Box<[u8]>>,
    /// The hash of that, which is nearer than the name itself.
    name_hash: u32,
    /// Its name, confirmed or not, is one of a provider's customers.
    pub(super) customer: bool,
    /// Who its groups belong to.
    pub(super) owner: u64,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) tries: u32,
    pub(super) groups: u32,
    /// Groups that were given up as they were seen once.
    pub(super) lost: u32,
    helo: u32,
    pub(super) helo_changes: u32,
    /// What it calls itself is a host name, and whose.
    pub(super) helo_domain: u32,
    /// A bit for each domain of senders, and one of them.
    senders: u64,
    pub(super) sender: Box<[u8]>,
    burst_began: u32,
    burst_sender: u32,
    burst: u16,
    /// Senders of different domains within seconds, at most.
    pub(super) most_at_once: u16,
    /// Days on which it was refused.
    pub(super) days: u16,
    /// An entry of a list lets it in since.
    pub(super) allowed: bool,
}

impl Aging for Host {
    fn seen_once(&self) -> bool {
        self.tries < 2
    }

    fn last(&self) -> u32 {
        self.last
    }
}

impl Host {
    /// Domains of senders, about.
    pub(super) fn senders(&self) -> u32 {
        self.senders.count_ones()
    }
}

pub(super) struct Ledger {
    hash: RandomState,
    pub(super) groups: Table<Group>,
    pub(super) hosts: Table<Host>,
    spread: Spread,
    /// How long it took until who was refused was accepted.
    pub(super) delays: Delays,
    /// Groups there were.
    pub(super) begun: u64,
    /// Domains that have customers, by their hash.
    customers: HashSet<u32>,
    /// Clients that were refused for good, by their hash.
    barred: HashSet<u64>,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger {
            hash: RandomState::default(),
            groups: Table::new(GROUPS),
            hosts: Table::new(HOSTS),
            spread: Spread::default(),
            delays: Delays::default(),
            begun: 0,
            customers: HashSet::new(),
            barred: HashSet::new(),
        }
    }
}

impl Ledger {
    /// A filter refused a recipient for now.
    pub(super) fn refused(&mut self, ip: IpAddr, time: u32, facts: &Facts<'_>) {
        let key = self.hash.hash_one(ip).max(1);
        self.host(key, ip, time, facts);
        let sender = self.short(domain(facts.from));
        let helo = self.short(facts.helo);
        let Some(host) = self.hosts.get_mut(key) else { return };
        host.tries = host.tries.saturating_add(1);
        if host.tries == 1 {
            host.helo = helo;
        } else if host.helo != helo {
            host.helo_changes = host.helo_changes.saturating_add(1);
            host.helo = helo;
        }
        if host.tries == 2 {
            let domain = domain(facts.from);
            host.sender = domain.get(..TEXT).unwrap_or(domain).into();
        }
        if time / 86_400 != host.last / 86_400 {
            host.days = host.days.saturating_add(1);
        }
        host.last = host.last.max(time);
        if host.burst_sender != sender {
            // The same each time the log is read, unlike other hashes.
            host.senders |= 1 << (FixedState::default().hash_one(domain(facts.from)) & 63);
        }
        host.allowed = false;
        let owner = host.owner;
        let of = self.hash.hash_one((facts.from, facts.to));
        // Every host may send the same bounce.
        if !facts.from.is_empty() {
            self.spread.note(of, owner, time);
        }
        let id = self.group_of(owner, of);
        if let Some(group) = self.groups.get_mut(id) {
            group.again(time, key);
            return;
        }
        self.begun += 1;
        if let Some(host) = self.hosts.get_mut(key) {
            host.groups = host.groups.saturating_add(1);
            if time.saturating_sub(host.burst_began) > BURST {
                (host.burst_began, host.burst) = (time, 0);
            }
            if host.burst_sender != sender {
                host.burst = host.burst.saturating_add(1);
                host.burst_sender = sender;
                host.most_at_once = host.most_at_once.max(host.burst);
            }
        }
        let hosts = &mut self.hosts;
        self.groups.add(id, Group::new(time, key, of), |gone: &Group| {
            for host in gone.hosts().take(1) {
                if let Some(host) = hosts.get_mut(host) {
                    host.lost = host.lost.saturating_add(1);
                }
            }
        });
    }

    /// A client was refused for good as one that is not wanted.
    pub(super) fn bar(&mut self, ip: IpAddr) {
        if self.barred.len() < HOSTS {
            self.barred.insert(self.hash.hash_one(ip));
        }
    }

    pub(super) fn is_barred(&self, ip: IpAddr) -> bool {
        self.barred.contains(&self.hash.hash_one(ip))
    }

    /// A recipient was accepted; is it one that was refused before?
    pub(super) fn accepted(&mut self, ip: IpAddr, time: u32, facts: &Facts<'_>) {
        if self.groups.len() == 0 {
            return;
        }
        let host = self.hosts.get_mut(self.hash.hash_one(ip).max(1));
        let owner = match host {
            Some(host) => {
                host.allowed |= facts.allowed;
                host.owner
            }
            None => self.owner(ip, facts.name.filter(|_| facts.confirmed)).0,
        };
        let of = self.hash.hash_one((facts.from, facts.to));
        if let Some(group) = self.groups.get_mut(self.group_of(owner, of))
            && let Some(waited) = group.accept(time)
        {
            self.delays.add(waited);
        }
    }

    /// Did unrelated clients try the same within an hour?
    pub(super) fn is_spread(&self, group: &Group) -> bool {
        self.spread.was(group.of)
    }

    /// Does somebody let this domain's names to customers?
    pub(super) fn has_customers(&self, domain: &[u8]) -> bool {
        self.customers.contains(&self.short(domain))
    }

    fn group_of(&self, owner: u64, of: u64) -> u64 {
        self.hash.hash_one((owner, of))
    }

    #[allow(clippy::cast_possible_truncation, reason = "a shorter hash is a hash")]
    pub(super) fn short(&self, text: &[u8]) -> u32 {
        self.hash.hash_one(text) as u32
    }

    /// Makes sure that the host is there, under its name of now.
    fn host(&mut self, key: u64, ip: IpAddr, time: u32, facts: &Facts<'_>) {
        let confirmed = facts.name.filter(|name| facts.confirmed && name.len() <= 253);
        let name_hash = confirmed.map_or(0, |name| self.short(name));
        if let Some(host) = self.hosts.get(key) {
            // DNS may be silent for a while; a name stays until there is another.
            if confirmed.is_none() || name_hash == host.name_hash {
                return;
            }
        }
        let (owner, customer) = self.owner(ip, confirmed);
        let customer = customer || facts.name.is_some_and(|name| names::of_customer(name, ip));
        if customer
            && self.customers.len() < HOSTS
            && let Some(own) = facts.name.and_then(names::registrable)
        {
            self.customers.insert(self.short(&own.to_ascii_lowercase()));
        }
        let name = confirmed.map(Box::from);
        if let Some(host) = self.hosts.get_mut(key) {
            (host.name, host.name_hash) = (name, name_hash);
            (host.owner, host.customer) = (owner, customer);
            return;
        }
        let helo_domain = match names::entry(facts.helo) {
            Some(helo) => names::registrable(helo.as_bytes()).map_or(0, |own| self.short(own)),
            None => 0,
        };
        let host = Host {
            ip,
            name,
            name_hash,
            customer,
            owner,
            first: time,
            last: time,
            tries: 0,
            groups: 0,
            lost: 0,
            helo: 0,
            helo_changes: 0,
            helo_domain,
            senders: 0,
            sender: Box::default(),
            burst_began: time,
            burst_sender: 0,
            burst: 0,
            most_at_once: 0,
            days: 1,
            allowed: false,
        };
        self.hosts.add(key, host, |_| {});
    }

    /// Who the groups of a host belong to, and is it a customer's machine?
    fn owner(&self, ip: IpAddr, confirmed: Option<&[u8]>) -> (u64, bool) {
        let customer = confirmed.is_some_and(|name| names::of_customer(name, ip));
        let domain = confirmed.filter(|_| !customer).and_then(names::registrable);
        let owner = match domain {
            Some(domain) => self.hash.hash_one(domain.to_ascii_lowercase()),
            None => self.hash.hash_one(network(ip)),
        };
        (owner, customer)
    }
}

/// The network of a client, by its first address.
pub(super) fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & !0xff).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// A network as it is shown.
pub(super) fn shown(network: IpAddr) -> String {
    format!("{network}/{}", if network.is_ipv4() { 24 } else { 64 })
}
