//! Entries as they were read, in the order in which they stand; of those for one
//! thing the first that matches counts.

use std::net::IpAddr;

use super::entry::{Topic, What};
use super::expression::Expression;
use super::mailbox::{Mailbox, with_ascii_domain};
use super::name::is_host;
use super::network::Network;

/// Where an entry stands and what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its line, or its number.
    pub(super) line: u32,
    /// The action as it is written, found to be one; empty if there is none.
    pub(super) action: &'static str,
    /// The entry as it is written.
    pub(super) text: &'static str,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Address(IpAddr),
    Host(&'a [Vec<u8>]),
    Helo(&'a [u8]),
    Sender(&'a [u8]),
    Recipient(&'a [u8]),
}

impl Subject<'_> {
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
    /// One of them accepts by its own word.
    pub(super) accepts: bool,
    /// Expressions see the command that a path came in (the original's lists).
    pub(super) commands: bool,
}

impl Patterns {
    /// Adds an entry, one of so many if that is known.
    pub(super) fn add(&mut self, what: What, mark: Mark, most: usize) {
        match what {
            What::Network(network) => push(&mut self.networks, (network, mark), most),
            What::Host(name) => push(&mut self.hosts, (name, mark), most),
            What::Helo(name) => push(&mut self.helo, (name, mark), most),
            What::Sender(mailbox) => push(&mut self.senders, (mailbox, mark), most),
            What::Recipient(mailbox) => push(&mut self.recipients, (mailbox, mark), most),
            What::Expression { topic, expression, negated } => {
                self.expressions.push((Listed { topic, expression, negated }, mark));
            }
        }
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
        let plain = match subject {
            Subject::Address(_) => !self.networks.is_empty(),
            Subject::Host(_) => !self.hosts.is_empty(),
            Subject::Helo(_) => !self.helo.is_empty(),
            Subject::Sender(_) => !self.senders.is_empty(),
            Subject::Recipient(_) => !self.recipients.is_empty(),
        };
        plain || self.expressions.iter().any(|(listed, _)| subject.is_of(listed.topic))
    }

    /// The first entry that matches.
    pub(super) fn find(&self, subject: Subject<'_>) -> Option<Mark> {
        let plain = match subject {
            Subject::Address(ip) => first(&self.networks, |network| network.has(ip)),
            Subject::Host(names) => {
                first(&self.hosts, |host| names.iter().any(|name| is_host(host, name)))
            }
            Subject::Helo(name) => first(&self.helo, |host| is_host(host, name)),
            Subject::Sender(path) => by_path(&self.senders, path),
            Subject::Recipient(path) => by_path(&self.recipients, path),
        };
        let expression = self.find_expression(subject);
        match (plain, expression) {
            (Some(plain), Some(expression)) if expression.line < plain.line => Some(expression),
            (plain, expression) => plain.or(expression),
        }
    }

    fn find_expression(&self, subject: Subject<'_>) -> Option<Mark> {
        let mut about = self.expressions.iter().filter(|(l, _)| subject.is_of(l.topic)).peekable();
        about.peek()?;
        let texts = subject.texts(self.commands);
        let lower: Vec<_> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        let matches = |listed: &Listed| {
            let mut texts = texts.iter().zip(&lower);
            texts.any(|(text, lower)| listed.expression.is_match(text, lower) != listed.negated)
        };
        about.find(|(listed, _)| matches(listed)).map(|(_, mark)| *mark)
    }
}

/// Adds one of so many, for which memory is taken once.
fn push<T>(list: &mut Vec<T>, one: T, most: usize) {
    if list.is_empty() {
        list.reserve_exact(most);
    }
    list.push(one);
}

fn by_path(list: &[(Mailbox, Mark)], path: &[u8]) -> Option<Mark> {
    if list.is_empty() {
        return None;
    }
    let path = with_ascii_domain(path);
    first(list, |mailbox| mailbox.is(&path))
}

fn first<T>(list: &[(T, Mark)], matches: impl Fn(&T) -> bool) -> Option<Mark> {
    list.iter().find(|(pattern, _)| matches(pattern)).map(|(_, mark)| *mark)
}
