//! The tools: what is not a session. Nothing in here runs, and nothing is
//! allocated for it, on the way of a session.
//!
//! Each tool has a module with one `run`. `listen` and `try` share the accept loop and
//! what stands around it, `explain` and `replay` a session that is played, `replay` and
//! `report` the reading of logs.

pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod jail;
pub(crate) mod listen;
mod names;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod try_it;

mod launcher;
mod logs;
mod mail_text;
mod notes;
mod play;
mod refused;
mod sessions;
mod sink;
mod sockets;
mod status;
