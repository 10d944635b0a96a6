//! A program that runs: one spawn and two pipes.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};

use super::environment;
use crate::child::{Child, cannot_start};
use crate::filter::{Facts, Stop};

pub(super) use crate::child::End;

/// How much the pipes of a contents filter hold, where that can be said: fewer
/// turns between the two processes (measured: a quarter faster than 64 KiB).
#[cfg(target_os = "linux")]
const PIPE: usize = 1024 * 1024;

/// A program that runs, or has ended and is not reaped.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    /// Where it reads from; closed is its end of file.
    input: Option<OwnedFd>,
    /// What it says.
    output: OwnedFd,
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
                .stderr(Stdio::null());
            environment::set(&mut command, facts);
            let child = Child::start(&mut command)?;
            Ok(Process { name, child, input: Some(input), output })
        };
        started().map_err(|error| Stop::Trouble(cannot_start(name, &error)))
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
        self.child.end()
    }
}
