//! What tools that run for long have to say meanwhile: what `listen` and `try` themselves
//! have to report, and how far a reader of logs is.
//!
//! Every such line goes through [`say`]. Whatever a stranger on the network
//! can cause goes through a [`Flood`] first, so that a thousand refused
//! connections a second cost one line a second. Nothing here may hold up the
//! accept loop: a log that is not read loses lines.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::stderr;

/// Shortest time between two lines of one [`Flood`], and between two STATUS
/// lines: what a reader can follow.
pub(super) const PACE: Duration = Duration::from_secs(1);

/// Octets of a line at most. POSIX's least PIPE_BUF: a pipe that polls as
/// writable takes so much in one piece without blocking.
const LINE: usize = 512;

/// Writes one line to fd 2, or drops it when the reader is not keeping up.
pub(super) fn say(text: fmt::Arguments<'_>) {
    let mut line = format!("smtp-wrapper: {text}");
    while line.len() >= LINE {
        line.pop();
    }
    line.push('\n');
    let mut fds = [PollFd::from_borrowed_fd(stderr(), PollFlags::OUT)];
    if matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1..)) {
        // Where else could it be said that fd 2 is broken?
        let _ = rustix::io::write(stderr(), line.as_bytes());
    }
}

/// Tells how far a tool is, at most once a second.
pub(super) struct Pace(Instant);

impl Pace {
    pub(super) fn new() -> Pace {
        Pace(Instant::now())
    }

    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.0.elapsed() >= PACE {
            self.0 = Instant::now();
            say(format_args!("{}", text()));
        }
    }
}

/// Events of one kind: the first is told at once, the rest of its second as a count.
#[derive(Default)]
pub(super) struct Flood {
    quiet_until: Option<Instant>,
    held: u64,
}

impl Flood {
    /// Reports an event; `text` is only made when it will be written.
    pub(super) fn note(&mut self, now: Instant, text: impl FnOnce() -> String) {
        if self.quiet_until.is_some_and(|t| now < t) {
            self.held += 1;
            return;
        }
        self.quiet_until = Some(now + PACE);
        match std::mem::take(&mut self.held) {
            0 => say(format_args!("{}", text())),
            held => say(format_args!("{} (and {held} more like it before)", text())),
        }
    }

    /// Tells the count of a flood that has ended.
    pub(super) fn flush(&mut self, now: Instant, what: &str) {
        if self.held > 0 && self.quiet_until.is_none_or(|t| now >= t) {
            self.quiet_until = Some(now + PACE);
            let held = std::mem::take(&mut self.held);
            say(format_args!("{held} more {what}"));
        }
    }

    /// Whether [`Flood::flush`] has something to tell.
    pub(super) fn holds(&self) -> bool {
        self.held > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second() {
        let (mut flood, mut told) = (Flood::default(), 0);
        let start = Instant::now();
        for ms in 0..2500 {
            flood.note(start + Duration::from_millis(ms), || {
                told += 1;
                String::from("one of 2500 events that a test made")
            });
        }
        assert_eq!((told, flood.held), (3, 499));
        flood.flush(start + Duration::from_millis(2600), "events");
        assert!(flood.holds());
        flood.flush(start + Duration::from_millis(3100), "events");
        assert!(!flood.holds());
    }
}
