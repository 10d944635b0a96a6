//! The session's dialogue, as a state machine that does no I/O and knows no
//! clock: octets of either peer in, [`Step`]s out. It can be run octet by
//! octet, from a file or by a fuzzer, and always says the same.
//!
//! # Rules
//!
//! 1. The client gets exactly one reply to each command, or the connection is
//!    closed. The reply is the MTA's, if it fits the command; else one of ours.
//! 2. The client gets 2yz for its message only after the MTA said 2yz to its
//!    end of mail data; the MTA gets an end of mail data only after the client
//!    sent one.
//! 3. The MTA gets what was understood, and MAIL and RCPT written anew from
//!    their parts; it never gets a line that was not understood.
//! 4. RCPT may follow MAIL and RCPT before these are answered, if the MTA takes
//!    commands in groups (RFC 2920). Every other command waits until nothing is
//!    outstanding: so each judgement is made on what is known, and our own
//!    replies cannot overtake the MTA's.
//! 5. Everything is bounded: what is read, what waits to be written, what is
//!    remembered of a transaction, how many errors are forgiven.
//!
//! # States
//!
//! ```text
//! Calling     connected                               Greeting
//! Greeting    220                                     Commands
//!             4yz, 5yz                                Alone
//! Commands    334 to AUTH                             Auth
//!             354 to DATA                             Data
//!             MTA confused, or lost behind a message  Alone
//! Auth        a line of the client                    Commands
//! Data        end of mail data                        Commands (EndOfData is expected)
//!             MTA lost or too early, bare newline     Discarding
//! Discarding  end of mail data                        Alone, or Closing after a bare newline
//! any         QUIT answered, client gone, time limit, Closing
//!             MTA lost or 421, SIGTERM
//! ```

mod buffer;
mod commands;
mod mail_data;
mod record;
mod replies;
mod state;
mod waits;

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits;
use crate::smtp::reply::Arriving;
use crate::smtp::standing::Standing;

pub use buffer::Inbox;
use buffer::Outbox;
use record::Answer;
pub use record::{Ending, Outcome, Record, Stage, Transaction};
pub use state::{Conduct, Facts, Peer, Step};
use state::{Expected, State};

/// A session's dialogue.
#[derive(Debug)]
pub struct Dialogue {
    time_limit: Option<Duration>,
    state: State,
    client: Inbox,
    mta: Inbox,
    to_client: Outbox,
    to_mta: Outbox,
    /// Octets at the head of `client` that are mail data found good: they go
    /// to the MTA from where they lie.
    passing: usize,
    arriving: Arriving,
    expected: VecDeque<Expected>,
    transaction: Option<Transaction>,
    records: VecDeque<Record>,
    /// The MTA's connection is to be closed.
    hang_up: bool,
    /// The session is to end after the reply to the end of mail data.
    ending: Option<&'static Standing>,
    /// What has come is dealt with; cleared by everything that may change that.
    idle: bool,
    client_closed: bool,
    /// The client cannot be written to any more.
    client_deaf: bool,
    mta_closed: bool,
    /// The MTA cannot be written to any more.
    mta_deaf: bool,
    /// The MTA's last EHLO offered PIPELINING.
    pipelining: bool,
    /// The client has not sent a line yet.
    first_line: bool,
    /// Octets of an overlong line that were thrown away.
    skipped: usize,
    /// Refused commands since the last message.
    errors: u32,
    /// Counts what ends a wait; see [`Dialogue::wait`].
    progress: u64,
    facts: Facts,
}

impl Dialogue {
    /// A dialogue before its first octet. With `time_limit`, each wait for a
    /// peer has this limit instead of the ones of RFC 5321.
    #[must_use]
    pub fn new(time_limit: Option<Duration>) -> Self {
        Dialogue {
            time_limit,
            state: State::Calling,
            client: Inbox::new(limits::CLIENT_INBOX),
            mta: Inbox::new(limits::MTA_INBOX),
            to_client: Outbox::new(limits::REPLY),
            to_mta: Outbox::new(limits::REPLY),
            passing: 0,
            arriving: Arriving::default(),
            expected: VecDeque::with_capacity(4),
            transaction: None,
            records: VecDeque::new(),
            hang_up: false,
            ending: None,
            idle: false,
            client_closed: false,
            client_deaf: false,
            mta_closed: false,
            mta_deaf: false,
            pipelining: false,
            first_line: true,
            skipped: 0,
            errors: 0,
            progress: 0,
            facts: Facts::default(),
        }
    }

    /// What to do next. Writing comes before logging, so that no peer waits
    /// for the log.
    pub fn step(&mut self) -> Step<'_> {
        if matches!(self.state, State::Calling) {
            return Step::Call;
        }
        while !self.idle && self.records.is_empty() {
            self.idle = !self.advance();
        }
        if self.client_deaf {
            self.to_client.clear();
        }
        if std::mem::take(&mut self.hang_up) {
            return Step::HangUp;
        }
        // Commands before replies, and the 354 before the mail data it asked for.
        if !self.to_mta.is_empty() {
            return Step::Write(Peer::Mta, self.to_mta.bytes());
        }
        if !self.to_client.is_empty() {
            return Step::Write(Peer::Client, self.to_client.bytes());
        }
        if self.passing > 0 && !self.mta_deaf {
            return Step::Write(Peer::Mta, self.pending(Peer::Mta));
        }
        if let Some(record) = self.records.pop_front() {
            return Step::Record(record);
        }
        match self.state {
            State::Closing(ending) => Step::Close(ending),
            _ => Step::Await,
        }
    }

    /// Deals with one line or block that is there; false when there is none, or
    /// too much waits to be written.
    fn advance(&mut self) -> bool {
        if self.is_choked() {
            return false;
        }
        let moved = self.mta_input() || self.client_input();
        self.progress += u64::from(moved);
        moved
    }

    /// Does so much wait to be written that nothing more may be made?
    fn is_choked(&self) -> bool {
        let for_client = if self.client_deaf { 0 } else { self.to_client.len() };
        for_client >= limits::OUTBOX || self.to_mta.len() >= limits::OUTBOX
    }

    /// The MTA's connection has been begun.
    pub fn called(&mut self) {
        self.idle = false;
        self.state = State::Greeting;
        self.expected.push_back(Expected::Greeting);
    }

    /// Where to put what a peer sends; see [`Inbox::room`].
    pub fn inbox(&mut self, peer: Peer) -> &mut Inbox {
        self.idle = false;
        match peer {
            Peer::Client => &mut self.client,
            Peer::Mta => &mut self.mta,
        }
    }

    /// Is there room for more from this peer, and a use for it? While mail
    /// data waits for the MTA to take it, the client waits too.
    #[must_use]
    pub fn wants(&self, peer: Peer) -> bool {
        match peer {
            Peer::Client => {
                !self.client_closed
                    && self.client.has_room()
                    && self.passing == 0
                    && self.to_client.is_empty()
                    && !matches!(self.state, State::Calling | State::Closing(_))
            }
            Peer::Mta => self.mta_open() && !self.mta_closed && self.mta.has_room(),
        }
    }

    /// Has the client sent something that will not be dealt with any more?
    #[must_use]
    pub fn has_unread(&self) -> bool {
        !self.client.bytes().is_empty()
    }

    /// What waits for the peer to take it. When one peer takes nothing, the
    /// other is not to wait for it.
    #[must_use]
    pub fn pending(&self, peer: Peer) -> &[u8] {
        match peer {
            Peer::Client => self.to_client.bytes(),
            Peer::Mta if !self.to_mta.is_empty() => self.to_mta.bytes(),
            Peer::Mta if self.mta_deaf => &[],
            Peer::Mta => self.client.bytes().get(..self.passing).unwrap_or_default(),
        }
    }

    /// The peer took this many octets of a [`Step::Write`].
    pub fn sent(&mut self, peer: Peer, count: usize) {
        self.progress += u64::from(count > 0);
        self.idle &= self.passing == 0 && !self.is_choked();
        match peer {
            Peer::Client => self.to_client.sent(count),
            Peer::Mta if !self.to_mta.is_empty() => self.to_mta.sent(count),
            Peer::Mta => {
                let count = count.min(self.passing);
                self.passing -= count;
                let whole =
                    self.passing == 0 && matches!(self.expected.front(), Some(Expected::EndOfData));
                self.facts.relayed += count as u64;
                self.client.consume(count);
                // What it began to say before it had the whole is no answer.
                if whole && self.mta_speaks() {
                    self.confused();
                }
            }
        }
    }

    /// A record that is not to wait until what is pending is written.
    pub fn take_record(&mut self) -> Option<Record> {
        self.idle = false;
        self.records.pop_front()
    }

    /// The peer will send nothing more.
    pub fn closed(&mut self, peer: Peer) {
        self.idle = false;
        match peer {
            Peer::Client => self.client_closed = true,
            Peer::Mta => self.mta_closed = true,
        }
    }

    /// The connection to the peer is broken, or could not be made.
    pub fn lost(&mut self, peer: Peer) {
        self.closed(peer);
        match (peer, &self.state) {
            (Peer::Client, _) => {
                self.client_deaf = true;
                self.to_client.clear();
                self.client.clear();
                // The end of the message is lost with what lay before it, so
                // the MTA will never answer it.
                if std::mem::take(&mut self.passing) > 0 {
                    self.close(Ending::ClientLeft);
                }
            }
            (Peer::Mta, State::Calling) => self.mta_lost(Conduct::Lost),
            // What it said before it went still counts.
            (Peer::Mta, _) => {
                self.mta_deaf = true;
                self.to_mta.clear();
            }
        }
    }

    /// What is known of the session.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// May the MTA still send us something?
    fn mta_open(&self) -> bool {
        match self.state {
            State::Greeting | State::Commands | State::Auth | State::Data(_) => true,
            State::Calling | State::Discarding { .. } | State::Alone(_) | State::Closing(_) => {
                false
            }
        }
    }

    /// Leaves the MTA's connection: what it was still to get, it does not get.
    fn leave_mta(&mut self, next: State) {
        self.hang_up |= self.mta_open();
        self.state = next;
        self.to_mta.clear();
        self.mta.clear();
        self.expected.clear();
        self.client.consume(std::mem::take(&mut self.passing));
    }

    /// Closes the session once everything for the client is sent.
    fn close(&mut self, ending: Ending) {
        if matches!(self.state, State::Closing(_)) {
            return;
        }
        for expected in std::mem::take(&mut self.expected) {
            if let Expected::Rcpt { to } = expected {
                self.recipient_refused(to, ending.outcome(Stage::Rcpt));
            }
        }
        self.end_transaction(ending.outcome(Stage::Data));
        self.leave_mta(State::Closing(ending));
    }

    /// Tells the client why, then closes.
    fn say_and_close(&mut self, reply: &'static Standing) {
        self.facts.last_refusal = Some(reply.rule);
        reply.encode(self.to_client.tail());
        self.close(Ending::Closed(reply));
    }

    /// The transaction ends without an answer to its message.
    fn end_transaction(&mut self, outcome: Outcome) {
        if let Some(mut transaction) = self.transaction.take() {
            let outcome = transaction.refusal.take().unwrap_or(outcome);
            self.record(transaction, outcome);
        }
    }

    fn record(&mut self, transaction: Transaction, outcome: Outcome) {
        if !transaction.to.is_empty() {
            self.records.push_back(Record { transaction, outcome });
        }
    }
}
