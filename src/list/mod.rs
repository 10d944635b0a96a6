//! Lists of clients, names, senders and recipients.
//!
//! ```text
//! 192.0.2.1  192.0.2.0/24  2001:db8::/32    clients
//! mail.example.org  .example.org            clients with this host name, or one below it
//! helo:mail.example.org  helo:.example.org  what the client calls itself
//! a@example.org  from:a@example.org         a sender
//! to:a@example.org                          a recipient
//! from:@example.org      to:example.org     a domain, and nothing below it
//! from:.example.org      to:.example.org    a domain and all below it
//! to:postmaster@         from:<>            a local part anywhere; the null reverse-path
//! /^mail[0-9]+\.example\.org$/              an expression, over address and host names;
//!                                           with helo:, from: or to: in front over these
//! list:FILE                                 what stands in a file ([`text`])
//! ```
//!
//! A client's host name counts only if it leads back to its address
//! ([`crate::host`]): anybody can put any name into his reverse zone.
//!
//! Of entries for one thing the first that matches counts. A client's address comes
//! before its names, so that DNS is not asked about who is known by his address; an
//! entry and an expression that both match are taken in the order of their lines.
//!
//! Letters are compared without case, in local parts too: RFC 5321 2.4 would
//! have them exact, but no mailbox in use depends on it, and a list that misses
//! `Postmaster@` does harm.

mod action;
mod compiled;
mod entry;
mod expression;
mod file;
pub(crate) mod mailbox;
mod name;
mod network;
mod patterns;
mod text;
mod warnings;

use std::borrow::Cow;
use std::net::IpAddr;

use crate::activation::Client;
use crate::filter::Facts;
use crate::host::{Host, Iprev};
use crate::stage::{Stage, Stages};

pub use action::Action;
pub(crate) use entry::TOPICS;
pub use entry::Topic;
pub use file::{Compiling, ListFile, Place};
pub(crate) use network::Network;
pub(crate) use text::SYNTAXES;
pub use text::Syntax;

use entry::What;
use expression::Expression;
use patterns::{Mark, Patterns, Subject};

/// What a client without a host name that leads back is called in lists, as Postfix
/// calls it.
const UNKNOWN: &[u8] = b"unknown";

/// A list: entries, and files of entries.
#[derive(Default)]
pub struct List {
    entries: Patterns,
    files: Vec<ListFile>,
}

/// What was found in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What the entry says; `None`: nothing but that it matches.
    pub action: Option<Action<'static>>,
    /// Which it is: the entry as it was written, or its file and line.
    pub entry: Cow<'static, [u8]>,
}

impl Hit {
    /// Does it say no more than that the entry matches, or that it is welcome?
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self.action, None | Some(Action::Accept))
    }
}

impl List {
    /// Reads entries, each a text.
    ///
    /// # Errors
    /// Says which one is none, and why.
    pub fn parse(texts: &[&'static str], topic: Topic) -> Result<List, String> {
        let mut list = List::default();
        for &text in texts {
            list.add(text, texts.len(), topic)?;
        }
        Ok(list)
    }

    /// Adds an entry, one of at most so many.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn add(&mut self, text: &'static str, most: usize, topic: Topic) -> Result<(), String> {
        let what = What::parse(text, topic).map_err(|why| format!("{text:?} {why}"))?;
        let line = self.entries.count() as u32;
        self.entries.add(what, Mark::new(line, text, text.len()), most);
        Ok(())
    }

    /// Adds a file of entries.
    pub fn add_file(&mut self, file: ListFile) {
        self.files.push(file);
    }

    /// Is there nothing in it, and no file?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.count() == 0 && self.files.is_empty()
    }

    fn is_about(&self, subject: Subject<'_>) -> bool {
        self.entries.is_about(subject) || self.files.iter().any(|file| file.is_about(subject))
    }

    /// Does it take this client's host names to say whether it matches?
    #[must_use]
    pub fn needs_host(&self, client: &Client) -> bool {
        self.has_hosts() && self.find(Subject::Address(client.ip)).is_none()
    }

    /// Are there host names among the entries?
    #[must_use]
    pub fn has_hosts(&self) -> bool {
        self.is_about(Subject::Host(&[]))
    }

    /// Does an entry accept by its own word?
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.files.iter().any(ListFile::accepts)
    }

    /// The stages that bring what the entries are about.
    #[must_use]
    pub fn stages(&self) -> Stages {
        let localhost = std::net::Ipv4Addr::LOCALHOST.into();
        let subjects = [
            (Stage::Connect, Subject::Address(localhost)),
            (Stage::Connect, Subject::Host(&[])),
            (Stage::Helo, Subject::Helo(b"")),
            (Stage::Mail, Subject::Sender(b"")),
            (Stage::Rcpt, Subject::Recipient(b"")),
        ];
        let about = subjects.into_iter().filter(|(_, subject)| self.is_about(*subject));
        about.fold(Stages::NONE, |stages, (stage, _)| stages.with(stage))
    }

    /// Is what is known on the list?
    #[must_use]
    pub fn has(&self, facts: &Facts<'_>) -> bool {
        let stages = [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt];
        let found = stages.into_iter().find_map(|stage| self.find_at(stage, facts));
        found.is_some_and(|hit| hit.counts())
    }

    /// The first entry that matches what this stage brings.
    #[must_use]
    pub fn find_at(&self, stage: Stage, facts: &Facts<'_>) -> Option<Hit> {
        match stage {
            Stage::Connect => {
                let address = self.find(Subject::Address(facts.client.ip));
                address.or_else(|| self.find_host(facts.host.get()?))
            }
            Stage::Helo if facts.helo.is_empty() => None,
            Stage::Helo => {
                // Some write more behind their name; that does not hide it.
                let name = facts.helo.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
                self.find(Subject::Helo(&name::plain(name)))
            }
            Stage::Mail => self.find(Subject::Sender(&mailbox::plain(facts.from?))),
            Stage::Rcpt => self.find(Subject::Recipient(&mailbox::plain(facts.recipient?))),
            Stage::Data | Stage::Message => None,
        }
    }

    /// Is an address on the list, whatever its names?
    #[must_use]
    pub fn has_address(&self, ip: IpAddr) -> bool {
        self.find(Subject::Address(ip)).is_some_and(|hit| hit.counts())
    }

    /// Is a recipient?
    #[must_use]
    pub fn has_recipient(&self, path: &[u8]) -> bool {
        self.find(Subject::Recipient(path)).is_some_and(|hit| hit.counts())
    }

    fn find_host(&self, host: &Host) -> Option<Hit> {
        match host.iprev {
            // The original knew no such name.
            Iprev::Fail | Iprev::PermError => {
                let unknown = [UNKNOWN.to_vec()];
                self.find_in(Subject::Host(&unknown), |file| file.syntax() == Syntax::Usual)
            }
            _ if host.confirmed.is_empty() => None,
            _ => self.find(Subject::Host(&host.confirmed)),
        }
    }

    fn find(&self, subject: Subject<'_>) -> Option<Hit> {
        self.find_in(subject, |_| true)
    }

    fn find_in(&self, subject: Subject<'_>, of: impl Fn(&ListFile) -> bool) -> Option<Hit> {
        let entry = self
            .entries
            .find(subject)
            .map(|mark| Hit { action: None, entry: Cow::Borrowed(mark.entry().as_bytes()) });
        entry.or_else(|| self.files.iter().filter(|f| of(f)).find_map(|file| file.find(subject)))
    }

    /// Is there a file that cannot be read any more, so that nobody knows who is on it?
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.files.iter().any(ListFile::is_broken)
    }

    /// What the log is to know of the files, once.
    pub fn take_note(&self) -> Option<String> {
        self.files.iter().find_map(ListFile::take_note)
    }
}

/// Is there a match for the expression in the text, letters without case?
///
/// # Errors
/// Says why it is none.
pub(crate) fn expression_matches(expression: &str, text: &str) -> Result<bool, String> {
    let lower = text.to_ascii_lowercase();
    let expression = Expression::parse(expression, false)?;
    Ok(expression.is_match(text.as_bytes(), lower.as_bytes(), false))
}

#[cfg(test)]
mod tests;
