//! What a replay has found: counts, and of what is another verdict who it concerns.
//!
//! A log is as long as it is, and says what strangers like: what is kept of it is
//! bounded.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::FailOn;
use super::logged::Logged;
use crate::filter::chain::Would;
use crate::terminal::printable;

/// Pairs of rules, and senders and clients, that are told apart.
const PAIRS: usize = 1000;
const GROUPS: usize = 10_000;
/// How many of the largest are shown.
const SHOWN: usize = 10;
/// Octets of a line that are shown.
const EXAMPLE: usize = 300;

/// Who decided, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decided {
    rule: String,
    code: Option<u16>,
}

impl Decided {
    pub(super) fn new(rule: &str, code: Option<u16>) -> Decided {
        Decided { rule: rule.to_owned(), code }
    }

    fn refused(&self) -> bool {
        self.code.is_some_and(|code| code >= 400)
    }

    fn text(&self) -> String {
        let code = self.code.map_or("-".to_owned(), |code| code.to_string());
        format!("{} {code}", self.rule)
    }
}

/// What is another than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Refused,
    Passed,
    /// Refused before and after, but otherwise.
    Otherwise,
}

impl Change {
    pub(super) fn between(was: &Decided, now: &Decided) -> Change {
        match (was.refused(), now.refused()) {
            _ if was == now => Change::Nothing,
            (true, true) => Change::Otherwise,
            (true, false) => Change::Passed,
            (false, true) => Change::Refused,
            (false, false) => Change::Nothing,
        }
    }
}

/// Senders or clients: how often, and a line of the log.
type Groups = HashMap<String, (u64, String)>;

/// Those whom one kind of change concerns.
#[derive(Default)]
struct Concerned {
    count: u64,
    senders: Groups,
    clients: Groups,
}

impl Concerned {
    fn add(&mut self, logged: &Logged, line: &[u8]) {
        self.count += 1;
        let ip = logged.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let name = logged.host.as_ref().and_then(|host| host.name.as_deref()).map(printable);
        let client = format!("{ip} {}", name.as_deref().unwrap_or("-"));
        let sender = format!("<{}>", printable(&logged.from));
        for (groups, group) in [(&mut self.senders, sender), (&mut self.clients, client)] {
            if let Some((count, _)) = groups.get_mut(&group) {
                *count += 1;
            } else if groups.len() < GROUPS {
                // Each of its octets may be shown as four.
                let mut shown = printable(line.get(..EXAMPLE).unwrap_or(line));
                shown.truncate(EXAMPLE);
                shown.shrink_to_fit();
                groups.insert(group, (1, shown));
            }
        }
    }
}

/// The counts.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) damaged: u64,
    pub(super) factless: u64,
    pub(super) refused_sessions: u64,
    unchanged: u64,
    refused: Concerned,
    passed: Concerned,
    otherwise: Concerned,
    unknown: BTreeMap<&'static str, u64>,
    taken: BTreeMap<&'static str, u64>,
    would: BTreeMap<String, u64>,
    pairs: HashMap<(Decided, Decided), u64>,
}

impl Tally {
    /// Of so many recipients there was a line.
    pub(super) fn recipients(&self) -> u64 {
        let changed = self.refused.count + self.passed.count + self.otherwise.count;
        self.unchanged + changed + self.unknown.values().sum::<u64>()
    }

    /// Is there a change of this kind?
    pub(super) fn has(&self, what: FailOn) -> bool {
        let (refused, passed) = (self.refused.count > 0, self.passed.count > 0);
        match what {
            FailOn::Refused => refused,
            FailOn::Passed => passed,
            FailOn::Any => refused || passed || self.otherwise.count > 0,
            FailOn::Nothing => false,
        }
    }

    pub(super) fn unknown(&mut self, why: &'static str) {
        *self.unknown.entry(why).or_default() += 1;
    }

    /// A ruling of this filter, or of others than filters, was taken from the log.
    pub(super) fn taken(&mut self, of: &'static str) {
        *self.taken.entry(of).or_default() += 1;
    }

    /// A filter that only observes would have refused.
    pub(super) fn would(&mut self, would: Would) {
        *self.would.entry(format!("{} {}", would.rule, would.code)).or_default() += 1;
    }

    pub(super) fn count(
        &mut self,
        change: Change,
        (was, now): (&Decided, &Decided),
        logged: &Logged,
        line: &[u8],
    ) {
        let concerned = match change {
            Change::Nothing => return self.unchanged += 1,
            Change::Refused => &mut self.refused,
            Change::Passed => &mut self.passed,
            Change::Otherwise => &mut self.otherwise,
        };
        concerned.add(logged, line);
        let pair = (was.clone(), now.clone());
        if let Some(count) = self.pairs.get_mut(&pair) {
            *count += 1;
        } else if self.pairs.len() < PAIRS {
            self.pairs.insert(pair, 1);
        }
    }

    /// What there is to tell; these types of filters were not asked.
    pub(super) fn text(&self, not_asked: &[&str], keeps_messages: bool) -> String {
        let mut text = String::new();
        let mut put = |name: &str, count: u64| {
            let _ = writeln!(text, "{name:<18} {count}");
        };
        put("recipients", self.recipients());
        put("unchanged", self.unchanged);
        put("newly refused", self.refused.count);
        put("newly passed", self.passed.count);
        put("refused otherwise", self.otherwise.count);
        put("not known", self.unknown.values().sum());
        self.unknown.iter().for_each(|(why, count)| put(&format!("    {why}:"), *count));
        if !self.taken.is_empty() {
            put("taken from the log", self.taken.values().sum());
            self.taken.iter().for_each(|(of, count)| put(&format!("    {of}:"), *count));
        }
        for (what, count) in [
            ("lines about a recipient that are not whole, not replayed", self.damaged),
            ("lines about a recipient whose style has not the facts, not replayed", self.factless),
            (
                "sessions that were refused before they named a recipient, not replayed",
                self.refused_sessions,
            ),
        ] {
            if count > 0 {
                let _ = writeln!(text, "{what}: {count}");
            }
        }
        if !not_asked.is_empty() {
            let _ = writeln!(
                text,
                "not asked, but for what the log has of them: {}{}",
                not_asked.join(", "),
                if keeps_messages { "; nor is anybody about messages" } else { "" }
            );
        }
        if !self.would.is_empty() {
            text.push_str("\nwould be refused by filters that only observe\n");
            largest(&self.would, |count| *count).for_each(|(rule, count)| {
                let _ = writeln!(text, "{count:>10}  {rule}");
            });
        }
        if !self.pairs.is_empty() {
            text.push_str("\nfrom -> to\n");
            for ((was, now), count) in largest(&self.pairs, |count| *count) {
                let _ = writeln!(text, "{count:>10}  {} -> {}", was.text(), now.text());
            }
        }
        for (what, concerned) in [
            ("newly refused", &self.refused),
            ("newly passed", &self.passed),
            ("refused otherwise", &self.otherwise),
        ] {
            for (by, groups) in [("sender", &concerned.senders), ("client", &concerned.clients)] {
                if groups.is_empty() {
                    continue;
                }
                let _ = writeln!(text, "\n{what}, by {by}");
                for (group, (count, line)) in largest(groups, |(count, _)| *count).take(SHOWN) {
                    let _ = writeln!(text, "{count:>10}  {group}\n            {line}");
                }
                if groups.len() > SHOWN {
                    let _ = writeln!(text, "            and {} more", groups.len() - SHOWN);
                }
            }
        }
        text
    }
}

/// The largest first; of those that are as large, in an order that is always the same.
fn largest<'a, K: std::fmt::Debug + 'a, V: 'a>(
    map: impl IntoIterator<Item = (&'a K, &'a V)>,
    count: impl Fn(&V) -> u64,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    let mut all: Vec<_> = map.into_iter().collect();
    all.sort_by_cached_key(|(key, value)| (u64::MAX - count(value), format!("{key:?}")));
    all.into_iter()
}
