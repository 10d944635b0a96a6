//! Who comes back as a mail server does: the practice of S25R, whose refusals are for now
//! so that real servers try again, are seen, and are let in.
//!
//! A queue comes back after minutes or hours, again and again, under one name, with all
//! that it was refused. What sends and forgets comes back at once or never; what only
//! plays a queue changes its name, or is in many places at a time. What is proposed here
//! is read by a person before it is used; a real server that is missing costs a delay, a
//! false one lets in what was to be kept out. So a doubt decides against.

use super::ledger::{Group, Host, Ledger};
use super::table::Hashed;

/// Tries are spread over so long at least, as the original's operators had it.
const PERSISTENT: u32 = 1800;
/// Who has not come back after so long will not.
const GIVEN_UP: u32 = 12 * 3600;
/// Senders of so many domains within seconds are no server's that has no name.
const AT_ONCE: u16 = 8;

/// How sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Confidence {
    High,
    Medium,
    Low,
}

impl Confidence {
    pub(super) const ALL: [(Confidence, &'static str); 3] =
        [(Confidence::High, "high"), (Confidence::Medium, "medium"), (Confidence::Low, "low")];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(of, _)| *of == self).map_or("", |(_, name)| name)
    }
}

/// What one or several hosts did.
#[derive(Clone, Debug)]
pub(super) struct Conduct {
    /// Messages that came back as a queue's.
    pub(super) messages: u32,
    /// Messages that never came back.
    pub(super) lost: u32,
    pub(super) tries: u32,
    /// Tries of one message.
    pub(super) most_tries: u32,
    pub(super) shortest: u32,
    pub(super) longest: u32,
    /// No gap of any message was much shorter than the one before.
    pub(super) regular: bool,
    pub(super) accepted: u32,
}

impl Default for Conduct {
    fn default() -> Self {
        Conduct {
            messages: 0,
            lost: 0,
            tries: 0,
            most_tries: 0,
            shortest: u32::MAX,
            longest: 0,
            regular: true,
            accepted: 0,
        }
    }
}

impl Conduct {
    pub(super) fn group(&mut self, group: &Group) {
        self.messages = self.messages.saturating_add(1);
        self.tries = self.tries.saturating_add(group.tries);
        self.most_tries = self.most_tries.max(group.tries);
        self.shortest = self.shortest.min(group.shortest);
        self.longest = self.longest.max(group.longest);
        self.regular &= group.even + 1 >= group.tries;
        self.accepted = self.accepted.saturating_add(u32::from(group.accepted.is_some()));
    }
}

/// What is to be judged: the conduct of hosts, and which of them tried the same message.
#[derive(Default)]
pub(super) struct Conducts {
    pub(super) of: Hashed<Conduct>,
    pub(super) together: Vec<[u64; 4]>,
}

impl Conducts {
    /// Goes through all groups; `end` is when the log ends.
    pub(super) fn new(ledger: &Ledger, end: u32) -> Conducts {
        let mut conducts = Conducts::default();
        for group in ledger.groups.values().filter(|group| is_of_queue(group)) {
            for host in group.hosts() {
                conducts.of.entry(host).or_default().group(group);
            }
            if group.hosts().count() > 1 {
                conducts.together.push(group.hosts);
            }
        }
        for group in ledger.groups.values().filter(|group| group.tries < 2) {
            if group.last.saturating_add(GIVEN_UP) < end
                && let Some(first) = group.hosts().next()
                && let Some(conduct) = conducts.of.get_mut(&first)
            {
                conduct.lost += 1;
            }
        }
        for (key, conduct) in &mut conducts.of {
            let lost = ledger.hosts.get(*key).map_or(0, |host| host.lost);
            conduct.lost = conduct.lost.saturating_add(lost);
        }
        conducts
    }
}

/// Did a message come back as from a queue?
pub(super) fn is_of_queue(group: &Group) -> bool {
    group.tries >= 2
        && group.last.saturating_sub(group.first) >= PERSISTENT
        && group.hasty <= 2 * group.tries
        && !group.spread
}

/// Does the host do what no mail server does?
pub(super) fn is_odd(host: &Host, conduct: &Conduct) -> bool {
    let named = host.name.is_some() && !host.customer;
    let other_names = host.tries > 1 && host.helo_changes.saturating_mul(2) >= host.tries;
    other_names
        || conduct.lost > conduct.messages
        || (!named && (host.most_at_once >= AT_ONCE || host.helo_domain == 0))
        || (!named && host.helo_changes.saturating_mul(10) > host.tries)
}

/// How sure is it that these hosts, which did nothing odd, are a mail server? `None`: too
/// little is known of those that have no name.
pub(super) fn confidence(hosts: &[&Host], conduct: &Conduct) -> Option<Confidence> {
    let named = hosts.iter().all(|host| host.name.is_some() && !host.customer);
    if !named && conduct.most_tries < 3 && conduct.messages < 2 {
        return None;
    }
    let days = hosts.iter().map(|host| host.days).max().unwrap_or(0);
    let senders = hosts.iter().map(|host| host.senders()).max().unwrap_or(0);
    let points = [
        named,
        named,
        conduct.messages >= 2,
        conduct.messages >= 5,
        conduct.most_tries >= 3,
        conduct.regular,
        senders >= 2,
        days >= 2,
        conduct.accepted > 0,
        conduct.lost == 0,
    ];
    Some(match points.into_iter().filter(|point| *point).count() {
        7.. => Confidence::High,
        5..7 => Confidence::Medium,
        _ => Confidence::Low,
    })
}
