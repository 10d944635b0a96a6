//! `type = "allow"`: clients, names, senders and recipients that are known to be
//! good. Filters behind it that judge the peer are not asked about them; it is
//! never a permission to relay.

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::config::keys::{BadKey, Keys};
use crate::list::Patterns;
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "allow",
    help: "skips the filters behind it that judge the peer",
    keys: &[Key { name: "entries", value: "list", help: "whom (required)" }],
    rules: &[],
    build,
};

struct Allow {
    entries: Patterns,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    match keys.patterns("entries")? {
        Some(entries) => Ok(Box::new(Allow { entries })),
        None => Err(keys.missing("entries", "a list as in [\"192.0.2.0/24\"]")),
    }
}

impl Filter for Allow {
    fn stages(&self) -> Stages {
        self.entries.stages()
    }

    fn may_accept(&self) -> bool {
        true
    }

    fn judge(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        _ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        Ok(match self.entries.find_at(stage, facts) {
            Some(_) => Verdict::Accept,
            None => Verdict::Continue,
        })
    }
}
