//! Mail data: passed to the MTA from where it lies, or thrown away.

use super::{Answer, Dialogue, Ending, Expected, State};
use crate::smtp::data::{MailData, Scan};
use crate::smtp::reply::Reply;
use crate::smtp::standing;

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
        if matches!(found, Scan::End(_)) && self.mta_speaks() {
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
                self.expected.push_back(Expected::EndOfData);
                self.state = State::Commands;
            }
            Scan::Bare(0) => {
                data.pass_bare();
                self.client.consume(1);
                let bare = &standing::BARE_NEWLINE_IN_DATA;
                self.facts.last_refusal = Some(bare.rule);
                self.discard(data, Answer::Ours(bare), Some(Ending::Closed(bare)));
            }
        }
        true
    }

    /// The MTA spoke before it had the whole message. A refusal is kept for the
    /// client, who looks for it after the end of its data; anything else is not
    /// to be trusted.
    pub(super) fn early_reply(&mut self, reply: Reply) {
        if reply.class() < 4 {
            return self.confused_by(&reply);
        }
        let answer = Answer::Mta(reply);
        if let State::Data(data) = self.state {
            self.discard(data, answer, None);
        } else {
            // The end of mail data is here, but not yet with the MTA.
            self.leave_mta(State::Alone(&standing::MTA_AWAY));
            self.answer(Expected::EndOfData, answer);
        }
    }

    /// The rest of the mail data goes nowhere; its end gets this answer.
    pub(super) fn discard(&mut self, data: MailData, answer: Answer, then: Option<Ending>) {
        self.leave_mta(State::Discarding { data, answer, then });
    }

    /// Throws away the mail data that is there.
    pub(super) fn discard_input(&mut self) -> bool {
        let State::Discarding { data, .. } = &mut self.state else {
            return false;
        };
        match data.scan(self.client.bytes()) {
            Scan::Within(0) => return self.client_end(),
            Scan::Within(count) => self.client.consume(count),
            Scan::Bare(at) => {
                data.pass_bare();
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
        if let State::Discarding { answer, then, .. } = std::mem::replace(&mut self.state, alone) {
            self.answer(Expected::EndOfData, answer);
            if let Some(ending) = then {
                self.close(ending);
            }
        }
    }
}
