//! The signal, and the moment at which it is sent: after so many octets on one of the four ways, or so
//! long after a message was sent or answered. Both peers count what passes with them and cut their
//! reads and writes at that moment.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::common::{PATIENCE, Transcript};

/// A way that octets take, as seen by the peer at its end.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    ClientSends,
    MtaGets,
    MtaSends,
    ClientGets,
}

pub const WAYS: [Way; 4] = [Way::ClientSends, Way::MtaGets, Way::MtaSends, Way::ClientGets];

/// When.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// With this octet, and so long after it.
    Octet(Way, u64, Duration),
    /// So long after the client has sent the last octet of this message.
    Sent(usize, Duration),
    /// So long after the MTA has answered this message.
    Answered(usize, Duration),
    /// The session was stopped when the MTA had this message, and has not seen its answer.
    Unaware(usize),
    /// Never.
    Never,
}

/// Who is hit, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The session, which is gone; its client says nothing more.
    Killed,
    /// The session, by SIGTERM; its client may say what it had to say.
    Terminated { client_goes_on: bool },
    /// The newest program that has noted itself in this file; the client goes on.
    Program(PathBuf),
}

pub struct Shot {
    moment: Moment,
    target: Target,
    transcript: Transcript,
    /// The session's process; 0 before it runs.
    session: AtomicU32,
    passed: [AtomicU64; 4],
    /// Messages that the client has sent, and the MTA answered.
    sent: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fired: Option<Instant>,
    /// The session may be reaped from now on, and its number become another's.
    over: bool,
}

impl Shot {
    pub fn new(moment: Moment, target: Target, transcript: &Transcript) -> Arc<Shot> {
        Arc::new(Shot {
            moment,
            target,
            transcript: transcript.clone(),
            session: AtomicU32::new(0),
            passed: Default::default(),
            sent: AtomicUsize::new(0),
            state: Mutex::default(),
        })
    }

    pub fn session_is(&self, pid: u32) {
        self.session.store(pid, Ordering::SeqCst);
    }

    /// How many octets were on this way.
    pub fn count(&self, way: Way) -> u64 {
        self.passed[way as usize].load(Ordering::SeqCst)
    }

    /// How many may be on it at once, lest the moment be missed.
    pub fn room(&self, way: Way, wanted: usize) -> usize {
        match self.moment {
            Moment::Octet(at, octet, _) if at as usize == way as usize => {
                let left = octet.saturating_sub(self.count(way));
                if left == 0 { wanted } else { wanted.min(left as usize) }
            }
            _ => wanted,
        }
    }

    /// So many were.
    pub fn passed(self: &Arc<Self>, way: Way, octets: usize) {
        let before = self.passed[way as usize].fetch_add(octets as u64, Ordering::SeqCst);
        if let Moment::Octet(at, octet, pause) = self.moment
            && at as usize == way as usize
            && before < octet
            && before + octets as u64 >= octet
        {
            self.fires_after(pause);
        }
    }

    /// The client has sent a message to its end.
    pub fn has_sent(self: &Arc<Self>) {
        let message = self.sent.fetch_add(1, Ordering::SeqCst);
        if let Moment::Sent(of, pause) = self.moment
            && of == message
        {
            self.fires_after(pause);
        }
    }

    /// The MTA has this message, and is about to answer it.
    pub fn has_come(&self, message: usize) {
        if matches!(self.moment, Moment::Unaware(of) if of == message) {
            self.stops();
        }
    }

    /// The MTA has answered it.
    pub fn has_answered(self: &Arc<Self>, message: usize) {
        match self.moment {
            Moment::Answered(of, pause) if of == message => self.fires_after(pause),
            Moment::Unaware(of) if of == message => self.fires(),
            _ => {}
        }
    }

    /// When it was fired, if it was.
    pub fn fired(&self) -> Option<Instant> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).fired
    }

    /// Is the client to say nothing more?
    pub fn silences_client(&self) -> bool {
        let goes_on = Target::Terminated { client_goes_on: true };
        self.target != goes_on && !matches!(self.target, Target::Program(_)) && self.has_fired()
    }

    /// Has the MTA nobody to talk to any more?
    pub fn silences_mta(&self) -> bool {
        self.target == Target::Killed && self.has_fired()
    }

    fn has_fired(&self) -> bool {
        self.fired().is_some()
    }

    /// It is too late for it.
    pub fn is_over(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    }

    fn fires_after(self: &Arc<Self>, pause: Duration) {
        if pause.is_zero() {
            return self.fires();
        }
        let shot = Arc::clone(self);
        thread::spawn(move || {
            thread::sleep(pause);
            shot.fires();
        });
    }

    fn fires(&self) {
        let session = self.pid();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.over || state.fired.is_some() {
            return;
        }
        let (pid, signal) = match &self.target {
            Target::Killed => (Some(session), Signal::KILL),
            Target::Terminated { .. } => (Some(session), Signal::TERM),
            Target::Program(file) => (newest_child(file, session), Signal::KILL),
        };
        let Some(pid) = pid else { return };
        state.fired = Some(Instant::now());
        self.transcript.note("signal", format!("{signal:?} {:?}\n", self.target).as_bytes());
        // A program may have ended just now.
        let sent = kill_process(pid, signal);
        assert!(sent.is_ok() || matches!(self.target, Target::Program(_)), "{sent:?}");
        if matches!(self.moment, Moment::Unaware(_)) {
            kill_process(session, Signal::CONT).expect("a signal to our child");
        }
    }

    fn stops(&self) {
        let pid = self.pid();
        kill_process(pid, Signal::STOP).expect("a signal to our child");
        let until = Instant::now() + PATIENCE;
        while field(pid.as_raw_pid(), 0) != "T" {
            assert!(Instant::now() < until, "the session does not stop");
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// The session, which the MTA may hear before we know its process.
    fn pid(&self) -> Pid {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(pid) = Pid::from_raw(self.session.load(Ordering::SeqCst) as i32) {
                return pid;
            }
            assert!(Instant::now() < until, "there is no session");
            thread::sleep(Duration::from_micros(100));
        }
    }
}

/// What /proc says of a process behind its name: 0 is its state, 1 its parent, 2 its group.
fn field(pid: i32, n: usize) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ').nth(n).unwrap_or_default().to_owned()
}

/// The newest of the programs that noted themselves, if it is still the session's.
fn newest_child(file: &PathBuf, session: Pid) -> Option<Pid> {
    let noted = std::fs::read_to_string(file).ok()?;
    let pid: i32 = noted.lines().last()?.parse().ok()?;
    let ours = field(pid, 1) == session.as_raw_pid().to_string() && field(pid, 0) != "Z";
    Pid::from_raw(pid).filter(|_| ours)
}

/// Does anything run in one of these process groups?
pub fn runs_of(groups: &[&str]) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.any(|pid| {
        groups.contains(&field(pid, 2).as_str())
            && !matches!(field(pid, 0).as_str(), "Z" | "X" | "")
    })
}
