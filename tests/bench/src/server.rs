//! A subject being served on a port, and the CPU time of all its processes.

use crate::{client, place, process};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, mem, thread};

/// Where tcpserver and `listen` accept.
const PORT: u16 = 2525;
/// For a server to come up, and for its last sessions to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A program that relays a session, with its arguments.
pub struct Subject {
    pub command: Vec<String>,
}

impl Subject {
    pub fn new(binary: &str, arguments: &[&str]) -> Self {
        let command = [binary].iter().chain(arguments).map(|word| word.to_string()).collect();
        Self { command }
    }
}

/// What accepts the connections and starts a session for each.
#[derive(Clone, Copy, PartialEq)]
pub enum Front {
    /// Our own, see `launch.rs`.
    Launcher,
    /// tcpserver of ucspi-tcp, told not to look anything up.
    Tcpserver,
    /// The subject's own `listen`.
    Listen,
}

/// A running front. Dropped without `stop`, it is killed.
pub struct Server {
    pub address: SocketAddr,
    pub pid: i32,
    listener: Option<TcpListener>,
    own_cpu_before: Duration,
    running: bool,
}

impl Server {
    /// Starts the subject behind the front, on one CPU, and has one session to see that it works.
    pub fn start(front: Front, subject: &Subject, cpu: usize) -> io::Result<Self> {
        let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let mut listener = None;
        let mut command = match front {
            Front::Launcher => {
                let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                address = socket.local_addr()?;
                let mut command = Command::new(env::current_exe()?);
                command
                    .arg("launch")
                    .args(&subject.command)
                    .stdin(OwnedFd::from(socket.try_clone()?));
                listener = Some(socket);
                command
            }
            Front::Tcpserver => {
                let mut command = Command::new("tcpserver");
                command.args([
                    "-HR",
                    "-l",
                    "localhost",
                    "-c",
                    "200",
                    "127.0.0.1",
                    &PORT.to_string(),
                ]);
                command.args(&subject.command).stdin(Stdio::null());
                command
            }
            Front::Listen => {
                let mut command = Command::new(&subject.command[0]);
                command
                    .arg("listen")
                    .args(&subject.command[1..])
                    .arg(address.to_string())
                    .stdin(Stdio::null());
                command
            }
        };
        command.stdout(Stdio::null()).stderr(Stdio::null());
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
            Self { address, pid, listener, own_cpu_before: Duration::ZERO, running: true };
        server.first_session()?;
        server.own_cpu_before = process::own_cpu(pid);
        Ok(server)
    }

    fn first_session(&self) -> io::Result<()> {
        let start = Instant::now();
        loop {
            match client::short_session(self.address) {
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

    /// The sessions' processes.
    pub fn sessions(&self) -> io::Result<Vec<i32>> {
        process::descendants(self.pid)
    }

    /// Ends the front; the CPU time of all its sessions, and its own but for its start.
    pub fn stop(mut self) -> io::Result<Duration> {
        if let Some(listener) = &self.listener {
            // Makes the launcher wait for its sessions and exit.
            // SAFETY: the descriptor is open.
            place::check(unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) })?;
        } else {
            // Only the time of sessions that were waited for is counted.
            let start = Instant::now();
            while !self.sessions()?.is_empty() {
                if start.elapsed() > PATIENCE {
                    return Err(io::Error::other("sessions do not end"));
                }
                thread::sleep(Duration::from_millis(5));
            }
            // SAFETY: no pointers are passed.
            unsafe { libc::kill(self.pid, libc::SIGTERM) };
        }
        // SAFETY: all-zero is a valid rusage.
        let mut used: libc::rusage = unsafe { mem::zeroed() };
        // SAFETY: our child; no status is asked for.
        place::check(unsafe { libc::wait4(self.pid, std::ptr::null_mut(), 0, &mut used) })?;
        self.running = false;
        Ok((duration(used.ru_utime) + duration(used.ru_stime)).saturating_sub(self.own_cpu_before))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.running {
            // SAFETY: our child, not yet waited for; no pointers are passed.
            unsafe {
                libc::kill(self.pid, libc::SIGKILL);
                libc::waitpid(self.pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_micros(time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64)
}
