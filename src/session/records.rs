//! The session's log lines.

use super::Session;
use crate::config::Identity;
use crate::dialogue::{Conduct, Dialogue, Ending, Record};
use crate::limits;
use crate::log::Level;
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
            self.line.begin().word(" verdict=", outcome.verdict()).word(" rule=", outcome.rule);
            match outcome.code {
                Some(code) => self.line.number(" code=", code.into()),
                None => self.line.word(" code=", "-"),
            };
            self.line.word(" at=", outcome.at.name());
            match noted.would {
                Some(would) => {
                    self.line.number(" would=", would.code.into()).text(":").text(would.rule)
                }
                None => self.line.text(" would=-"),
            };
            self.line
                .outside(" helo=", summary.helo())
                .outside(" from=", &record.transaction.from)
                .outside(" to=", to)
                .outside(" reply=", &outcome.text);
            if let Some(accepted) = &noted.accepted {
                self.line.outside(" allow=", accepted);
            }
            if !outcome.why.is_empty() {
                self.line.outside(" why=", &outcome.why);
            }
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
            .number(" refused=", summary.refused.into())
            .word(" rule=", summary.last_refusal.or(self.chain.suspicion()).unwrap_or("-"));
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

    /// One line of something amiss that makes no difference to the client.
    pub(super) fn note(&mut self, what: &str) {
        self.line.begin().word(" session=", "note").outside(" why=", what.as_bytes());
        self.log.line(Level::Info, self.line.as_bytes());
    }

    /// Ends a line with what every line about a session ends with.
    fn end_line(&mut self, level: Level, authenticated: bool) {
        match self.host.get() {
            None => self.line.text(" ptr=- fcrdns=- dns=-"),
            Some(host) => {
                match &host.name {
                    Some(name) => self.line.outside(" ptr=", name),
                    None => self.line.text(" ptr=-"),
                };
                self.line.word(" fcrdns=", host.iprev.name());
                self.line.number(" dns=", host.questions.into());
                if let Some(trouble) = host.trouble {
                    self.line.word("/", trouble.name());
                }
                self.line.number("/", host.took.as_millis() as u64).text("ms")
            }
        };
        self.line.text(if authenticated { " tls=- auth=yes" } else { " tls=- auth=-" });
        self.line.seconds(" t=", self.began.elapsed());
        self.log.line(level, self.line.as_bytes());
    }
}
