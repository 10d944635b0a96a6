//! `type = "allow"`: clients, names, senders and recipients that are known to be
//! good. Filters behind it that judge the peer are not asked about them; it is
//! never a permission to relay.

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::activation::Client;
use crate::config::keys::{BadKey, Keys};
use crate::host;
use crate::list::Patterns;
use crate::providers;
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "allow",
    help: "skips the filters behind it that judge the peer",
    keys: &[
        Key { name: "entries", value: "list", help: "whom (this or providers is required)" },
        Key {
            name: "providers",
            value: "true or false",
            help: "hosts of large mail providers, whose names look like dial-up lines (false)",
        },
    ],
    rules: &[],
    build,
};

struct Allow {
    entries: Patterns,
    providers: bool,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let providers = keys.flag("providers")?;
    match keys.patterns("entries")? {
        None if !providers => {
            let wants = "a list as in [\"192.0.2.0/24\"], or providers = true";
            Err(keys.missing("entries", wants))
        }
        entries => Ok(Box::new(Allow { entries: entries.unwrap_or_default(), providers })),
    }
}

/// The filter of a program without a configuration.
pub(super) fn usual() -> Box<dyn Filter> {
    Box::new(Allow { entries: Patterns::default(), providers: true })
}

impl Allow {
    /// Is it a host of a large provider?
    fn is_provider(&self, facts: &Facts<'_>) -> bool {
        let names = facts.host.get().map(|host| host.confirmed.as_slice()).unwrap_or_default();
        self.providers && names.iter().any(|name| providers::of(name).is_some())
    }
}

impl Filter for Allow {
    fn stages(&self) -> Stages {
        match self.providers {
            true => self.entries.stages().with(Stage::Connect),
            false => self.entries.stages(),
        }
    }

    fn needs_host(&self, client: &Client) -> bool {
        self.entries.needs_host(client) || (self.providers && !host::is_local(client.ip))
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
        let known = self.entries.find_at(stage, facts).is_some()
            || (stage == Stage::Connect && self.is_provider(facts));
        Ok(if known { Verdict::Accept } else { Verdict::Continue })
    }
}
