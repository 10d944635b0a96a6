//! `type = "allow"`: clients, names, senders and recipients that are known to be
//! good. Filters behind it that judge the peer are not asked about them; it is
//! never a permission to relay.

use std::borrow::Cow;

use super::listed::{ENTRIES, LISTS, MATCH, SYNTAX, look_up, verdict};
use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::activation::Client;
use crate::config::keys::{BadKey, Keys};
use crate::host;
use crate::list::{Action, List};
use crate::providers;
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "allow",
    help: "skips the filters behind it that judge the peer",
    keys: &[
        ENTRIES,
        LISTS,
        SYNTAX,
        MATCH,
        Key {
            name: "providers",
            value: "true or false",
            help: "hosts of large mail providers, whose names look like dial-up lines (false)",
        },
    ],
    // Entries may refuse by their own word, as those of deny do.
    rules: &[],
    build,
};

struct Allow {
    list: List,
    providers: bool,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let providers = keys.flag("providers")?;
    match keys.lists()? {
        None if !providers => {
            let wants = "a list as in [\"192.0.2.0/24\"], or lists, or providers = true";
            Err(keys.missing("entries", wants))
        }
        list => Ok(Box::new(Allow { list: list.unwrap_or_default(), providers })),
    }
}

/// The filter of a program without a configuration.
pub(super) fn usual() -> Box<dyn Filter> {
    Box::new(Allow { list: List::default(), providers: true })
}

impl Allow {
    /// The large provider whose host it is.
    fn provider(&self, facts: &Facts<'_>) -> Option<&'static str> {
        let names = facts.host.get().map(|host| host.confirmed.as_slice()).unwrap_or_default();
        let mut providers = names.iter().filter_map(|name| providers::of(name));
        Some(providers.find(|_| self.providers)?.domain)
    }
}

impl Filter for Allow {
    fn stages(&self) -> Stages {
        match self.providers {
            true => self.list.stages().with(Stage::Connect),
            false => self.list.stages(),
        }
    }

    fn needs_host(&self, client: &Client) -> bool {
        self.list.needs_host(client) || (self.providers && !host::is_local(client.ip))
    }

    fn may_accept(&self) -> bool {
        true
    }

    fn judge(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        if let Some(hit) = look_up(&self.list, stage, facts, ground)? {
            return Ok(verdict(hit, Action::Accept));
        }
        Ok(match self.provider(facts).filter(|_| stage == Stage::Connect) {
            Some(domain) => Verdict::Accept(Cow::Borrowed(domain.as_bytes())),
            None => Verdict::Continue,
        })
    }
}
