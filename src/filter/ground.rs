//! What a filter that waits stands on: the clock, the client, its time limit.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Stop;
use crate::stage::Stage;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A descriptor is ready.
    Ready,
    /// A child has ended, perhaps; wait for it with WNOHANG.
    Child,
    /// The client has said something (only if that was asked for).
    ClientSpoke,
    /// The time has come.
    TimeUp,
}

/// What the session lends to a filter while it is asked.
pub trait Ground {
    /// Waits until one of `fds` is ready, a child ends, or `until`; `None` is
    /// the filter's time limit, which is never passed either way. With
    /// `for_client`, what the client says ends the wait too. Entries with a
    /// negative descriptor are passed over.
    ///
    /// # Errors
    /// [`Stop::Over`] when the client has gone or the session is being ended;
    /// [`Stop::Trouble`] when there is no waiting.
    fn wait(
        &mut self,
        fds: &mut [libc::pollfd],
        until: Option<Instant>,
        for_client: bool,
    ) -> Result<Woken, Stop>;

    /// Has the client sent something that is not dealt with yet?
    ///
    /// # Errors
    /// [`Stop::Over`] when it has gone.
    fn client_has_spoken(&mut self) -> Result<bool, Stop>;

    /// Is there time left? For a filter that is kept busy and need not wait.
    ///
    /// # Errors
    /// As [`Ground::wait`].
    fn has_time(&mut self) -> Result<bool, Stop>;

    /// Waits until the client's host names are known (`facts.host`); whoever
    /// asked is trusted to need them.
    ///
    /// # Errors
    /// As [`Ground::wait`].
    fn name_client(&mut self) -> Result<(), Stop>;

    /// When the session began.
    fn began(&self) -> Instant;

    /// This filter is about to be asked, and may take so long.
    fn begin(&mut self, filter: &'static str, time_limit: Duration);

    /// How long the filter may take (`time_limit`), from when it was asked.
    fn time_limit(&self) -> Duration;

    /// The state directory (`state`).
    fn state(&self) -> &'static Path;

    /// How many clients may be in the tarpit at once.
    fn tarpit_places(&self) -> u32;

    /// Logs what is amiss but makes no difference to the client.
    fn note(&mut self, what: &str);

    /// Logs that the filter does not work.
    fn trouble(&mut self, stage: Stage, what: &str);
}

/// A ground for tests of filters that need none.
#[cfg(test)]
pub(crate) struct Nowhere;

#[cfg(test)]
impl Ground for Nowhere {
    fn wait(
        &mut self,
        _fds: &mut [libc::pollfd],
        _until: Option<Instant>,
        _for_client: bool,
    ) -> Result<Woken, Stop> {
        Ok(Woken::TimeUp)
    }

    fn client_has_spoken(&mut self) -> Result<bool, Stop> {
        Ok(false)
    }

    fn has_time(&mut self) -> Result<bool, Stop> {
        Ok(true)
    }

    fn name_client(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn began(&self) -> Instant {
        Instant::now()
    }

    fn begin(&mut self, _filter: &'static str, _time_limit: Duration) {}

    fn time_limit(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn state(&self) -> &'static Path {
        Path::new("/nonexistent")
    }

    fn tarpit_places(&self) -> u32 {
        1
    }

    fn note(&mut self, _what: &str) {}

    fn trouble(&mut self, _stage: Stage, _what: &str) {}
}
