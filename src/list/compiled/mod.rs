//! The compiled form of a list, which a session searches in place: a list of a
//! million entries costs it no more than an empty one.
//!
//! It lies beside the text (`NAME.compiled`), and is of use only as long as it is of
//! the text as it is now ([`crate::file`]). Everything is in pages with checksums
//! ([`pages`]); what is found damaged is found so when it is read, and then the text
//! is read instead.
//!
//! ```text
//! page 0     the head: magic, version of the program, identity of the text, how it was
//!            read, the seed of the keys, where everything is
//! ranges     networks of IPv4 and of IPv6
//! buckets    names, mailboxes and parts of expressions, by key
//! rest       actions, automata, and what leads to them
//! ```

mod automaton;
mod buckets;
mod expressions;
mod groups;
mod head;
mod keys;
mod pages;
mod ranges;
mod write;

use std::cell::OnceCell;
use std::net::IpAddr;
use std::path::Path;

use rustix::fs::Stat;

use super::entry::Topic;
use super::mailbox::split;
use super::patterns::Subject;
use super::text::Syntax;
use crate::file;
use head::Head;
use keys::{Form, Keys, domains_of};
pub(super) use pages::Damaged;
use pages::{PAGE, Pages, ROOM};
use ranges::Held;

pub(super) use write::{Shadowed, Written, write};

/// An action is no longer than this, in octets.
const ACTION: usize = 1024;

/// A compiled list.
pub(super) struct Compiled {
    pages: Pages,
    head: Head,
    keys: Keys,
    /// Which parts of expressions there are, once that was needed.
    parts: OnceCell<Vec<u8>>,
    /// What was found of the client's address, which is asked for twice.
    of_address: OnceCell<(IpAddr, Option<Held>)>,
}

impl Compiled {
    /// Opens the compiled form of a text.
    ///
    /// # Errors
    /// Says why it is of no use; `None` if there is none.
    pub(super) fn open(
        text: &Path,
        stat: &Stat,
        syntax: Syntax,
        topic: Topic,
    ) -> Option<Result<Compiled, &'static str>> {
        let (opened, own) = file::open(&file::compiled_path(text)).ok()??;
        let compiled = || {
            file::trusted(&own, stat)?;
            let pages = Pages::new(opened, own.st_size as u64);
            let head = pages.read(0, 1).map_err(|Damaged| "is damaged")?;
            let head = Head::read(&head, stat, syntax, topic)?;
            // One that lost its end, or was written over, is not asked page by page.
            if own.st_size as u64 != u64::from(head.pages) * PAGE as u64 {
                return Err("is damaged");
            }
            let keys = Keys::new(head.seed);
            let (parts, of_address) = (OnceCell::new(), OnceCell::new());
            Ok(Compiled { pages, head, keys, parts, of_address })
        };
        Some(compiled())
    }

    /// Are there entries for this?
    pub(super) fn is_about(&self, subject: Subject<'_>) -> bool {
        self.head.is_about(subject)
    }

    /// Does an entry accept by its own word?
    pub(super) fn accepts(&self) -> bool {
        self.head.accepts != 0
    }

    /// The first entry that matches: its line and its action.
    pub(super) fn find(&self, subject: Subject<'_>) -> Result<Option<(u32, String)>, Damaged> {
        if !self.is_about(subject) {
            return Ok(None);
        }
        let plain = match subject {
            Subject::Address(ip) => self.find_address(ip)?,
            Subject::Host(names) => {
                let mut first = None;
                for name in names {
                    first = earlier(first, self.find_domain(Topic::Host, name)?);
                }
                first
            }
            Subject::Helo(name) => self.find_domain(Topic::Helo, name)?,
            Subject::Sender(path) => self.find_path(Topic::Sender, path)?,
            Subject::Recipient(path) => self.find_path(Topic::Recipient, path)?,
        };
        match self.find_expression(subject, plain)? {
            Some((line, action)) => Ok(Some((line, self.action(action)?))),
            None => Ok(None),
        }
    }

    fn find_address(&self, ip: IpAddr) -> Result<Option<Held>, Damaged> {
        if let Some((asked, held)) = self.of_address.get()
            && *asked == ip
        {
            return Ok(*held);
        }
        let held = match ip {
            IpAddr::V4(ip) if self.head.v4.count > 0 => {
                self.head.v4.find(ip.octets(), &self.pages)?
            }
            IpAddr::V6(ip) if self.head.v6.count > 0 => {
                self.head.v6.find(ip.octets(), &self.pages)?
            }
            _ => None,
        };
        let _ = self.of_address.set((ip, held));
        Ok(held)
    }

    fn find_domain(&self, topic: Topic, name: &[u8]) -> Result<Option<Held>, Damaged> {
        let name = name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
        self.find_in_domains(topic, Form::Domain, b"", &name)
    }

    /// Looks for what is so in front of a domain, and in front of all above it.
    fn find_in_domains(
        &self,
        topic: Topic,
        form: Form,
        local: &[u8],
        domain: &[u8],
    ) -> Result<Option<Held>, Damaged> {
        let mut first = self.find_key(topic, form, &[local, domain])?;
        for (labels, above) in domains_of(domain) {
            if self.head.has_below(topic, labels) {
                let held = self.find_key(topic, form.below(), &[local, above])?;
                first = earlier(first, held);
            }
        }
        Ok(first)
    }

    fn find_path(&self, topic: Topic, path: &[u8]) -> Result<Option<Held>, Damaged> {
        if path.is_empty() {
            return self.find_key(topic, Form::Null, &[]);
        }
        let path = path.to_ascii_lowercase();
        let (local, domain) = split(&path);
        let mut first = self.find_key(topic, Form::Local, &[local])?;
        if let Some(domain) = domain {
            let domain = domain.strip_suffix(b".").unwrap_or(domain);
            for (form, local) in [(Form::Domain, &b""[..]), (Form::Mailbox, local)] {
                first = earlier(first, self.find_in_domains(topic, form, local, domain)?);
            }
        }
        Ok(first)
    }

    fn find_key(&self, topic: Topic, form: Form, of: &[&[u8]]) -> Result<Option<Held>, Damaged> {
        match self.head.has_form(topic, form) {
            true => self.head.buckets.find(self.keys.of(topic, form, of), &self.pages),
            false => Ok(None),
        }
    }

    fn action(&self, address: u32) -> Result<String, Damaged> {
        if address == 0 {
            return Ok(String::new());
        }
        let length = self.pages.numbers(address, 1)?.first().copied().ok_or(Damaged)? as usize;
        if length > ACTION {
            return Err(Damaged);
        }
        let octets = self.pages.octets(address as usize + 4, length)?;
        String::from_utf8(octets).map_err(|_| Damaged)
    }
}

/// The one that stands on the earlier line.
fn earlier(one: Option<Held>, other: Option<Held>) -> Option<Held> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}
