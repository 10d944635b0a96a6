//! Entries as they were read, in the order in which they stand; of those for one
//! thing the first that matches counts.

use std::net::IpAddr;

use super::entry::{Topic, What};
use super::expression::{Expression, Kept};
use super::mailbox::Mailbox;
use super::name::is_host;
use super::network::Network;

/// Where an entry stands and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its line, or its number.
    pub(super) line: u32,
    /// Octets of the entry in the text; what stands behind it is its action.
    entry: u32,
    text: &'static str,
}

impl Mark {
    /// An entry of so many octets, and its action behind it, found to be one.
    pub(super) fn new(line: u32, text: &'static str, entry: usize) -> Mark {
        Mark { line, entry: u32::try_from(entry).unwrap_or(u32::MAX), text }
    }

    /// The entry as it is written.
    pub(super) fn entry(&self) -> &'static str {
        self.text.get(..self.entry as usize).unwrap_or(self.text)
    }

    /// The action as it is written; empty if there is none.
    pub(super) fn action(&self) -> &'static str {
        let action = self.text.get(self.entry as usize..).unwrap_or_default().trim_ascii_start();
        if action.starts_with('#') { "" } else { action }
    }
}

/// What is looked for; names and paths are plain ([`super::name::plain`],
/// [`super::mailbox::plain`]).
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Address(IpAddr),
    Host(&'a [Vec<u8>]),
    Helo(&'a [u8]),
    Sender(&'a [u8]),
    Recipient(&'a [u8]),
}

const ADDRESS: u8 = 1;
const HOST: u8 = 2;
const HELO: u8 = 4;
const SENDER: u8 = 8;
const RECIPIENT: u8 = 16;

impl Subject<'_> {
    fn bit(self) -> u8 {
        match self {
            Subject::Address(_) => ADDRESS,
            Subject::Host(_) => HOST,
            Subject::Helo(_) => HELO,
            Subject::Sender(_) => SENDER,
            Subject::Recipient(_) => RECIPIENT,
        }
    }

    /// Is an expression on this topic about it?
    pub(super) fn is_of(self, topic: Topic) -> bool {
        match self {
            Subject::Address(_) => matches!(topic, Topic::Client | Topic::Address),
            Subject::Host(_) => matches!(topic, Topic::Client | Topic::Host),
            Subject::Helo(_) => topic == Topic::Helo,
            Subject::Sender(_) => topic == Topic::Sender,
            Subject::Recipient(_) => topic == Topic::Recipient,
        }
    }

    /// The texts in which expressions are looked for; `commands`: of a path the
    /// command that it came in.
    pub(super) fn texts(self, commands: bool) -> Vec<Vec<u8>> {
        match self {
            Subject::Address(ip) => vec![ip.to_string().into_bytes()],
            Subject::Host(names) => names.to_vec(),
            Subject::Helo(name) => vec![name.to_vec()],
            Subject::Sender(path) if commands => vec![[b"MAIL FROM:<", path, b">"].concat()],
            Subject::Recipient(path) if commands => vec![[b"RCPT TO:<", path, b">"].concat()],
            Subject::Sender(path) | Subject::Recipient(path) => vec![path.to_vec()],
        }
    }
}

/// An expression in a list.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) topic: Topic,
    pub(super) expression: Box<Expression>,
    pub(super) negated: bool,
    /// What was made of it, once a text held what it must hold.
    kept: Kept,
}

/// Entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    pub(super) networks: Vec<(Network, Mark)>,
    pub(super) hosts: Vec<(&'static str, Mark)>,
    pub(super) helo: Vec<(&'static str, Mark)>,
    pub(super) senders: Vec<(Mailbox, Mark)>,
    pub(super) recipients: Vec<(Mailbox, Mark)>,
    pub(super) expressions: Vec<(Listed, Mark)>,
    /// What they are about, a bit each ([`Subject::bit`]).
    about: u8,
    /// One of them accepts by its own word.
    pub(super) accepts: bool,
    /// Expressions see the command that a path came in (the original's lists).
    pub(super) commands: bool,
}

impl Patterns {
    /// Adds an entry, one of so many if that is known.
    #[inline]
    pub(super) fn add(&mut self, what: What, mark: Mark, most: usize) {
        self.about |= match what {
            What::Network(network) => push(&mut self.networks, (network, mark), most, ADDRESS),
            What::Host(name) => push(&mut self.hosts, (name, mark), most, HOST),
            What::Helo(name) => push(&mut self.helo, (name, mark), most, HELO),
            What::Sender(mailbox) => push(&mut self.senders, (mailbox, mark), most, SENDER),
            What::Recipient(mailbox) => {
                push(&mut self.recipients, (mailbox, mark), most, RECIPIENT)
            }
            What::Expression { topic, expression, negated } => {
                let about = match topic {
                    Topic::Client => ADDRESS | HOST,
                    Topic::Address => ADDRESS,
                    Topic::Host => HOST,
                    Topic::Helo => HELO,
                    Topic::Sender => SENDER,
                    Topic::Recipient => RECIPIENT,
                };
                let listed = Listed { topic, expression, negated, kept: Kept::default() };
                push(&mut self.expressions, (listed, mark), 0, about)
            }
        };
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.networks.len()
            + self.hosts.len()
            + self.helo.len()
            + self.senders.len()
            + self.recipients.len()
            + self.expressions.len()
    }

    /// Are there entries for this?
    pub(super) fn is_about(&self, subject: Subject<'_>) -> bool {
        self.about & subject.bit() != 0
    }

    /// The first entry that matches.
    pub(super) fn find(&self, subject: Subject<'_>) -> Option<Mark> {
        let plain = match subject {
            Subject::Address(ip) => first(&self.networks, |network| network.has(ip)),
            Subject::Host(names) => {
                first(&self.hosts, |host| names.iter().any(|name| is_host(host, name)))
            }
            Subject::Helo(name) => first(&self.helo, |host| is_host(host, name)),
            Subject::Sender(path) => first(&self.senders, |mailbox| mailbox.is(path)),
            Subject::Recipient(path) => first(&self.recipients, |mailbox| mailbox.is(path)),
        };
        if self.expressions.is_empty() {
            return plain;
        }
        match (plain, self.find_expression(subject)) {
            (Some(plain), Some(expression)) if expression.line < plain.line => Some(expression),
            (plain, expression) => plain.or(expression),
        }
    }

    #[inline(never)] // Not in every session.
    fn find_expression(&self, subject: Subject<'_>) -> Option<Mark> {
        let mut about = self.expressions.iter().filter(|(l, _)| subject.is_of(l.topic)).peekable();
        about.peek()?;
        let texts = subject.texts(self.commands);
        let lower: Vec<_> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        let matches = |Listed { expression, negated, kept, .. }: &Listed| {
            let mut texts = texts.iter().zip(&lower);
            texts.any(|(text, lower)| expression.is_match_by(kept, text, lower, *negated))
        };
        about.find(|(listed, _)| matches(listed)).map(|(_, mark)| *mark)
    }
}

/// Adds one of so many, for which memory is taken once; gives what it is about.
fn push<T>(list: &mut Vec<T>, one: T, most: usize, about: u8) -> u8 {
    if list.is_empty() {
        list.reserve_exact(most);
    }
    list.push(one);
    about
}

fn first<T>(list: &[(T, Mark)], matches: impl Fn(&T) -> bool) -> Option<Mark> {
    list.iter().find(|(pattern, _)| matches(pattern)).map(|(_, mark)| *mark)
}
