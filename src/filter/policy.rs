//! What is common to all filters: what a hit becomes, whom the filter concerns,
//! and what its failure means.

use std::time::Duration;

use super::Key;
use crate::config::keys::{BadKey, Keys};
use crate::list::Patterns;

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
        help: "what it means when the filter does not work (tempfail)",
    },
    Key { name: "time_limit", value: "time", help: "how long the filter may take" },
];

/// What is common to all filters.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `only`.
    pub only: Option<Patterns>,
    /// `except`.
    pub except: Option<Patterns>,
    /// `observe`.
    pub observe: bool,
    /// `on_error = "pass"`.
    pub pass_on_error: bool,
    /// `time_limit`.
    pub time_limit: Option<Duration>,
}

impl Policy {
    /// Reads it from a filter's table.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn new(keys: &Keys<'_>) -> Result<Policy, BadKey> {
        Ok(Policy {
            only: keys.patterns("only")?,
            except: keys.patterns("except")?,
            observe: keys.flag("observe")?,
            pass_on_error: keys.choice("on_error", &[("tempfail", false), ("pass", true)])?
                == Some(true),
            time_limit: keys.time("time_limit")?,
        })
    }
}
