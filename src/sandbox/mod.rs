//! The sandbox: what a session gives up before the first octet of its client is looked at.
//!
//! What is asked for and cannot be had ends the session, with a 421 for the client: a session
//! never goes on with more than its configuration leaves it.

pub(crate) mod user;

use crate::config::SandboxSettings;
use crate::log::Log;

/// Gives up what is to be given up. The log is connected before: afterwards it could not be
/// reached any more.
///
/// # Errors
/// Says what cannot be given up.
#[cold]
#[inline(never)]
pub(crate) fn enter(wanted: &SandboxSettings, log: &mut Log) -> Result<(), String> {
    match wanted.user {
        Some(user) => user::become_user(user, wanted.chroot, log),
        None => Ok(()),
    }
}
