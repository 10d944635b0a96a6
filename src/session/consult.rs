//! Asking the filters: what they are told, and what becomes of their answer.

use std::time::Instant;

use super::Session;
use super::floor::Floor;
use crate::config::Settings;
use crate::dialogue::{Dialogue, Peer, helo};
use crate::filter::chain::{Chain, Judgement, Noted, Over, Would};
use crate::filter::{Facts, Ground, spoken};
use crate::limits;
use crate::smtp::refusal::Refusal;
use crate::smtp::standing;
use crate::spool::Spool;
use crate::stage::{Ruling, Stage};
use crate::sys;

/// What the log is to know of recipients beside what became of them.
#[derive(Debug, Default)]
pub(super) struct Observed {
    recipients: Vec<(Vec<u8>, Noted)>,
    message: Option<Would>,
}

impl Observed {
    /// Of this recipient, who gets a log line now, and no other.
    pub(super) fn take(&mut self, to: &[u8]) -> Noted {
        let recipient = self.recipients.iter().position(|(of, _)| of == to);
        let noted = recipient.map(|at| self.recipients.swap_remove(at).1).unwrap_or_default();
        Noted { would: noted.would.or(self.message), ..noted }
    }

    /// The transaction is over.
    pub(super) fn clear(&mut self) {
        *self = Observed::default();
    }
}

/// Asks the filters at this stage; what they say is in the words of the profile.
///
/// # Errors
/// There is nobody to judge any more.
pub(crate) fn judge(
    chain: &mut Chain,
    settings: &Settings,
    stage: Stage,
    facts: &Facts<'_>,
    message: &mut Spool,
    ground: &mut dyn Ground,
) -> Result<Judgement, Over> {
    if facts.lifted {
        chain.lift();
    }
    let judgement = match stage {
        Stage::Connect | Stage::Helo | Stage::Mail => chain.judge_peer(stage, facts, ground)?,
        Stage::Rcpt => {
            let spare = settings.postmaster && is_postmaster(facts.recipient.unwrap_or_default());
            chain.judge_recipient(spare, facts, ground)?
        }
        Stage::Data => {
            let facts = Facts { message: Some(message), ..*facts };
            chain.judge_data(&facts, ground)?;
            Judgement::Pass
        }
        Stage::Message => chain.judge_message(message, facts, ground)?,
    };
    let said = |refusal| spoken::in_words_of(settings.profile, refusal, stage, facts);
    Ok(match judgement {
        Judgement::Held(refusal) => Judgement::Held(said(refusal)),
        Judgement::Refused(refusal) => Judgement::Refused(said(refusal)),
        Judgement::Pass => Judgement::Pass,
    })
}

/// What becomes of a peer of whom a refusal was found.
pub(crate) fn held(settings: &Settings, stage: Stage, refusal: Refusal) -> Ruling {
    match spoken::now(settings, stage, refusal) {
        Ok(refusal) => Ruling::Refuse(refusal),
        Err(held) => Ruling::Hold { name: settings.our_name(), rule: held.rule },
    }
}

/// Is this the mailbox that everybody must be able to reach (RFC 5321 4.5.1)?
fn is_postmaster(path: &[u8]) -> bool {
    const LOCAL: &[u8] = b"postmaster";
    let (local, rest) = path.split_at_checked(LOCAL.len()).unwrap_or((path, b""));
    local.eq_ignore_ascii_case(LOCAL) && (rest.is_empty() || rest.starts_with(b"@"))
}

impl Session {
    /// Asks the filters what the dialogue wants to know.
    pub(super) fn consult(&mut self, dialogue: &mut Dialogue, stage: Stage) {
        let (judgement, end) = self.ask(dialogue, stage);
        if stage == Stage::Message {
            // What the MTA has said meanwhile is no answer to what it is told next.
            self.receive(dialogue, Peer::Mta);
        }
        match judgement {
            Ok(Judgement::Pass) => dialogue.judged(Ruling::Pass),
            Ok(Judgement::Refused(refusal)) => {
                if stage == Stage::Message {
                    self.forget_message();
                }
                dialogue.judged(Ruling::Refuse(refusal));
            }
            Ok(Judgement::Held(refusal)) => dialogue.judged(held(&self.settings, stage, refusal)),
            Err(Over) => self.nobody_to_judge(dialogue, end),
        }
    }

    /// The client has gone while a filter was asked, or the session is to end.
    pub(super) fn nobody_to_judge(&mut self, dialogue: &mut Dialogue, client_left: bool) {
        if !client_left && (sys::terminated() || sys::time_is_up()) {
            self.call_off(dialogue);
        } else {
            dialogue.lost(Peer::Client);
        }
    }

    /// Asks the filters at this stage. Also says whether the client has gone.
    fn ask(&mut self, dialogue: &mut Dialogue, stage: Stage) -> (Result<Judgement, Over>, bool) {
        let inbox = std::mem::take(dialogue.inbox(Peer::Client));
        let closed = dialogue.client_has_closed();
        let name = std::mem::take(&mut self.name);
        let mut floor = Floor::new(
            &self.settings,
            &self.client,
            &mut self.wires,
            (inbox, closed, stage),
            (&mut self.log, &mut self.line, &mut self.status),
            (&mut self.naming, &self.host),
            self.began,
        );
        let view = dialogue.view();
        let facts = Facts {
            client: &self.client,
            host: &self.host,
            encryption: self.encryption.as_deref(),
            session: &name,
            hello: view.hello,
            helo: helo(view.hello),
            from: view.from,
            recipient: view.recipient,
            to: view.to,
            envelope: view.envelope,
            auth: dialogue.summary().authenticated,
            lifted: dialogue.is_lifted(),
            message: None,
        };
        let message = self.message.get_or_insert_with(|| Spool::new(self.settings.state));
        let judged = judge(&mut self.chain, &self.settings, stage, &facts, message, &mut floor);
        match (stage, self.chain.take_noted()) {
            (Stage::Message, noted) => self.observed.message = noted.would,
            (_, noted) if noted == Noted::default() => {}
            (_, noted) => {
                self.observed.recipients.push((view.recipient.unwrap_or_default().to_vec(), noted));
            }
        }
        let (inbox, closed, left) = floor.leave();
        self.name = name;
        *dialogue.inbox(Peer::Client) = inbox;
        if closed {
            dialogue.closed(Peer::Client);
        }
        (judged, left)
    }

    /// Keeps mail data for the filters, and shows it to them.
    #[inline(never)] // Not in every session.
    pub(super) fn keep(&mut self, dialogue: &mut Dialogue, count: usize) {
        // However the message before ended, nothing of it may get into this one.
        if dialogue.message_begins() {
            self.forget_message();
        }
        let octets = dialogue.to_keep().get(..count).unwrap_or_default();
        let message = self.message.get_or_insert_with(|| Spool::new(self.settings.state));
        match message.append(octets) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                self.forget_message();
                return dialogue.cannot_keep(&standing::MESSAGE_TOO_LARGE);
            }
            Err(error) => {
                self.note(&format!("cannot keep a message: {error}"));
                self.forget_message();
                return dialogue.cannot_keep(&standing::NO_ROOM);
            }
        }
        // A client may take longer for its message than the MTA waits for DATA.
        let now = Instant::now();
        if now.duration_since(*self.mta_heard_of_us.get_or_insert(now)) >= limits::KEEP_ALIVE {
            dialogue.keep_alive();
            self.mta_heard_of_us = Some(now);
        }
        // With the whole message there they are asked what becomes of it.
        if !dialogue.has_whole_message(count)
            && let (Err(Over), left) = self.ask(dialogue, Stage::Data)
        {
            return self.nobody_to_judge(dialogue, left);
        }
        dialogue.kept(count);
    }
}

impl Session {
    /// Reads the next block of the message that the filters let pass.
    #[inline(never)] // Not in every session.
    pub(super) fn pour(&mut self, into: &mut Vec<u8>) -> std::io::Result<usize> {
        into.reserve(limits::CLIENT_INBOX);
        let Some(message) = &self.message else { return Ok(0) };
        message.read(self.poured, into)
    }

    /// The message has gone where it was to go.
    fn forget_message(&mut self) {
        self.chain.forget_message();
        self.mta_heard_of_us = None;
        self.message = None;
        self.poured = 0;
    }

    /// Tells the dialogue what came of it.
    #[inline(never)] // Not in every session.
    pub(super) fn poured(&mut self, dialogue: &mut Dialogue, read: std::io::Result<usize>) {
        let count = match read {
            Ok(count) => count as u64,
            Err(error) => {
                self.note(&format!("cannot read a message that was kept: {error}"));
                // Without its end the MTA takes nothing of it.
                return dialogue.lost(Peer::Mta);
            }
        };
        self.poured += count;
        let last = count == 0 || self.message.as_ref().is_none_or(|m| self.poured >= m.len());
        if last {
            self.forget_message();
        }
        dialogue.poured(last);
    }
}
