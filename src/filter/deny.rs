//! `type = "deny"`: clients, names, senders and recipients that are refused.

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::activation::Client;
use crate::config::keys::{BadKey, Keys};
use crate::list::Patterns;
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "deny",
    help: "refuses who is listed",
    keys: &[Key { name: "entries", value: "list", help: "whom (required)" }],
    rules: &[DENIED],
    build,
};

const DENIED: Refusal =
    Refusal::new(RefusalCode::TRANSACTION_FAILED, "deny", "5.7.1 Refused by local policy [deny]");

struct Deny {
    entries: Patterns,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    match keys.patterns("entries")? {
        Some(entries) => Ok(Box::new(Deny { entries })),
        None => Err(keys.missing("entries", "a list as in [\"from:.example.org\"]")),
    }
}

impl Filter for Deny {
    fn stages(&self) -> Stages {
        self.entries.stages()
    }

    fn needs_host(&self, client: &Client) -> bool {
        self.entries.needs_host(client)
    }

    fn judge(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        _ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        Ok(match self.entries.find_at(stage, facts) {
            Some(entry) => Verdict::Refuse(DENIED.because(entry.as_bytes())),
            None => Verdict::Continue,
        })
    }
}
