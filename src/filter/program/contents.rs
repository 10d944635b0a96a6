//! The contents filter of the original: asked about each message.
//!
//! It is told the HELO line, MAIL and the RCPT lines that count, as the MTA got
//! them, then `DATA` and the message as it arrives. Both pipes are served
//! together, so that neither side ever waits for the other to read. It is
//! started when mail data comes, not at HELO: most sessions that are refused
//! never get so far.

use super::answer::{Answer, Outcome};
use super::ip::{first_line, tell_content_from_crashed};
use super::process::{Heard, Process};
use super::{REFUSED, Run, TOO_EARLY};
use crate::filter::{Facts, Filter, Ground, Stop, Verdict, Woken};
use crate::limits;
use crate::sandbox::Needs;
use crate::spool::Spool;
use crate::stage::{Stage, Stages};

/// After so many octets of an answer the clock and the client are looked at.
const LOOK_AFTER: usize = 1024 * 1024;

/// The filter.
pub(super) struct ContentsFilter {
    run: Run,
    running: Option<Running>,
    /// The program of the message before may finish what it does.
    finishing: Option<Process>,
}

/// The program of one message.
struct Running {
    process: Process,
    /// What it is to be told next, and how much of that it has been told.
    telling: Vec<u8>,
    told: usize,
    /// How much of the message it has been told, `telling` included.
    offset: u64,
    answer: Answer,
}

impl ContentsFilter {
    pub(super) fn new(run: Run) -> Self {
        ContentsFilter { run, running: None, finishing: None }
    }

    fn start(&self, facts: &Facts<'_>, ground: &dyn Ground) -> Result<Running, Stop> {
        let process = Process::start(&self.run, facts)?;
        process.widen();
        let mut telling = Vec::with_capacity(limits::CLIENT_INBOX);
        telling.extend_from_slice(facts.hello);
        telling.extend_from_slice(if facts.hello.is_empty() { b"" } else { b"\r\n" });
        telling.extend_from_slice(facts.envelope);
        telling.extend_from_slice(b"DATA\r\n");
        let answer = Answer::new(Spool::new(ground.state()));
        Ok(Running { process, telling, told: 0, offset: 0, answer })
    }
}

impl Filter for ContentsFilter {
    fn needs(&self) -> Needs {
        Needs::PROGRAMS
    }

    fn stages(&self) -> Stages {
        Stages::only(Stage::Data).with(Stage::Message)
    }

    fn judges_peer(&self) -> bool {
        false
    }

    fn forget_message(&mut self) {
        self.running = None;
    }

    fn finish(&mut self) {
        self.running = None;
        self.finishing = None;
    }

    fn judge(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        let Some(message) = facts.message else { return Ok(Verdict::Continue) };
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start(facts, ground)?,
        };
        if stage == Stage::Data {
            if running.speaks()? {
                let said = first_line(running.answer.room()).to_vec();
                return Ok(Verdict::Refuse(TOO_EARLY.because(said)));
            }
            running.tell(message)?;
            self.running = Some(running);
            return Ok(Verdict::Continue);
        }
        running.converse(message, ground)?;
        let Running { process, answer, .. } = running;
        let verdict = match answer.finish() {
            Outcome::Message(message) => Verdict::Rewrite(message),
            Outcome::Nonsense(what) => return Err(process.trouble(what)),
            Outcome::Refusal(why) => {
                // One that says why means it, however it ends.
                let why = match why.is_empty() {
                    true => silence(tell_content_from_crashed(&process, ground)?),
                    false => why,
                };
                Verdict::Refuse(REFUSED.because(why))
            }
        };
        self.finishing = Some(process);
        Ok(verdict)
    }
}

/// What the log is to know of a program that gave no answer.
fn silence(status: Option<i32>) -> Vec<u8> {
    match status {
        Some(status) => format!("no answer, exit status {status}").into_bytes(),
        None => b"no answer".to_vec(),
    }
}

impl Running {
    /// Has it said anything?
    fn speaks(&mut self) -> Result<bool, Stop> {
        let heard = self.process.hear(self.answer.room())?;
        Ok(matches!(heard, Heard::Octets(_)) || self.answer.has_begun())
    }

    /// Tells it what it takes now; true if there is more to tell.
    fn tell(&mut self, message: &Spool) -> Result<bool, Stop> {
        loop {
            if self.told == self.telling.len() {
                self.telling.clear();
                self.told = 0;
                let read = message.read(self.offset, &mut self.telling);
                match read.map_err(|error| Stop::Trouble(format!("a message: {error}")))? {
                    0 => return Ok(false),
                    count => self.offset += count as u64,
                }
            }
            let rest = self.telling.get(self.told..).unwrap_or_default();
            match self.process.tell(rest)? {
                0 => return Ok(true),
                count => self.told += count,
            }
        }
    }

    /// Tells it the rest and hears its answer.
    fn converse(&mut self, message: &Spool, ground: &mut dyn Ground) -> Result<(), Stop> {
        let mut telling = true;
        let mut unlooked = 0;
        loop {
            if telling && !self.tell(message)? {
                self.process.end_input();
                telling = false;
            }
            // Looked at before its output: what it said before it ended counts.
            let ended = self.process.has_ended();
            match self.process.hear(self.answer.room())? {
                Heard::Octets(count) => {
                    // One that talks without end is not waited for, but has its limit.
                    unlooked += count;
                    if unlooked >= LOOK_AFTER {
                        unlooked = 0;
                        if !ground.has_time()? {
                            return Err(self.out_of_time(ground));
                        }
                    }
                    let more = self.answer.arrived();
                    if !more.map_err(|what| self.process.trouble(&what))? {
                        return Ok(());
                    }
                    continue;
                }
                Heard::End => return Ok(()),
                Heard::Nothing if ended => return Ok(()),
                Heard::Nothing => {}
            }
            let woken = ground.wait(&mut self.process.watched(telling), None, false)?;
            if woken == Woken::TimeUp {
                return Err(self.out_of_time(ground));
            }
        }
    }

    fn out_of_time(&self, ground: &dyn Ground) -> Stop {
        let limit = ground.time_limit().as_secs_f64();
        self.process.trouble(&format!("no answer in {limit} seconds"))
    }
}
