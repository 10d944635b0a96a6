//! Which files and ports a session has left.
//!
//! Kernels know more or less of it (Landlock's versions); what one does not know stays
//! allowed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, open};

use crate::sandbox::cage::{Access, Bounds};
use crate::sys::cage::{
    Handled, landlock_create, landlock_path, landlock_port, landlock_restrict, landlock_version,
};

// linux/landlock.h
const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
/// To make and remove entries of a directory, but for devices, and to move them.
const ENTRIES: u64 = 0b11_0111_1011_0000;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;
const BIND_TCP: u64 = 1 << 0;
const CONNECT_TCP: u64 = 1 << 1;
const ABSTRACT_SOCKETS: u64 = 1 << 0;
const SIGNALS: u64 = 1 << 1;

/// What there is of files in each version, from the first on.
const FILES: [u64; 5] = [(1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1];
/// From these versions on there are ports and scopes.
const PORTS: u32 = 4;
const SCOPES: u32 = 6;

/// What can be said of a file that is no directory.
const OF_A_FILE: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/// Leaves the session what is within its bounds.
pub(super) fn restrict(bounds: &Bounds<'_>) -> io::Result<()> {
    let (rules, handled) = ruleset(bounds)?;
    for (path, access) in &bounds.paths {
        allow(&rules, path, files(*access) & handled.files)?;
    }
    if handled.network != 0 {
        for &port in bounds.ports.iter().flatten() {
            landlock_port(&rules, port, CONNECT_TCP)?;
        }
    }
    landlock_restrict(&rules)
}

/// Can TCP ports be named?
pub(super) fn knows_ports() -> bool {
    landlock_version().is_ok_and(|version| version >= PORTS)
}

/// What is handled, of all that the kernel knows: newer ones take what is asked for here at
/// once, older ones are asked what they know.
fn ruleset(bounds: &Bounds<'_>) -> io::Result<(OwnedFd, Handled)> {
    let network = bounds.ports.as_ref().map_or(BIND_TCP, |_| BIND_TCP | CONNECT_TCP);
    // Programs started by a session are within the same scope.
    let scopes = if bounds.alone { ABSTRACT_SOCKETS | SIGNALS } else { 0 };
    let [.., files] = FILES;
    let mut handled = Handled { files, network, scopes };
    if let Ok(rules) = landlock_create(&handled, size_of::<Handled>()) {
        return Ok((rules, handled));
    }
    let version = landlock_version()?;
    let known = (version as usize).clamp(1, FILES.len()) - 1;
    handled.files = FILES.get(known).copied().unwrap_or_default();
    let mut octets = 8;
    if version >= PORTS {
        octets += 8;
    } else {
        handled.network = 0;
    }
    if version >= SCOPES {
        octets += 8;
    } else {
        handled.scopes = 0;
    }
    landlock_create(&handled, octets).map(|rules| (rules, handled))
}

fn files(access: Access) -> u64 {
    const READ: u64 = READ_FILE | READ_DIR;
    match access {
        Access::Talk => 0,
        Access::Read => READ,
        Access::Run => READ | EXECUTE,
        Access::Write => READ | WRITE_FILE | TRUNCATE | ENTRIES,
    }
}

/// Allows what is beneath a path; one that is not there allows nothing.
fn allow(rules: &OwnedFd, path: &Path, mut access: u64) -> io::Result<()> {
    let Ok(beneath) = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else {
        return Ok(());
    };
    if rustix::fs::FileType::from_raw_mode(fstat(&beneath)?.st_mode)
        != rustix::fs::FileType::Directory
    {
        access &= OF_A_FILE;
    }
    landlock_path(rules, beneath.as_fd(), access)
}
