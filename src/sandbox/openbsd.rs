//! OpenBSD: unveil(2) and pledge(2).

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::cage::{Access, Bounds, Class, Step};
use crate::sys::cage::{pledge, unveil};

/// The steps.
pub(super) const STEPS: &[Step] =
    &[Step { name: "unveil", take: show }, Step { name: "pledge", take: promise }];

/// Only these paths are seen. Without any, pledge leaves no path at all.
fn show(bounds: &Bounds<'_>) -> io::Result<()> {
    for (path, access) in &bounds.paths {
        let how = match access {
            Access::Talk => c"rw",
            Access::Read => c"r",
            Access::Run => c"rx",
            Access::Write => c"rwc",
        };
        let path = CString::new(path.as_os_str().as_bytes())?;
        match unveil(&path, how) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn promise(bounds: &Bounds<'_>) -> io::Result<()> {
    // "dns" is for the system's resolver, which may see its own files.
    pledge(match bounds.class {
        Class::Relay => c"stdio inet unix dns",
        Class::Files => c"stdio inet unix dns rpath wpath cpath fattr flock",
        Class::Children => c"stdio inet unix dns rpath wpath cpath fattr flock proc",
        Class::Programs => c"stdio inet unix dns rpath wpath cpath fattr flock proc exec",
    })
}
