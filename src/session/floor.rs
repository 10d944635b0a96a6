//! What filters stand on while they are asked: the real clock, the client and
//! the log.

use std::cell::OnceCell;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::activation::Client;
use crate::config::Settings;
use crate::dialogue::{Inbox, Peer};
use crate::filter::{Ground, Stop, Woken};
use crate::host::{Host, Naming};
use crate::io::Wires;
use crate::limits;
use crate::log::line::Line;
use crate::log::{Level, Log};
use crate::stage::Stage;
use crate::status::Status;
use crate::sys::{self, Wakeup};

/// The floor.
pub(super) struct Floor<'a> {
    settings: &'a Settings,
    client: &'a Client,
    wires: &'a mut Wires,
    /// The client's inbox, which may fill while a filter waits.
    inbox: Inbox,
    closed: bool,
    /// The client has said all it wants to say, and is owed the answer.
    owed: bool,
    lost: bool,
    log: &'a mut Log,
    line: &'a mut Line,
    status: &'a mut Status,
    naming: &'a mut Naming,
    host: &'a OnceCell<Host>,
    began: Instant,
    filter: &'static str,
    time_limit: Duration,
    /// When the filter was asked; the clock is only looked at when it waits.
    asked: Option<Instant>,
}

impl<'a> Floor<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        client: &'a Client,
        wires: &'a mut Wires,
        (inbox, closed, stage): (Inbox, bool, Stage),
        (log, line, status): (&'a mut Log, &'a mut Line, &'a mut Status),
        (naming, host): (&'a mut Naming, &'a OnceCell<Host>),
        began: Instant,
    ) -> Floor<'a> {
        Floor {
            settings,
            client,
            wires,
            inbox,
            closed,
            owed: stage == Stage::Message,
            lost: false,
            log,
            line,
            status,
            naming,
            host,
            began,
            filter: "",
            time_limit: limits::FILTER,
            asked: None,
        }
    }

    /// The client's inbox; whether it has closed its connection, and whether it
    /// has gone.
    pub(super) fn leave(self) -> (Inbox, bool, bool) {
        let left = self.has_left();
        (self.inbox, self.closed, left)
    }

    /// Has the client gone? One that has closed, but left something to be dealt
    /// with (a whole message, a QUIT), still wants its answers.
    fn has_left(&self) -> bool {
        self.lost || (self.closed && !self.owed && self.inbox.bytes().is_empty())
    }

    /// Takes in what the client has sent; true if there was something.
    fn receive(&mut self) -> bool {
        if self.closed || !self.inbox.has_room() {
            // Nothing to ask it for, and yet it stirs: it has gone.
            self.lost = true;
            return false;
        }
        match self.wires.receive(Peer::Client, self.inbox.room()) {
            Ok(0) => self.closed = true,
            Ok(_) => return true,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.lost = true,
        }
        false
    }

    /// One wait; `None` to wait on.
    fn wait_once(
        &mut self,
        fds: &mut [libc::pollfd],
        end: Instant,
        for_client: bool,
    ) -> Result<Option<Woken>, Stop> {
        if sys::terminated() || sys::time_is_up() || self.has_left() {
            return Err(Stop::Over);
        }
        let now = Instant::now();
        let left = end.saturating_duration_since(now);
        let news = self.status.is_wanted() && self.status.is_news(self.filter);
        let time = if news { left.min(limits::STATUS_AFTER) } else { left };
        // A client that has closed would stir for ever.
        let watch = !self.closed;
        let room = watch.then_some(self.inbox.has_room());
        // Whoever waits, waits for DNS as well.
        self.start_naming(true);
        let (wakeup, client, time) = match self.naming.is_under_way() {
            false => {
                let (wakeup, client) = self.wires.wait_beside(room, fds, time).map_err(no_wait)?;
                (wakeup, client, time)
            }
            true => self.wait_and_name(room, fds, time, now)?,
        };
        let spoke = client && self.receive();
        if self.has_left() {
            return Err(Stop::Over);
        }
        Ok(match wakeup {
            Wakeup::Signal => Some(Woken::Child),
            Wakeup::TimedOut if time < left => {
                if news {
                    self.status.show_filter(self.client, self.filter);
                }
                None
            }
            Wakeup::TimedOut => Some(Woken::TimeUp),
            Wakeup::Ready if fds.iter().any(|fd| fd.revents != 0) => Some(Woken::Ready),
            Wakeup::Ready => (spoke && for_client).then_some(Woken::ClientSpoke),
        })
    }
}

/// There is no waiting.
fn no_wait(error: std::io::Error) -> Stop {
    Stop::Trouble(format!("cannot wait: {error}"))
}

impl Floor<'_> {
    /// Asks for the client's host names, if that is of use.
    fn start_naming(&mut self, meanwhile: bool) {
        let started = self.naming.start(self.settings.dns(), self.client, self.host, meanwhile);
        if let Err(what) = started {
            self.note(&what);
        }
    }

    /// Waits, and goes on with finding out the host names. Also gives for how
    /// long it was to wait.
    fn wait_and_name(
        &mut self,
        room: Option<bool>,
        fds: &mut [libc::pollfd],
        time: Duration,
        now: Instant,
    ) -> Result<(Wakeup, bool, Duration), Stop> {
        let mut all = fds.to_vec();
        let wakes = self.naming.fds(&mut all);
        let left = wakes.map(|at| at.saturating_duration_since(now));
        let shorter = left.map_or(time, |left| left.min(time));
        let (wakeup, client) = self.wires.wait_beside(room, &mut all, shorter).map_err(no_wait)?;
        fds.iter_mut().zip(&all).for_each(|(fd, seen)| fd.revents = seen.revents);
        self.naming.advance(self.host);
        Ok((wakeup, client, shorter))
    }
}

impl Ground for Floor<'_> {
    fn wait(
        &mut self,
        fds: &mut [libc::pollfd],
        until: Option<Instant>,
        for_client: bool,
    ) -> Result<Woken, Stop> {
        let limit = *self.asked.get_or_insert_with(Instant::now) + self.time_limit;
        let end = until.map_or(limit, |until| until.min(limit));
        loop {
            if let Some(woken) = self.wait_once(fds, end, for_client)? {
                return Ok(woken);
            }
        }
    }

    fn client_has_spoken(&mut self) -> Result<bool, Stop> {
        if self.inbox.bytes().is_empty() {
            self.wait_once(&mut [], Instant::now(), true)?;
        }
        Ok(!self.inbox.bytes().is_empty())
    }

    fn has_time(&mut self) -> Result<bool, Stop> {
        let now = Instant::now();
        let limit = *self.asked.get_or_insert(now) + self.time_limit;
        // The client is looked at as well.
        self.wait_once(&mut [], now, false)?;
        Ok(now < limit)
    }

    fn name_client(&mut self) -> Result<(), Stop> {
        self.start_naming(false);
        while self.naming.is_under_way() {
            let end = *self.asked.get_or_insert_with(Instant::now) + self.time_limit;
            if self.wait_once(&mut [], end, false)? == Some(Woken::TimeUp) {
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
        self.asked = None;
    }

    fn time_limit(&self) -> Duration {
        self.time_limit
    }

    fn state(&self) -> &'static Path {
        self.settings.state
    }

    fn tarpit_places(&self) -> u32 {
        self.settings.tarpit_at_once
    }

    fn note(&mut self, what: &str) {
        self.line.begin().word(" session=", "note").word(" filter=", self.filter);
        self.line.outside(" why=", what.as_bytes());
        self.log.line(Level::Info, self.line);
    }

    fn trouble(&mut self, stage: Stage, what: &str) {
        self.line.begin().word(" session=", "trouble").word(" filter=", self.filter);
        self.line.word(" at=", stage.name()).outside(" why=", what.as_bytes());
        self.log.line(Level::Error, self.line);
    }
}
