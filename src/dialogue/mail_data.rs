//! Mail data: passed to the MTA from where it lies, or thrown away.

#[cfg(doc)]
use super::Step;
use super::state::Discarded;
use super::{Answer, Dialogue, Ending, Expected, State};
use crate::smtp::data::{MailData, Scan};
use crate::smtp::reply::Reply;
use crate::smtp::standing::{self, Standing};
use crate::stage::{Ruling, Stage};

impl Dialogue {
    /// Looks at the mail data that is there and marks what may pass.
    pub(super) fn data_input(&mut self) -> bool {
        let State::Data(before) = self.state else {
            return false;
        };
        let mut data = before;
        let found = data.scan(self.client.bytes());
        // Half a reply before the message is over is not half its answer; the
        // rest is thrown away from where it began.
        if matches!(found, Scan::End(_)) && self.mta_speaks() && self.expected.is_empty() {
            self.confused();
            return true;
        }
        self.state = State::Data(data);
        match found {
            Scan::Within(0) => return self.client_end(),
            // What is good before a bare newline passes first, so that it makes
            // no difference how the client's octets were cut into packets.
            Scan::Within(count) | Scan::Bare(count @ 1..) => self.passing = count,
            Scan::End(count) => {
                self.passing = count;
                if self.plan.keep {
                    self.state = State::Judging;
                } else {
                    self.expected.push_back(Expected::EndOfData);
                    self.state = State::Commands;
                }
            }
            Scan::Bare(0) => {
                data.pass_bare();
                self.client.consume(1);
                let bare = &standing::BARE_NEWLINE_IN_DATA;
                self.summary.last_refusal = Some(bare.rule);
                self.discard(data, Answer::Ours(bare), Some(Ending::Closed(bare)));
            }
        }
        true
    }

    /// Are there octets of a message that the MTA has not taken?
    pub(super) fn is_passing(&self) -> bool {
        let message = matches!(self.expected.front(), Some(Expected::EndOfData));
        self.passing > 0 || (message && self.plan.keep && !self.to_mta.is_empty())
    }

    /// Is this [`Step::Keep`] the first of a message? Then whatever was kept of the
    /// one before, it must be forgotten. True once.
    pub fn message_begins(&mut self) -> bool {
        std::mem::take(&mut self.message_begins)
    }

    /// What is to be kept, of a [`Step::Keep`].
    #[must_use]
    pub fn to_keep(&self) -> &[u8] {
        self.passing_octets()
    }

    /// This many octets of a [`Step::Keep`] are kept.
    pub fn kept(&mut self, count: usize) {
        self.idle = false;
        self.progress += 1;
        self.passed(count.min(self.passing));
        if self.passing == 0 && matches!(self.state, State::Judging) {
            self.ask(Stage::Message, &[]);
        }
    }

    /// Lets the MTA know that we are there, while a message is kept.
    pub fn keep_alive(&mut self) {
        let coming = matches!(self.state, State::Data(_) | State::Chunk);
        if self.connected && coming && self.expected.is_empty() {
            self.idle = false;
            self.to_mta.tail().extend_from_slice(b"NOOP\r\n");
            self.expected.push_back(Expected::OurNoop);
        }
    }

    /// Is the message complete with these octets of a [`Step::Keep`]?
    #[must_use]
    pub fn has_whole_message(&self, count: usize) -> bool {
        matches!(self.state, State::Judging) && count == self.passing
    }

    /// What was to be kept cannot be: the message is refused with this reply.
    pub fn cannot_keep(&mut self, reply: &'static Standing) {
        self.idle = false;
        self.summary.last_refusal = Some(reply.rule);
        self.passed(self.passing);
        match self.state {
            State::Data(data) => self.discard(data, Answer::Ours(reply), None),
            State::Chunk => self.refuse_message(Answer::Ours(reply)),
            State::Judging => {
                self.state = State::Commands;
                self.answer(Expected::EndOfData, Answer::Ours(reply));
                self.reset_mta();
            }
            _ => {}
        }
    }

    /// The filters have seen the message.
    pub(super) fn message_judged(&mut self, ruling: Ruling) {
        // The MTA may have left meanwhile, and the client been told.
        if !matches!(self.state, State::Judging) {
            return;
        }
        if let Ruling::Refuse(refusal) = ruling {
            self.count_refusal(refusal.rule);
            self.state = State::Commands;
            self.answer(Expected::EndOfData, Answer::Refused(Box::new(refusal)));
            self.reset_mta();
        } else if self.expected.is_empty() && self.mta_speaks() {
            // It cannot be the answer to DATA.
            self.confused();
        } else {
            self.to_mta.tail().extend_from_slice(b"DATA\r\n");
            self.expected.push_back(Expected::OurData);
            self.state = State::Handing;
        }
    }

    /// The MTA answered our DATA.
    pub(super) fn handed(&mut self, reply: Reply) {
        if reply.code == 354 {
            self.state = State::Pouring;
            return;
        }
        self.state = State::Commands;
        self.answer(Expected::EndOfData, Answer::Mta(reply));
        self.reset_mta();
    }

    /// The next block of the message was appended to a [`Step::Pour`]; it is the
    /// `last` one.
    pub fn poured(&mut self, last: bool) {
        self.idle = false;
        self.progress += 1;
        if last && matches!(self.state, State::Pouring) {
            self.expected.push_back(Expected::EndOfData);
            self.state = State::Commands;
        }
    }

    /// The MTA has begun a transaction that comes to nothing.
    pub(super) fn reset_mta(&mut self) {
        if self.connected && matches!(self.state, State::Commands) {
            self.to_mta.tail().extend_from_slice(b"RSET\r\n");
            self.expected.push_back(Expected::OurRset);
        }
    }

    /// The MTA spoke before it had the whole message. A refusal is kept for the
    /// client, who looks for it after the end of its data; anything else is not
    /// to be trusted.
    pub(super) fn early_reply(&mut self, reply: Reply) {
        // A message that is kept is none that the MTA could refuse.
        let unasked = self.plan.keep && !matches!(self.state, State::Pouring) && reply.code != 421;
        if reply.class() < 4 || unasked {
            return self.confused_by(&reply);
        }
        let answer = Answer::Mta(reply);
        if let State::Data(data) = self.state {
            self.discard(data, answer, None);
        } else if matches!(self.state, State::Chunk) {
            self.chunk_loses_mta(answer);
        } else {
            // The end of mail data is here, but not yet with the MTA.
            self.leave_mta(State::Alone(&standing::MTA_AWAY));
            self.answer(Expected::EndOfData, answer);
        }
    }

    /// The rest of the mail data goes nowhere; its end gets this answer.
    pub(super) fn discard(&mut self, data: MailData, answer: Answer, then: Option<Ending>) {
        self.leave_mta(State::Discarding(Box::new(Discarded { data, answer, then })));
    }

    /// Throws away the mail data that is there.
    pub(super) fn discard_input(&mut self) -> bool {
        let State::Discarding(discarded) = &mut self.state else {
            return false;
        };
        match discarded.data.scan(self.client.bytes()) {
            Scan::Within(0) => return self.client_end(),
            Scan::Within(count) => self.client.consume(count),
            Scan::Bare(at) => {
                discarded.data.pass_bare();
                self.client.consume(at + 1);
            }
            Scan::End(count) => {
                self.client.consume(count);
                self.finish_discarding();
            }
        }
        true
    }

    /// The end of refused mail data: the client gets its answer.
    pub(super) fn finish_discarding(&mut self) {
        let alone = State::Alone(&standing::MTA_AWAY);
        if let State::Discarding(discarded) = std::mem::replace(&mut self.state, alone) {
            self.answer(Expected::EndOfData, discarded.answer);
            if let Some(ending) = discarded.then {
                self.close(ending);
            }
        }
    }
}
