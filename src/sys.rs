//! What the program asks of the system without a library between; the only unsafe code of the program, but
//! for what musl takes (`allocator`, C's `main`).

#![allow(unsafe_code)]

pub(crate) mod cage;
mod signals;

#[cfg(target_env = "musl")]
use std::ffi::OsString;
use std::ffi::{CStr, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use rustix::process::Pid;

pub(crate) use signals::release_signals;
pub use signals::{Waiter, Wakeup, spawn, terminated, time_is_up, watch_children};

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
        for entry in standard.iter().filter(|entry| entry.revents & libc::POLLNVAL != 0) {
            let opened = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            if opened == -1 && entry.fd == libc::STDERR_FILENO {
                fill_stderr();
            }
        }
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
    (1..usize::try_from(count).unwrap_or(0)).map(move |n| {
        // SAFETY: there are `count` of them, each a string that lives as long as the process.
        let word = unsafe { CStr::from_ptr(*words.add(n)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    })
}

/// Makes a socket of fd 2 that is closed where there is no /dev/null, as in a jail: nobody is to write what is meant
/// for fd 2 into a file or connection. It is not connected, and takes nothing.
#[cfg(target_env = "musl")]
#[cold]
fn fill_stderr() {
    // SAFETY: no pointers are passed, and the descriptor that is closed is the one that was opened.
    unsafe {
        let socket = libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0);
        if socket != -1 && socket != libc::STDERR_FILENO {
            libc::dup2(socket, libc::STDERR_FILENO);
            libc::close(socket);
        }
    }
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

/// fd 2, of which nobody else may be the owner.
#[must_use]
pub fn take_stderr() -> OwnedFd {
    // SAFETY: it is the one that only the standard library knows of, which does not close it.
    unsafe { OwnedFd::from_raw_fd(libc::STDERR_FILENO) }
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
