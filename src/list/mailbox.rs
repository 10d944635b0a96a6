//! Addresses of mailboxes, and what matches them.

use std::borrow::Cow;

use super::name::{self, ascii, is_host};

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
        // One look at each octet: there are thousands in a list.
        for octet in text.bytes() {
            match octet {
                0..=b' ' | 0x7f => return Err("holds a space"),
                b'*' => return Err("holds a *: a domain and all below it is written .example.org"),
                b'<' | b'>' if text != "<>" => return Err("is written without < and >"),
                b':' => return Err("holds a colon: what is in front of it does not belong here"),
                _ => {}
            }
        }
        let domain = |text: &'static str| match text.strip_suffix('.').unwrap_or(text) {
            "" | "." => Err("lacks an address"),
            domain => ascii(domain),
        };
        let at = text.bytes().rposition(|b| b == b'@');
        Ok(match at.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
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

/// A path as it is compared: without source route and quotes, which name the same
/// mailbox without (RFC 5321 4.1.2), its domain as DNS has it and without a dot behind.
pub(super) fn plain(path: &[u8]) -> Cow<'_, [u8]> {
    let odd = |path: &[u8]| matches!(path, [b'@', ..] | [.., b'.']);
    if path.is_ascii() && !odd(path) && memchr::memchr2(b'"', b'\\', path).is_none() {
        return Cow::Borrowed(path);
    }
    let (local, domain) = split(path);
    let mut plain = Vec::with_capacity(path.len());
    let mut quoted = false;
    for octet in local {
        match octet {
            b'\\' if !quoted => quoted = true,
            b'"' if !quoted => {}
            octet => {
                quoted = false;
                plain.push(*octet);
            }
        }
    }
    if let Some(domain) = domain {
        plain.push(b'@');
        plain.extend_from_slice(&name::plain(domain));
    }
    Cow::Owned(plain)
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
