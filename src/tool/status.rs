//! What `systemctl status` shows of `listen` (sd_notify(3)).

use std::time::Instant;

use sd_notify::{NotifyState, notify};

use crate::status::supervisor_reads;

use super::notes::PACE;
use super::sessions::Sessions;

/// The status line.
pub(super) struct Status {
    wanted: bool,
    /// Clients that got a 421 so far.
    pub(super) refused: u64,
    shown: (usize, u64),
    next: Option<Instant>,
}

impl Status {
    /// Asks the environment whether anybody wants it.
    pub(super) fn new() -> Self {
        let wanted = std::env::var_os("NOTIFY_SOCKET").is_some();
        Status { wanted, refused: 0, shown: (0, 0), next: None }
    }

    /// We listen. This waits until the supervisor has taken it, since without
    /// it the start would be given up.
    pub(super) fn ready(&mut self, sessions: &Sessions, now: Instant) {
        self.next = Some(now + PACE);
        if self.wanted {
            let _ = notify(&[NotifyState::Ready, NotifyState::Status(&self.text(sessions))]);
        }
    }

    /// Whether [`Status::show`] has news.
    pub(super) fn is_old(&self, sessions: &Sessions) -> bool {
        self.wanted && self.shown != (sessions.count(), self.refused)
    }

    /// Shows the numbers if they have changed, at most once in a while.
    pub(super) fn show(&mut self, sessions: &Sessions, now: Instant) {
        if !self.is_old(sessions) || self.next.is_some_and(|t| now < t) {
            return;
        }
        self.next = Some(now + PACE);
        if supervisor_reads() {
            self.shown = (sessions.count(), self.refused);
            let _ = notify(&[NotifyState::Status(&self.text(sessions))]);
        }
    }

    /// We go.
    pub(super) fn stopping(&self) {
        if self.wanted && supervisor_reads() {
            let _ = notify(&[NotifyState::Stopping]);
        }
    }

    fn text(&self, sessions: &Sessions) -> String {
        let (count, total) = (sessions.count(), sessions.caps().total);
        format!("{count} of {total} sessions, {} refused", self.refused)
    }
}
