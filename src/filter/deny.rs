//! `type = "deny"`: clients, names, senders and recipients that are refused.

use super::listed::{DENIED, ENTRIES, LISTS, MATCH, SYNTAX, look_up, verdict};
use super::{Facts, Filter, Ground, Kind, Stop, Verdict};
use crate::activation::Client;
use crate::config::keys::{BadKey, Keys};
use crate::list::{Action, List};
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "deny",
    help: "refuses who is listed",
    keys: &[ENTRIES, LISTS, SYNTAX, MATCH],
    rules: &[DENIED],
    build,
};

struct Deny {
    list: List,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    match keys.lists()? {
        Some(list) => Ok(Box::new(Deny { list })),
        None => Err(keys.missing("entries", "a list as in [\"from:.example.org\"], or lists")),
    }
}

impl Filter for Deny {
    fn stages(&self) -> Stages {
        self.list.stages()
    }

    fn needs_host(&self, client: &Client) -> bool {
        self.list.needs_host(client)
    }

    fn may_accept(&self) -> bool {
        self.list.accepts()
    }

    fn judge(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        Ok(match look_up(&self.list, stage, facts, ground)? {
            Some(hit) => verdict(hit, Action::Refuse(DENIED.code, None)),
            None => Verdict::Continue,
        })
    }
}
