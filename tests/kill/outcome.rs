//! One session, and what is expected of it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, End, Seen};
use super::common::{Folder, PATIENCE, Program, Syslog, Transcript, connection};
use super::mta::{Manners, Mta, Taken};
use super::setup::Setup;
use super::shot::{self, Moment, Shot, Target, Way};

/// How long a connection may stay open behind a session that was killed, and a program that looks
/// at its input. Both are a matter of microseconds, on a machine that has the time.
const SOON: Duration = Duration::from_secs(3);

/// What came of a session.
pub struct Outcome {
    seen: Seen,
    taken: Taken,
    status: ExitStatus,
    log: Vec<String>,
    shot: Arc<Shot>,
    transcript: Transcript,
    /// When both connections were closed.
    closed: Instant,
    hit: Option<Instant>,
    target: Target,
}

impl Outcome {
    /// Plays one session.
    pub fn of(
        setup: &Setup,
        folder: &Folder,
        moment: Moment,
        target: Target,
        (thinks, dawdles): (Duration, Duration),
    ) -> Outcome {
        let transcript = Transcript::new();
        let shot = Shot::new(moment, target.clone(), &transcript);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let manners = Manners { chunking: setup.mta_chunks, thinks, dawdles };
        let mta = Mta::serves(listener, manners, &shot, &transcript);

        let place = Folder::fresh();
        let log = Syslog::at(place.file("log"));
        let (ours, theirs) = connection();
        let mut command = setup.command(folder);
        command.arg("--config").arg(folder.file("config.toml"));
        command.args(["--upstream", &address.to_string()]);
        command.args(["--log", &format!("syslog:{}", log.path().display())]);
        let mut program = Program::on_socket(command, theirs.into(), &transcript);
        shot.session_is(program.child().id());

        let seen = Client::new(ours, &shot, &transcript).plays(&setup.steps());
        let hit = shot.fired();
        // If the session has never called it.
        drop(TcpStream::connect(address));
        let taken = mta.join().expect("an MTA that does not fail");
        let closed = Instant::now();
        shot.is_over();
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match program.child().try_wait().expect("our child") {
                Some(status) => break status,
                None if Instant::now() > until => transcript.fail("the session does not end"),
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        log.stops();
        let log = log.lines();
        Outcome { seen, taken, status, log, shot, transcript, closed, hit, target }
    }

    /// Plays one that nothing happens to.
    pub fn undisturbed(setup: &Setup, folder: &Folder) -> Outcome {
        Outcome::of(setup, folder, Moment::Never, Target::Killed, Default::default())
    }

    /// How many of the client's messages have a 250.
    fn accepted(&self) -> usize {
        self.seen.verdicts.iter().filter(|reply| reply.starts_with("250 ")).count()
    }

    #[track_caller]
    fn fails(&self, why: &str) -> ! {
        let Outcome { seen, status, .. } = self;
        let taken: Vec<_> = self.taken.messages.iter().map(Vec::len).collect();
        let (accepted, log) = (self.taken.accepted, self.log.join("\n"));
        self.transcript.fail(format!(
            "{why}\n{seen:?}\nthe MTA took {taken:?}, said 250 to {accepted}; {status}\n{log}\n"
        ));
    }

    /// What holds however a session ends.
    #[track_caller]
    pub fn loses_and_cuts_nothing(&self, setup: &Setup) {
        let (seen, taken) = (&self.seen, &self.taken);
        if self.accepted() > taken.accepted {
            self.fails("the client has a 250 that the MTA has not given");
        }
        if taken.messages.len() > seen.sent {
            self.fails("the MTA has the end of a message that the client has not ended");
        }
        // What was refused has not come so far; of what has no answer nobody knows.
        let mut verdicts = seen.verdicts.iter();
        let mut refused = || {
            let known = verdicts.next().filter(|reply| !reply.starts_with("421 "));
            known.is_some_and(|reply| !reply.starts_with("250 "))
        };
        let mut sent = setup.messages.iter().filter(|_| !refused());
        for (number, message) in taken.messages.iter().enumerate() {
            if sent.next() != Some(message) {
                self.fails(&format!("message {number} at the MTA is not the one that was sent"));
            }
        }
        if seen.end == End::Open || taken.end == Some(End::Open) {
            self.fails("a connection stays open");
        }
    }

    /// Of the programs that noted themselves, and what they started, nothing runs any more.
    #[track_caller]
    pub fn leaves_no_program(&self, folder: &Folder) {
        let noted = fs::read_to_string(folder.file("pids")).unwrap_or_default();
        let groups: Vec<_> = noted.lines().collect();
        // One that ended in its own time has seen to it.
        let until = self.closed + if self.target == Target::Killed { SOON } else { SOON / 3 };
        while !groups.is_empty() && shot::runs_of(&groups) {
            if Instant::now() > until {
                self.fails(&format!("a program of the groups {groups:?} is left"));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Files of messages have no name, whenever their session ends.
    #[track_caller]
    pub fn leaves_nothing_in_the_state_directory(&self, folder: &Folder) {
        for entry in fs::read_dir(folder.file("state")).expect("a directory").flatten() {
            if entry.file_name() != "intervals" {
                self.fails(&format!("{:?} is left", entry.path()));
            }
        }
    }

    /// All messages were sent, taken and accepted.
    #[track_caller]
    pub fn is_as_usual(&self, setup: &Setup) {
        self.loses_and_cuts_nothing(setup);
        let all = setup.messages.len();
        if self.taken.messages.len() != all
            || self.accepted() != all
            || self.status.code() != Some(0)
        {
            self.fails("not all of the usual session");
        }
        self.ended_properly();
    }

    /// Was the session killed before its end, and both connections closed with it?
    #[track_caller]
    pub fn was_killed(&self) -> bool {
        if self.status.signal() != Some(9) {
            return false;
        }
        if self.hit.is_some_and(|hit| self.closed.duration_since(hit) > SOON) {
            self.fails("the connections were closed too late");
        }
        true
    }

    /// Did it end because of SIGTERM?
    pub fn was_called_off(&self) -> bool {
        self.seen.replies.last().is_some_and(|reply| reply.starts_with("421 "))
    }

    /// The MTA took this message, and the client does not know; it will send it again.
    #[track_caller]
    pub fn was_taken_without_a_word(&self, message: usize) {
        if self.taken.accepted != message + 1 || self.accepted() != message {
            self.fails("not taken without a word");
        }
    }

    /// No signal ended it.
    #[track_caller]
    pub fn ended_by_itself(&self) {
        if self.status.code() != Some(0) {
            self.fails("it did not end by itself");
        }
    }

    /// It ended by itself, with a last word and a line in the log.
    #[track_caller]
    pub fn ended_properly(&self) {
        let last = self.seen.replies.last().map_or("", String::as_str);
        let farewell = match self.target {
            Target::Terminated { .. } if self.hit.is_some() => {
                last.starts_with("421 4.3.2 ") || last.starts_with("221 ")
            }
            _ => last.starts_with("221 "),
        };
        if !farewell || self.seen.end != End::Closed || self.status.code() != Some(0) {
            self.fails("no proper end");
        }
        if self.log.iter().filter(|line| line.contains(" session=end ")).count() != 1 {
            self.fails("not one line for the session in the log");
        }
    }

    /// What the MTA has accepted, the client has as accepted.
    #[track_caller]
    pub fn told_all_that_was_taken(&self) {
        let taken = &self.taken;
        if taken.messages.len() != self.accepted() || taken.accepted != self.accepted() {
            self.fails("the client does not know what became of its message");
        }
    }

    /// The client was told nothing but replies, and nothing that is for good, but of chunks behind one
    /// that was refused for now.
    #[track_caller]
    pub fn refused_nothing_for_good(&self) {
        let mut refused = false;
        for reply in &self.seen.replies {
            refused |= reply.starts_with('4');
            let fits = reply.starts_with(['2', '3', '4']) || refused && reply.starts_with("503 ");
            if reply.get(3..4) != Some(" ") || !fits {
                self.fails("a reply that is none, or for good");
            }
        }
    }

    /// Did all go as ever?
    pub fn went_well(&self, setup: &Setup) -> bool {
        self.accepted() == setup.messages.len() && self.status.code() == Some(0)
    }

    /// Each message has its reply: it is accepted, or refused for now. True if one was.
    #[track_caller]
    pub fn answered_all(&self, setup: &Setup) -> bool {
        let refused = |reply: &String| reply.starts_with("451 4.3.0 ");
        let verdicts = &self.seen.verdicts;
        let fits = verdicts.iter().all(|reply| refused(reply) || reply.starts_with("250 "));
        if verdicts.len() != setup.messages.len() || !fits {
            self.fails("not one reply to each message");
        }
        verdicts.iter().any(refused)
    }
}

/// What an undisturbed session is like.
pub struct Baseline {
    shot: Arc<Shot>,
    ends: Vec<u64>,
}

impl Baseline {
    pub fn of(setup: &Setup) -> Baseline {
        let folder = Folder::fresh();
        setup.furnishes(&folder);
        let outcome = Outcome::undisturbed(setup, &folder);
        outcome.is_as_usual(setup);
        Baseline { shot: outcome.shot, ends: outcome.taken.ends }
    }

    pub fn messages(&self) -> usize {
        self.ends.len()
    }

    /// All octets of a way.
    pub fn octets(&self, way: Way) -> u64 {
        self.shot.count(way)
    }

    /// How many octets the MTA has with the last one of this message.
    pub fn end(&self, message: usize) -> u64 {
        self.ends[message]
    }
}
