//! `type = "program"`: programs that judge, by the contracts of the original.
//!
//! - At connect ([`ip`]): `SW_FROM_IP` in the environment, nothing on standard
//!   input; says nothing or `OK` if the client is welcome, anything else if not.
//! - At message ([`contents`]): the transaction's commands, `DATA` and the message
//!   on standard input; answers `DATA` and a message, or anything else to refuse.
//!
//! Whatever a program does, the session goes on in bounded time, and when it is
//! over nothing of the program is left.

mod answer;
mod contents;
mod environment;
mod ip;
mod process;

use super::{Filter, Key, Kind};
use crate::config::keys::{BadKey, Keys};
use crate::smtp::refusal::{Refusal, RefusalCode};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "program",
    help: "asks a program, by the contracts of the original",
    keys: &[
        Key {
            name: "at",
            value: "connect or message",
            help: "when it is asked: about the client, or about each message (required)",
        },
        Key {
            name: "contract",
            value: "original",
            help: "what it is told and how it answers (required with at = \"message\")",
        },
        Key {
            name: "run",
            value: "list",
            help: "its path, which begins with a slash, and its arguments (required)",
        },
    ],
    rules: &[REFUSED, TOO_EARLY],
    build,
};

/// The program says no.
const REFUSED: Refusal = Refusal::new(
    RefusalCode::MAILBOX_UNAVAILABLE,
    "program.refused",
    "4.7.1 Refused by local filter, try again later",
);

/// The program says something before it can know the whole message.
const TOO_EARLY: Refusal = Refusal::new(
    RefusalCode::MAILBOX_UNAVAILABLE,
    "program.too-early",
    "4.7.1 Refused by local filter, try again later",
);

/// A program and its arguments.
type Run = Vec<&'static str>;

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let Some(run) = keys.texts("run")? else {
        return Err(keys.missing("run", "a list as in [\"/path/of/program\", \"argument\"]"));
    };
    match run.first() {
        Some(path) if path.starts_with('/') => {}
        _ => return Err(keys.wrong("run", "must begin with a path that begins with a slash")),
    }
    if run.iter().any(|word| word.contains('\0')) {
        return Err(keys.wrong("run", "must not hold a NUL"));
    }
    let contract = keys.choice("contract", &[("original", ())])?;
    match (keys.choice("at", &[("connect", false), ("message", true)])?, contract) {
        (None, _) => Err(keys.missing("at", "\"connect\" or \"message\"")),
        (Some(false), _) => Ok(Box::new(ip::IpFilter::new(run))),
        (Some(true), Some(())) => Ok(Box::new(contents::ContentsFilter::new(run))),
        (Some(true), None) => Err(keys.missing("contract", "\"original\"")),
    }
}
