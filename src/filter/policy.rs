//! What is common to all filters: what a hit becomes, whom the filter concerns,
//! and what its failure means.

use std::time::Duration;

use super::Key;
use super::reply::Own;
use crate::config::keys::{BadKey, Keys};
use crate::limits;
use crate::list::{List, Topic};

/// The keys of every filter.
pub const KEYS: &[Key] = &[
    Key { name: "type", value: "text", help: "the type of the filter" },
    Key {
        name: "on_hit",
        value: "refuse, tempfail, tarpit or a reply",
        help: "what a refusal becomes (what the filter says)",
    },
    Key { name: "tarpit", value: "time", help: "how long a client that is hit is held (60s)" },
    Key {
        name: "then",
        value: "refuse or pass",
        help: "what becomes of a client that waited through the tarpit (refuse)",
    },
    Key {
        name: "observe",
        value: "true or false",
        help: "only log what the filter would have done (false)",
    },
    Key { name: "only", value: "list", help: "the filter concerns only these" },
    Key { name: "except", value: "list", help: "the filter does not concern these" },
    Key {
        name: "on_error",
        value: "tempfail or pass",
        help: "what it means when the filter does not work (tempfail; if DNS does not answer, pass)",
    },
    Key { name: "time_limit", value: "time", help: "how long the filter may take" },
];

/// What a hit becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHit {
    /// What the filter says.
    AsTheFilterSays,
    /// A refusal for good.
    Refuse,
    /// A refusal for now.
    Tempfail,
    /// The client is held first.
    Tarpit,
    /// This reply.
    Say(Own),
}

/// What it means when a filter does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// A refusal for now; without the key, unless it is DNS that does not answer.
    Tempfail,
    /// The filter has nothing against it.
    Pass,
}

const ON_ERROR: &[(&str, OnError)] = &[("tempfail", OnError::Tempfail), ("pass", OnError::Pass)];

/// What is common to all filters.
pub struct Policy {
    /// `type`, for the log.
    pub name: &'static str,
    /// `on_hit`.
    pub on_hit: OnHit,
    /// `tarpit`.
    pub tarpit: Duration,
    /// `then = "pass"`.
    pub then_pass: bool,
    /// `observe`.
    pub observe: bool,
    /// `only`.
    pub only: Option<Box<List>>,
    /// `except`.
    pub except: Option<Box<List>>,
    /// `on_error`.
    pub on_error: Option<OnError>,
    /// `time_limit`.
    pub time_limit: Option<Duration>,
}

impl Policy {
    /// A filter's without any key but its type.
    #[must_use]
    pub const fn usual(name: &'static str) -> Policy {
        Policy {
            name,
            on_hit: OnHit::AsTheFilterSays,
            tarpit: limits::TARPIT,
            then_pass: false,
            observe: false,
            only: None,
            except: None,
            on_error: None,
            time_limit: None,
        }
    }

    /// Reads it from a filter's table.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn new(keys: &Keys<'_>) -> Result<Policy, BadKey> {
        let on_hit = on_hit(keys)?;
        let tarpit = keys.time("tarpit")?;
        let then_pass = keys.choice("then", &[("refuse", false), ("pass", true)])?;
        if on_hit != OnHit::Tarpit && (tarpit.is_some() || then_pass.is_some()) {
            let key = if tarpit.is_some() { "tarpit" } else { "then" };
            return Err(keys.wrong(key, "goes with on_hit = \"tarpit\""));
        }
        Ok(Policy {
            name: keys.text("type")?.unwrap_or_default(),
            on_hit,
            tarpit: tarpit.unwrap_or(limits::TARPIT),
            then_pass: then_pass == Some(true),
            observe: keys.flag("observe")?,
            only: keys.list("only", Topic::Client)?.map(Box::new),
            except: keys.list("except", Topic::Client)?.map(Box::new),
            on_error: keys.choice("on_error", ON_ERROR)?,
            time_limit: keys.time("time_limit")?,
        })
    }
}

fn on_hit(keys: &Keys<'_>) -> Result<OnHit, BadKey> {
    let Some(text) = keys.text("on_hit")? else { return Ok(OnHit::AsTheFilterSays) };
    match (text, Own::parse(text)) {
        ("refuse", _) => Ok(OnHit::Refuse),
        ("tempfail", _) => Ok(OnHit::Tempfail),
        ("tarpit", _) => Ok(OnHit::Tarpit),
        (_, Some(own)) => own.map(OnHit::Say).map_err(|what| keys.wrong("on_hit", what)),
        _ => Err(keys.wrong(
            "on_hit",
            "must be \"refuse\", \"tempfail\", \"tarpit\" or a reply as in \"450 4.7.1 be patient\"",
        )),
    }
}
