//! What is counted: every line, whatever is given up elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::quality::RandomState;

use super::facts::{Facts, Kind, Verdict, domain};
use super::ledger::{Ledger, network};
use super::table::Top;

/// Rules that are told apart; a forged log may have more.
const RULES: usize = 2000;
/// Days that are told apart, ten years.
const DAYS: usize = 3660;
/// Networks, and domains of senders, that are counted at a time.
const NETWORKS: usize = 65_536;
const SENDERS: usize = 32_768;
/// Octets of a rule or a domain.
const TEXT: usize = 100;

/// Recipients by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fates {
    pub(super) pass: u64,
    pub(super) temp: u64,
    pub(super) reject: u64,
}

impl Fates {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Temp => self.temp += 1,
            Verdict::Perm => self.reject += 1,
            Verdict::None => {}
        }
    }

    pub(super) fn all(&self) -> u64 {
        self.pass + self.temp + self.reject
    }
}

/// What a rule did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfRule {
    pub(super) temp: u64,
    pub(super) reject: u64,
    /// It would have refused, but only observed.
    pub(super) would: u64,
}

impl OfRule {
    pub(super) fn all(&self) -> u64 {
        self.temp + self.reject + self.would
    }

    pub(super) fn and(self, other: OfRule) -> OfRule {
        OfRule {
            temp: self.temp + other.temp,
            reject: self.reject + other.reject,
            would: self.would + other.would,
        }
    }
}

pub(super) struct Tally {
    pub(super) fates: Fates,
    /// Recipients whose client gave up.
    pub(super) undecided: u64,
    pub(super) sessions: u64,
    /// Those whose client was refused before it named a recipient.
    pub(super) at_once: u64,
    pub(super) messages: u64,
    pub(super) octets: u64,
    /// Recipients that were accepted, and would have been refused.
    pub(super) would: u64,
    rules: HashMap<Box<[u8]>, OfRule, RandomState>,
    pub(super) hours: [Fates; 24],
    pub(super) days: BTreeMap<u32, Fates>,
    pub(super) networks: Top<IpAddr>,
    pub(super) senders: Top<Box<[u8]>>,
    pub(super) first: Option<u32>,
    pub(super) last: u32,
    pub(super) ledger: Ledger,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            fates: Fates::default(),
            undecided: 0,
            sessions: 0,
            at_once: 0,
            messages: 0,
            octets: 0,
            would: 0,
            rules: HashMap::default(),
            hours: Default::default(),
            days: BTreeMap::new(),
            networks: Top::new(NETWORKS),
            senders: Top::new(SENDERS),
            first: None,
            last: 0,
            ledger: Ledger::default(),
        }
    }
}

impl Tally {
    /// Counts a line.
    pub(super) fn add(&mut self, facts: &Facts<'_>) {
        if let Some(time) = facts.time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = self.last.max(time);
        }
        match facts.kind {
            Kind::Recipient(verdict) => self.recipient(verdict, facts),
            Kind::Session => {
                self.sessions += 1;
                self.messages = self.messages.saturating_add(facts.messages);
                self.octets = self.octets.saturating_add(facts.octets);
                if let Some(verdict) = facts.at_once {
                    self.at_once += 1;
                    self.refused(verdict, facts);
                }
            }
            Kind::Other => {}
        }
    }

    fn recipient(&mut self, verdict: Verdict, facts: &Facts<'_>) {
        self.fates.add(verdict);
        if let Some(time) = facts.time {
            if let Some(hour) = self.hours.get_mut((time / 3600 % 24) as usize) {
                hour.add(verdict);
            }
            let day = time / 86_400;
            if let Some(of_day) = self.days.get_mut(&day) {
                of_day.add(verdict);
            } else if self.days.len() < DAYS {
                self.days.entry(day).or_default().add(verdict);
            }
        }
        if let Some(rule) = facts.would {
            self.would += u64::from(verdict == Verdict::Pass);
            self.rule(rule, |of| of.would += 1);
        }
        match (verdict, facts.ip) {
            (Verdict::None, _) => self.undecided += 1,
            (Verdict::Pass, Some(ip)) => self.ledger.accepted(ip, self.time(facts), facts),
            (Verdict::Pass, None) => {}
            (Verdict::Temp | Verdict::Perm, _) => self.refused(verdict, facts),
        }
    }

    /// The time of a line; one that has none is of the same time as the last one.
    fn time(&self, facts: &Facts<'_>) -> u32 {
        facts.time.unwrap_or(self.last)
    }

    /// A recipient, or a client before it named one, was refused.
    fn refused(&mut self, verdict: Verdict, facts: &Facts<'_>) {
        self.rule(facts.rule, |of| match verdict {
            Verdict::Temp => of.temp += 1,
            _ => of.reject += 1,
        });
        let sender = domain(facts.from);
        let sender = sender.get(..TEXT).unwrap_or(sender);
        self.senders.count(sender, || sender.into());
        let Some(ip) = facts.ip else { return };
        let network = network(ip);
        self.networks.count(network, || network);
        match verdict {
            Verdict::Temp if facts.is_for_now() => {
                self.ledger.refused(ip, self.time(facts), facts);
            }
            Verdict::Perm if facts.is_unwanted() => self.ledger.bar(ip),
            _ => {}
        }
    }

    fn rule(&mut self, rule: &[u8], count: impl FnOnce(&mut OfRule)) {
        let short = rule.get(..TEXT).unwrap_or(rule);
        if let Some(of) = self.rules.get_mut(short) {
            return count(of);
        }
        let name = if self.rules.len() < RULES { short } else { b"(others)" };
        count(self.rules.entry(name.into()).or_default());
    }

    /// All rules, the busiest first.
    pub(super) fn rules(&self) -> Vec<(&[u8], OfRule)> {
        let mut all: Vec<_> = self.rules.iter().map(|(rule, of)| (&**rule, *of)).collect();
        all.sort_by(|(a, m), (b, n)| n.all().cmp(&m.all()).then_with(|| a.cmp(b)));
        all
    }

    /// All filters, the busiest first: a rule begins with its filter's name.
    pub(super) fn filters(&self) -> Vec<(&[u8], OfRule)> {
        let mut sums: BTreeMap<&[u8], OfRule> = BTreeMap::new();
        for (rule, of) in &self.rules {
            let filter = rule.split(|&b| b == b'.').next().unwrap_or_default();
            let sum = sums.entry(filter).or_default();
            *sum = sum.and(*of);
        }
        let mut all: Vec<_> = sums.into_iter().collect();
        all.sort_by_key(|(_, of)| std::cmp::Reverse(of.all()));
        all
    }
}
