//! The sandbox: what a session gives up before the first octet of its client is looked at.
//!
//! Whoever breaks into a session has what the session has left: the client's connection,
//! the MTA's, and what [`Needs`] says. The files are read, the lists are open; what is
//! not needed any more the kernel is told to refuse, by steps that cost some microseconds
//! each, where the same from a supervisor costs a hundred times that for each connection.
//!
//! A step that the kernel does not know is left out and noted in the log, unless
//! `mode = "required"`: then there is no session, and a 421 for the client. A user or root
//! directory that is asked for and cannot be had is always that: a session never goes on
//! with more than its configuration leaves it.

mod cage;
#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;
mod needs;
#[cfg(target_os = "openbsd")]
mod openbsd;
#[cfg(all(test, target_os = "linux"))]
mod tests;
pub(crate) mod trial;
pub(crate) mod user;

#[cfg(target_os = "freebsd")]
use freebsd::STEPS;
#[cfg(target_os = "linux")]
use linux::STEPS;
#[cfg(target_os = "openbsd")]
use openbsd::STEPS;
#[cfg(not(any(target_os = "freebsd", target_os = "linux", target_os = "openbsd")))]
const STEPS: &[cage::Step] = &[];

pub use needs::Needs;

use crate::activation::Client;
use crate::config::{Cage, Identity, Loaded, Resolver};
use crate::log::Log;
use crate::{filter, guard, sys};

/// Can TCP ports be named to the kernel?
#[cfg(target_os = "linux")]
pub(crate) fn knows_ports() -> bool {
    linux::knows_ports()
}

/// Can TCP ports be named to the kernel?
#[cfg(not(target_os = "linux"))]
pub(crate) fn knows_ports() -> bool {
    false
}

/// Closes what the supervisor left open beyond the standard descriptors. The first thing
/// that a session does, as it has opened none itself.
pub(crate) fn close_strays() {
    // systemd may hand the client over as the first of them (sd_listen_fds(3)).
    let first = if sys::variable("LISTEN_FDS").is_none() { 3 } else { 4 };
    sys::cage::close_from(first);
}

/// Gives up what the session with this client has no need for. With a root directory of its own
/// the log is connected before: afterwards it could not be reached any more.
///
/// # Errors
/// Says what cannot be given up and has to be; what only should be is a note for the log.
pub(crate) fn enter(loaded: &mut Loaded, client: &Client, log: &mut Log) -> Result<(), String> {
    if let Some(wanted) = &loaded.settings.sandbox
        && let Some(user) = wanted.user
    {
        user::become_user(user, wanted.chroot, log)?;
    }
    loaded.unguarded = guard::untold(loaded, client);
    loaded.programs = loaded.settings.upstream.programs();
    let mode = loaded.settings.cage();
    if mode == Cage::Off {
        return Ok(());
    }
    let needs = needs(loaded, client);
    let shared = if needs == Needs::NOTHING { Vec::new() } else { cage::shared() };
    let Err(missing) = cage::shut(&cage::Bounds::of(&loaded.settings, needs, &shared)) else {
        return Ok(());
    };
    match mode {
        Cage::Required => Err(format!("sandbox: cannot be had here: {missing}")),
        _ => {
            loaded.note.get_or_insert_with(|| format!("sandbox: not to be had here: {missing}"));
            Ok(())
        }
    }
}

/// What the session may need. What is in files that would be read later is read now: to
/// allow that the kernel is asked as often.
fn needs(loaded: &mut Loaded, client: &Client) -> Needs {
    let settings = &mut loaded.settings;
    let mut needs = loaded.chain.needs();
    let names = settings.identity == Identity::Xclient
        || settings.proxy_from.is_some()
        || loaded.chain.needs_host(client)
        || (loaded.usual && (settings.judge_local || filter::usual_judge(client)));
    match settings.dns().resolver {
        Resolver::System if names => needs |= Needs::SYSTEM_RESOLVER,
        Resolver::Stub if names => settings.read_servers(),
        _ => {}
    }
    if settings.upstream.iter().any(|mta| mta.is_named()) {
        needs |= Needs::SYSTEM_RESOLVER;
    }
    if settings.upstream.iter().any(|mta| mta.is_program()) {
        needs |= Needs::CHILDREN;
    }
    if loaded.unguarded.is_some() || settings.tls.is_some() {
        needs |= Needs::STATE;
    }
    needs
}
