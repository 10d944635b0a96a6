//! Addresses of mailboxes, and what matches them.

use std::borrow::Cow;

use super::name::{ascii, is_host, to_ascii};

/// A pattern for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mailbox {
    /// The null reverse-path.
    Null,
    /// One mailbox.
    Address { local: &'static str, domain: &'static str },
    /// A local part in any domain, or in none.
    Local(&'static str),
    /// A domain, or with a dot in front all below it too.
    Domain(&'static str),
}

impl Mailbox {
    pub(super) fn parse(text: &'static str) -> Result<Mailbox, &'static str> {
        if text.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control()) {
            return Err("holds a space");
        }
        if text.contains('*') {
            return Err("holds a *: a domain and all below it is written .example.org");
        }
        if text.contains(['<', '>']) && text != "<>" {
            return Err("is written without < and >");
        }
        if text.contains(':') {
            return Err("holds a colon: what is in front of it does not belong here");
        }
        let domain = |text: &'static str| match text.strip_suffix('.').unwrap_or(text) {
            "" | "." => Err("lacks an address"),
            domain => ascii(domain),
        };
        Ok(match text.rsplit_once('@') {
            _ if text == "<>" => Mailbox::Null,
            Some(("", "")) => return Err("lacks an address"),
            Some((local, "")) => Mailbox::Local(local),
            Some(("", text)) => Mailbox::Domain(domain(text)?),
            Some((local, text)) => Mailbox::Address { local, domain: domain(text)? },
            None => Mailbox::Domain(domain(text)?),
        })
    }

    /// Does it match this path?
    pub(super) fn is(&self, path: &[u8]) -> bool {
        let (local, domain) = split(path);
        match (self, domain) {
            (Mailbox::Null, _) => path.is_empty(),
            (Mailbox::Local(wanted), _) => local.eq_ignore_ascii_case(wanted.as_bytes()),
            (_, None) => false,
            (Mailbox::Domain(wanted), Some(domain)) => is_host(wanted, domain),
            (Mailbox::Address { local: wanted, domain: host }, Some(domain)) => {
                local.eq_ignore_ascii_case(wanted.as_bytes()) && is_host(host, domain)
            }
        }
    }
}

/// A path with its domain as DNS has it, for comparing (RFC 6531 allows others).
pub(super) fn with_ascii_domain(path: &[u8]) -> Cow<'_, [u8]> {
    if path.is_ascii() {
        return Cow::Borrowed(path);
    }
    let (local, domain) = split(path);
    match domain.and_then(|domain| to_ascii(std::str::from_utf8(domain).ok()?)) {
        Some(domain) => Cow::Owned([local, b"@", domain.as_bytes()].concat()),
        None => Cow::Borrowed(path),
    }
}

/// Takes a path apart: the local part, and the domain if there is one. A source
/// route (RFC 5321 appendix C) is passed over; the last `@` parts, for a quoted
/// local part may hold others.
pub(crate) fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mailbox = match path {
        [b'@', ..] => match path.iter().position(|&b| b == b':') {
            Some(colon) => path.get(colon + 1..).unwrap_or_default(),
            None => path,
        },
        _ => path,
    };
    match mailbox.iter().rposition(|&b| b == b'@') {
        Some(at) => (mailbox.get(..at).unwrap_or_default(), mailbox.get(at + 1..)),
        None => (mailbox, None),
    }
}
