//! Filters: what they are asked, and what they can answer.
//!
//! A filter is a file in this folder and two lines below. It is made from its
//! `[[filter]]` table ([`Kind`]), asked at the stages it names, and knows
//! nothing of sockets, replies already sent or other filters. What is common to
//! all of them (`on_hit`, `observe`, `only`, `except`, `on_error`,
//! `time_limit`) is the chain's ([`chain`]).

mod allow;
pub mod chain;
mod deny;
mod early;
pub mod facts;
mod fcrdns;
pub mod ground;
mod helo;
mod interval;
mod link;
mod listed;
pub mod original;
pub mod policy;
mod program;
mod relay;
pub mod reply;
mod s25r;
mod scope;
pub mod spoken;

use std::borrow::Cow;

use crate::activation::Client;
use crate::config::keys::{BadKey, Keys};
use crate::dns::Trouble;
use crate::host;
use crate::sandbox::Needs;
use crate::smtp::refusal::Refusal;
use crate::spool::Spool;
use crate::stage::{Stage, Stages};

pub use facts::Facts;
pub use ground::{Ground, Woken};

/// Every type of filter there is: the configuration, the manual and the tests
/// walk this table.
pub const KINDS: &[Kind] = &[
    allow::KIND,
    deny::KIND,
    early::KIND,
    fcrdns::KIND,
    helo::KIND,
    interval::KIND,
    program::KIND,
    relay::KIND,
    s25r::KIND,
];

/// Would the [`usual`] filters have anything to say of this client? Most of those
/// of whom they would not come often: monitors, and programs of this host.
#[must_use]
pub fn usual_judge(client: &Client) -> bool {
    client.ip.is_ipv4() && !host::is_local(client.ip)
}

/// The filters of a program that has no configuration: the S25R rules, but not
/// for the large providers, whose host names they hit.
#[must_use]
pub fn usual(local: bool) -> [(&'static str, Box<dyn Filter>); 2] {
    [(allow::KIND.name, allow::usual()), (s25r::KIND.name, s25r::usual(local))]
}

/// A type of filter.
pub struct Kind {
    /// Its name, `type = "…"`.
    pub name: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Its own keys, beside those of every filter ([`policy::KEYS`]).
    pub keys: &'static [Key],
    /// What it refuses with, for the manual.
    pub rules: &'static [Refusal],
    /// Makes one from its table.
    pub build: fn(&Keys<'_>) -> Result<Box<dyn Filter>, BadKey>,
}

/// A key of the configuration, for the manual.
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is: `time`, `text`, `true or false`, `list`, or the words it may be.
    pub value: &'static str,
    /// What it does, in one line, with its default.
    pub help: &'static str,
}

/// What a filter says.
#[must_use]
#[derive(Debug)]
pub enum Verdict {
    /// No opinion.
    Continue,
    /// The client, sender or recipient is known to be good: filters behind this
    /// one that judge the peer are not asked. It is never a permission to relay. With
    /// what the log is to know of why.
    Accept(Cow<'static, [u8]>),
    /// Refused.
    Refuse(Refusal),
    /// At [`Stage::Message`]: the message goes on as this. It is in wire form,
    /// its final dot included, and the filter has seen to that: what comes from
    /// outside went through [`crate::smtp::data::MailData`].
    Rewrite(Spool),
}

/// Why a filter has no verdict.
#[derive(Debug)]
pub enum Stop {
    /// It does not work; `on_error` decides. The text is for the log.
    Trouble(String),
    /// DNS gave no answer: it passes, unless `on_error` says otherwise.
    Unanswered(Trouble),
    /// There is nobody to judge any more: the client has gone, or the session is
    /// being ended. Comes from [`Ground::wait`]; a filter hands it on.
    Over,
}

/// A filter.
pub trait Filter {
    /// The stages at which it may have something to say. At others it is not
    /// asked, and if it has none it costs nothing.
    fn stages(&self) -> Stages;

    /// Does it judge the peer, so that an [`Verdict::Accept`] before it makes it
    /// superfluous? A filter that guards the MTA or looks at messages does not.
    fn judges_peer(&self) -> bool {
        true
    }

    /// Can it say [`Verdict::Accept`]? A refusal behind it is then not final
    /// before it has been asked at all its stages.
    fn may_accept(&self) -> bool {
        false
    }

    /// Does it need the client's host names to judge this client? They are known
    /// then when it is asked.
    fn needs_host(&self, _client: &Client) -> bool {
        false
    }

    /// What it needs to judge, beside what relaying takes.
    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    /// Does it keep strangers from using the MTA as a relay?
    fn guards_mta(&self) -> bool {
        false
    }

    /// The message it was shown, if any, came to nothing before it was judged.
    fn forget_message(&mut self) {}

    /// The session is over: what still runs on its behalf is to end.
    fn finish(&mut self) {}

    /// Judges. At [`Stage::Data`] it is asked each time that more of the message
    /// has come (`facts.message`), and must not wait.
    ///
    /// # Errors
    /// [`Stop`].
    fn judge(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop>;
}
