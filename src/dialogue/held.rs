//! A held client: one that will be refused, but not before RCPT, so that the
//! log has its name, sender and recipient. The MTA is not bothered with it; we
//! give its replies ourselves.
//!
//! A recipient may yet be let through (postmaster, RFC 5321 4.5.1; one that the
//! filter that hit does not concern). Then the MTA is called and told what the
//! client has said so far, while the RCPT line waits in the inbox; from there on
//! the session is like any other. Should the MTA not come along, that recipient
//! is refused for now, and the session is as before.
//!
//! Rejected: calling the MTA for every client and only withholding RCPT. Most
//! clients that are held are the robots for whose sake there is a filter, and
//! each would cost the MTA a process.

use super::record::ABANDONED;
use super::state::{Phase, Question};
use super::{Answer, Dialogue, Ending, Expected, Outcome, State, Transaction, View};
use crate::smtp::command::Command;
use crate::smtp::ehlo::{self, Offered};
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::smtp::reply::{Reply, encode_line};
use crate::smtp::standing;
use crate::stage::{Ruling, Stage};

/// What a held client is offered. Nothing of it needs the MTA; without SMTPUTF8
/// and 8BITMIME a sender would bounce such a message (RFC 6531 3.2, RFC 6152 3)
/// where it should only wait.
const OFFERED: [&str; 4] = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"];

impl Dialogue {
    /// Asks the filters about this.
    pub(super) fn ask(&mut self, stage: Stage, subject: &[u8]) {
        self.question = Some(Question { stage, subject: subject.to_vec() });
    }

    /// What the filters say of a command; `None` when they are yet to be asked.
    pub(super) fn ruling(&mut self, command: Command<'_>, line: &[u8]) -> Option<Ruling> {
        let (stage, subject) = match command {
            Command::Hello { .. } => (Stage::Helo, line),
            Command::Mail(envelope) => (Stage::Mail, envelope.path),
            Command::Rcpt(envelope) => (Stage::Rcpt, envelope.path),
            _ => return Some(Ruling::Pass),
        };
        if self.ruling.is_none() && self.plan.consult.has(stage) {
            self.ask(stage, subject);
            return None;
        }
        Some(self.ruling.take().map_or(Ruling::Pass, |ruling| *ruling))
    }

    /// What the filters are to know.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        let transaction = self.transaction.as_ref().filter(|t| !t.refused);
        let mut view = View {
            hello: &self.summary.hello,
            from: transaction.map(|t| t.from.as_slice()),
            recipient: None,
            to: transaction.map(|t| t.to.as_slice()).unwrap_or_default(),
            envelope: transaction.map(|t| t.lines.as_slice()).unwrap_or_default(),
        };
        match &self.question {
            Some(Question { stage: Stage::Helo, subject }) => view.hello = subject,
            Some(Question { stage: Stage::Mail, subject }) => view.from = Some(subject),
            Some(Question { stage: Stage::Rcpt, subject }) => view.recipient = Some(subject),
            _ => {}
        }
        view
    }

    /// The filters have said what becomes of what they were asked about.
    pub fn judged(&mut self, ruling: Ruling) {
        self.idle = false;
        self.progress += 1;
        match (self.question.take().map(|q| q.stage), ruling) {
            (None, _) => {}
            (Some(Stage::Connect), Ruling::Pass) => self.state = State::Calling,
            (Some(Stage::Connect), Ruling::Hold { name, rule }) if self.plan.auth_lifts => {
                self.put_off(name, rule);
                self.state = State::Calling;
            }
            (Some(Stage::Connect), Ruling::Hold { name, rule }) => {
                self.hold(name, rule);
                self.say_with_name(220, true, "ESMTP");
            }
            (Some(Stage::Connect), Ruling::Refuse(refusal)) => self.refuse_session(&refusal),
            (Some(Stage::Message), ruling) => self.message_judged(ruling),
            (Some(_), ruling) => self.ruling = Some(Box::new(ruling)),
        }
    }

    /// A refusal in place of the greeting.
    fn refuse_session(&mut self, refusal: &Refusal) {
        self.count_refusal(refusal.rule);
        self.refused_as_such(Stage::Connect, refusal);
        refusal.encode(self.to_client.tail());
        if refusal.code.is_temporary() {
            self.close(Ending::Refused(refusal.rule));
        } else {
            // RFC 5321 3.1: the client is to say QUIT.
            self.refused_by = Some(refusal.rule);
            self.state = State::Alone(&standing::REFUSED);
        }
    }

    /// No recipient's line will tell.
    #[cold]
    fn refused_as_such(&mut self, at: Stage, refusal: &Refusal) {
        self.summary.mta_said = refusal.why.to_vec();
        let outcome = Answer::Refused(Box::new(refusal.clone())).outcome(at);
        self.summary.refusal = Some(Box::new(outcome));
    }

    /// The session goes on without the MTA.
    pub(super) fn hold(&mut self, name: String, rule: &'static str) {
        self.summary.last_refusal = Some(rule);
        self.held = true;
        self.our_name = name;
        self.leave_mta(State::Commands);
    }

    /// The filters refuse this command. A recipient's refusal waits for the
    /// replies to what was sent before.
    pub(super) fn refused_by_filters(&mut self, command: Command<'_>, refusal: Refusal) {
        match command {
            Command::Rcpt(envelope) => {
                let to = envelope.path.to_vec();
                let refusal = Box::new(refusal);
                self.expected.push_back(Expected::Refused { to, refusal });
            }
            command => {
                let hello = matches!(command, Command::Hello { .. });
                self.refused_as_such(if hello { Stage::Helo } else { Stage::Mail }, &refusal);
                self.say_refusal(&refusal);
            }
        }
        self.say_refusals();
    }

    /// Says the refusals whose turn it is.
    pub(super) fn say_refusals(&mut self) {
        while let Some(Expected::Refused { .. }) = self.expected.front() {
            if let Some(Expected::Refused { to, refusal }) = self.expected.pop_front() {
                let recipient = self.recipient_alone(to);
                self.say_refusal(&refusal);
                self.record(recipient, Answer::Refused(refusal).outcome(Stage::Rcpt));
            }
        }
    }

    fn say_refusal(&mut self, refusal: &Refusal) {
        self.count_refusal(refusal.rule);
        refusal.encode(self.to_client.tail());
        if refusal.code == RefusalCode::CLOSING {
            self.close(Ending::Refused(refusal.rule));
        }
    }

    /// Answers a command that is in order, without the MTA; false when the MTA
    /// is needed for it, and being called.
    pub(super) fn answer_held(&mut self, command: Command<'_>, line: &[u8]) -> bool {
        match command {
            Command::Hello { extended, .. } => {
                self.end_transaction(Outcome::none(Stage::Data, ABANDONED));
                self.summary.hello = line.to_vec();
                self.offered = Offered { pipelining: extended, ..Offered::default() };
                self.say_with_name(250, !extended, "");
                let starttls = extended && self.may_offer_starttls();
                self.greeted_anew(starttls);
                let last = OFFERED.len() - 1;
                for (n, keyword) in OFFERED.iter().enumerate().filter(|_| extended) {
                    let last = n == last && !starttls;
                    encode_line(250, last, keyword.as_bytes(), self.to_client.tail());
                }
                if starttls {
                    encode_line(250, true, ehlo::STARTTLS.as_bytes(), self.to_client.tail());
                }
            }
            Command::Mail(envelope) => {
                let mut lines = Vec::new();
                envelope.encode(&mut lines);
                let (from, binary) = (envelope.path.to_vec(), envelope.is_binary());
                self.transaction =
                    Some(Transaction { from, lines, binary, ..Transaction::default() });
                self.say(&standing::OK);
            }
            Command::Rcpt(_) => {
                self.ruling = Some(Box::new(Ruling::Pass));
                self.upstream = 0;
                self.state = State::Calling;
                return false;
            }
            Command::Rset => {
                self.end_transaction(Outcome::none(Stage::Data, ABANDONED));
                self.say(&standing::OK);
            }
            Command::StartTls => self.state = State::StartTls(Phase::Asked),
            Command::Noop => self.say(&standing::OK),
            Command::Vrfy => self.say(&standing::CANNOT_VERIFY),
            Command::Auth | Command::Other => drop(self.refuse(&standing::NOT_OFFERED)),
            // There is no recipient, or the MTA would be here.
            Command::Data => drop(self.refuse(&standing::NEED_RCPT)),
            Command::Bdat { size, .. } => self.refuse_chunk(size, &standing::NEED_RCPT),
            Command::Quit => {
                self.say(&standing::BYE);
                self.close(Ending::Quit);
            }
        }
        true
    }

    /// A line of a reply that begins with our host name.
    fn say_with_name(&mut self, code: u16, last: bool, text: &str) {
        let mut line = self.our_name.clone().into_bytes();
        if !text.is_empty() {
            line.push(b' ');
            line.extend_from_slice(text.as_bytes());
        }
        encode_line(code, last, &line, self.to_client.tail());
    }

    /// Is this what we said to the MTA on our own account?
    pub(super) fn is_our_own(&self, expected: &Expected) -> bool {
        match expected {
            Expected::OurEhlo
            | Expected::Xclient
            | Expected::OurHello
            | Expected::OurMail
            | Expected::OurData
            | Expected::ChunkData
            | Expected::OurNoop
            | Expected::OurRset => true,
            Expected::Greeting => self.held || self.introduction.is_some(),
            _ => false,
        }
    }

    /// The MTA answered what we said on our own account.
    pub(super) fn own_command_answered(&mut self, expected: &Expected, mut reply: Reply) {
        if self.introduction.is_some() {
            return self.introduced(expected, reply);
        }
        match expected {
            Expected::OurData => return self.handed(reply),
            Expected::ChunkData => return self.chunk_data_answered(reply),
            Expected::OurRset | Expected::OurNoop if reply.code == 421 => {
                reply.encode(self.to_client.tail());
                return self.mta_closes();
            }
            // The transaction may stand: its recipients must not get another message.
            Expected::OurRset if reply.code >= 400 => {
                return self.leave_mta(State::Alone(&standing::MTA_AWAY));
            }
            Expected::OurRset | Expected::OurNoop => return,
            // A client that is not held would try HELO; this one cannot know.
            Expected::OurHello if reply.code >= 400 => return self.cannot_catch_up(None),
            _ if reply.code >= 400 => return self.cannot_catch_up(Some(&reply)),
            Expected::OurHello => {
                let extended = self.summary.hello.first().is_some_and(|b| b"eE".contains(b));
                let pipelining = self.offered.pipelining;
                self.offered = ehlo::filter(&mut reply, extended, self.withheld());
                self.offered.pipelining &= pipelining;
            }
            _ => {}
        }
        self.arriving.reuse(reply);
        self.catch_up(expected);
    }

    /// Tells the MTA the next thing that the client has said.
    fn catch_up(&mut self, answered: &Expected) {
        // What it says now, it says before it is asked.
        if self.mta_speaks() {
            return self.cannot_catch_up(None);
        }
        self.state = State::CatchingUp;
        let mail = self.transaction.as_ref().map(|t| t.lines.as_slice());
        let out = self.to_mta.tail();
        match answered {
            Expected::Greeting if !self.summary.hello.is_empty() => {
                out.extend_from_slice(&self.summary.hello);
                out.extend_from_slice(b"\r\n");
                self.expected.push_back(Expected::OurHello);
            }
            Expected::Greeting | Expected::OurHello => {
                out.extend_from_slice(mail.unwrap_or_default());
                self.expected.push_back(Expected::OurMail);
            }
            _ => self.state = State::Commands,
        }
    }

    /// The MTA does not come along, or is not there: the recipient that waits
    /// for it is refused.
    pub(super) fn cannot_catch_up(&mut self, reply: Option<&Reply>) {
        self.leave_mta(State::Commands);
        let refusal = match reply.map(|r| (RefusalCode::new(r.code), r.last_line())) {
            Some((Some(code), text)) if code != RefusalCode::CLOSING => {
                let text = String::from_utf8_lossy(text).into_owned();
                Some(Refusal { text: text.into(), ..Refusal::new(code, "mta", "") })
            }
            _ => Refusal::standing(&standing::MTA_UNREACHED),
        };
        self.ruling = refusal.map(Ruling::Refuse).map(Box::new);
    }
}
