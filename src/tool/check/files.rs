//! Who may change a file that sessions trust.

use std::path::Path;

use rustix::fs::{Stat, stat};
use rustix::process::geteuid;

use super::users::User;

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

/// May this user do all this (0o4 read, 0o2 write, 0o1 execute or enter)? By the
/// permissions of owner, group and others; further groups of the user are not looked at.
pub(super) fn may(user: &User, stat: &Stat, what: u32) -> bool {
    let shift = match (user.uid == stat.st_uid, user.gid == stat.st_gid) {
        (true, _) => 6,
        (_, true) => 3,
        _ => 0,
    };
    user.uid == 0 || mode(stat) >> shift & what == what
}

/// The first of the users who may not read the file.
pub(super) fn not_for<'a>(users: &'a [User], path: &Path) -> Option<&'a User> {
    let stat = stat(path).ok()?;
    users.iter().find(|user| !may(user, &stat, 0o4))
}

/// Its permissions.
#[allow(clippy::unnecessary_cast)] // The width differs between systems.
pub(super) fn mode(stat: &Stat) -> u32 {
    stat.st_mode as u32 & 0o7777
}
