//! Who may change a file that sessions trust.

use std::path::Path;

use rustix::fs::{Stat, stat};
use rustix::process::geteuid;

/// Says who else than root and the owner may change the file, or put another in
/// its place; `None` if nobody may, or there is no file.
pub(super) fn open_to_others(path: &Path) -> Option<String> {
    let real = std::fs::canonicalize(path).ok()?;
    let own = stat(&real).ok()?;
    if others_write(&own) {
        return Some(format!("may be written by others than its owner (mode {:03o})", mode(&own)));
    }
    // The folders that a link lies in count as much as those of what it leads to.
    let named = std::path::absolute(path).ok()?;
    let folder = named.ancestors().skip(1).chain(real.ancestors().skip(1)).find(|folder| {
        // In one with the sticky bit only the owner of a file may replace it.
        stat(*folder).is_ok_and(|stat| others_write(&stat) && mode(&stat) & 0o1000 == 0)
    })?;
    Some(format!("may be replaced by others: they may write {}", folder.display()))
}

/// Says that the file, or a folder that it lies in, is neither root's nor ours.
pub(super) fn owned_by_another(path: &Path) -> Option<String> {
    let real = std::fs::canonicalize(path).ok()?;
    real.ancestors().find_map(|of| {
        let uid = stat(of).ok()?.st_uid;
        let known = uid == 0 || uid == geteuid().as_raw();
        let what = if of == real { "it".to_owned() } else { of.display().to_string() };
        (!known).then(|| format!("{what} belongs to the user {uid}, who may change it"))
    })
}

/// May others write it? A group of one's own, as useradd makes it, is nobody else.
fn others_write(stat: &Stat) -> bool {
    let group = mode(stat) & 0o020 != 0 && stat.st_gid != 0 && stat.st_gid != stat.st_uid;
    mode(stat) & 0o002 != 0 || group
}

/// Its permissions.
#[allow(clippy::unnecessary_cast)] // The width differs between systems.
pub(super) fn mode(stat: &Stat) -> u32 {
    stat.st_mode as u32 & 0o7777
}
