//! Makes the compiled form of a list. Nothing of this runs in a session.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use rustix::fs::Stat;

use super::super::entry::Topic;
use super::super::mailbox::Mailbox;
use super::super::network::Network;
use super::super::patterns::{Mark, Patterns};
use super::super::text::{BadLine, Syntax};
use super::buckets::Buckets;
use super::groups;
use super::head::Head;
use super::keys::{Form, Keys, domains_of};
use super::pages::{ROOM, Writer};
use super::ranges::{Held, Ranges};

/// A compiled list, and what was seen on the way.
pub(in crate::list) struct Written {
    /// The file.
    pub(in crate::list) octets: Vec<u8>,
    /// Entries that never count.
    pub(in crate::list) shadowed: Vec<Shadowed>,
}

/// An entry that never counts, because another one stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::list) struct Shadowed {
    pub(in crate::list) line: u32,
    pub(in crate::list) by: u32,
}

/// What is being written.
pub(super) struct Making {
    pub(super) writer: Writer,
    pub(super) head: Head,
    pub(super) keys: Keys,
    /// By key: two numbers, of an entry line and action.
    pub(super) found: HashMap<u64, (u32, u32)>,
    actions: HashMap<&'static str, u32>,
    shadowed: Vec<Shadowed>,
}

/// Makes the compiled form; `told` is told now and then how many expressions are done.
///
/// # Errors
/// An expression that is too large.
pub(in crate::list) fn write(
    patterns: &Patterns,
    stat: &Stat,
    (syntax, topic): (Syntax, Topic),
    told: &mut dyn FnMut(u32),
) -> Result<Written, BadLine> {
    let random = |number: u8| RandomState::new().hash_one(number);
    let seed = [random(0), random(1)];
    let mut making = Making {
        writer: Writer::default(),
        head: Head { seed, accepts: patterns.accepts.into(), ..Head::default() },
        keys: Keys::new(seed),
        found: HashMap::new(),
        actions: HashMap::from([("", 0)]),
        shadowed: Vec::new(),
    };
    making.writer.put(&[0; ROOM]);
    making.networks(patterns);
    making.names(Topic::Host, &patterns.hosts);
    making.names(Topic::Helo, &patterns.helo);
    making.mailboxes(Topic::Sender, &patterns.senders);
    making.mailboxes(Topic::Recipient, &patterns.recipients);
    groups::write(&mut making, &patterns.expressions, told)?;
    let records: Vec<_> = making.found.iter().map(|(key, (a, b))| (*key, *a, *b)).collect();
    making.head.buckets = Buckets::write(&records, &mut making.writer);
    making.head.pages = making.writer.new_page() as u32;
    making.writer.begin_with(&making.head.octets(stat, syntax, topic));
    making.shadowed.sort_unstable();
    Ok(Written { octets: making.writer.finish(), shadowed: making.shadowed })
}

impl Making {
    /// What is held of an entry.
    pub(super) fn held(&mut self, mark: Mark) -> Held {
        let address = match self.actions.get(mark.action) {
            Some(address) => *address,
            None => {
                let address = self.writer.numbers(&[mark.action.len() as u32]) as u32;
                self.writer.put(mark.action.as_bytes());
                self.actions.insert(mark.action, address);
                address
            }
        };
        (mark.line, address)
    }

    fn networks(&mut self, patterns: &Patterns) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, mark) in &patterns.networks {
            let held = self.held(*mark);
            match *network {
                Network::V4 { bits, mask } => {
                    v4.push((bits.into(), u128::from(bits | !mask), held));
                }
                Network::V6 { bits, mask } => v6.push((bits, bits | !mask, held)),
            }
        }
        let records = self.flat(v4, u32::MAX.into());
        let short = |(key, held): &(u128, Held)| ((*key as u32).to_be_bytes(), *held);
        let records: Vec<_> = records.iter().map(short).collect();
        self.head.v4 = Ranges::write(&records, &mut self.writer);
        let records: Vec<_> = self
            .flat(v6, u128::MAX)
            .into_iter()
            .map(|(key, held)| (key.to_be_bytes(), held))
            .collect();
        self.head.v6 = Ranges::write(&records, &mut self.writer);
    }

    /// Ranges that may overlap, each from its first to its last address, made into
    /// ranges that do not: of several that hold an address the earliest line counts.
    /// The highest address is `top`.
    fn flat(&mut self, mut ranges: Vec<(u128, u128, Held)>, top: u128) -> Vec<(u128, Held)> {
        ranges.sort_unstable_by_key(|(first, ..)| *first);
        let mut edges: Vec<u128> = ranges
            .iter()
            .flat_map(|(first, last, _)| [Some(*first), last.checked_add(1)])
            .flatten()
            .filter(|edge| *edge <= top)
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let (mut open, mut next) = (BinaryHeap::new(), ranges.iter().peekable());
        let (mut flat, mut counted): (Vec<(u128, Held)>, HashSet<u32>) = Default::default();
        for edge in edges {
            while let Some((_, last, held)) = next.next_if(|(first, ..)| *first <= edge) {
                open.push(Reverse((*held, *last)));
            }
            while open.peek().is_some_and(|Reverse((_, last))| *last < edge) {
                open.pop();
            }
            let held = open.peek().map_or((0, 0), |Reverse((held, _))| *held);
            if flat.last().map_or((0, 0), |(_, before)| *before) != held {
                flat.push((edge, held));
            }
            counted.insert(held.0);
        }
        for (first, _, (line, _)) in ranges.iter().filter(|(.., held)| !counted.contains(&held.0)) {
            let at = flat.partition_point(|(edge, _)| edge <= first);
            let by = at.checked_sub(1).and_then(|at| flat.get(at)).map_or(0, |(_, held)| held.0);
            self.shadowed.push(Shadowed { line: *line, by });
        }
        flat
    }

    fn names(&mut self, topic: Topic, names: &[(&'static str, Mark)]) {
        for (name, mark) in names {
            self.domain(topic, Form::Domain, b"", name, *mark);
        }
        for (name, mark) in names {
            self.shadows(topic, &[(Form::Domain, b"")], name, mark.line);
        }
    }

    fn mailboxes(&mut self, topic: Topic, mailboxes: &[(Mailbox, Mark)]) {
        for (mailbox, mark) in mailboxes {
            match *mailbox {
                Mailbox::Null => self.entry(topic, Form::Null, &[], *mark),
                Mailbox::Local(local) => self.entry(topic, Form::Local, &[local.as_bytes()], *mark),
                Mailbox::Domain(domain) => self.domain(topic, Form::Domain, b"", domain, *mark),
                Mailbox::Address { local, domain } => {
                    self.domain(topic, Form::Mailbox, local.as_bytes(), domain, *mark);
                }
            }
        }
        for (mailbox, mark) in mailboxes {
            match *mailbox {
                Mailbox::Domain(domain) => {
                    self.shadows(topic, &[(Form::Domain, b"")], domain, mark.line);
                }
                Mailbox::Address { local, domain } => {
                    let by = [(Form::Domain, &b""[..]), (Form::Mailbox, local.as_bytes())];
                    self.shadows(topic, &by, domain, mark.line);
                }
                Mailbox::Null | Mailbox::Local(_) => {}
            }
        }
    }

    /// Something that is so in front of a domain, or with a dot in front of that in
    /// front of all below it.
    fn domain(&mut self, topic: Topic, form: Form, local: &[u8], domain: &str, mark: Mark) {
        match domain.strip_prefix('.') {
            None => self.entry(topic, form, &[local, domain.as_bytes()], mark),
            Some(domain) => {
                let labels = domains_of(domain.as_bytes()).next().map_or(0, |(labels, _)| labels);
                self.head.add_below(topic, labels);
                self.entry(topic, form.below(), &[local, domain.as_bytes()], mark);
            }
        }
    }

    fn entry(&mut self, topic: Topic, form: Form, of: &[&[u8]], mark: Mark) {
        let lower: Vec<_> = of.iter().map(|part| part.to_ascii_lowercase()).collect();
        let lower: Vec<_> = lower.iter().map(Vec::as_slice).collect();
        let key = self.keys.of(topic, form, &lower);
        let held = self.held(mark);
        self.head.add_form(topic, form);
        let line = self.found.entry(key).or_insert(held).0;
        if line != mark.line {
            self.shadowed.push(Shadowed { line: mark.line, by: line });
        }
    }

    /// Is there an entry on an earlier line for a domain and all below it that has
    /// this one in it?
    fn shadows(&mut self, topic: Topic, by: &[(Form, &[u8])], domain: &str, line: u32) {
        let domain = domain.to_ascii_lowercase();
        let domain = domain.strip_prefix('.').unwrap_or(&domain).as_bytes();
        for &(form, local) in by {
            let local = local.to_ascii_lowercase();
            for (_, above) in domains_of(domain) {
                let key = self.keys.of(topic, form.below(), &[&local, above]);
                let before = self.found.get(&key).filter(|(before, _)| *before < line);
                if let Some((before, _)) = before {
                    let shadowed = Shadowed { line, by: *before };
                    if self.shadowed.last() != Some(&shadowed) {
                        self.shadowed.push(shadowed);
                    }
                    return;
                }
            }
        }
    }
}
