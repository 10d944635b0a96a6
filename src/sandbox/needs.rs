//! What a session may still have to do once its configuration is read.

use std::ops::{BitOr, BitOrAssign};

/// A set of it. Whoever has to do more than relay says so before the cage is shut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(pub(super) u8);

impl Needs {
    /// Relaying alone: the client, the MTA, DNS, the log.
    pub const NOTHING: Needs = Needs(0);
    /// Files of the state directory.
    pub const STATE: Needs = Needs(1);
    /// A file for messages that do not fit into memory.
    pub const SPOOL: Needs = Needs(2);
    /// Programs to start.
    pub const PROGRAMS: Needs = Needs(4);
    /// The system's way of finding names.
    pub const SYSTEM_RESOLVER: Needs = Needs(8);
    /// Processes that were started before.
    pub const CHILDREN: Needs = Needs(16);

    /// Is all of this in it?
    #[must_use]
    pub const fn has(self, what: Needs) -> bool {
        self.0 & what.0 == what.0
    }
}

impl BitOr for Needs {
    type Output = Needs;

    fn bitor(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }
}

impl BitOrAssign for Needs {
    fn bitor_assign(&mut self, other: Needs) {
        *self = *self | other;
    }
}
