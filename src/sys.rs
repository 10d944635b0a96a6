//! Signals, and the wait that they can end; the only unsafe code of the program, but for what musl
//! takes (`allocator`, C's `main`).
//!
//! SIGTERM (the supervisor ends us) and SIGALRM (a session's clock ticks) are
//! blocked but for the time that we wait in ppoll, so they can neither cut a
//! write short nor slip in between a look at the flag and the wait. A pipe to
//! oneself would do the same for two descriptors and a system call more; a
//! library would do it with the pipe.

#![allow(unsafe_code)]

pub(crate) mod cage;

#[cfg(target_env = "musl")]
use std::ffi::OsString;
use std::ffi::{CStr, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// What a session's clock counts in: the limits of long waits, and that of the session. A timer for
/// each wait would be set and taken back fifteen times a session, which is 2 % of what one costs.
const TICK: Duration = Duration::from_secs(30);
/// A wait of so many ticks or more is counted in them, and lasts one longer at most.
const LONG: u32 = 4;

static TERMINATED: AtomicBool = AtomicBool::new(false);
/// How often the session's clock may still tick.
static TICKS_LEFT: AtomicU32 = AtomicU32::new(u32::MAX);
/// A child has ended, and no wait has been told.
static CHILD_ENDED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(signal: libc::c_int) {
    match signal {
        libc::SIGTERM => TERMINATED.store(true, Ordering::Relaxed),
        libc::SIGALRM => {
            let left = TICKS_LEFT.load(Ordering::Relaxed);
            TICKS_LEFT.store(left.saturating_sub(1), Ordering::Relaxed);
        }
        _ => CHILD_ENDED.store(true, Ordering::Relaxed),
    }
}

/// Has SIGTERM come?
#[must_use]
pub fn terminated() -> bool {
    TERMINATED.load(Ordering::Relaxed)
}

/// Has the time passed that was given to [`Waiter::new`]?
#[must_use]
pub fn time_is_up() -> bool {
    TICKS_LEFT.load(Ordering::Relaxed) == 0
}

/// Lets us wait for our children, whatever whoever started us did with theirs:
/// an ignored SIGCHLD stays ignored across exec.
pub fn expect_children() {
    // SAFETY: to set the default action needs nothing to live on.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// A file that has reached what RLIMIT_FSIZE allows is an error of writing from here on, and
/// not our end. What we start inherits that.
pub fn outlive_file_limit() {
    // SAFETY: to ignore a signal needs nothing to live on.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Errors come without a backtrace, whatever the environment says: those who read them are
/// no programmers, and a static program may be linked without what takes one. For a tool,
/// at its start.
pub(crate) fn leave_out_backtraces() {
    // SAFETY: there is no other thread yet that could read the environment meanwhile.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
}

/// Forks; `None` in the new process. Only while there is one thread.
///
/// # Errors
/// The system has no more processes, or memory.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: a session has one thread, so the new process may do all that this one may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Ends the process, and nothing else: what the standard library would tidy up
/// before, the kernel takes as a whole.
pub fn exit(status: u8) -> ! {
    // SAFETY: nothing is returned to, so nothing can miss what is not tidied up.
    unsafe { libc::_exit(status.into()) }
}

/// What the standard library would do before `main`, as far as it is needed; gives the arguments
/// without the program's name. The standard library does not know them.
///
/// # Safety
/// Called first, with what C's `main` is given.
#[cfg(target_env = "musl")]
#[inline(always)]
pub unsafe fn begin(
    count: libc::c_int,
    words: *const *const libc::c_char,
) -> impl Iterator<Item = OsString> {
    // What is opened must not become one of the three that were left closed.
    let mut standard = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: three entries, which live through the call; the path is a C string. That the pipe of
    // somebody who has gone ends the process has to be ignored: pipes have no flag for it as sockets have.
    unsafe {
        libc::poll(standard.as_mut_ptr(), 3, 0);
        for _ in standard.iter().filter(|entry| entry.revents & libc::POLLNVAL != 0) {
            libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        }
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
    (1..usize::try_from(count).unwrap_or(0)).map(move |n| {
        // SAFETY: there are `count` of them, each a string that lives as long as the process.
        let word = unsafe { CStr::from_ptr(*words.add(n)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    })
}

unsafe extern "C" {
    /// The environment (environ(7)).
    static environ: *const *const libc::c_char;
}

/// A variable of the environment, as it was at the start. The standard library's way of looking
/// takes a lock and copies name and value, and musl's is made for no haste either.
#[must_use]
pub fn variable(name: &str) -> Option<&'static OsStr> {
    // SAFETY: a list of strings, with a null behind the last; each is read up to its own null. The
    // one variable that is ever set is set by tools, at their start, before there is another thread;
    // so what is found lives as long as the process.
    unsafe {
        let mut next = environ;
        while let Some(variable) = next.as_ref().copied().filter(|variable| !variable.is_null()) {
            let same = |(n, octet): (usize, u8)| *variable.add(n) as u8 == octet;
            if name.bytes().chain([b'=']).enumerate().all(same) {
                let value = CStr::from_ptr(variable.add(name.len() + 1));
                return Some(OsStr::from_bytes(value.to_bytes()));
            }
            next = next.add(1);
        }
    }
    None
}

/// The path that the program was started by, as far as that is known.
#[must_use]
pub(crate) fn started_as() -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the kernel's text, which lives as long as the process.
        let path = unsafe {
            match libc::getauxval(libc::AT_EXECFN) {
                0 => return None,
                path => CStr::from_ptr(path as *const libc::c_char),
            }
        };
        Some(PathBuf::from(OsStr::from_bytes(path.to_bytes())))
    }
    #[cfg(not(target_os = "linux"))]
    std::env::args_os().next().map(PathBuf::from)
}

/// From here on the end of a child ends a wait, too.
pub fn watch_children() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    let handler: extern "C" fn(libc::c_int) = on_signal;
    // SAFETY: as in Waiter::new.
    unsafe {
        let action = action.assume_init_mut();
        action.sa_sigaction = handler as libc::sighandler_t;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGCHLD, action, ptr::null_mut());
    }
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

/// Becomes this user, of this group and no other, for good.
///
/// # Errors
/// That of the first step that fails; what was done before it stays done.
pub(crate) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let done = |outcome: libc::c_int| match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: of the groups, which are none, nothing is read; the other calls take numbers.
    unsafe {
        done(libc::setgroups(0, ptr::null()))?;
        done(libc::setgid(gid))?;
        done(libc::setuid(uid))
    }
}

/// Does the process become root, or of its group, if it tries? It stays so then.
pub(crate) fn becomes_root() -> bool {
    // SAFETY: the calls take numbers.
    unsafe {
        libc::setuid(0) == 0
            || libc::seteuid(0) == 0
            || libc::setgid(0) == 0
            || libc::setegid(0) == 0
    }
}

/// What the process has used of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Time of the processor, in milliseconds.
    pub millis: u64,
    /// The most memory it had at once, in KiB.
    pub kib: u64,
}

/// What the process has used until now.
#[must_use]
#[inline(always)] // Once in a session.
pub fn used() -> Used {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: all zero is a valid rusage, which the call fills; it cannot fail for the
    // process itself.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    let millis = (micros(usage.ru_utime) + micros(usage.ru_stime)) / 1000;
    Used { millis, kib: usage.ru_maxrss as u64 }
}

/// Closes fd 2.
pub fn close_stderr() {
    // SAFETY: fd 2 has no owner in the program but the standard library, which
    // takes an error of writing to it for a success.
    unsafe { libc::close(libc::STDERR_FILENO) };
}

/// Locks octets of a file for this process, which is done at once or not at all
/// (false). Ends with the process, or when it closes any descriptor of the file.
///
/// # Errors
/// Those of fcntl, but for the lock being another's.
pub fn lock(file: BorrowedFd<'_>, start: u64, length: u64) -> io::Result<bool> {
    let mut lock = MaybeUninit::<libc::flock>::zeroed();
    // SAFETY: all zero is a valid flock, and the call reads it while it lives.
    let locked = unsafe {
        let lock = lock.assume_init_mut();
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        lock.l_start = start as libc::off_t;
        lock.l_len = length as libc::off_t;
        libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const *lock)
    };
    match locked {
        -1 => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            error => Err(error),
        },
        _ => Ok(true),
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
    /// How long a tick of its clock is.
    tick: Duration,
    /// Waits from this length on are counted in ticks; without a clock there is none.
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
        let mut ours = MaybeUninit::<libc::sigset_t>::uninit();
        let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        let handler: extern "C" fn(libc::c_int) = on_signal;
        // SAFETY: the sets are filled by sigemptyset and sigprocmask before
        // they are read; an all-zero sigaction is a valid one, and the handler
        // only uses atomics, which is async-signal-safe. None of the
        // calls fails with these arguments.
        unsafe {
            let action = action.assume_init_mut();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigemptyset(ours.as_mut_ptr());
            for signal in [libc::SIGTERM, libc::SIGALRM] {
                libc::sigaction(signal, action, ptr::null_mut());
                libc::sigaddset(ours.as_mut_ptr(), signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, ours.as_ptr(), blocked.as_mut_ptr());
            libc::sigdelset(blocked.as_mut_ptr(), libc::SIGTERM);
            libc::sigdelset(blocked.as_mut_ptr(), libc::SIGALRM);
            libc::sigdelset(blocked.as_mut_ptr(), libc::SIGCHLD);
            if let Some((time, tick)) = clock {
                TICKS_LEFT.store(ticks(time, tick), Ordering::Relaxed);
                let (tv_sec, tv_usec) = (tick.as_secs() as _, tick.subsec_micros() as _);
                let tick = libc::timeval { tv_sec, tv_usec };
                let clock = libc::itimerval { it_interval: tick, it_value: tick };
                libc::setitimer(libc::ITIMER_REAL, &raw const clock, ptr::null_mut());
            }
            let (tick, long) =
                clock.map_or((TICK, Duration::MAX), |(_, tick)| (tick, tick.saturating_mul(LONG)));
            Waiter { blocked: blocked.assume_init(), tick, long }
        }
    }

    /// Waits until one of the descriptors is ready, the time has passed or a
    /// signal comes; entries with a negative descriptor are passed over.
    ///
    /// # Errors
    /// Those of ppoll, but for the interruption by a signal.
    pub fn wait(&self, fds: &mut [libc::pollfd], time: Duration) -> io::Result<Wakeup> {
        if time >= self.long {
            // It begins somewhere between two ticks.
            let mut left = time + self.tick;
            while !left.is_zero() {
                if let Some(wakeup) = self.poll(fds, None)? {
                    return Ok(wakeup);
                }
                left = left.saturating_sub(self.tick);
            }
            return Ok(Wakeup::TimedOut);
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

/// As many ticks as make up this time.
fn ticks(time: Duration, tick: Duration) -> u32 {
    let [time, tick] = [time, tick].map(|time| time.as_millis() as u64);
    u32::try_from(time.div_ceil(tick.max(1))).unwrap_or(u32::MAX)
}
