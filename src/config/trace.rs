//! `trace` and `trace_to` of `[log]`: whose sessions are written down whole, until when,
//! and where.

use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use super::settings::directory;
use crate::dates;
use crate::list::Network;

/// More are no exception any more.
const MOST: usize = 100;

/// What an entry may be.
const WANTS: &str =
    "must be an address or a network, and an end, as in \"192.0.2.7 until 2030-01-01T00:00Z\"";

/// Whose sessions are traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    entries: Vec<Entry>,
    /// Where their files go; `None`: their lines go to the log.
    pub directory: Option<&'static Path>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    written: &'static str,
    of: Network,
    until: SystemTime,
}

impl Traces {
    /// Reads the entries.
    ///
    /// # Errors
    /// Says what an entry may be.
    #[inline(never)] // Not in every session.
    pub(super) fn read(entries: &[&'static str]) -> Result<Traces, String> {
        if entries.len() > MOST {
            return Err(format!("at most {MOST} entries"));
        }
        let entries = entries.iter().map(|entry| {
            let read = Entry::read(entry);
            read.map_err(|what| format!("{entry:?}: {what}"))
        });
        Ok(Traces { entries: entries.collect::<Result<_, _>>()?, directory: None })
    }

    /// Reads where they go.
    ///
    /// # Errors
    /// Says what it may be.
    pub(super) fn place(text: &'static str) -> Result<Option<&'static Path>, String> {
        match text {
            "log" => Ok(None),
            path => directory(path).map(Some).map_err(|what| format!("{what}, or \"log\"")),
        }
    }

    /// Is the session of this client, which begins now, traced?
    #[must_use]
    pub fn has(&self, client: IpAddr, now: SystemTime) -> bool {
        let client = client.to_canonical();
        self.entries.iter().any(|entry| now < entry.until && entry.of.has(client))
    }

    /// The entries as they are written, and whether they are over.
    pub(crate) fn entries(&self, now: SystemTime) -> impl Iterator<Item = (&'static str, bool)> {
        self.entries.iter().map(move |entry| (entry.written, now >= entry.until))
    }
}

impl Entry {
    fn read(written: &'static str) -> Result<Entry, &'static str> {
        let mut words = written.split_ascii_whitespace();
        let (Some(of), Some("until"), Some(until), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(WANTS);
        };
        let of = Network::parse(of).map_err(|_| WANTS)?;
        Ok(Entry { written, of, until: dates::instant(until).ok_or(WANTS)? })
    }
}
