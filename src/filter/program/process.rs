//! A program that runs: one spawn, two pipes, and a process group that is ended
//! as a whole.
//!
//! Its end is noticed by SIGCHLD, so that a grandchild that holds the pipes is
//! not waited for; it is not reaped before its group has been killed, where the
//! system has a way of looking, so that the group's number cannot have become
//! another's.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};

use super::environment;
use crate::filter::{Facts, Stop};
use crate::sys;

/// How much the pipes of a contents filter hold, where that can be said: fewer
/// turns between the two processes (measured: a quarter faster than 64 KiB).
#[cfg(target_os = "linux")]
const PIPE: usize = 1024 * 1024;

/// A program that runs, or has ended and is not reaped.
pub(super) struct Process {
    name: &'static str,
    group: Pid,
    /// Where it reads from; closed is its end of file.
    input: Option<OwnedFd>,
    /// What it says.
    output: OwnedFd,
    /// It has ended.
    ended: Cell<Option<End>>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By a signal.
    Killed,
    /// With this status.
    Exited(i32),
}

/// What came of an attempt to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// So many octets.
    Octets(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    End,
}

impl Process {
    /// Starts a program.
    pub(super) fn start(run: &[&'static str], facts: &Facts<'_>) -> Result<Process, Stop> {
        let Some((&name, arguments)) = run.split_first() else {
            return Err(Stop::Trouble("no program".to_owned()));
        };
        sys::watch_children();
        let started = || -> io::Result<Process> {
            let (its_input, input) = pipe_with(PipeFlags::CLOEXEC)?;
            let (output, its_output) = pipe_with(PipeFlags::CLOEXEC)?;
            // Only our ends: the program is to find usual ones.
            for end in [&input, &output] {
                fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
            }
            let mut command = Command::new(name);
            command
                .args(arguments)
                .stdin(Stdio::from(its_input))
                .stdout(Stdio::from(its_output))
                .stderr(Stdio::null())
                .process_group(0);
            environment::set(&mut command, facts);
            let child = sys::spawn(&mut command)?;
            Ok(Process {
                name,
                group: Pid::from_child(&child),
                input: Some(input),
                output,
                ended: Cell::new(None),
            })
        };
        started().map_err(|error| {
            let hint = match Errno::from_io_error(&error) {
                Some(Errno::NOEXEC) => " (has it a first line as in #!/bin/sh?)",
                Some(Errno::NOENT) if Path::new(name).exists() => {
                    " (the program that its first line names is not there; does that line end in CR?)"
                }
                Some(Errno::ACCESS) => " (may the user that we run as execute it?)",
                _ => "",
            };
            Stop::Trouble(format!("{name}: {error}{hint}"))
        })
    }

    /// Its path.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Trouble with it.
    pub(super) fn trouble(&self, what: &str) -> Stop {
        Stop::Trouble(format!("{}: {what}", self.name))
    }

    /// Makes the pipes hold more.
    pub(super) fn widen(&self) {
        #[cfg(target_os = "linux")]
        for end in self.input.iter().chain([&self.output]) {
            let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE);
        }
    }

    /// Reads what there is into the spare capacity of `into`.
    pub(super) fn hear(&self, into: &mut Vec<u8>) -> Result<Heard, Stop> {
        loop {
            return match read(&self.output, rustix::buffer::spare_capacity(into)) {
                Ok(0) => Ok(Heard::End),
                Ok(count) => Ok(Heard::Octets(count)),
                Err(Errno::AGAIN) => Ok(Heard::Nothing),
                Err(Errno::INTR) => continue,
                Err(error) => Err(self.trouble(&error.to_string())),
            };
        }
    }

    /// Tells it as much as it takes now; a program that listens no more is told
    /// no more, which is no fault.
    pub(super) fn tell(&mut self, octets: &[u8]) -> Result<usize, Stop> {
        loop {
            let Some(input) = &self.input else { return Ok(octets.len()) };
            return match write(input, octets) {
                Ok(count) => Ok(count),
                Err(Errno::AGAIN) => Ok(0),
                Err(Errno::INTR) => continue,
                Err(Errno::PIPE) => {
                    self.input = None;
                    Ok(octets.len())
                }
                Err(error) => Err(self.trouble(&error.to_string())),
            };
        }
    }

    /// It has been told everything.
    pub(super) fn end_input(&mut self) {
        self.input = None;
    }

    /// For a wait: that it says something, and, with `tells`, that it takes more.
    pub(super) fn watched(&self, tells: bool) -> [libc::pollfd; 2] {
        let input = self.input.as_ref().filter(|_| tells).map_or(-1, AsRawFd::as_raw_fd);
        [
            libc::pollfd { fd: self.output.as_raw_fd(), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: input, events: libc::POLLOUT, revents: 0 },
        ]
    }

    /// Has it ended?
    pub(super) fn has_ended(&self) -> bool {
        self.end().is_some()
    }

    /// How it ended, once it has.
    pub(super) fn end(&self) -> Option<End> {
        if self.ended.get().is_none() {
            self.ended.set(self.look());
        }
        self.ended.get()
    }

    /// Looks without reaping it.
    #[cfg(not(target_os = "openbsd"))]
    fn look(&self) -> Option<End> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.group), look).ok().flatten()?;
        // There the library does not give the status; 0 is what passes for none.
        #[cfg(target_os = "netbsd")]
        let exited = 0;
        #[cfg(not(target_os = "netbsd"))]
        let exited = status.exit_status().unwrap_or_default();
        Some(if status.killed() || status.dumped() { End::Killed } else { End::Exited(exited) })
    }

    /// There is no looking without reaping.
    #[cfg(target_os = "openbsd")]
    fn look(&self) -> Option<End> {
        let (_, status) = waitpid(Some(self.group), WaitOptions::NOHANG).ok().flatten()?;
        Some(status.exit_status().map_or(End::Killed, End::Exited))
    }
}

impl Drop for Process {
    /// Ends it and whatever it left in its group, and reaps it.
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        if cfg!(target_os = "openbsd") && self.ended.get().is_some() {
            return;
        }
        while let Err(Errno::INTR) = waitpid(Some(self.group), WaitOptions::empty()) {}
    }
}
