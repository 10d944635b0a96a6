//! The session's log lines.

use std::time::{Duration, SystemTime};

use super::Session;
use crate::config::{Identity, Traces};
use crate::dialogue::{Conduct, Dialogue, Ending, Outcome, Record, Summary};
use crate::encryption::Encryption;
use crate::filter::chain::Noted;
use crate::host::Host;
use crate::limits;
use crate::log::Level;
use crate::log::line::Line;
use crate::stage::Stage;
use crate::trace::Trace;
use crate::{guard, state, sys};

impl Session {
    /// One line for each recipient whose fate is known.
    pub(super) fn log_recipients(&mut self, dialogue: &Dialogue, record: &Record) {
        let summary = dialogue.summary();
        let outcome = &record.outcome;
        for (n, to) in record.transaction.to.iter().enumerate() {
            let noted = self.observed.take(to);
            if outcome.at == Stage::Rcpt {
                self.refusals_logged += 1;
                if self.refusals_logged > limits::LOGGED_REFUSALS {
                    continue;
                }
            }
            let from = &record.transaction.from;
            recipient(&mut self.line, (summary.helo(), from, to), outcome, &noted);
            self.end_line(summary.authenticated);
            self.log.line_of_recipient(Level::Info, &mut self.line, n == 0);
        }
        if record.outcome.at == Stage::Message {
            self.observed.clear();
        }
    }

    /// One line when it begins, for a log that tells of that.
    #[cold]
    pub(super) fn log_beginning(&mut self) {
        self.line.begin().word(" session=", "begin");
        self.log.line(Level::Info, &mut self.line);
    }

    /// Writes the session down, if it is one of these.
    #[cold]
    pub(super) fn begin_trace(&mut self, traces: &Traces) {
        if !traces.has(self.client.ip, SystemTime::now()) {
            return;
        }
        match Trace::begin(traces, &self.log, &self.line, self.began) {
            Ok(trace) => self.wires.set_trace(trace),
            Err(error) => self.note(&format!("the session cannot be traced: {error}")),
        }
    }

    /// One line for the session.
    pub(super) fn log_session(&mut self, dialogue: &Dialogue, ending: Ending) {
        let summary = dialogue.summary();
        let why = match summary.mta {
            Conduct::Lost => self.mta_error.as_bytes(),
            _ => &summary.mta_said,
        };
        let rule = self.refusing_rule(summary);
        self.line
            .begin()
            .text(" session=end end=")
            .text(ending.name())
            .word(" mta=", summary.mta.name());
        if dialogue.upstream() > 0 {
            let upstream = self.settings.upstream.nth(dialogue.upstream()).to_string();
            self.line.outside(" upstream=", upstream.as_bytes());
        }
        self.line
            .outside(" why=", why)
            .outside(" helo=", summary.helo())
            .number(" messages=", summary.messages.into())
            .number(" octets=", summary.relayed)
            .number(" refused=", summary.refused.into());
        match rule {
            Some(rule) => self.line.word(" rule=", rule),
            None => self.line.text(" rule=-"),
        };
        if let Some(refusal) = &summary.refusal {
            refused_as_such(&mut self.line, refusal);
        }
        if let Some(encryption) = &self.encryption {
            tell_more(&mut self.line, encryption);
        }
        let level = if summary.mta.is_fault() { Level::Error } else { Level::Info };
        self.end_line(summary.authenticated);
        let used = sys::used();
        self.line.number(" cpu=", used.millis).text("ms").number(" mem=", used.kib).text("KiB");
        self.log.line(level, &mut self.line);
    }

    /// The rule that decided of the session.
    #[inline(always)]
    fn refusing_rule(&self, summary: &Summary) -> Option<&'static str> {
        let as_such = summary.refusal.as_ref().map(|refusal| refusal.rule);
        as_such.or(summary.last_refusal).or(self.chain.suspicion())
    }

    /// The MTA took a stranger's message; what that may mean is told once.
    #[cold]
    pub(super) fn note_if_unguarded(&mut self, dialogue: &Dialogue, edition: u64) {
        let told_who = self.settings.identity != Identity::None && self.program.is_none();
        if told_who || dialogue.summary().authenticated.is_some() {
            return;
        }
        if state::told::first_of(self.settings.state, edition).unwrap_or(false) {
            self.note(guard::UNGUARDED);
        }
    }

    /// One line of something that does not work, and should.
    pub(super) fn trouble(&mut self, what: &str) {
        self.line.begin().word(" session=", "trouble").outside(" why=", what.as_bytes());
        self.log.line(Level::Error, &mut self.line);
    }

    /// One line of something amiss that makes no difference to the client.
    pub(super) fn note(&mut self, what: &str) {
        self.line.begin().word(" session=", "note").outside(" why=", what.as_bytes());
        self.log.line(Level::Info, &mut self.line);
    }

    /// Ends a line with what every line about a session ends with.
    fn end_line(&mut self, authenticated: Option<&'static str>) {
        let auth = (authenticated, self.chain.lifted());
        let (host, encryption) = (self.host.get(), self.encryption.as_deref());
        session(&mut self.line, host, encryption, auth, self.began.elapsed());
    }
}

/// Writes what was found out of the client, and how it protected the session.
fn facts(
    line: &mut Line,
    host: Option<&Host>,
    encryption: Option<&Encryption>,
    (authenticated, lifted): (Option<&str>, Option<&str>),
) {
    match host {
        None => line.text(" ptr=- fcrdns=- dns=-"),
        Some(host) => {
            match &host.name {
                Some(name) => line.outside(" ptr=", name),
                None => line.text(" ptr=-"),
            };
            line.word(" fcrdns=", host.iprev.name());
            line.number(" dns=", host.questions.into());
            if let Some(trouble) = host.trouble {
                line.word("/", trouble.name());
            }
            line.number("/", host.took.as_millis() as u64).text("ms")
        }
    };
    match encryption {
        None => line.text(" tls=-"),
        Some(encryption) => line.text(" tls=").text(&encryption.name()),
    };
    match authenticated {
        Some(name) => line.word(" auth=", name),
        None => line.text(" auth=-"),
    };
    if let Some(rule) = lifted.filter(|_| authenticated.is_some()) {
        line.word(" lifted=", rule);
    }
}

/// What the session's line tells of an encrypted connection beside its version.
#[cold]
fn tell_more(line: &mut Line, encryption: &Encryption) {
    if let Some(sni) = &encryption.sni {
        line.outside(" sni=", sni.as_bytes());
    }
    if let Some(certificate) = &encryption.client_cert {
        line.text(" cert=").text(certificate);
    }
    if encryption.resumed {
        line.text(" resumed=yes");
    }
}

/// Writes what there is to tell of a recipient; HELO name, sender and recipient as
/// they came.
#[inline(always)]
pub(crate) fn recipient(
    line: &mut Line,
    (helo, from, to): (&[u8], &[u8], &[u8]),
    outcome: &Outcome,
    noted: &Noted,
) {
    line.begin().word(" verdict=", outcome.verdict()).word(" rule=", outcome.rule);
    match outcome.code {
        Some(code) => line.number(" code=", code.into()),
        None => line.text(" code=-"),
    };
    line.text(outcome.at.logged());
    match noted.would {
        Some(would) => line.number(" would=", would.code.into()).text(":").text(would.rule),
        None => line.text(" would=-"),
    };
    line.outside(" helo=", helo).outside(" from=", from).outside(" to=", to);
    line.outside(" reply=", &outcome.text);
    if let Some(accepted) = &noted.accepted {
        line.outside(" allow=", accepted);
    }
    if !outcome.why.is_empty() {
        line.outside(" why=", &outcome.why);
    }
}

/// Writes what there is to tell of a client or sender that was refused as such.
#[cold]
fn refused_as_such(line: &mut Line, refusal: &Outcome) {
    line.number(" code=", refusal.code.unwrap_or_default().into()).word(" at=", refusal.at.name());
    line.outside(" reply=", &refusal.text);
}

/// Writes what every line about a session ends with.
#[inline(always)] // Else it would be a call, as `explain` writes such lines too.
pub(crate) fn session(
    line: &mut Line,
    host: Option<&Host>,
    encryption: Option<&Encryption>,
    auth: (Option<&str>, Option<&str>),
    took: Duration,
) {
    // The usual words in one piece.
    if host.is_none() && encryption.is_none() && auth.0.is_none() {
        line.text(" ptr=- fcrdns=- dns=- tls=- auth=-");
    } else {
        facts(line, host, encryption, auth);
    }
    line.seconds(" t=", took);
}
