//! The session's log lines.

use std::time::Duration;

use super::Session;
use crate::config::Identity;
use crate::dialogue::{Conduct, Dialogue, Ending, Outcome, Record};
use crate::encryption::Encryption;
use crate::filter::chain::Noted;
use crate::host::Host;
use crate::limits;
use crate::log::Level;
use crate::log::line::Line;
use crate::stage::Stage;
use crate::{file, state};

impl Session {
    /// One line for each recipient whose fate is known.
    pub(super) fn log_recipients(&mut self, dialogue: &Dialogue, record: &Record) {
        let summary = dialogue.summary();
        let outcome = &record.outcome;
        for to in &record.transaction.to {
            let noted = self.observed.take(to);
            if outcome.at == Stage::Rcpt {
                self.refusals_logged += 1;
                if self.refusals_logged > limits::LOGGED_REFUSALS {
                    continue;
                }
            }
            let from = &record.transaction.from;
            recipient(&mut self.line, (summary.helo(), from, to), outcome, &noted);
            self.end_line(Level::Info, summary.authenticated);
        }
        if record.outcome.at == Stage::Message {
            self.observed.clear();
        }
    }

    /// One line for the session.
    pub(super) fn log_session(&mut self, dialogue: &Dialogue, ending: Ending) {
        let summary = dialogue.summary();
        let why = match summary.mta {
            Conduct::Lost => self.mta_error.as_bytes(),
            _ => &summary.mta_said,
        };
        self.line.begin().text(" session=end end=").text(ending.name());
        // What is usual goes in one piece.
        let usual = summary.mta == Conduct::Ok && why.is_empty() && dialogue.upstream() == 0;
        let before_helo = if usual {
            " mta=ok why=<> helo="
        } else {
            self.line.word(" mta=", summary.mta.name());
            if dialogue.upstream() > 0 {
                let upstream = self.settings.upstream.nth(dialogue.upstream()).to_string();
                self.line.outside(" upstream=", upstream.as_bytes());
            }
            self.line.outside(" why=", why);
            " helo="
        };
        self.line
            .outside(before_helo, summary.helo())
            .number(" messages=", summary.messages.into())
            .number(" octets=", summary.relayed);
        match (summary.refused, summary.last_refusal.or(self.chain.suspicion())) {
            (0, None) => self.line.text(" refused=0 rule=-"),
            (refused, rule) => {
                self.line.number(" refused=", refused.into()).word(" rule=", rule.unwrap_or("-"))
            }
        };
        if let Some(encryption) = &self.encryption {
            tell_more(&mut self.line, encryption);
        }
        let level = if summary.mta.is_fault() { Level::Error } else { Level::Info };
        self.end_line(level, summary.authenticated);
    }

    /// The MTA took a stranger's message as if it came from this host. Should it relay for
    /// this host, nothing of ours keeps it from relaying for everybody. Whether it does
    /// is not to be asked at a client's expense; `check` asks. Told once for each edition of the
    /// configuration, which takes the state directory to know.
    #[cold]
    pub(super) fn note_if_unguarded(&mut self, dialogue: &Dialogue) {
        let told_who = self.settings.identity != Identity::None && self.program.is_none();
        // A program that is asked about messages may well refuse to relay.
        let guarded = self.chain.guards_mta() || self.chain.stages().has(Stage::Message);
        if told_who || guarded || dialogue.summary().authenticated {
            return;
        }
        let mut edition: Vec<u8> = self.edition.iter().flat_map(|n| n.to_le_bytes()).collect();
        edition.extend(self.settings.upstream.to_string().bytes());
        let edition = file::checksum(0, &edition);
        if state::told::first_of(self.settings.state, edition).unwrap_or(false) {
            self.note(
                "neither identity nor the filter relay guards the MTA, which took a stranger's \
                 message: smtp-wrapper check tells whether it would relay for everybody",
            );
        }
    }

    /// One line of something that does not work, and should.
    pub(super) fn trouble(&mut self, what: &str) {
        self.line.begin().word(" session=", "trouble").outside(" why=", what.as_bytes());
        self.log.line(Level::Error, self.line.as_bytes());
    }

    /// One line of something amiss that makes no difference to the client.
    pub(super) fn note(&mut self, what: &str) {
        self.line.begin().word(" session=", "note").outside(" why=", what.as_bytes());
        self.log.line(Level::Info, self.line.as_bytes());
    }

    /// Ends a line with what every line about a session ends with.
    fn end_line(&mut self, level: Level, authenticated: bool) {
        let encryption = self.encryption.as_deref();
        session(&mut self.line, self.host.get(), encryption, authenticated, self.began.elapsed());
        self.log.line(level, self.line.as_bytes());
    }
}

/// Writes what was found out of the client, and how it protected the session.
fn facts(
    line: &mut Line,
    host: Option<&Host>,
    encryption: Option<&Encryption>,
    authenticated: bool,
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
    line.text(if authenticated { " auth=yes" } else { " auth=-" });
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
        None => line.word(" code=", "-"),
    };
    line.word(" at=", outcome.at.name());
    let before_helo = match noted.would {
        Some(would) => {
            line.number(" would=", would.code.into()).text(":").text(would.rule);
            " helo="
        }
        None => " would=- helo=",
    };
    line.outside(before_helo, helo).outside(" from=", from).outside(" to=", to);
    line.outside(" reply=", &outcome.text);
    if let Some(accepted) = &noted.accepted {
        line.outside(" allow=", accepted);
    }
    if !outcome.why.is_empty() {
        line.outside(" why=", &outcome.why);
    }
}

/// Writes what every line about a session ends with.
#[inline(always)] // Else it would be a call, as `explain` writes such lines too.
pub(crate) fn session(
    line: &mut Line,
    host: Option<&Host>,
    encryption: Option<&Encryption>,
    authenticated: bool,
    took: Duration,
) {
    // The usual words in one piece.
    if host.is_none() && encryption.is_none() && !authenticated {
        line.text(" ptr=- fcrdns=- dns=- tls=- auth=-");
    } else {
        facts(line, host, encryption, authenticated);
    }
    line.seconds(" t=", took);
}
