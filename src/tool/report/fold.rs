//! What is proposed: one entry for a host, or for a pool of servers its domain.
//!
//! A pool is hosts that tried the same message. It is taken together only if it has
//! several hosts whose confirmed names are of one short pattern, which call themselves by
//! that domain, and nothing says that somebody else could have a name there. Hosts without
//! a confirmed name are addresses each: what they call themselves, a stranger may, too.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::{Conduct, Conducts, Confidence, confidence, is_odd, is_of_queue};
use super::ledger::{Host, Ledger};
use super::names;
use super::pool;
use super::table::Hashed;

/// Hosts of a domain that is proposed, at least.
const OF_A_DOMAIN: usize = 4;

/// An entry of a list, and why.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) entry: String,
    pub(super) confidence: Confidence,
    pub(super) conduct: Conduct,
    /// Hosts that were seen.
    pub(super) hosts: usize,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) senders: u32,
    /// The domain of a sender, as it stands in the log.
    pub(super) sender: Vec<u8>,
}

/// What is proposed, the surest first.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    pub(super) all: Vec<Proposal>,
    /// Hosts that would be proposed, but are let in by an entry since.
    pub(super) allowed: usize,
}

impl Proposals {
    pub(super) fn new(ledger: &Ledger, end: u32) -> Proposals {
        let conducts = Conducts::new(ledger, end);
        let mut proposals = Proposals::default();
        let pools = Pools::new(&conducts, ledger);
        for (pool, together) in &pools.all {
            let all = pool
                .iter()
                .filter_map(|key| Some((ledger.hosts.get(*key)?, conducts.of.get(key)?)));
            let members = proposals.welcome(all, ledger);
            if let Some(entry) = entry_of_all(&members, ledger) {
                let hosts: Vec<&Host> = members.iter().map(|(host, _)| *host).collect();
                proposals.add(entry, &hosts, together, Confidence::Medium);
            } else {
                proposals.add_each(&members, true);
            }
        }
        for (key, conduct) in conducts.of.iter().filter(|(key, _)| !pools.head.contains_key(key)) {
            let members =
                proposals.welcome(ledger.hosts.get(*key).map(|host| (host, conduct)), ledger);
            proposals.add_each(&members, false);
        }
        proposals.tidy();
        proposals
    }

    /// Those that did nothing odd, were not refused for good, and are not let in yet.
    fn welcome<'a>(
        &mut self,
        all: impl IntoIterator<Item = Member<'a>>,
        ledger: &Ledger,
    ) -> Vec<Member<'a>> {
        let sound = all
            .into_iter()
            .filter(|(host, conduct)| !is_odd(host, conduct) && !ledger.is_barred(host.ip));
        let (allowed, mut others): (Vec<_>, Vec<_>) = sound.partition(|(host, _)| host.allowed);
        self.allowed += allowed.len();
        // Hashes are others each time.
        others.sort_by_key(|(host, _)| host.ip);
        others
    }

    fn add_each(&mut self, members: &[Member<'_>], of_pool: bool) {
        for (host, conduct) in members {
            // That several without names are one is only what they say.
            let doubt = of_pool && host.name.is_none();
            let best = if doubt { Confidence::Low } else { Confidence::High };
            self.add(entry_of_one(host), &[host], conduct, best);
        }
    }

    /// Proposes an entry, with no more confidence than `best`.
    fn add(&mut self, entry: String, hosts: &[&Host], conduct: &Conduct, best: Confidence) {
        let Some(confidence) = confidence(hosts, conduct) else { return };
        // The surest is the first.
        let confidence = confidence.max(best);
        self.all.push(Proposal {
            entry,
            confidence,
            conduct: conduct.clone(),
            hosts: hosts.len(),
            first: hosts.iter().map(|host| host.first).min().unwrap_or(0),
            last: hosts.iter().map(|host| host.last).max().unwrap_or(0),
            senders: hosts.iter().map(|host| host.senders()).max().unwrap_or(0),
            sender: hosts
                .iter()
                .map(|host| host.sender.to_vec())
                .find(|sender| !sender.is_empty())
                .unwrap_or_default(),
        });
    }

    /// Puts them in order, each once, and none that another one covers.
    fn tidy(&mut self) {
        let domains: BTreeSet<String> = self
            .all
            .iter()
            .filter(|one| one.entry.starts_with('.'))
            .map(|one| one.entry.clone())
            .collect();
        self.all.retain(|one| {
            let name = one.entry.strip_prefix('.').unwrap_or(&one.entry);
            let above = name.match_indices('.').filter_map(|(at, _)| name.get(at..));
            !above.into_iter().any(|domain| domains.contains(domain))
                && (one.entry.starts_with('.') || !domains.contains(&format!(".{name}")))
        });
        self.all.sort_by(|a, b| a.entry.cmp(&b.entry).then(b.conduct.tries.cmp(&a.conduct.tries)));
        self.all.dedup_by(|a, b| a.entry == b.entry);
        self.all.sort_by(|a, b| {
            let weight = |one: &Proposal| (one.confidence, std::cmp::Reverse(one.conduct.messages));
            weight(a).cmp(&weight(b)).then_with(|| a.entry.cmp(&b.entry))
        });
    }
}

type Member<'a> = (&'a Host, &'a Conduct);

/// Hosts that tried the same messages, and what they did together; each host is in one
/// pool, those that are alone in none.
struct Pools {
    all: Vec<(Vec<u64>, Conduct)>,
    head: Hashed<u64>,
}

impl Pools {
    fn new(conducts: &Conducts, ledger: &Ledger) -> Pools {
        let mut head: Hashed<u64> = Hashed::default();
        for together in &conducts.together {
            let [first, others @ ..] = together;
            for other in others.iter().filter(|other| **other != 0) {
                let (a, b) = (find(&mut head, *first), find(&mut head, *other));
                head.insert(a, b);
                head.entry(b).or_insert(b);
            }
        }
        let keys: Vec<u64> = head.keys().copied().collect();
        let mut pools: BTreeMap<u64, (Vec<u64>, Conduct)> = BTreeMap::new();
        for key in keys {
            let (hosts, of_all) = pools.entry(find(&mut head, key)).or_default();
            hosts.push(key);
            of_all.lost = of_all.lost.saturating_add(conducts.of.get(&key).map_or(0, |c| c.lost));
        }
        // A message is one, however many hosts tried it.
        for group in ledger.groups.values().filter(|group| is_of_queue(group, ledger)) {
            let pooled = group.hosts().next().filter(|host| head.contains_key(host));
            let pool = pooled.map(|host| find(&mut head, host));
            if let Some((_, of_all)) = pool.and_then(|pool| pools.get_mut(&pool)) {
                of_all.group(group);
            }
        }
        Pools { all: pools.into_values().collect(), head }
    }
}

fn find(head: &mut Hashed<u64>, mut key: u64) -> u64 {
    while let Some(&above) = head.get(&key).filter(|above| **above != key) {
        let further = head.get(&above).copied().unwrap_or(above);
        head.insert(key, further);
        key = above;
    }
    key
}

/// The entry for a host: its name if that is confirmed, else its address.
fn entry_of_one(host: &Host) -> String {
    let named = host.name.as_deref().and_then(names::entry);
    named.unwrap_or_else(|| host.ip.to_string())
}

/// The entry for all of a pool, if it would let in nobody else.
fn entry_of_all(members: &[Member<'_>], ledger: &Ledger) -> Option<String> {
    if members.len() < OF_A_DOMAIN {
        return None;
    }
    let names: Option<Vec<String>> = members
        .iter()
        .map(|(host, _)| host.name.as_deref().filter(|_| !host.customer).and_then(names::entry))
        .collect();
    let names = names?;
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    let domain = names::common(&names)?;
    // One name may have several addresses.
    names.sort_unstable();
    names.dedup();
    let own = names::registrable(domain.as_bytes())?;
    let so_called = members.iter().all(|(host, _)| host.helo_domain == ledger.short(own));
    let safe = names.len() >= OF_A_DOMAIN
        && so_called
        && pool::is_pool(&names, domain)
        && !ledger.has_customers(own);
    safe.then(|| format!(".{domain}"))
}
