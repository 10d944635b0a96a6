//! Signals, and the wait that they can end.
//!
//! SIGTERM (the supervisor ends us) and SIGALRM (a session's clock ticks) are
//! blocked but for the time that we wait in ppoll, so they can neither cut a
//! write short nor slip in between a look at the flag and the wait. A pipe to
//! oneself would do the same for two descriptors and a system call more; a
//! library would do it with the pipe.

use std::io;
use std::mem::MaybeUninit;
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a session's clock ticks: so often a wait is looked after that lasts long, and the
/// session as a whole. A timer for each wait would be set and taken back fifteen times a session,
/// which is 2 % of what one costs.
const TICK: Duration = Duration::from_secs(30);
/// A wait of so many ticks or more is looked after by them, and lasts one longer at most.
const LONG: u32 = 4;

static TERMINATED: AtomicBool = AtomicBool::new(false);
/// When the session's time is up, in [`millis`].
static END: AtomicU64 = AtomicU64::new(u64::MAX);
static TIME_IS_UP: AtomicBool = AtomicBool::new(false);
/// A child has ended, and no wait has been told.
static CHILD_ENDED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(signal: libc::c_int, info: *const libc::siginfo_t, _: *const libc::c_void) {
    match signal {
        libc::SIGTERM => TERMINATED.store(true, Ordering::Relaxed),
        // Ticks that come while none is waited for are one: they are not to be counted.
        libc::SIGALRM if was_sent(info) || millis() >= END.load(Ordering::Relaxed) => {
            TIME_IS_UP.store(true, Ordering::Relaxed);
        }
        libc::SIGALRM => {}
        _ => CHILD_ENDED.store(true, Ordering::Relaxed),
    }
}

/// Did a process send the signal, and not the clock? Linux always says so.
#[cfg(target_os = "linux")]
fn was_sent(info: *const libc::siginfo_t) -> bool {
    // SAFETY: the handler is given it, or null.
    unsafe { info.as_ref() }.is_some_and(|info| info.si_code == libc::SI_USER)
}

#[cfg(not(target_os = "linux"))]
fn was_sent(_: *const libc::siginfo_t) -> bool {
    false
}

/// Has the handler called for these signals.
#[inline(always)] // Once in a session.
fn handle(signals: &[libc::c_int]) {
    let handler: extern "C" fn(libc::c_int, *const libc::siginfo_t, *const libc::c_void) =
        on_signal;
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: an all-zero sigaction is a valid one, and the handler only uses atomics and looks
    // at the clock, which is async-signal-safe. The calls do not fail with these arguments.
    unsafe {
        let action = action.assume_init_mut();
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigemptyset(&raw mut action.sa_mask);
        for signal in signals {
            libc::sigaction(*signal, action, ptr::null_mut());
        }
    }
}

/// The time, in milliseconds, from some moment on. As a signal handler may ask for it.
#[inline(always)]
fn millis() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure; every system has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Has SIGTERM come?
#[must_use]
pub fn terminated() -> bool {
    TERMINATED.load(Ordering::Relaxed)
}

/// Has the time passed that [`Waiter`]'s clock was to last?
#[must_use]
pub fn time_is_up() -> bool {
    TIME_IS_UP.load(Ordering::Relaxed)
}

/// From here on the end of a child ends a wait, too.
pub fn watch_children() {
    handle(&[libc::SIGCHLD]);
    hold_signals(true);
}

/// Starts a program with no signal blocked; those that come meanwhile are noted.
///
/// # Errors
/// Those of starting it.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    hold_signals(false);
    let child = command.spawn();
    hold_signals(true);
    child
}

/// Lets through the signals that are for waits, for a program that this process becomes.
pub(crate) fn release_signals() {
    hold_signals(false);
}

/// Blocks the signals that are for waits, or lets them through.
fn hold_signals(hold: bool) {
    let mut ours = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is filled by sigemptyset before it is read.
    unsafe {
        libc::sigemptyset(ours.as_mut_ptr());
        for signal in [libc::SIGTERM, libc::SIGALRM, libc::SIGCHLD] {
            libc::sigaddset(ours.as_mut_ptr(), signal);
        }
        let how = if hold { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
        libc::sigprocmask(how, ours.as_ptr(), ptr::null_mut());
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// A descriptor is ready.
    Ready,
    /// The time has passed.
    TimedOut,
    /// A signal came.
    Signal,
}

/// Holds the signals back until [`Waiter::wait`] is called.
pub struct Waiter {
    /// The signals blocked while waiting: those blocked before, less ours.
    blocked: libc::sigset_t,
    /// Waits from this length on need no timer of their own: there is a clock that ticks.
    long: Duration,
}

impl Waiter {
    /// Takes over the signals. For a session that may last so long, starts its clock.
    #[must_use]
    pub fn new(session: Option<Duration>) -> Self {
        Self::with_clock(session.map(|time| (time, TICK)))
    }

    /// The same with a clock that ticks so often (the second) for so long (the first): who waits
    /// does not notice a tick, unless it is the last ([`time_is_up`]).
    #[must_use]
    #[inline(always)] // Once in a session.
    pub fn with_clock(clock: Option<(Duration, Duration)>) -> Self {
        const OURS: [libc::c_int; 2] = [libc::SIGTERM, libc::SIGALRM];
        handle(&OURS);
        let mut ours = MaybeUninit::<libc::sigset_t>::uninit();
        let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the sets are filled by sigemptyset and sigprocmask before
        // they are read. The calls do not fail with these arguments, but for
        // that of the clock, perhaps.
        unsafe {
            libc::sigemptyset(ours.as_mut_ptr());
            for signal in OURS {
                libc::sigaddset(ours.as_mut_ptr(), signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, ours.as_ptr(), blocked.as_mut_ptr());
            libc::sigdelset(blocked.as_mut_ptr(), libc::SIGTERM);
            libc::sigdelset(blocked.as_mut_ptr(), libc::SIGALRM);
            libc::sigdelset(blocked.as_mut_ptr(), libc::SIGCHLD);
            let mut long = Duration::MAX;
            if let Some((time, tick)) = clock {
                END.store(millis() + time.as_millis() as u64, Ordering::Relaxed);
                let (tv_sec, tv_usec) = (tick.as_secs() as _, tick.subsec_micros() as _);
                let interval = libc::timeval { tv_sec, tv_usec };
                let clock = libc::itimerval { it_interval: interval, it_value: interval };
                if libc::setitimer(libc::ITIMER_REAL, &raw const clock, ptr::null_mut()) == 0 {
                    long = tick.saturating_mul(LONG);
                }
            }
            Waiter { blocked: blocked.assume_init(), long }
        }
    }

    /// Waits until one of the descriptors is ready, the time has passed or a
    /// signal comes; entries with a negative descriptor are passed over.
    ///
    /// # Errors
    /// Those of ppoll, but for the interruption by a signal.
    pub fn wait(&self, fds: &mut [libc::pollfd], time: Duration) -> io::Result<Wakeup> {
        // It is looked at the clock when the first tick comes: hardly a wait lasts as long.
        if time >= self.long
            && let Some(wakeup) = self.poll(fds, None)?
        {
            return Ok(wakeup);
        }
        let (begun, mut left) = (Instant::now(), time);
        loop {
            if let Some(wakeup) = self.poll(fds, Some(left))? {
                return Ok(wakeup);
            }
            left = time.saturating_sub(begun.elapsed());
        }
    }

    /// The same for a time that is none when no timer is wanted; `None` after a tick.
    #[inline(always)] // In each wait.
    fn poll(&self, fds: &mut [libc::pollfd], time: Option<Duration>) -> io::Result<Option<Wakeup>> {
        let time = time.map(|time| libc::timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            // Below 10^9, which every c_long holds.
            tv_nsec: time.subsec_nanos() as libc::c_long,
        });
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        let count = fds.len() as libc::nfds_t;
        // SAFETY: `fds` is a slice of `count` pollfd; the time, if any, and the set live through the
        // call.
        let ready = unsafe { libc::ppoll(fds.as_mut_ptr(), count, time, &raw const self.blocked) };
        match ready {
            0 => Ok(Some(Wakeup::TimedOut)),
            1.. => Ok(Some(Wakeup::Ready)),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {
                    let told =
                        terminated() || time_is_up() || CHILD_ENDED.swap(false, Ordering::Relaxed);
                    Ok(told.then_some(Wakeup::Signal))
                }
                error => Err(error),
            },
        }
    }
}
