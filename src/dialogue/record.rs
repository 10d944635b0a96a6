//! What a session has to tell: its transaction, what became of recipients, and
//! how it ended.

use std::borrow::Cow;

use crate::smtp::refusal::Refusal;
use crate::smtp::reply::Reply;
use crate::smtp::standing::Standing;
use crate::stage::Stage;

/// A reply on its way to the client: the MTA's, one of ours, or the filters'.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Mta(Reply),
    Ours(&'static Standing),
    Refused(Box<Refusal>),
}

impl Answer {
    pub(super) fn code(&self) -> u16 {
        match self {
            Answer::Mta(reply) => reply.code,
            Answer::Ours(standing) => standing.code,
            Answer::Refused(refusal) => refusal.code.get(),
        }
    }

    pub(super) fn outcome(&self, at: Stage) -> Outcome {
        let (rule, text, why) = match self {
            Answer::Mta(reply) => ("mta", reply.last_line().to_vec(), Cow::default()),
            Answer::Ours(ours) => (ours.rule, ours.text.as_bytes().to_vec(), Cow::default()),
            Answer::Refused(r) => (r.rule, r.text.as_bytes().to_vec(), r.why.clone()),
        };
        Outcome { at, code: Some(self.code()), rule, text, why }
    }
}

/// A mail transaction (RFC 5321 3.3).
#[derive(Debug, Default)]
pub struct Transaction {
    /// The reverse-path, empty for the null reverse-path.
    pub from: Vec<u8>,
    /// The forward-paths that the MTA accepted.
    pub to: Vec<Vec<u8>>,
    /// The MAIL line and the RCPT lines of these as the MTA gets them, if they
    /// are kept.
    pub(super) lines: Vec<u8>,
    /// The message is not made of lines (BODY=BINARYMIME).
    pub(super) binary: bool,
    /// MAIL was refused, and what was sent behind it still waits for its reply.
    pub(super) refused: bool,
    /// What DATA was refused with; the client may try again, or give up.
    pub(super) refusal: Option<Outcome>,
}

/// What became of recipients.
#[derive(Debug)]
pub struct Outcome {
    /// Where it was decided.
    pub at: Stage,
    /// The code the client was given; none when the client gave up before.
    pub code: Option<u16>,
    /// Who decided: `mta`, or the rule of a reply of ours.
    pub rule: &'static str,
    /// The last line of the reply.
    pub text: Vec<u8>,
    /// What else a filter said of why.
    pub why: Cow<'static, [u8]>,
}

impl Outcome {
    /// It was not decided.
    pub(super) fn none(at: Stage, rule: &'static str) -> Self {
        Outcome { at, code: None, rule, text: Vec::new(), why: Cow::default() }
    }

    /// Its name in the log.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.code {
            Some(..400) => "pass",
            Some(..500) => "temp",
            Some(_) => "perm",
            None => "none",
        }
    }
}

/// Recipients of one transaction whose fate is known, for the log.
#[derive(Debug)]
pub struct Record {
    /// Who, and from whom.
    pub transaction: Transaction,
    /// What became of them.
    pub outcome: Outcome,
}

/// The client gave up what it had begun.
pub(super) const ABANDONED: &str = "client.abandoned";

/// How the session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client said QUIT.
    Quit,
    /// The client went away.
    ClientLeft,
    /// The client did not take our replies.
    ClientStuck,
    /// We sent this reply and closed.
    Closed(&'static Standing),
    /// A filter refused the session as a whole, by this rule.
    Refused(&'static str),
    /// The MTA said 421.
    MtaClosed,
    /// There was no handshake of TLS.
    NoTls,
    /// Client and MTA spoke TLS with each other to the end.
    Tunnelled,
}

impl Ending {
    /// Its name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ending::Quit => "quit",
            Ending::ClientLeft => "client-left",
            Ending::ClientStuck => "client-stuck",
            Ending::Closed(standing) => standing.rule,
            Ending::Refused(rule) => rule,
            Ending::MtaClosed => "mta.closed",
            Ending::NoTls => "tls.failed",
            Ending::Tunnelled => "tls.passed",
        }
    }

    /// What becomes of recipients that the session leaves undecided here.
    pub(super) fn outcome(self, at: Stage) -> Outcome {
        match self {
            Ending::Closed(reply) if reply.code == 421 => Answer::Ours(reply).outcome(at),
            Ending::Closed(_) | Ending::Refused(_) | Ending::MtaClosed => {
                Outcome::none(at, self.name())
            }
            Ending::Quit
            | Ending::ClientLeft
            | Ending::ClientStuck
            | Ending::NoTls
            | Ending::Tunnelled => Outcome::none(at, ABANDONED),
        }
    }
}
