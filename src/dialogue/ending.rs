//! How things end: the MTA's connection, a transaction, the session.

use super::{Dialogue, Ending, Expected, Outcome, Record, State, Transaction};
use crate::smtp::standing::{self, Standing};
use crate::stage::Stage;

impl Dialogue {
    /// Leaves the MTA's connection: what it was still to get, it does not get.
    pub(super) fn leave_mta(&mut self, next: State) {
        self.hang_up |= std::mem::take(&mut self.connected);
        self.state = next;
        self.to_mta.clear();
        self.mta.clear();
        self.arriving.clear();
        self.introduction = None;
        self.question = None;
        self.ruling = None;
        self.expected.clear();
        self.passed(self.passing);
    }

    /// Closes the session once everything for the client is sent.
    pub(super) fn close(&mut self, ending: Ending) {
        if matches!(self.state, State::Closing(_)) {
            return;
        }
        for expected in std::mem::take(&mut self.expected) {
            if let Expected::Rcpt { to, .. } | Expected::Refused { to, .. } = expected {
                self.recipient_refused(to, ending.outcome(Stage::Rcpt));
            }
        }
        self.end_transaction(ending.outcome(Stage::Data));
        self.leave_mta(State::Closing(ending));
    }

    /// Gives the client a reply of ours.
    pub(super) fn say(&mut self, reply: &'static Standing) {
        let reply = if self.plan.original { standing::as_original(reply) } else { reply };
        reply.encode(self.to_client.tail());
    }

    /// Tells the client why, then closes.
    pub(super) fn say_and_close(&mut self, reply: &'static Standing) {
        self.summary.last_refusal = Some(reply.rule);
        self.say(reply);
        self.close(Ending::Closed(reply));
    }

    /// The transaction ends without an answer to its message.
    pub(super) fn end_transaction(&mut self, outcome: Outcome) {
        self.chunks = None;
        if let Some(mut transaction) = self.transaction.take() {
            let outcome = transaction.refusal.take().unwrap_or(outcome);
            self.record(transaction, outcome);
        }
    }

    pub(super) fn record(&mut self, transaction: Transaction, outcome: Outcome) {
        if !transaction.to.is_empty() {
            self.records.push_back(Box::new(Record { transaction, outcome }));
        }
    }
}
