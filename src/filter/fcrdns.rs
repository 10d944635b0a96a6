//! `type = "fcrdns"`: clients without a host name that leads back to their
//! address (RFC 8601 2.7.3; RFC 1912 2.1 wants one for every host).
//!
//! No name and a name that does not lead back are told apart; where DNS gave no
//! answer nothing is known, and nothing is refused.

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::activation::Client;
use crate::config::keys::{BadKey, Keys};
use crate::dns::Trouble;
use crate::host::{self, Host, Iprev};
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "fcrdns",
    help: "refuses clients without a host name that leads back to them",
    keys: &[
        Key {
            name: "refuse",
            value: "list",
            help: "what is refused: permerror (no name), fail (it does not lead back), or both (both)",
        },
        LOCAL,
    ],
    rules: &[NO_PTR, NOT_CONFIRMED],
    build,
};

/// Local addresses have no names that DNS knows.
pub(super) const LOCAL: Key = Key {
    name: "local",
    value: "true or false",
    help: "judge loopback, private and link-local addresses too (false)",
};

const NO_PTR: Refusal = Refusal::new(
    RefusalCode::MAILBOX_UNAVAILABLE,
    "fcrdns.no-ptr",
    "4.7.25 reverse lookup failure, be patient",
);

const NOT_CONFIRMED: Refusal = Refusal::new(
    RefusalCode::MAILBOX_UNAVAILABLE,
    "fcrdns.not-confirmed",
    "4.7.25 reverse lookup failure, be patient",
);

struct Fcrdns {
    no_name: bool,
    not_confirmed: bool,
    local: bool,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let mut filter = Fcrdns { no_name: true, not_confirmed: true, local: keys.flag("local")? };
    if let Some(refused) = keys.texts("refuse")? {
        (filter.no_name, filter.not_confirmed) = (false, false);
        for word in refused {
            match word {
                "permerror" => filter.no_name = true,
                "fail" => filter.not_confirmed = true,
                _ => return Err(keys.wrong("refuse", "may hold \"permerror\" and \"fail\"")),
            }
        }
    }
    Ok(Box::new(filter))
}

/// What is known of the client's host names, for a filter that needs them.
///
/// # Errors
/// [`Stop::Unanswered`] when DNS gave no answer.
pub(super) fn known<'a>(facts: &Facts<'a>) -> Result<&'a Host, Stop> {
    match facts.host.get() {
        Some(Host { iprev: Iprev::TempError, trouble, .. }) => {
            Err(Stop::Unanswered(trouble.unwrap_or(Trouble::TimedOut)))
        }
        Some(host) => Ok(host),
        // The filter's own time limit was shorter than that of DNS.
        None => Err(Stop::Unanswered(Trouble::TimedOut)),
    }
}

impl Filter for Fcrdns {
    fn stages(&self) -> Stages {
        Stages::only(Stage::Connect)
    }

    fn needs_host(&self, client: &Client) -> bool {
        self.local || !host::is_local(client.ip)
    }

    fn judge(
        &mut self,
        _stage: Stage,
        facts: &Facts<'_>,
        _ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        if !self.needs_host(facts.client) {
            return Ok(Verdict::Continue);
        }
        let host = known(facts)?;
        Ok(match host.iprev {
            Iprev::PermError if self.no_name => Verdict::Refuse(NO_PTR),
            Iprev::Fail if self.not_confirmed => {
                Verdict::Refuse(NOT_CONFIRMED.because(host.name.clone().unwrap_or_default()))
            }
            Iprev::Pass | Iprev::Fail | Iprev::TempError | Iprev::PermError => Verdict::Continue,
        })
    }
}
