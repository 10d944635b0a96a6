//! The measurements. Each compares its subjects in turns, so that a slow minute of the machine hits all alike.

use crate::client::{self, Client};
use crate::count::{self, Counts};
use crate::default::DefaultSession;
use crate::figure::{Budget, Figure};
use crate::front::Front;
use crate::mta::Mta;
use crate::place::Cpus;
use crate::process;
use crate::server::{Server, Subject};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sessions held open at a time for the memory of an idle one.
pub const IDLE_SESSIONS: usize = 100;
pub const BULK_MESSAGE: usize = 50_000_000;
/// A count is taken until two agree, but not more often: where a reply happens to arrive in two pieces, a count is
/// higher by a few.
pub const COUNTS: usize = 9;
/// A peak is taken three times.
const PEAKS: usize = 3;

/// How much is measured.
pub struct Scale {
    pub repetitions: usize,
    pub sessions: usize,
    pub great_message: usize,
    pub peak_name: &'static str,
}

/// All that the measurements share.
pub struct Bench {
    pub cpus: Cpus,
    pub scale: Scale,
    pub floor: Subject,
    /// The program without a log, for the times.
    pub plain: Subject,
    /// The program as it is normally run, logging to a socket that is read.
    pub logged: Subject,
    /// As most sites run it.
    pub default: DefaultSession,
    pub mta: Mta,
    /// Lines read from that socket.
    pub log_lines: Arc<AtomicU64>,
}

/// The block in which the program relays mail data, in KiB.
const BLOCK: f64 = 64.0;
/// So much of its file the kernel maps where it comes to what short messages do not take. All processes share it.
const WINDOW: f64 = 64.0;
/// Whether it begins with a page, and where the kernel puts the stack, is some pages more or less.
const PAGES: f64 = 16.0;

impl Bench {
    /// CPU time of all processes, and connect to greeting, on one CPU: the price of the work itself, without
    /// wake-ups across CPUs.
    pub fn short_sessions(&self) -> io::Result<Vec<Figure>> {
        let subjects = [&self.floor, &self.plain, &self.logged];
        let mut cpu = [const { Vec::new() }; 3];
        let mut greeting = [const { Vec::new() }; 3];
        let mut logged_sessions = 0;
        let lines_before = self.log_lines.load(Ordering::Relaxed);
        for _ in 0..self.scale.repetitions {
            for (index, subject) in subjects.iter().enumerate() {
                let (used, greeted) = self.sessions(Front::Launcher, subject)?;
                cpu[index].push(used);
                greeting[index].push(greeted);
            }
            logged_sessions += self.scale.sessions + 1;
        }
        let lines =
            (self.log_lines.load(Ordering::Relaxed) - lines_before) as f64 / logged_sessions as f64;
        let [floor, plain, logged] = cpu.map(median);
        let [floor_greeting, plain_greeting, _] = greeting.map(median);
        Ok(vec![
            figure("CPU of a short session, µs", Some(floor), plain, Budget::Times(1.7)),
            figure("the same with `--log syslog`, µs", Some(floor), logged, Budget::None),
            figure("log lines a session", None, lines, Budget::None),
            figure(
                "connect to greeting (p50), µs",
                Some(floor_greeting),
                plain_greeting,
                Budget::Times(2.0),
            ),
        ])
    }

    /// The program's own `listen` beside tcpserver, both starting the same sessions.
    pub fn launchers(&self) -> io::Result<Vec<Figure>> {
        let mut cpu = [const { Vec::new() }; 2];
        for _ in 0..self.scale.repetitions {
            for (cpu, front) in cpu.iter_mut().zip([Front::Tcpserver, Front::Listen]) {
                cpu.push(self.sessions(front, &self.plain)?.0);
            }
        }
        let [tcpserver, listen] = cpu.map(median);
        Ok(vec![figure(
            "CPU of a session under `listen`, µs (beside: tcpserver)",
            Some(tcpserver),
            listen,
            Budget::Less,
        )])
    }

    /// One message of 50 MB; servers and load each have a CPU, if there are two.
    pub fn bulk(&self) -> io::Result<Vec<Figure>> {
        let mut speeds = [const { Vec::new() }; 2];
        for _ in 0..self.scale.repetitions {
            for (speeds, subject) in speeds.iter_mut().zip([&self.floor, &self.plain]) {
                speeds.push(self.speed(Front::Launcher, subject, BULK_MESSAGE)?);
            }
        }
        let [floor, plain] = speeds.map(median);
        Ok(vec![figure("50 MB message, MB/s", Some(floor), plain, Budget::Share(0.9))])
    }

    /// Of a message of this size, in MB/s.
    pub fn speed(&self, front: Front, subject: &Subject, size: usize) -> io::Result<f64> {
        let server = Server::start(front, subject, self.cpus.server)?;
        let mut client = Client::idle(server.address)?;
        let took = client.send(size)?;
        client.quit()?;
        server.stop()?;
        Ok(size as f64 / 1e6 / took.as_secs_f64())
    }

    /// Memory that an idle session adds, shared pages divided among those who share them.
    pub fn idle(&self) -> io::Result<Vec<Figure>> {
        let floor = self.idle_pss(&self.floor)?;
        let plain = self.idle_pss(&self.plain)?;
        Ok(vec![figure("PSS of an idle session, KiB", Some(floor), plain, Budget::AtMost(60.0))])
    }

    pub fn idle_pss(&self, subject: &Subject) -> io::Result<f64> {
        self.idle_pss_of(Front::Launcher, subject)
    }

    /// What all processes have more than before, for each session.
    pub fn idle_pss_of(&self, front: Front, subject: &Subject) -> io::Result<f64> {
        let server = Server::start(front, subject, self.cpus.load)?;
        let before = process::pss(&server.all()?)?;
        let mut clients = Vec::new();
        for _ in 0..IDLE_SESSIONS {
            clients.push(Client::idle(server.address)?);
        }
        let with = process::pss(&server.all()?)?;
        for client in clients {
            client.quit()?;
        }
        server.stop()?;
        Ok((with as f64 - before as f64) / IDLE_SESSIONS as f64)
    }

    /// Greatest memory of a session that relays a great message, beside one that relays a small one.
    pub fn peak(&self) -> io::Result<Vec<Figure>> {
        let mut peaks = [const { Vec::new() }; 3];
        for _ in 0..PEAKS {
            for (peaks, size) in peaks.iter_mut().zip([1000, 1_000_000, self.scale.great_message]) {
                peaks.push(self.peak_of(size)?);
            }
        }
        let [small, middling, great] = peaks.map(median);
        // A small message does not fill the block that mail data is relayed in; beyond that, and what is done
        // with such blocks alone, nothing may grow.
        Ok(vec![
            figure(
                self.scale.peak_name,
                Some(small),
                great,
                Budget::Within(BLOCK + WINDOW + PAGES),
            ),
            figure("the same (beside: 1 MB message)", Some(middling), great, Budget::Within(8.0)),
        ])
    }

    fn peak_of(&self, size: usize) -> io::Result<f64> {
        let server = Server::start(Front::Launcher, &self.plain, self.cpus.server)?;
        let mut client = Client::idle(server.address)?;
        client.send(size)?;
        let mut greatest = 0;
        for pid in server.sessions()? {
            greatest = greatest.max(process::kib(pid, "status", "VmHWM").unwrap_or(0));
        }
        client.quit()?;
        server.stop()?;
        if greatest == 0 {
            Err(io::Error::other("no session to be seen"))
        } else {
            Ok(greatest as f64)
        }
    }

    /// Counts of one session as it is normally run, with its log.
    pub fn counts(&self) -> io::Result<Vec<Figure>> {
        let floor = count_short(&self.floor)?;
        let logged = count_short(&self.logged)?;
        let row = |name, of: fn(&Counts) -> u64, most| {
            figure(name, Some(of(&floor) as f64), of(&logged) as f64, Budget::AtMost(most))
        };
        Ok(vec![
            row("system calls of a session, with log", |counts| counts.syscalls, 90.0),
            row("user instructions of a session, with log", |counts| counts.instructions, 40_000.0),
            row("cpuid instructions of a session, with log", |counts| counts.cpuid, 0.0),
        ])
    }

    /// A line of the log: a recipient more, beside a command that has no line.
    pub fn log_line(&self) -> io::Result<Vec<Figure>> {
        let with = count_of(&self.logged, client::two_recipients)?;
        let without = count_of(&self.logged, client::one_recipient_and_noop)?;
        let more = |of: fn(&Counts) -> u64| of(&with) as f64 - of(&without) as f64;
        Ok(vec![
            figure(
                "user instructions of a line of the log",
                None,
                more(|counts| counts.instructions),
                Budget::AtMost(6000.0),
            ),
            figure(
                "the same: system calls",
                None,
                more(|counts| counts.syscalls),
                Budget::AtMost(1.0),
            ),
        ])
    }

    /// Page faults of a short session.
    pub fn faults(&self, subject: &Subject) -> io::Result<u64> {
        let mut faults = [0; 3];
        for faults in &mut faults {
            *faults = count::faults(subject, client::short_session)?;
        }
        faults.sort_unstable();
        Ok(faults[1])
    }

    /// CPU time of a session and the median time to its greeting, both in µs.
    pub fn sessions(&self, front: Front, subject: &Subject) -> io::Result<(f64, f64)> {
        let server = Server::start(front, subject, self.cpus.load)?;
        let mut greetings = Vec::with_capacity(self.scale.sessions);
        for _ in 0..self.scale.sessions {
            greetings.push(microseconds(client::short_session(server.address)?));
        }
        let used = server.stop()?;
        let sessions = self.scale.sessions + front.sessions_before();
        Ok((microseconds(used) / sessions as f64, median(greetings)))
    }
}

/// Counts of a short session.
pub fn count_short(subject: &Subject) -> io::Result<Counts> {
    count_of(subject, client::short_session)
}

/// Those that two sessions agree on; the time of day may cost one of them more.
pub fn count_of(subject: &Subject, play: client::Play) -> io::Result<Counts> {
    let mut seen: Vec<Counts> = Vec::new();
    for _ in 0..COUNTS {
        let counts = count::one_session(subject, play)?;
        let same = |one: &&Counts| (one.own(), one.syscalls) == (counts.own(), counts.syscalls);
        if let Some(first) = seen.iter().find(same) {
            return Ok(counts.min(*first));
        }
        seen.push(counts);
    }
    Err(io::Error::other(format!("of {COUNTS} counts no two agree")))
}

pub fn figure(name: &'static str, beside: Option<f64>, value: f64, budget: Budget) -> Figure {
    Figure { name, beside, value, budget }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The upper one, where there are two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
