//! How far the reading is, for who sits at the terminal; nothing if nobody does.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::{Input, Read};

/// Between two lines, and until the first.
const PACE: Duration = Duration::from_millis(250);

pub(crate) struct Progress {
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
    /// Of the reading of these files.
    pub(crate) fn of(inputs: &[Input]) -> Progress {
        let now = Instant::now();
        let sizes: Option<Vec<u64>> = inputs.iter().map(|input| input.size).collect();
        Progress {
            terminal: rustix::termios::isatty(rustix::stdio::stderr()),
            began: now,
            told: now,
            all: sizes.map(|sizes| sizes.iter().sum()),
            done: 0,
            before: 0,
            shown: false,
        }
    }

    /// So much is read of a file, and of the log in it.
    #[allow(clippy::cast_precision_loss, reason = "it is rounded anyway")]
    pub(crate) fn tell(&mut self, read: &Read, octets: u64) {
        if !self.terminal || self.told.elapsed() < PACE {
            return;
        }
        self.told = Instant::now();
        self.shown = true;
        let took = self.began.elapsed().as_secs_f64().max(0.001);
        let size = (self.before + octets) as f64 / 1e6;
        let speed = size / took;
        let read = self.done + read.octets();
        let share = self.all.filter(|all| *all > 0).map(|all| (read as f64 / all as f64).min(1.0));
        let text = match share {
            Some(share) if share > 0.0 => {
                let left = took / share - took;
                format!("{:.0} %, {speed:.0} MB/s, {left:.0} s left", share * 100.0)
            }
            _ => format!("{size:.0} MB, {speed:.0} MB/s"),
        };
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
    }

    /// A file is done.
    pub(crate) fn next(&mut self, read: &Read, octets: u64) {
        self.done += read.octets();
        self.before = octets;
    }
}

impl Drop for Progress {
    /// Takes the line away.
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
