//! What passed on both sides of the program, in the order in which the test saw it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Octets kept of one run of octets in one direction; more would hide the rest of a failing test.
const KEPT: usize = 600;

/// Lines shown of the beginning, and of the end.
const SHOWN: usize = 60;

/// The shared record; clones write into the same one.
#[derive(Clone)]
pub struct Transcript {
    began: Instant,
    entries: Arc<Mutex<Vec<Entry>>>,
}

struct Entry {
    at: f64,
    who: String,
    kept: Vec<u8>,
    octets: usize,
}

impl Transcript {
    pub fn new() -> Self {
        Self { began: Instant::now(), entries: Arc::default() }
    }

    /// Records octets; what follows in the same direction without a word from elsewhere is one
    /// entry.
    pub fn note(&self, who: &str, octets: &[u8]) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.last().is_none_or(|last| last.who != who) {
            let at = self.began.elapsed().as_secs_f64();
            entries.push(Entry { at, who: who.to_owned(), kept: Vec::new(), octets: 0 });
        }
        if let Some(last) = entries.last_mut() {
            last.octets += octets.len();
            last.kept.extend(octets.iter().take(KEPT.saturating_sub(last.kept.len())));
        }
    }

    /// Fails the test, with everything said until now.
    #[track_caller]
    pub fn fail(&self, why: impl fmt::Display) -> ! {
        panic!("{why}\n{self}");
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for entry in self.entries.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let mut say = |text| lines.push(format!("{:8.3} {:8} {text}", entry.at, entry.who));
            for line in entry.kept.split_inclusive(|&octet| octet == b'\n') {
                say(line.escape_ascii().to_string());
            }
            if entry.octets > entry.kept.len() {
                say(format!("... {} octets in all", entry.octets));
            }
        }
        if let Some(middle) = lines.len().checked_sub(2 * SHOWN).filter(|&middle| middle > 0) {
            let left_out = format!("    ... {middle} lines left out");
            lines.splice(SHOWN..SHOWN + middle, [left_out]);
        }
        to.write_str(&lines.join("\n"))
    }
}
