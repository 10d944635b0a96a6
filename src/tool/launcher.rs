//! One session for one connection: an exec of our own program.
//!
//! `Command` starts it by posix_spawn where the system has it, which is a
//! vfork: the parent's memory is not copied. The connection is put on our own
//! fds 0 and 1 for the moment of the spawn and the child simply inherits them;
//! handing them over as `Stdio` would cost more calls, and the connection
//! would be gone when the spawn fails and the client is owed a 421. For this
//! nothing in these tools may read fd 0 or print to fd 1 (`try` copies its
//! fd 1 first).

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};
use rustix::process::Pid;
use rustix::stdio::{dup2_stdin, dup2_stdout, stdin};

use crate::sys;

/// What a supervisor tells us about ourselves, and would be untrue of a session.
const NOT_FOR_SESSIONS: [&str; 12] = [
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_FDS_FIRST_FD",
    "LISTEN_PID",
    "MAINPID",
    "NOTIFY_SOCKET",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Starts sessions.
pub(super) struct Launcher {
    command: Command,
    /// What is on fds 0 and 1 while nothing is launched: our fd 0 as it was.
    rest: OwnedFd,
}

impl Launcher {
    /// For sessions with these arguments.
    pub(super) fn new(args: &[&str]) -> anyhow::Result<Launcher> {
        let mut command = Command::new(own_program()?);
        command.args(args);
        // Only what is there: a changed environment is put together anew at each launch.
        for name in NOT_FOR_SESSIONS {
            if std::env::var_os(name).is_some() {
                command.env_remove(name);
            }
        }
        let rest = rustix::io::fcntl_dupfd_cloexec(stdin(), 3).context("cannot copy fd 0")?;
        dup2_stdout(&rest).context("cannot set fd 1")?;
        Ok(Launcher { command, rest })
    }

    /// Starts a session. The caller closes the connection.
    #[allow(clippy::zombie_processes)] // Sessions::reap
    pub(super) fn launch(&mut self, connection: &TcpStream) -> io::Result<Pid> {
        dup2_stdin(connection)?;
        let child =
            dup2_stdout(connection).map_err(io::Error::from).and_then(|()| self.command.spawn());
        // dup2 onto an open descriptor needs nothing that could be lacking, so
        // these cannot fail; were one to, the client would wait on us.
        dup2_stdin(&self.rest)?;
        dup2_stdout(&self.rest)?;
        Ok(Pid::from_child(&child?))
    }
}

/// The path of this program. The path and not the file: when an update has
/// replaced the file, the new one is run.
fn own_program() -> anyhow::Result<PathBuf> {
    if let Ok(path) = std::env::current_exe() {
        return Ok(path);
    }
    // In a jail without /proc.
    match sys::started_as() {
        Some(path) if path.is_absolute() => Ok(path),
        _ => bail!("cannot tell my own path here (no /proc?): start me by my full path"),
    }
}
