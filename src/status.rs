//! What `systemctl status` shows of a session (sd_notify(3)).

use sd_notify::NotifyState;

use crate::activation::Client;

/// The status line, if somebody wants it.
pub struct Status {
    wanted: bool,
    shown: &'static str,
}

impl Status {
    /// Asks the environment.
    #[must_use]
    pub fn new() -> Self {
        Status { wanted: std::env::var_os("NOTIFY_SOCKET").is_some(), shown: "" }
    }

    /// Does anybody look?
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Shows what the session is doing, if that is news.
    pub fn show(&mut self, client: &Client, place: &'static str) {
        if self.shown == place {
            return;
        }
        let text = format!("{}: {place}", client.ip);
        let ready = self.shown.is_empty().then_some(NotifyState::Ready);
        self.shown = place;
        let states: Vec<_> = ready.into_iter().chain([NotifyState::Status(&text)]).collect();
        let _ = sd_notify::notify(&states);
    }

    /// The session is ending.
    pub fn stopping(&self) {
        if self.wanted {
            let _ = sd_notify::notify(&[NotifyState::Stopping]);
        }
    }
}

impl Default for Status {
    fn default() -> Self {
        Status::new()
    }
}
