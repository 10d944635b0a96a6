//! The points of a session at which filters are asked, and what comes of it.

use crate::smtp::refusal::Refusal;

/// Where a session stands when a filter is asked, in the order of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Before the greeting: nothing is known but the peer.
    Connect,
    /// HELO or EHLO.
    Helo,
    /// MAIL.
    Mail,
    /// RCPT, once for each recipient.
    Rcpt,
    /// DATA, and mail data as it arrives.
    Data,
    /// The message is complete.
    Message,
}

impl Stage {
    /// Its name in the log and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.logged().split_at(" at=".len()).1
    }

    /// A log line's word for it.
    #[must_use]
    pub const fn logged(self) -> &'static str {
        match self {
            Stage::Connect => " at=connect",
            Stage::Helo => " at=helo",
            Stage::Mail => " at=mail",
            Stage::Rcpt => " at=rcpt",
            Stage::Data => " at=data",
            Stage::Message => " at=message",
        }
    }
}

/// A set of stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages(u8);

impl Stages {
    /// No stage.
    pub const NONE: Stages = Stages(0);
    /// Where what is known of the peer is judged; its refusals are held.
    pub const PEER: Stages = Stages::NONE.with(Stage::Connect).with(Stage::Helo).with(Stage::Mail);

    /// Only this one.
    #[must_use]
    pub const fn only(stage: Stage) -> Stages {
        Stages(1 << stage as u8)
    }

    /// This one too.
    #[must_use]
    pub const fn with(self, stage: Stage) -> Stages {
        Stages(self.0 | 1 << stage as u8)
    }

    /// Those of both sets.
    #[must_use]
    pub const fn and(self, other: Stages) -> Stages {
        Stages(self.0 | other.0)
    }

    /// Is this one in the set?
    #[must_use]
    pub const fn has(self, stage: Stage) -> bool {
        self.0 & 1 << stage as u8 != 0
    }

    /// Is every stage of the other set in this one?
    #[must_use]
    pub const fn holds(self, other: Stages) -> bool {
        other.0 & !self.0 == 0
    }

    /// Is one of those behind this stage in the set?
    #[must_use]
    pub const fn has_after(self, stage: Stage) -> bool {
        self.0 >> (stage as u8 + 1) != 0
    }

    /// Those before this stage.
    #[must_use]
    pub const fn before(self, stage: Stage) -> Stages {
        Stages(self.0 & ((1 << stage as u8) - 1))
    }

    /// Is a stage of the other set in this one?
    #[must_use]
    pub const fn meets(self, other: Stages) -> bool {
        self.0 & other.0 != 0
    }
}

/// What the filters as a whole say at a stage.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The session goes on.
    Pass,
    /// The client will be refused, but only at RCPT: the MTA is left out of it,
    /// and the session is spoken under this host name, for this rule.
    Hold {
        /// Our host name.
        name: String,
        /// The rule of the refusal that is held.
        rule: &'static str,
    },
    /// Refused now.
    Refuse(Refusal),
}
