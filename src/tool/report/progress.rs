//! How far the reading is, for who sits at the terminal; nothing if nobody does.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::show;
use crate::tool::logs::Read;

/// Between two lines, and until the first.
const PACE: Duration = Duration::from_millis(250);

pub(super) struct Progress {
    terminal: bool,
    began: Instant,
    told: Instant,
    /// Octets of all files, if all are known, and of those that are done.
    all: Option<u64>,
    done: u64,
    /// Octets of logs, after they were decompressed.
    before: u64,
    shown: bool,
}

impl Progress {
    pub(super) fn new(all: Option<u64>) -> Progress {
        let now = Instant::now();
        Progress {
            terminal: rustix::termios::isatty(rustix::stdio::stderr()),
            began: now,
            told: now,
            all,
            done: 0,
            before: 0,
            shown: false,
        }
    }

    /// So much is read of a file, and of the log in it.
    #[allow(clippy::cast_precision_loss, reason = "it is rounded anyway")]
    pub(super) fn tell(&mut self, read: &Read, octets: u64) {
        if !self.terminal || self.told.elapsed() < PACE {
            return;
        }
        self.told = Instant::now();
        self.shown = true;
        let took = self.began.elapsed().as_secs_f64().max(0.001);
        let speed = (self.before + octets) as f64 / took / 1e6;
        let read = self.done + read.octets();
        let share = self.all.filter(|all| *all > 0).map(|all| (read as f64 / all as f64).min(1.0));
        let text = match share {
            Some(share) if share > 0.0 => {
                let left = took / share - took;
                format!("{:.0} %, {speed:.0} MB/s, {left:.0} s left", share * 100.0)
            }
            _ => format!("{}, {speed:.0} MB/s", show::size(self.before + octets)),
        };
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
    }

    /// A file is done.
    pub(super) fn next(&mut self, read: &Read, octets: u64) {
        self.done += read.octets();
        self.before = octets;
    }

    /// Takes the line away.
    pub(super) fn end(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
