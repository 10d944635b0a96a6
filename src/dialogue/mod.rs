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
//! 5. Filters are asked about a command when it is its turn, once; their refusal
//!    of a recipient waits for its turn as a reply. A client that is held until
//!    RCPT is spoken to by us, without the MTA (`held`).
//! 6. Mail data that filters look at is kept whole; the MTA hears of DATA when
//!    they have let it pass, and gets RSET when they have not.
//! 7. An MTA that is to learn who the client is hears nothing of the client before
//!    it does, and is left if it does not (`introduction`).
//! 8. Of a chunk as many octets as BDAT says are content, whatever becomes of it (`chunking`).
//! 9. Where AUTH may lift what filters found, the client is not held before MAIL (`auth`).
//! 10. What a peer sent before a handshake of TLS counts for nothing behind it (`starttls`).
//! 11. Everything is bounded: what is read, what waits to be written, what is
//!     remembered of a transaction, how many errors are forgiven.
//!
//! # States
//!
//! ```text
//! Arrived     the filters pass, hold, refuse          Calling, Commands, Closing or Alone
//! Calling     connected                               Greeting
//!             not connected                           Calling the next MTA, or Closing
//! Greeting    220                                     Commands, or CatchingUp for a held client
//!             4yz, 5yz                                Alone
//!             4yz or lost, and there is another MTA   Calling (`introduction`)
//! Commands    334 to AUTH                             Auth
//!             STARTTLS, its turn, or 220 of the MTA   StartTls
//!             354 to DATA, ours if it is kept         Data
//!             a held client's RCPT is let through     Calling
//!             BDAT                                    Chunk
//!             MTA confused, or lost behind a message  Alone
//! Auth        a line of the client                    Commands
//! StartTls    encrypted, or not ready to              Commands
//!             no handshake, or MTA's TLS is over      Closing
//! CatchingUp  the MTA said yes to it all, or no       Commands
//! Data        end of mail data                        Commands (EndOfData is expected)
//!             end of mail data that is kept           Judging
//!             MTA lost or too early, bare newline     Discarding
//! Chunk       all of it has passed or is thrown away  Commands, Judging, Alone, Closing
//! Judging     the filters pass, refuse                Handing, Commands
//! Handing     354 to our DATA, 4yz or 5yz             Pouring, Commands
//! Pouring     all sent                                Commands (EndOfData is expected)
//! Discarding  end of mail data                        Alone, or Closing after a bare newline
//! any         QUIT answered, client gone, time limit, Closing
//!             MTA lost or 421, SIGTERM
//! ```

mod auth;
mod buffer;
mod chunking;
mod chunks;
mod commands;
mod ending;
mod held;
mod introduction;
mod mail_data;
mod record;
mod replies;
mod starttls;
mod state;
mod traffic;
mod waits;

use std::collections::VecDeque;

use crate::limits;
use crate::smtp::ehlo::Offered;
use crate::smtp::reply::Arriving;
use crate::smtp::standing::Standing;
use crate::stage::{Ruling, Stage};

use auth::Auth;
pub(crate) use auth::known_mechanism;
pub use buffer::Inbox;
use buffer::Outbox;
use chunks::Chunks;
use introduction::Introduction;
use record::Answer;
pub use record::{Ending, Outcome, Record, Transaction};
pub use state::{Conduct, Peer, Plan, Step, Summary, View, helo};
use state::{Expected, Protection, Question, State};

/// A session's dialogue.
#[derive(Debug)]
pub struct Dialogue {
    plan: Plan,
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
    records: VecDeque<Box<Record>>,
    /// What the filters are to be asked.
    question: Option<Question>,
    /// What they said of the line at the head of `client`.
    ruling: Option<Box<Ruling>>,
    /// The client has been greeted by us, for it will be refused.
    held: bool,
    /// Our host name, for such a client.
    our_name: String,
    /// The rule by which the session as a whole was refused.
    refused_by: Option<&'static str>,
    /// There is a connection to the MTA, or one being made.
    connected: bool,
    /// Which MTA that is.
    upstream: usize,
    /// It is being told who the client is, and has not greeted it yet.
    introduction: Option<Box<Introduction>>,
    /// The next [`Step::Keep`] is the first of a message.
    message_begins: bool,
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
    /// What the MTA's last EHLO offered.
    offered: Offered,
    /// A message that comes in chunks.
    chunks: Option<Box<Chunks>>,
    /// What AUTH is about, if it is about anything.
    auth: Option<Box<Auth>>,
    /// What protects the client's connection.
    protection: Protection,
    /// The client has not sent a line yet.
    first_line: bool,
    /// Octets of an overlong line that were thrown away.
    skipped: usize,
    /// Refused commands since the last message.
    errors: u32,
    /// Counts what ends a wait; see [`Dialogue::wait`].
    progress: u64,
    summary: Summary,
}

impl Dialogue {
    /// A dialogue before its first octet.
    #[must_use]
    #[inline(always)] // It is made where it stays.
    pub fn new(plan: Plan) -> Self {
        let filters_first = plan.consult.has(Stage::Connect);
        let connect = Question { stage: Stage::Connect, subject: Vec::new() };
        Dialogue {
            plan,
            state: if filters_first { State::Arrived } else { State::Calling },
            client: Inbox::new(limits::COMMANDS, limits::CLIENT_INBOX),
            mta: Inbox::new(limits::REPLIES, limits::MTA_INBOX),
            to_client: Outbox::new(limits::REPLY),
            to_mta: Outbox::new(limits::REPLY),
            passing: 0,
            arriving: Arriving::default(),
            expected: VecDeque::with_capacity(4),
            transaction: None,
            records: VecDeque::new(),
            question: filters_first.then_some(connect),
            ruling: None,
            held: false,
            our_name: String::new(),
            refused_by: None,
            connected: false,
            upstream: 0,
            introduction: None,
            message_begins: false,
            hang_up: false,
            ending: None,
            idle: false,
            client_closed: false,
            client_deaf: false,
            mta_closed: false,
            mta_deaf: false,
            offered: Offered::default(),
            chunks: None,
            auth: None,
            protection: if plan.encrypted { Protection::Encrypted } else { Protection::Clear },
            first_line: true,
            skipped: 0,
            errors: 0,
            progress: 0,
            summary: Summary::default(),
        }
    }

    /// What to do next. Writing comes before logging, so that no peer waits
    /// for the log.
    pub fn step(&mut self) -> Step<'_> {
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
        if self.passing > 0 && self.plan.keep {
            return Step::Keep(self.passing_octets());
        }
        if self.passing > 0 && !self.mta_deaf {
            return Step::Write(Peer::Mta, self.pending(Peer::Mta));
        }
        if let Some(record) = self.records.pop_front() {
            return Step::Record(record);
        }
        match (&self.state, &self.question) {
            (State::Closing(ending), _) => Step::Close(*ending),
            (_, Some(question)) => Step::Consult(question.stage),
            (State::Calling, _) => Step::Call,
            (State::StartTls(phase), _) => self.starttls_step(*phase),
            (State::Pouring, _) if !self.mta_deaf => Step::Pour(self.to_mta.tail()),
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
        self.progress = self.progress.wrapping_add(moved.into());
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
        self.connected = true;
        self.mta_closed = false;
        self.mta_deaf = false;
        if self.upstream > 0 {
            // What the one before did is its own affair.
            self.summary.mta = Conduct::Ok;
            self.summary.mta_said.clear();
        }
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
            Peer::Mta => self.connected && !self.mta_closed && self.mta.has_room(),
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
            Peer::Mta if self.mta_deaf || self.plan.keep => &[],
            Peer::Mta => self.passing_octets(),
        }
    }

    /// A record that is not to wait until what is pending is written.
    pub fn take_record(&mut self) -> Option<Box<Record>> {
        self.idle = false;
        self.records.pop_front()
    }

    /// What there is to tell of the session.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}
