//! What filters stand on while they are asked without a client: programs are waited
//! for as in a session, DNS is asked, but nobody is held or kept waiting, and what
//! sessions share is not touched.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::activation::Client;
use crate::config::Settings;
use crate::filter::{Ground, Stop, Woken};
use crate::host::{Host, Naming};
use crate::stage::Stage;
use crate::sys::{Waiter, Wakeup};

/// The ground.
pub(super) struct Desk<'a> {
    pub(super) settings: &'a Settings,
    pub(super) client: &'a Client,
    pub(super) host: &'a OnceCell<Host>,
    pub(super) naming: &'a mut Naming,
    /// DNS may be asked.
    pub(super) asks: bool,
    /// The host names were needed, and are not known.
    pub(super) unnamed: &'a Cell<bool>,
    /// A copy of what sessions share.
    pub(super) state: &'static Path,
    pub(super) waiter: &'a Waiter,
    pub(super) began: Instant,
    pub(super) filter: &'static str,
    pub(super) end: Instant,
    pub(super) time_limit: Duration,
    /// What there is to tell beside what was found.
    pub(super) remarks: &'a RefCell<Vec<String>>,
}

impl Desk<'_> {
    fn remark(&self, text: String) {
        self.remarks.borrow_mut().push(text);
    }

    fn poll(&self, fds: &mut [libc::pollfd], until: Instant) -> Result<Wakeup, Stop> {
        let left = until.saturating_duration_since(Instant::now());
        let cannot = |error| Stop::Trouble(format!("cannot wait: {error}"));
        self.waiter.wait(fds, left).map_err(cannot)
    }
}

impl Ground for Desk<'_> {
    fn wait(
        &mut self,
        fds: &mut [libc::pollfd],
        until: Option<Instant>,
        _for_client: bool,
    ) -> Result<Woken, Stop> {
        if crate::sys::terminated() {
            return Err(Stop::Over);
        }
        let end = until.map_or(self.end, |until| until.min(self.end));
        if fds.iter().all(|fd| fd.fd < 0) && until.is_some() {
            let time = end.saturating_duration_since(Instant::now()).as_secs_f64();
            self.remark(format!("{} would hold the client for {time:.1} s", self.filter));
            return Ok(Woken::TimeUp);
        }
        Ok(match self.poll(fds, end)? {
            Wakeup::Signal => Woken::Child,
            Wakeup::TimedOut => Woken::TimeUp,
            Wakeup::Ready => Woken::Ready,
        })
    }

    fn client_has_spoken(&mut self) -> Result<bool, Stop> {
        Ok(false)
    }

    fn has_time(&mut self) -> Result<bool, Stop> {
        Ok(Instant::now() < self.end)
    }

    fn name_client(&mut self) -> Result<(), Stop> {
        if !self.asks {
            self.unnamed.set(true);
            return Ok(());
        }
        let dns = self.settings.dns();
        if let Err(what) = self.naming.start(dns, self.client, self.host, false) {
            self.remark(what);
        }
        while self.naming.is_under_way() {
            let mut fds = Vec::new();
            let wakes = self.naming.fds(&mut fds).unwrap_or(self.end);
            self.poll(&mut fds, wakes.min(self.end))?;
            self.naming.advance(self.host);
            if Instant::now() >= self.end {
                break;
            }
        }
        Ok(())
    }

    fn began(&self) -> Instant {
        self.began
    }

    fn begin(&mut self, filter: &'static str, time_limit: Duration) {
        self.filter = filter;
        self.time_limit = time_limit;
        self.end = Instant::now() + time_limit;
    }

    fn time_limit(&self) -> Duration {
        self.time_limit
    }

    fn state(&self) -> &'static Path {
        self.state
    }

    fn tarpit_places(&self) -> u32 {
        self.settings.tarpit_at_once
    }

    fn note(&mut self, what: &str) {
        self.remark(format!("{}: {what}", self.filter));
    }

    fn trouble(&mut self, stage: Stage, what: &str) {
        self.remark(format!("{} does not work at {}: {what}", self.filter, stage.name()));
    }
}
