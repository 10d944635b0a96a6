//! A subject being served on a port, and the CPU time of all its processes.

use crate::client::{self, Play};
use crate::front::{Front, PORT};
use crate::{place, process};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{io, mem, thread};

/// For a server to come up, and for its last sessions to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A program that relays a session, with its arguments.
#[derive(Clone)]
pub struct Subject {
    pub command: Vec<String>,
    /// What its environment has beyond the usual.
    pub variables: Vec<(&'static str, &'static str)>,
}

impl Subject {
    pub fn new(binary: &str, arguments: &[&str]) -> Self {
        let command = [binary].iter().chain(arguments).map(|word| word.to_string()).collect();
        Self { command, variables: Vec::new() }
    }

    /// The same with more options.
    pub fn with(&self, options: &[&str]) -> Self {
        let mut more = self.clone();
        more.command.extend(options.iter().map(|word| word.to_string()));
        more
    }
}

/// A running front. Dropped without `stop`, it is killed.
pub struct Server {
    pub address: SocketAddr,
    pub pid: i32,
    front: Front,
    listener: Option<TcpListener>,
    cpu_before: Duration,
    running: bool,
}

impl Server {
    /// Starts the subject behind the front, on one CPU, and has one session to see that it works.
    pub fn start(front: Front, subject: &Subject, cpu: usize) -> io::Result<Self> {
        Self::start_with(front, subject, cpu, client::short_session)
    }

    /// The same with another session.
    pub fn start_with(
        front: Front,
        subject: &Subject,
        cpu: usize,
        first: Play,
    ) -> io::Result<Self> {
        let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let mut listener = None;
        if front == Front::Launcher {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            address = socket.local_addr()?;
            listener = Some(socket);
        }
        let mut command = front.command(subject, listener.as_ref())?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(subject.variables.iter().copied());
        // SAFETY: both functions only make system calls.
        unsafe {
            command.pre_exec(move || {
                place::end_with_parent();
                place::settle_on(cpu)
            });
        }
        // Not `Child`: `stop` waits with the system call that also tells the CPU time.
        let pid = command.spawn()?.id().try_into().map_err(io::Error::other)?;
        let mut server =
            Self { address, pid, front, listener, cpu_before: Duration::ZERO, running: true };
        server.first_session(first)?;
        // Where one process does many sessions, the first one waits for it to start, and is not counted.
        server.cpu_before = match front {
            Front::Resident => server.all()?.into_iter().map(process::own_cpu).sum(),
            _ => process::own_cpu(pid),
        };
        Ok(server)
    }

    fn first_session(&self, first: Play) -> io::Result<()> {
        let start = Instant::now();
        loop {
            match first(self.address) {
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused
                        && start.elapsed() < PATIENCE =>
                {
                    thread::sleep(Duration::from_millis(5));
                }
                result => return result.map(drop),
            }
        }
    }

    /// The sessions' processes, and what else the front has started.
    pub fn sessions(&self) -> io::Result<Vec<i32>> {
        process::descendants(self.pid)
    }

    /// The same, and the front.
    pub fn all(&self) -> io::Result<Vec<i32>> {
        let mut all = self.sessions()?;
        all.push(self.pid);
        Ok(all)
    }

    /// Ends the front; the CPU time of all its sessions, and its own but for its start.
    pub fn stop(mut self) -> io::Result<Duration> {
        let mut left = Vec::new();
        match (&self.listener, self.front) {
            (Some(listener), _) => {
                // Makes the launcher wait for its sessions and exit.
                // SAFETY: the descriptor is open.
                place::check(unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) })?;
            }
            (None, Front::Resident) => left = self.sessions()?,
            (None, _) => self.wait_for_sessions()?,
        }
        if self.listener.is_none() {
            // SAFETY: no pointers are passed.
            unsafe { libc::kill(self.pid, libc::SIGTERM) };
        }
        let mut used = waited_for(self.pid)?;
        self.running = false;
        for pid in left {
            // Its parent is gone, so it is our child now (place::adopt), unless the parent had waited for it.
            // SAFETY: no pointers are passed.
            unsafe { libc::kill(pid, libc::SIGTERM) };
            used += waited_for(pid).unwrap_or_default();
        }
        Ok(used.saturating_sub(self.cpu_before))
    }

    /// Only the time of sessions that were waited for is counted.
    fn wait_for_sessions(&self) -> io::Result<()> {
        let start = Instant::now();
        while !self.sessions()?.is_empty() {
            if start.elapsed() > PATIENCE {
                return Err(io::Error::other("sessions do not end"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.running {
            for pid in self.all().unwrap_or_default() {
                // SAFETY: ours all; no pointers are passed.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            // SAFETY: our child, not yet waited for; no pointers are passed.
            unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
        }
    }
}

/// Waits for a child; the CPU time of it and of all that it had waited for.
fn waited_for(pid: i32) -> io::Result<Duration> {
    // SAFETY: all-zero is a valid rusage.
    let mut used: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: no status is asked for.
    place::check(unsafe { libc::wait4(pid, std::ptr::null_mut(), 0, &mut used) })?;
    Ok(duration(used.ru_utime) + duration(used.ru_stime))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_micros(time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64)
}
