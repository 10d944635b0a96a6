//! `smtp-wrapper check`: looks at everything that a session depends on, and says
//! what is amiss, where, and what to do about it.
//!
//! It changes nothing, and its verdict is written nowhere but to its output. The
//! MTA is spoken to as a session would, up to RCPT and never to DATA; every wait
//! has a limit, and whatever comes from outside is shown in printable ASCII.
//!
//! Rejected: asking the MTA at the start of sessions whether it relays. A session
//! would pay for it, and a stranger would decide how often.

mod configuration;
mod conversation;
mod files;
mod findings;
mod inetd;
mod lists;
mod mta;
mod programs;
mod relaying;
mod sandbox;
mod surroundings;
mod tls;
mod traces;
mod units;
mod users;
mod validity;

use crate::cli::Invocation;
use crate::config::Settings;
use crate::exit;
use crate::io::Wires;
use crate::sys;

use findings::Findings;

/// Looks at everything; the exit status says whether an error was found.
///
/// # Errors
/// An option of a session that is wrong.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    asked.apply(&mut Settings::default())?;
    let mut findings = Findings::new(asked.check().json);
    let mut wires = Wires::new(false);
    let starters =
        [units::check(asked, &mut findings), inetd::check(asked, &mut findings)].concat();
    match configuration::check(asked, starters, &mut findings) {
        Some(mut seen) => {
            sandbox::check(&mut seen, &mut findings);
            lists::check(&seen, &mut findings);
            programs::check(&seen, &mut findings);
            tls::check(&seen, &mut findings);
            surroundings::check(&seen, &mut wires, &mut findings);
            traces::check(&seen, &mut findings);
            mta::check(seen, wires, &mut findings);
        }
        None => findings.note(
            "",
            "lists, programs, DNS, log and MTA were not looked at",
            "they depend on the configuration",
        ),
    }
    if sys::terminated() {
        findings.error("", "ended by SIGTERM before everything was looked at", "");
    }
    Ok(findings.end())
}
