//! The IP filter of the original: asked once, before the greeting.
//!
//! Its exit status says nothing, as there: a shell script that ends in a grep
//! which found nothing exits with 1. A program that a signal ended has said
//! nothing, and is broken; so is one whose shell could not run something.

use std::time::Instant;

use super::process::{End, Heard, Process};
use super::{REFUSED, Run};
use crate::filter::{Facts, Filter, Ground, Stop, Verdict, Woken};
use crate::limits;
use crate::sandbox::Needs;
use crate::stage::{Stage, Stages};

/// The filter.
pub(super) struct IpFilter {
    run: Run,
    /// It may finish what it does after its answer.
    running: Option<Process>,
}

impl IpFilter {
    pub(super) fn new(run: Run) -> Self {
        IpFilter { run, running: None }
    }
}

impl Filter for IpFilter {
    fn needs(&self) -> Needs {
        Needs::PROGRAMS
    }

    fn stages(&self) -> Stages {
        Stages::only(Stage::Connect)
    }

    fn finish(&mut self) {
        self.running = None;
    }

    fn judge(
        &mut self,
        _stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        let process = Process::start(&self.run, facts)?;
        let mut said = Vec::with_capacity(limits::PROGRAM_ANSWER);
        let heard = listen(&process, &mut said, ground)?;
        if said.is_empty()
            && let Some(status @ 2..) = tell_content_from_crashed(&process, ground)?
        {
            ground.note(&format!(
                "{} said nothing, which passes the client, and ended with status {status}",
                process.name()
            ));
        }
        if heard == Heard::End {
            self.running = Some(process);
        }
        Ok(match said.get(..2) {
            None if said.is_empty() => Verdict::Continue,
            Some(b"OK" | b"ok") => Verdict::Continue,
            _ => Verdict::Refuse(REFUSED.because(first_line(&said).to_vec())),
        })
    }
}

/// Listens to the end of what it says, to its own end, or until it has said
/// more than anybody wants to know.
fn listen(process: &Process, said: &mut Vec<u8>, ground: &mut dyn Ground) -> Result<Heard, Stop> {
    loop {
        let ended = process.has_ended();
        match process.hear(said)? {
            Heard::Octets(_) if said.len() < limits::PROGRAM_ANSWER => continue,
            Heard::Nothing if !ended => {}
            Heard::Nothing => return Ok(Heard::End),
            heard => return Ok(heard),
        }
        if ground.wait(&mut process.watched(false), None, false)? == Woken::TimeUp {
            let limit = ground.time_limit().as_secs_f64();
            return Err(process.trouble(&format!("no answer in {limit} seconds")));
        }
    }
}

/// A program that has said nothing and closed its output may be about to die of
/// a signal, or go on with something else.
///
/// Gives the status with which it ended, if it has. By the original's contract that
/// makes no difference; but with 126 and 127 a shell says that it could not run
/// what it was to run (POSIX 2.8.2), and silence would let everybody pass.
pub(super) fn tell_content_from_crashed(
    process: &Process,
    ground: &mut dyn Ground,
) -> Result<Option<i32>, Stop> {
    let end = Instant::now() + limits::PROGRAM_GRACE;
    while !process.has_ended() {
        if ground.wait(&mut [], Some(end), false)? == Woken::TimeUp {
            break;
        }
    }
    match process.end() {
        Some(End::Killed) => Err(process.trouble("ended by a signal, without an answer")),
        Some(End::Exited(status @ (126 | 127))) => {
            let what = "without an answer: something in it could not be run";
            Err(process.trouble(&format!("ended with status {status}, {what}")))
        }
        Some(End::Exited(status)) => Ok(Some(status)),
        None => Ok(None),
    }
}

/// The first line of what a program said.
pub(super) fn first_line(said: &[u8]) -> &[u8] {
    said.split(|&b| b == b'\n' || b == b'\r').next().unwrap_or_default()
}
