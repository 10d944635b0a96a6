//! `type = "interval"`: the least time between two connections of one address,
//! as the original's `-i`, but for every address and across all sessions.
//!
//! A connection that is refused does not count as one: else a server that
//! retries too soon each time would never get in.

use std::time::Duration;

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::config::keys::{BadKey, Keys};
use crate::sandbox::Needs;
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::{Stage, Stages};
use crate::state::intervals;

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "interval",
    help: "refuses addresses that connect too often",
    keys: &[Key {
        name: "least",
        value: "time",
        help: "least time between two connections of one IPv4 address or IPv6 /64 (required)",
    }],
    rules: &[TOO_FAST],
    build,
};

const TOO_FAST: Refusal = Refusal::new(
    RefusalCode::CLOSING,
    "interval.too-fast",
    "4.7.0 Too many connections, try again later",
);

struct Interval {
    least: Duration,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    match keys.time("least")? {
        Some(least) => Ok(Box::new(Interval { least })),
        None => Err(keys.missing("least", "a time as in \"2s\"")),
    }
}

impl Filter for Interval {
    fn needs(&self) -> Needs {
        Needs::STATE
    }

    fn stages(&self) -> Stages {
        Stages::only(Stage::Connect)
    }

    fn judge(
        &mut self,
        _stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        if self.least.is_zero() {
            return Ok(Verdict::Continue);
        }
        match intervals::passed(ground.state(), facts.client.ip, self.least) {
            Ok(true) => Ok(Verdict::Continue),
            Ok(false) => Ok(Verdict::Refuse(TOO_FAST)),
            // What is only remembered must not cost mail.
            Err(error) => {
                ground.note(&format!("{}: {error}", ground.state().display()));
                Ok(Verdict::Continue)
            }
        }
    }
}
