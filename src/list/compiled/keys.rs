//! The keys by which names are found: a hash with a seed, of what is meant.

use std::hash::{DefaultHasher, Hasher};

use super::super::entry::Topic;

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Form {
    /// A domain, and nothing below it.
    Domain = 0,
    /// A domain and all below it.
    DomainBelow = 1,
    /// A mailbox in a domain.
    Mailbox = 2,
    /// A mailbox in a domain or any below it.
    MailboxBelow = 3,
    /// A local part in any domain.
    Local = 4,
    /// The null reverse-path.
    Null = 5,
    /// A part of an expression.
    Part = 6,
}

impl Form {
    /// The same for the domain and all below it.
    pub(super) fn below(self) -> Form {
        match self {
            Form::Domain => Form::DomainBelow,
            Form::Mailbox => Form::MailboxBelow,
            other => other,
        }
    }
}

/// Octets of a part of an expression.
pub(super) const PART: usize = 3;

/// Makes keys.
pub(super) struct Keys {
    seeded: DefaultHasher,
}

impl Keys {
    pub(super) fn new(seed: [u64; 2]) -> Keys {
        let mut seeded = DefaultHasher::new();
        seed.iter().for_each(|half| seeded.write_u64(*half));
        Keys { seeded }
    }

    /// The key of this, in lower case.
    pub(super) fn of(&self, topic: Topic, form: Form, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.seeded.clone();
        hasher.write_u8(topic as u8);
        hasher.write_u8(form as u8);
        for part in parts {
            hasher.write(part);
            // So that a@b.c is not a.b@c.
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    /// Tells a program that hashes otherwise.
    pub(super) fn canary(&self) -> u64 {
        self.of(Topic::Client, Form::Null, &[b"smtp-wrapper"])
    }
}

/// A domain and all domains above it, with the number of their labels.
pub(super) fn domains_of(domain: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let labels = 1 + domain.iter().filter(|&&b| b == b'.').count();
    let starts = domain.iter().enumerate().filter(|(_, b)| **b == b'.').map(|(dot, _)| dot + 1);
    let suffixes = std::iter::once(0).chain(starts).map(|at| domain.get(at..).unwrap_or_default());
    (0..labels).map(move |above| labels - above).zip(suffixes)
}
