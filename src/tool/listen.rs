//! `smtp-wrapper listen`: accepts connections and starts one session for each,
//! for a machine with neither inetd nor systemd, or behind a listening socket
//! of systemd's (`Accept=no`).
//!
//! One thread, one wait. A connection costs a ppoll, an accept, the spawn, the
//! five calls that lend the connection to it and take it back, and a wait for
//! a session that has ended. Nothing here waits for a client, and nothing a
//! client does ends or stops the loop.
//!
//! On SIGTERM it stops accepting and exits 0; sessions that run go on (a
//! supervisor that signals the whole group tells them itself). Rejected: a
//! pool of processes started in advance, which would cost memory while nothing
//! happens, and would make a session's state depend on what ran before.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::io::Errno;

use crate::cli::Invocation;
use crate::smtp::standing;
use crate::{exit, sys};

use super::launcher::Launcher;
use super::notes::{Flood, PACE, say};
use super::refused::{Refused, watched};
use super::sessions::{Caps, Full, Sessions};
use super::sockets;
use super::status::Status;

/// Accepting rests this long when the system is out of descriptors or memory:
/// the connection stays in the queue, so poll would return at once, for ever.
const REST: Duration = Duration::from_millis(200);

/// A wait without anything to wait for but connections.
const LONG: Duration = Duration::from_secs(3600);

/// Runs the accept loop until SIGTERM.
///
/// # Errors
/// When the program cannot be set up to start sessions. What is wrong with an
/// address is told here, and is an exit status.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    // Each session reads it anew; a mistake is better told now.
    let loaded = asked.load()?;
    let listeners = match sockets::open(&asked.listen) {
        Ok(listeners) => listeners,
        Err(error) => {
            say(format_args!("{error}"));
            return Ok(error.status());
        }
    };
    let caps = Caps { total: asked.listen.max, per_address: asked.listen.max_per_address };
    let mut doors = AcceptLoop::new(listeners, caps, &asked.session_args)?;
    let places: Vec<String> = doors.addresses().map(|a| a.to_string()).collect();
    say(format_args!(
        "listening on {}, relaying to {}",
        places.join(" and "),
        loaded.settings.upstream
    ));
    doors.run()
}

/// The loop, which `try` runs as well.
pub(super) struct AcceptLoop {
    listeners: Vec<TcpListener>,
    sessions: Sessions,
    launcher: Launcher,
    refused: Refused,
    waiter: sys::Waiter,
    /// No descriptors or memory to accept with: not before this time again.
    rests_until: Option<Instant>,
    refusals: Flood,
    troubles: Flood,
    status: Status,
}

impl AcceptLoop {
    pub(super) fn new(
        listeners: Vec<TcpListener>,
        caps: Caps,
        args: &[&str],
    ) -> anyhow::Result<Self> {
        sys::expect_children();
        Ok(AcceptLoop {
            listeners,
            sessions: Sessions::new(caps),
            launcher: Launcher::new(args)?,
            refused: Refused::default(),
            waiter: sys::Waiter::new(None),
            rests_until: None,
            refusals: Flood::default(),
            troubles: Flood::default(),
            status: Status::new(),
        })
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().filter_map(|l| l.local_addr().ok())
    }

    /// Accepts until SIGTERM.
    pub(super) fn run(&mut self) -> anyhow::Result<exit::Code> {
        self.status.ready(&self.sessions, Instant::now());
        let (mut fds, mut ready) = (Vec::new(), Vec::new());
        while !sys::terminated() {
            let now = Instant::now();
            fds.clear();
            // A resting listener keeps its place, but is not asked.
            let resting = self.rests_until.is_some();
            fds.extend(self.listeners.iter().map(watched).map(|mut fd| {
                fd.fd = if resting { -1 } else { fd.fd };
                fd
            }));
            self.refused.watch(&mut fds);
            if let Err(error) = self.waiter.wait(&mut fds, self.pause(now)) {
                self.rest(Instant::now(), &error);
                std::thread::sleep(REST);
            }
            let now = Instant::now();
            let (doors, leaving) =
                fds.split_at_checked(self.listeners.len()).context("poll lost its list")?;
            self.refused.tend(leaving, now);
            ready.clear();
            ready
                .extend(doors.iter().enumerate().filter(|(_, fd)| fd.revents != 0).map(|(n, _)| n));
            for &n in &ready {
                self.accept(n, now);
            }
            self.tidy(now, ready.is_empty());
        }
        self.status.stopping();
        say(format_args!("no longer listening; {} sessions go on", self.sessions.count()));
        Ok(exit::OK)
    }

    /// How long to wait when no client comes.
    fn pause(&self, now: Instant) -> Duration {
        let busy = self.sessions.count() > 0
            || self.refusals.holds()
            || self.troubles.holds()
            || self.status.is_old(&self.sessions);
        let rest = self.rests_until.map(|t| t.saturating_duration_since(now));
        let pause = if busy { PACE } else { LONG };
        [rest, self.refused.due(now)].into_iter().flatten().fold(pause, Duration::min)
    }

    /// What has to be done from time to time.
    fn tidy(&mut self, now: Instant, idle: bool) {
        if idle {
            self.sessions.reap();
        }
        if self.rests_until.is_some_and(|t| now >= t) {
            self.rests_until = None;
        }
        self.refusals.flush(now, "connections were refused");
        self.troubles.flush(now, "troubles of the same kind");
        if let Some(what) = self.sessions.crashed() {
            self.troubles.note(now, || what);
        }
        self.status.show(&self.sessions, now);
    }

    /// Takes one connection from a listener that has one.
    fn accept(&mut self, n: usize, now: Instant) {
        let Some(listener) = self.listeners.get(n) else {
            return;
        };
        match listener.accept() {
            Ok((connection, peer)) => self.welcome(connection, peer.ip().to_canonical(), now),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => self.rest(now, &error),
        }
    }

    /// A session for a client, or a 421.
    fn welcome(&mut self, connection: TcpStream, client: IpAddr, now: Instant) {
        let reply = match self.sessions.admit(client) {
            Ok(()) => match self.launcher.launch(&connection) {
                Ok(session) => return self.sessions.started(session, client),
                Err(error) => {
                    // It may be processes that have ended which are in the way.
                    self.sessions.reap();
                    self.troubles
                        .note(now, || format!("cannot start a session for [{client}]: {error}"));
                    &standing::LISTEN_NO_PROCESS
                }
            },
            Err(full) => {
                let Caps { total, per_address } = self.sessions.caps();
                let reply = match full {
                    Full::Total => &standing::LISTEN_TOO_MANY,
                    Full::Address => &standing::LISTEN_TOO_MANY_OF_ADDRESS,
                };
                self.refusals.note(now, || match full {
                    Full::Total => {
                        format!("refused [{client}] rule={}: --max is {total}", reply.rule)
                    }
                    Full::Address => {
                        format!(
                            "refused [{client}] rule={}: --max-per-address is {per_address}",
                            reply.rule
                        )
                    }
                });
                reply
            }
        };
        self.status.refused += 1;
        self.refused.add(connection, reply, now);
    }

    /// The system has run out of something: leaves it alone for a moment.
    fn rest(&mut self, now: Instant, error: &io::Error) {
        self.rests_until = Some(now + REST);
        self.refused.drop_all();
        self.troubles.note(now, || format!("cannot accept connections for now: {error}"));
    }
}

/// Does the error speak of a connection that came to nothing (accept(2))? The
/// next one may be all right.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::AGAIN
                | Errno::INTR
                | Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::PROTO
                | Errno::PERM
                | Errno::TIMEDOUT
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
        )
    )
}
