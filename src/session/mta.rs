//! Calling the MTA: which one, how it learns who the client is, and, if it is a
//! program, what is to be done with it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::Session;
use super::floor::Floor;
use crate::activation;
use crate::child::End;
use crate::config::Identity;
use crate::dialogue::{Conduct, Dialogue, Peer};
use crate::filter::Ground;
use crate::host::{Host, Iprev};

use crate::limits;
use crate::proxy;
use crate::smtp::xclient::{Name, Who};
use crate::stage::Stage;
use crate::sys::{self, Wakeup};
use crate::upstream::Program;

impl Session {
    /// Calls the MTA that the dialogue wants.
    pub(super) fn call(&mut self, dialogue: &mut Dialogue) {
        // One that was left before.
        if let Some(program) = self.program.take() {
            self.end_program(program, false);
        }
        let n = dialogue.upstream();
        if n > 0 {
            self.log_passed_over(dialogue, n - 1);
        }
        let identity = match self.settings.upstream.nth(n).is_program() {
            true => Identity::None,
            false => self.settings.identity,
        };
        if identity == Identity::Xclient && !self.name_client(dialogue) {
            return;
        }
        let more = n + 1 < self.settings.upstream.count();
        match self.connect(n, more || matches!(identity, Identity::Proxy(_))) {
            Ok(mta) => {
                self.wires.set_mta(Some(mta));
                dialogue.called();
            }
            Err(error) => return self.lost(dialogue, Peer::Mta, &error),
        }
        match identity {
            Identity::None => {}
            Identity::Proxy(version) => {
                let (source, local) = (self.client.address(), activation::local());
                dialogue.send_first(|out| proxy::encode(version, source, local, out));
            }
            Identity::Xclient => dialogue.introduce(self.who()),
        }
    }

    /// Connects to the n-th MTA, or starts it.
    fn connect(&mut self, n: usize, waits: bool) -> std::io::Result<OwnedFd> {
        let upstream = self.settings.upstream.nth(n);
        if upstream.is_program() {
            let waiting = self.waiting_programs.iter().position(|(of, _)| *of == n);
            let waiting = waiting.map(|at| self.waiting_programs.swap_remove(at).1);
            let waiting = waiting.unwrap_or_else(|| Err(std::io::ErrorKind::NotFound.into()))?;
            let (program, mta) = waiting.start(&self.client, self.host.get())?;
            self.program = Some(Box::new(program));
            return Ok(mta);
        }
        let limit = self.settings.time_limit.unwrap_or(limits::CONNECT_WAIT);
        let limit = limit.min(limits::CONNECT_WAIT);
        upstream.call(waits, limit, &|socket| self.wires.connected(socket, limit))
    }

    /// Finds out the client's host names, which the MTA is to know; false if the
    /// client has gone meanwhile, or the session is to end.
    #[cold]
    fn name_client(&mut self, dialogue: &mut Dialogue) -> bool {
        let inbox = std::mem::take(dialogue.inbox(Peer::Client));
        let closed = dialogue.client_has_closed();
        let limit = self.settings.dns().time_limit + Duration::from_secs(1);
        let mut floor = Floor::new(
            &self.settings,
            &self.client,
            &mut self.wires,
            (inbox, closed, Stage::Connect),
            (&mut self.log, &mut self.line, &mut self.status),
            (&mut self.naming, &self.host),
            self.began,
        );
        floor.begin("xclient", limit);
        // If there is no waiting, the MTA is told that there was no telling.
        let over = matches!(floor.name_client(), Err(crate::filter::Stop::Over));
        let (inbox, closed, left) = floor.leave();
        *dialogue.inbox(Peer::Client) = inbox;
        if closed {
            dialogue.closed(Peer::Client);
        }
        if over {
            self.nobody_to_judge(dialogue, left);
        }
        !over
    }

    /// Who the client is, for the MTA.
    fn who(&self) -> Who {
        let host = self.host.get();
        let unless = |name: Option<&Vec<u8>>, temporary: fn(&Host) -> bool| match (name, host) {
            (Some(name), _) => Name::Is(name.clone()),
            (None, Some(host)) if !temporary(host) => Name::None,
            (None, _) => Name::Unknown,
        };
        let temporary = |host: &Host| host.iprev == Iprev::TempError;
        Who {
            our_name: self.settings.our_name(),
            name: unless(host.and_then(|host| host.confirmed.first()), temporary),
            reverse_name: unless(host.and_then(|host| host.name.as_ref()), temporary),
            ip: self.client.ip,
            port: self.client.port,
            local: activation::local(),
        }
    }

    /// One line of an MTA that did not come to greet; the next is called.
    #[cold]
    fn log_passed_over(&mut self, dialogue: &Dialogue, n: usize) {
        let summary = dialogue.summary();
        let error = std::mem::take(&mut self.mta_error);
        let why = match summary.mta {
            Conduct::Lost if error.is_empty() => b"closed the connection",
            Conduct::Lost => error.as_bytes(),
            Conduct::Silent => b"no greeting in time",
            Conduct::Ok | Conduct::Confused | Conduct::NoXclient | Conduct::Closing => {
                &summary.mta_said
            }
        };
        let name = self.settings.upstream.nth(n).to_string();
        self.line.begin().word(" session=", "trouble").outside(" upstream=", name.as_bytes());
        self.line.outside(" why=", why);
        self.log.line(crate::log::Level::Error, &mut self.line);
    }

    /// At the end of the session: the client, whose last reply is sent, does not
    /// wait for the program's end. `took_mail`: it has taken a message.
    pub(super) fn leave_program(&mut self, took_mail: bool) {
        if let Some(program) = self.program.take() {
            self.wires.set_mta(None);
            self.wires.finish_sending();
            self.end_program(program, took_mail);
        }
    }

    /// Waits as [`crate::io::Wires::wait`] does, and logs what the MTA, a program,
    /// writes to standard error.
    #[cold]
    pub(super) fn wait_with_program(&mut self, dialogue: &mut Dialogue) {
        if self.program_has_ended(dialogue) {
            return;
        }
        let (interest, time, limit) = self.wanted(dialogue);
        let Some(mut program) = self.program.take() else { return };
        let waited = self.wires.wait_with(interest, program.errors(), time);
        if matches!(waited, Ok((_, true))) {
            program.hear(|line| self.log_program(line));
        }
        self.program = Some(program);
        self.woken(dialogue, waited.map(|(event, _)| event), time < limit);
    }

    /// Logs what the MTA, a program, has written to standard error.
    pub(super) fn hear_program(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.hear(|line| self.log_program(line));
            self.program = Some(program);
        }
    }

    fn log_program(&mut self, said: &[u8]) {
        self.program_lines += 1;
        if self.program_lines > limits::MTA_PROGRAM_LINES {
            return;
        }
        self.line.begin().word(" session=", "note").word(" upstream=", "exec");
        self.line.outside(" why=", said);
        self.log.line(crate::log::Level::Info, &mut self.line);
    }

    /// Has the MTA, a program, ended, and is there news of it? What it has said is all
    /// it will say, whoever else holds its connection.
    #[cold]
    fn program_has_ended(&mut self, dialogue: &mut Dialogue) -> bool {
        if self.program.as_ref().is_none_or(|program| program.end().is_none()) {
            return false;
        }
        let mut heard = false;
        while dialogue.wants(Peer::Mta) {
            heard = true;
            if !matches!(self.wires.receive(Peer::Mta, dialogue.inbox(Peer::Mta).room()), Ok(1..)) {
                dialogue.closed(Peer::Mta);
            }
        }
        heard
    }

    /// Ends the MTA that is a program, if there is one; its connection is closed, at
    /// which it should end by itself. Not when it is hung up, for the client would
    /// wait.
    #[cold]
    fn end_program(&mut self, mut program: Box<Program>, took_mail: bool) {
        let in_time = self.await_program(&mut program, limits::MTA_PROGRAM_END, true);
        if !in_time {
            program.terminate();
            let ended = self.await_program(&mut program, limits::MTA_PROGRAM_TERM, false);
            let how = if ended { "ended by SIGTERM" } else { "killed" };
            self.log_program(format!("outlived the session: {how}").as_bytes());
        }
        let mut pieces = limits::MTA_PROGRAM_LINES;
        while pieces > 0 && program.hear(|line| self.log_program(line)) {
            pieces -= 1;
        }
        match program.end() {
            Some(End::Exited(status @ 1..)) if in_time => {
                self.log_program(format!("ended with status {status}").as_bytes());
            }
            Some(End::Killed) if in_time => self.log_program(b"ended by a signal"),
            _ => {}
        }
        // What is left of its group is killed with it; but sendmail delivers what it has
        // taken in a child, which for some time is still in the group.
        if in_time && took_mail && matches!(program.end(), Some(End::Exited(_))) {
            program.let_group_be();
        }
        drop(program);
    }

    /// Waits for the program's end; false if that does not come in time. With
    /// `hurries`, a session that is to end does not wait.
    fn await_program(&mut self, program: &mut Program, limit: Duration, hurries: bool) -> bool {
        let end = Instant::now() + limit;
        loop {
            if program.end().is_some() {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || (hurries && sys::terminated()) {
                return false;
            }
            let mut fds = [libc::pollfd { fd: program.errors(), events: libc::POLLIN, revents: 0 }];
            match self.wires.wait_beside(None, &mut fds, left) {
                Ok((Wakeup::Ready, _)) => drop(program.hear(|line| self.log_program(line))),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
}
