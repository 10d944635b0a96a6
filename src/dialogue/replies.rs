//! The MTA's replies: matched to the commands they answer, and passed if they
//! fit.

use super::record::ABANDONED;
use super::{Answer, Conduct, Dialogue, Ending, Expected, Outcome, Protection, State, Transaction};
use crate::limits;
use crate::smtp::data::MailData;
use crate::smtp::ehlo::{self, StartTls, Withheld};
use crate::smtp::line::{CRLF, Framed, frame};
use crate::smtp::reply::Reply;
use crate::smtp::standing::{self, Standing};
use crate::stage::Stage;

impl Expected {
    /// Can this reply be the answer? A positive reply to something else than
    /// was asked is the one thing that must never be passed.
    fn fits(&self, reply: &Reply) -> bool {
        match (reply.class(), self) {
            (4 | 5, _) => true,
            (2, Expected::Greeting | Expected::Xclient) => reply.code == 220,
            (2, Expected::Auth) => reply.code == 235,
            (2, Expected::StartTls) => reply.code == 220,
            (2, Expected::Data | Expected::OurData | Expected::ChunkData) => false,
            (2, Expected::Rcpt { .. }) => matches!(reply.code, 250..=252),
            (2, Expected::Other) => !matches!(reply.code, 220 | 221 | 235),
            (2, Expected::Quit) => reply.code == 221,
            (2, _) => reply.code == 250,
            (3, Expected::Data | Expected::OurData | Expected::ChunkData) => reply.code == 354,
            (3, Expected::Auth) => reply.code == 334,
            _ => false,
        }
    }
}

impl Dialogue {
    /// Deals with the next line of the MTA, if it is complete.
    pub(super) fn mta_input(&mut self) -> bool {
        if !self.connected {
            return false;
        }
        let framed = frame(self.mta.bytes(), self.mta.seen);
        match framed {
            Framed::Line(length) => {
                let line = self.mta.bytes().get(..length).unwrap_or_default();
                match self.arriving.line(line) {
                    Ok(arrived) => {
                        self.mta.consume(length + CRLF);
                        match arrived {
                            Some(reply) => self.reply(reply),
                            // Half a reply is no progress: who sends one line of it now and
                            // then has no more time than who says nothing.
                            None => self.progress = self.progress.wrapping_sub(1),
                        }
                    }
                    Err(_) => self.confused(),
                }
                true
            }
            Framed::Partial(seen) if seen <= limits::REPLY_LINE => {
                self.mta.seen = seen;
                if self.mta_closed {
                    self.mta_lost(Conduct::Lost);
                }
                self.mta_closed
            }
            Framed::Partial(_) | Framed::Bare(_) => {
                self.confused();
                true
            }
        }
    }

    /// Has the MTA begun to say something? If nothing is outstanding, it cannot
    /// be the answer to what is sent next.
    pub(super) fn mta_speaks(&self) -> bool {
        !self.mta.bytes().is_empty() || self.arriving.has_begun()
    }

    fn reply(&mut self, reply: Reply) {
        // Before the whole message is with the MTA, nothing it says can be the
        // answer to it.
        if matches!(self.state, State::Data(_) | State::Pouring)
            || self.is_passing()
            || self.is_amid_chunk()
        {
            // But for what we said so that it waits; what it thinks of that is its own
            // affair, unless it leaves.
            if reply.code != 421 && matches!(self.expected.front(), Some(Expected::OurNoop)) {
                self.expected.pop_front();
                return;
            }
            return self.early_reply(reply);
        }
        if reply.code >= 400 && self.call_next_after(&reply) {
            return;
        }
        match self.expected.pop_front() {
            Some(expected) if expected.fits(&reply) => {
                if self.is_our_own(&expected) {
                    self.own_command_answered(&expected, reply);
                } else {
                    self.answer(expected, Answer::Mta(reply));
                }
                self.say_refusals();
            }
            Some(expected) => {
                self.expected.push_front(expected);
                self.confused_by(&reply);
            }
            None if reply.code == 421 => {
                reply.encode(self.to_client.tail());
                self.mta_closes();
            }
            None => self.confused_by(&reply),
        }
    }

    /// What the client is not offered though the MTA has it.
    pub(super) fn withheld(&self) -> Withheld {
        Withheld {
            binarymime: self.plan.keep,
            auth: self.hides_auth(),
            auth_beside_starttls: self.plan.hides_auth,
            // A client that is or will be held does not get out of sight.
            starttls: self.plan.starttls != StartTls::Pass || self.is_suspect(),
        }
    }

    /// Gives the client its answer, and does what follows from it.
    pub(super) fn answer(&mut self, expected: Expected, mut answer: Answer) {
        let positive = answer.code() < 400;
        if let (Expected::Hello { extended, .. }, Answer::Mta(reply)) = (&expected, &mut answer)
            && positive
        {
            // HELO offers no extensions, whatever the MTA adds to its name.
            self.offered = ehlo::filter(reply, *extended, self.withheld());
            if self.plan.starttls == StartTls::Terminate
                || self.offered.starttls
                || self.protection != Protection::Clear
            {
                self.offer_starttls(reply, *extended);
            }
        }
        match &answer {
            Answer::Mta(reply) => reply.encode(self.to_client.tail()),
            Answer::Ours(standing) => self.say(standing),
            Answer::Refused(refusal) => refusal.encode(self.to_client.tail()),
        }
        match expected {
            Expected::Greeting if positive => self.state = State::Commands,
            // Refused for now, or for good.
            Expected::Greeting if answer.code() < 500 => {
                self.leave_mta(State::Alone(&standing::MTA_AWAY));
            }
            Expected::Greeting => self.leave_mta(State::Alone(&standing::REFUSED)),
            // RFC 5321 4.1.4: if it is refused, the transaction goes on.
            Expected::Hello { line, .. } if positive => {
                self.summary.hello = line;
                self.end_transaction(Outcome::none(Stage::Data, ABANDONED));
                self.hold_without_auth();
            }
            Expected::Rset if positive => {
                self.end_transaction(Outcome::none(Stage::Data, ABANDONED));
            }
            Expected::Mail => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.refused = !positive;
                }
            }
            Expected::Rcpt { to, line } => self.recipient(to, &line, positive, &answer),
            Expected::Data => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.refusal = (!positive).then(|| answer.outcome(Stage::Data));
                }
                if positive {
                    self.state = State::Data(MailData::default());
                }
            }
            Expected::EndOfData => self.message(positive, &answer),
            Expected::Chunk if !positive => self.message(false, &answer),
            Expected::Chunk => {}
            Expected::Auth => self.auth_answered(answer.code()),
            Expected::StartTls if positive => self.pass_to_mta(),
            Expected::Quit => self.close(Ending::Quit),
            Expected::Hello { .. } | Expected::Rset | Expected::StartTls | Expected::Other => {}
            // Not the client's, or never the MTA's.
            Expected::OurEhlo
            | Expected::Xclient
            | Expected::OurHello
            | Expected::OurMail
            | Expected::OurData
            | Expected::ChunkData
            | Expected::OurNoop
            | Expected::OurRset
            | Expected::Refused { .. } => {}
        }
        if let Answer::Mta(reply) = answer {
            // After QUIT the session is over either way.
            if reply.code == 421 && !matches!(self.state, State::Closing(_)) {
                self.mta_closes();
            }
            self.arriving.reuse(reply);
        }
    }

    fn recipient(&mut self, to: Vec<u8>, line: &[u8], accepted: bool, answer: &Answer) {
        match &mut self.transaction {
            Some(transaction) if accepted && !transaction.refused => {
                transaction.refusal = None;
                transaction.lines.extend_from_slice(line);
                transaction.to.push(to);
            }
            // To accept a recipient of a transaction that was refused is nothing.
            Some(_) if accepted => {
                self.recipient_refused(to, Outcome::none(Stage::Rcpt, ABANDONED));
            }
            _ => self.recipient_refused(to, answer.outcome(Stage::Rcpt)),
        }
    }

    pub(super) fn recipient_refused(&mut self, to: Vec<u8>, outcome: Outcome) {
        let alone = self.recipient_alone(to);
        self.record(alone, outcome);
    }

    /// One recipient of the transaction, for a record of its own.
    pub(super) fn recipient_alone(&self, to: Vec<u8>) -> Transaction {
        let from = self.transaction.as_ref().map(|t| t.from.clone()).unwrap_or_default();
        Transaction { from, to: vec![to], ..Transaction::default() }
    }

    /// The message's fate is decided.
    pub(super) fn message(&mut self, taken: bool, answer: &Answer) {
        if let Some(transaction) = self.transaction.take() {
            self.record(transaction, answer.outcome(Stage::Message));
        }
        if self.chunks.is_some() {
            self.chunks_are_over(answer);
        }
        if taken {
            self.summary.messages += 1;
            self.errors = 0;
        }
        // A 421 ends it as well.
        if let Some(reply) = self.ending
            && answer.code() != 421
        {
            self.say_and_close(reply);
        }
        if let Answer::Refused(refusal) = answer
            && refusal.code.get() == 421
        {
            self.close(Ending::Refused(refusal.rule));
        }
    }

    /// The MTA sent octets that are no reply, which stand in its inbox.
    pub(super) fn confused(&mut self) {
        let said = self.mta.bytes();
        self.summary.mta_said = said.get(..limits::LOGGED_TEXT).unwrap_or(said).to_vec();
        self.give_up_mta(Conduct::Confused, &standing::MTA_CONFUSED);
    }

    /// The MTA gave a reply that cannot be the answer to what it was asked; from
    /// here on no reply of it can be trusted to be for anything.
    pub(super) fn confused_by(&mut self, reply: &Reply) {
        self.summary.mta_said.clear();
        reply.encode(&mut self.summary.mta_said);
        self.give_up_mta(Conduct::Confused, &standing::MTA_CONFUSED);
    }

    /// The MTA's connection is lost, or it is silent for too long.
    pub(super) fn mta_lost(&mut self, conduct: Conduct) {
        let message =
            matches!(
                self.state,
                State::Data(_) | State::Chunk | State::Judging | State::Handing | State::Pouring
            ) || matches!(self.expected.front(), Some(Expected::EndOfData | Expected::Chunk));
        let reply = if message { &standing::MESSAGE_UNDECIDED } else { &standing::MTA_AWAY };
        self.give_up_mta(conduct, reply);
    }

    /// Leaves the MTA; `reply` is for the message or command that is
    /// outstanding, and 421 for all behind it.
    pub(super) fn give_up_mta(&mut self, conduct: Conduct, reply: &'static Standing) {
        // To QUIT no answer is needed, and nothing is lost without.
        if let Some(Expected::Quit) = self.expected.front() {
            self.summary.mta_said.clear();
            return self.answer(Expected::Quit, Answer::Ours(&standing::BYE));
        }
        self.summary.mta = conduct;
        if matches!(self.state, State::Calling | State::Greeting) && self.call_next() {
            return;
        }
        self.summary.last_refusal = Some(reply.rule);
        match self.state {
            State::CatchingUp => self.cannot_catch_up(None),
            State::Calling | State::Greeting if self.held => self.cannot_catch_up(None),
            // RFC 5321 4.3.2: the greeting is 220, 421 or 554.
            State::Calling | State::Greeting => self.say_and_close(&standing::MTA_AWAY),
            State::Data(data) => self.discard(data, Answer::Ours(reply), None),
            State::Chunk => self.chunk_loses_mta(Answer::Ours(reply)),
            State::Judging | State::Handing | State::Pouring => {
                self.leave_mta(State::Alone(&standing::MTA_AWAY));
                self.answer(Expected::EndOfData, Answer::Ours(reply));
            }
            State::Commands | State::Auth => match self.expected.pop_front() {
                // The client has not asked for anything that could be answered.
                Some(expected) if self.is_our_own(&expected) => {
                    self.say_and_close(&standing::MTA_AWAY);
                }
                Some(expected) => self.give_up_outstanding(expected, reply),
                None => self.say_and_close(&standing::MTA_AWAY),
            },
            State::StartTls(_) => self.say_and_close(&standing::MTA_AWAY),
            State::Arrived | State::Discarding(_) | State::Alone(_) | State::Closing(_) => {}
        }
    }

    fn give_up_outstanding(&mut self, expected: Expected, reply: &'static Standing) {
        self.answer(expected, Answer::Ours(reply));
        if reply.code == 421 {
            self.close(Ending::Closed(reply));
        } else if !self.expected.is_empty() {
            self.say_and_close(&standing::MTA_AWAY);
        } else if self.connected {
            self.leave_mta(State::Alone(&standing::MTA_AWAY));
        }
    }

    /// The MTA closes the session with its own 421, which the client has got.
    pub(super) fn mta_closes(&mut self) {
        self.summary.mta = Conduct::Closing;
        self.close(Ending::MtaClosed);
    }
}
