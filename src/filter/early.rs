//! `type = "early"`: the greet delay, and who talks before the greeting. A mail
//! server waits for it (RFC 5321 3.1, 4.3.1); a robot that sends its whole
//! session at once does not.

use std::time::Duration;

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict, Woken};
use crate::config::keys::{BadKey, Keys};
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "early",
    help: "refuses clients that talk before the greeting",
    keys: &[
        Key {
            name: "delay",
            value: "time",
            help: "how long the greeting is delayed (greet_delay of [session])",
        },
        Key {
            name: "wait_only",
            value: "true or false",
            help: "only delay the greeting, whoever talks (false)",
        },
    ],
    rules: &[TALKER],
    build,
};

const TALKER: Refusal = Refusal::new(
    RefusalCode::TRANSACTION_FAILED,
    "early.talker",
    "5.5.1 You talked before the greeting",
);

struct Early {
    delay: Duration,
    wait_only: bool,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let delay = keys.time("delay")?.unwrap_or_default();
    Ok(Box::new(Early { delay, wait_only: keys.flag("wait_only")? }))
}

impl Filter for Early {
    fn stages(&self) -> Stages {
        Stages::only(Stage::Connect)
    }

    fn judges_peer(&self) -> bool {
        // The delay is for those as well whom another filter accepts.
        !self.wait_only
    }

    fn judge(
        &mut self,
        _stage: Stage,
        _facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        let talks = !self.wait_only;
        if talks && ground.client_has_spoken()? {
            return Ok(Verdict::Refuse(TALKER));
        }
        if self.delay.is_zero() {
            return Ok(Verdict::Continue);
        }
        // From when the session began: what other filters waited for counts.
        let end = ground.began() + self.delay;
        loop {
            match ground.wait(&mut [], Some(end), talks)? {
                Woken::ClientSpoke => return Ok(Verdict::Refuse(TALKER)),
                Woken::TimeUp => return Ok(Verdict::Continue),
                Woken::Ready | Woken::Child => {}
            }
        }
    }
}
