//! One entry: what it is about and what it matches.

use super::expression::Expression;
use super::mailbox::Mailbox;
use super::name::{host, host_name};
use super::network::{self, Network};

/// What an entry is about if it does not say so itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topic {
    /// The client: its address or its host names.
    #[default]
    Client,
    /// The client's address alone.
    Address,
    /// The client's host names alone.
    Host,
    /// What the client calls itself.
    Helo,
    /// The reverse-path.
    Sender,
    /// The forward-path.
    Recipient,
}

/// The words for it, `match = "…"`.
pub(crate) const TOPICS: &[(&str, Topic)] = &[
    ("client", Topic::Client),
    ("address", Topic::Address),
    ("host", Topic::Host),
    ("helo", Topic::Helo),
    ("sender", Topic::Sender),
    ("recipient", Topic::Recipient),
];

/// What an entry matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Network(Network),
    Host(&'static str),
    Helo(&'static str),
    Sender(Mailbox),
    Recipient(Mailbox),
    /// An expression; `negated`: what it does not match.
    Expression {
        topic: Topic,
        expression: Box<Expression>,
        negated: bool,
    },
}

impl What {
    /// Reads an entry.
    ///
    /// # Errors
    /// Says what is wrong with it.
    #[inline] // So that what it gives need not be moved.
    pub(super) fn parse(text: &'static str, topic: Topic) -> Result<What, String> {
        let (topic, rest) = prefixed(text, topic);
        if rest.starts_with('/') || rest.starts_with("!/") {
            return between_slashes(rest, topic);
        }
        Ok(match topic {
            Topic::Client => client(rest)?,
            Topic::Address => What::Network(Network::parse(rest)?),
            Topic::Host => What::Host(host(rest)?),
            Topic::Helo => What::Helo(host(rest)?),
            Topic::Sender => What::Sender(Mailbox::parse(rest)?),
            Topic::Recipient => What::Recipient(Mailbox::parse(rest)?),
        })
    }
}

/// What an entry is about, and the rest of it.
fn prefixed(text: &'static str, topic: Topic) -> (Topic, &'static str) {
    // Looked at by its first letter: there is one for each line.
    let (prefix, of) = match text.as_bytes() {
        [b'f', ..] => ("from:", Topic::Sender),
        [b't', ..] => ("to:", Topic::Recipient),
        [b'h', ..] => ("helo:", Topic::Helo),
        [b'c', ..] => ("client:", Topic::Client),
        _ => return (topic, text),
    };
    text.strip_prefix(prefix).map_or((topic, text), |rest| (of, rest))
}

/// An address, a network or a host name; what has an `@` in it is a sender.
fn client(text: &'static str) -> Result<What, &'static str> {
    let network = match text.as_bytes() {
        // No address begins so.
        [b'g'..=b'z' | b'G'..=b'Z' | b'.', ..] => Err(network::NEITHER),
        [b'[', .., b']'] => Network::parse(text.get(1..text.len() - 1).unwrap_or_default()),
        _ => Network::parse(text),
    };
    match network {
        Ok(network) => Ok(What::Network(network)),
        Err(why) => match host_name(text) {
            Some(name) => Ok(What::Host(name?)),
            None if text == "<>" || text.contains('@') => Ok(What::Sender(Mailbox::parse(text)?)),
            None => Err(why),
        },
    }
}

/// `/expression/flags`, perhaps with `!` in front, as in Postfix's regexp tables.
fn between_slashes(text: &str, topic: Topic) -> Result<What, String> {
    let negated = text.starts_with('!');
    let length = expression_length(text).ok_or("has a / without another one")?;
    let (expression, flags) = text.split_at(length);
    let start = 1 + usize::from(negated);
    let inside = expression.get(start..length - 1).unwrap_or_default();
    let mut exact = false;
    for flag in flags.chars() {
        match flag {
            'i' => exact = !exact,
            // There is one line only.
            'm' => {}
            'x' => return Err("has the flag x, and basic expressions are not known".to_owned()),
            _ => return Err(format!("has an unknown flag {flag:?} behind the expression")),
        }
    }
    let expression = Box::new(Expression::parse(inside, exact)?);
    Ok(What::Expression { topic, expression, negated })
}

/// How long what stands between slashes is, with them; `None` if there is no second
/// one.
fn expression_length(text: &str) -> Option<usize> {
    let open = text.find('/')?;
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate().skip(open + 1) {
        match octet {
            b'/' if !escaped => return Some(at + 1),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Parts a line of a list: the entry, and what stands behind it.
pub(super) fn parted(line: &'static str) -> (&'static str, &'static str) {
    let (_, rest) = prefixed(line, Topic::Client);
    let prefix = line.len() - rest.len();
    let from = match rest.starts_with('/') || rest.starts_with("!/") {
        true => prefix + expression_length(rest).unwrap_or(rest.len()),
        false => 0,
    };
    let end = memchr::memchr2(b' ', b'\t', line.as_bytes().get(from..).unwrap_or_default());
    let (entry, rest) = line.split_at(end.map_or(line.len(), |end| from + end));
    (entry, rest.trim_ascii())
}
