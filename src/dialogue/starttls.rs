//! STARTTLS (RFC 3207): done by us, or by the MTA past us.
//!
//! From the command on nothing of the client is read before the handshake: while our
//! replies wait to be sent it is not, and behind them comes the handshake. What is
//! there already was sent in clear text, by whoever, and is thrown away, so that it
//! cannot be taken for something said under the protection of TLS; with the MTA's
//! handshake the same goes for what the MTA sent behind its 220. What the client said
//! of itself is forgotten, and it has to say EHLO again.
//!
//! The MTA hears nothing of a handshake that is ours, but that a transaction is over.
//! A client that is held stays held. There is no way back to clear text: a handshake
//! that fails ends the session.

use super::record::ABANDONED;
use super::state::{Phase, Protection, Step};
use super::{Dialogue, Ending, Outcome, Peer, State};
use crate::smtp::ehlo::{self, StartTls};
use crate::smtp::reply::Reply;
use crate::smtp::standing::{self, Standing};
use crate::stage::Stage;

impl Dialogue {
    /// Is the client's connection encrypted, by us?
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.protection, Protection::Fresh | Protection::Encrypted)
    }

    /// Do we offer STARTTLS in a reply to EHLO now?
    pub(super) fn may_offer_starttls(&self) -> bool {
        self.plan.starttls == StartTls::Terminate
            && !self.is_encrypted()
            && self.summary.authenticated.is_none()
    }

    /// The MTA accepted EHLO (`extended`) or HELO: STARTTLS is offered if it is ours.
    #[cold]
    pub(super) fn offer_starttls(&mut self, reply: &mut Reply, extended: bool) {
        let ours = extended && self.may_offer_starttls();
        if ours {
            reply.add(ehlo::STARTTLS.as_bytes());
        }
        self.greeted_anew(ours || self.offered.starttls);
    }

    /// EHLO or HELO was accepted; `offered`: its reply offers STARTTLS.
    pub(super) fn greeted_anew(&mut self, offered: bool) {
        self.protection = match (self.protection, offered) {
            (Protection::Fresh | Protection::Encrypted, _) => Protection::Encrypted,
            (_, true) => Protection::Offered,
            (_, false) => Protection::Clear,
        };
    }

    /// Why STARTTLS is not to be had now.
    #[cold]
    pub(super) fn no_starttls(&self) -> Option<&'static Standing> {
        match self.protection {
            Protection::Fresh | Protection::Encrypted => Some(&standing::ALREADY_ENCRYPTED),
            // Its MTA may be within mail data.
            _ if self.chunks.is_some() => Some(&standing::CHUNKS_ONLY),
            // The MTA would not forget who it is (RFC 3207 4.2).
            _ if self.summary.authenticated.is_some() => Some(&standing::NOT_OFFERED),
            // It was found out after it had been offered the MTA's.
            Protection::Offered if self.is_suspect() && self.plan.starttls == StartTls::Pass => {
                Some(&standing::NOT_OFFERED)
            }
            Protection::Offered => None,
            Protection::Clear => Some(&standing::NOT_OFFERED),
        }
    }

    /// What is to be done in this phase; everything for the client is sent.
    #[cold]
    pub(super) fn starttls_step(&mut self, phase: Phase) -> Step<'_> {
        if phase == Phase::Asked {
            return Step::Prepare;
        }
        let mut discarded = self.client.bytes().len();
        self.client.clear();
        if phase == Phase::Agreed {
            return Step::Encrypt(discarded);
        }
        discarded += self.mta.bytes().len();
        self.mta.clear();
        Step::Tunnel(discarded)
    }

    /// After [`Step::Prepare`]: there may be a handshake.
    pub fn ready_to_encrypt(&mut self) {
        self.idle = false;
        self.progress += 1;
        self.say(&standing::READY_FOR_TLS);
        self.state = State::StartTls(Phase::Agreed);
    }

    /// After [`Step::Prepare`]: there can be none, for now.
    pub fn cannot_encrypt(&mut self) {
        self.idle = false;
        self.progress += 1;
        self.state = State::Commands;
        self.count_refusal(standing::TLS_UNAVAILABLE.rule);
        self.say(&standing::TLS_UNAVAILABLE);
    }

    /// After [`Step::Encrypt`]: the handshake is done.
    pub fn encrypted(&mut self) {
        self.idle = false;
        self.progress += 1;
        self.protection = Protection::Fresh;
        self.first_line = true;
        self.summary.hello.clear();
        self.state = State::Commands;
        if self.transaction.is_some() {
            self.end_transaction(Outcome::none(Stage::Data, ABANDONED));
            self.reset_mta();
        }
    }

    /// After [`Step::Encrypt`]: there was no handshake, and why.
    pub fn not_encrypted(&mut self, why: &str) {
        // Nor is there anybody to judge.
        self.question = None;
        self.lost(Peer::Client);
        self.idle = false;
        self.summary.mta_said = why.into();
        self.close(Ending::NoTls);
    }

    /// The client's encrypted connection broke, and how.
    pub fn broken(&mut self, why: &str) {
        if self.summary.mta_said.is_empty() {
            self.summary.mta_said = why.into();
        }
        self.lost(Peer::Client);
    }

    /// The MTA said 220 to STARTTLS: it is no part of the dialogue any more.
    pub(super) fn pass_to_mta(&mut self) {
        self.end_transaction(Outcome::none(Stage::Data, ABANDONED));
        self.state = State::StartTls(Phase::Passed);
        self.connected = false;
    }

    /// After [`Step::Tunnel`]: it is over. The client sent so many octets, and this is
    /// why, if it is no usual end.
    pub fn tunnelled(&mut self, octets: u64, why: &str) {
        self.idle = false;
        self.summary.relayed += octets;
        self.summary.mta_said = why.into();
        self.close(Ending::Tunnelled);
    }
}
