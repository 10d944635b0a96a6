//! Whether the cage can be shut here, for `check`: a process of its own tries it.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::pipe::{PipeFlags, pipe_with};

use super::cage::{Bounds, shared, shut};
use super::{Needs, needs};
use crate::activation::Client;
use crate::child::Child;
use crate::config::Loaded;
use crate::{exit, sys};

/// What came of it.
pub(crate) struct Trial {
    /// What a session with this client needs.
    pub(crate) needs: Needs,
    /// Which steps could not be taken, and why.
    pub(crate) missing: Option<String>,
}

/// Tries it with what the session of this client needs.
///
/// # Errors
/// There is no process to try it.
pub(crate) fn run(loaded: &mut Loaded, client: &Client) -> io::Result<Trial> {
    let needs = needs(loaded, client);
    let (told, tells) = pipe_with(PipeFlags::CLOEXEC)?;
    let Some(child) = Child::fork()? else {
        let shared = shared();
        if let Err(missing) = shut(&Bounds::of(&loaded.settings, needs, &shared)) {
            let _ = File::from(tells).write_all(missing.as_bytes());
        }
        sys::exit(exit::OK)
    };
    drop(tells);
    let mut missing = String::new();
    File::from(told).read_to_string(&mut missing)?;
    drop(child);
    Ok(Trial { needs, missing: Some(missing).filter(|missing| !missing.is_empty()) })
}
