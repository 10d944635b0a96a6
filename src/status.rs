//! What `systemctl status` shows of a session (sd_notify(3)).
//!
//! Whatever is notified wakes the supervisor, which has other things to do than
//! to follow each of a thousand short sessions. So a session shows what it is
//! doing only when it has been at it for a while, and never waits to show it.

use std::os::unix::net::UnixDatagram;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sd_notify::NotifyState;

use crate::activation::Client;
use crate::sys;

/// The status line, if somebody wants it.
pub(crate) struct Status {
    wanted: bool,
    shown: &'static str,
}

impl Status {
    /// Asks the environment, and tells the supervisor that the session is there.
    #[must_use]
    pub(crate) fn new() -> Self {
        let status = Status { wanted: sys::variable("NOTIFY_SOCKET").is_some(), shown: "" };
        status.tell(NotifyState::Ready);
        status
    }

    /// Does anybody look?
    #[must_use]
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Is this something that is not shown yet?
    #[must_use]
    pub(crate) fn is_news(&self, place: &'static str) -> bool {
        self.shown != place
    }

    /// Shows what the session is doing.
    pub(crate) fn show(&mut self, client: &Client, place: &'static str) {
        self.shown = place;
        self.tell(NotifyState::Status(&format!("{}: {place}", client.ip)));
    }

    /// Shows which filter the client waits for.
    pub(crate) fn show_filter(&mut self, client: &Client, filter: &'static str) {
        self.shown = filter;
        self.tell(NotifyState::Status(&format!("{}: waiting for filter {filter}", client.ip)));
    }

    /// The session is ending.
    pub(crate) fn stopping(&self) {
        self.tell(NotifyState::Stopping);
    }

    fn tell(&self, state: NotifyState<'_>) {
        if self.wanted && supervisor_reads() {
            let _ = sd_notify::notify(&[state]);
        }
    }
}

impl Default for Status {
    fn default() -> Self {
        Status::new()
    }
}

/// Would the supervisor take news at once? The library's call waits while the
/// socket's queue is full, and clients are not to wait for a supervisor that is
/// stuck.
#[must_use]
pub(crate) fn supervisor_reads() -> bool {
    let Some(path) = sys::variable("NOTIFY_SOCKET") else { return false };
    // An abstract socket, which the sandbox keeps from a session; systemd has used a path since 2013.
    if path.as_encoded_bytes().starts_with(b"@") {
        return true;
    }
    let Ok(socket) = UnixDatagram::unbound() else { return false };
    if socket.connect(path).is_err() {
        return false;
    }
    matches!(poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&Timespec::default())), Ok(1..))
}
