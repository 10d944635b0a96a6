//! From root to a user that may do nothing else, in a directory of its own.
//!
//! For supervisors that start sessions as root and change neither: the inetd of a small
//! system, tcpserver. Everything that needs root or the files of the host is done first: the
//! configuration and its lists are open, the user is looked up, the log is connected. Then
//! the root directory, groups, group and user are changed, in this order, for each step
//! takes what the next one gives away; and at the end it is tried whether root comes back.
//!
//! Users are those of /etc/passwd and /etc/group, read here: a static program has no other
//! way, and one that is not is to find the same. Users from elsewhere are given by number.

use std::fmt;
use std::io;
use std::os::unix::fs::chroot;
use std::path::Path;

use rustix::process::{getegid, geteuid, getgid, getuid};

use crate::config::User;
use crate::log::Log;
use crate::{crash, file, sys};

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// A larger one is none, in MiB.
const MOST: u64 = 16;

/// A user and its group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    /// The user.
    pub(crate) uid: u32,
    /// The group.
    pub(crate) gid: u32,
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// Becomes this user, in this directory if one is named.
///
/// # Errors
/// Says which step failed; there is no going on behind it.
#[cold]
#[inline(never)]
pub(super) fn become_user(user: User, root: Option<&Path>, log: &mut Log) -> Result<(), String> {
    let cannot = |what: String| format!("user {user}: {what}");
    let ids = look_up(user).map_err(cannot)?;
    log.connect();
    if let Some(root) = root {
        crash::log_to(log.another());
        let outcome = enter(root);
        outcome.map_err(|error| format!("chroot {}: {error}{}", root.display(), hint(&error)))?;
    }
    if geteuid().is_root() {
        let outcome = sys::become_user(ids.uid, ids.gid);
        outcome.map_err(|error| cannot(error.to_string()))?;
    }
    let we = Ids { uid: geteuid().as_raw(), gid: getegid().as_raw() };
    if we != ids {
        return Err(cannot(format!("sessions are started as {we}, and only root becomes {ids}")));
    }
    let really = Ids { uid: getuid().as_raw(), gid: getgid().as_raw() };
    if really != ids || sys::becomes_root() {
        return Err(cannot("root could be had again".to_owned()));
    }
    Ok(())
}

/// Changes the root directory.
fn enter(root: &Path) -> io::Result<()> {
    chroot(root)?;
    std::env::set_current_dir("/")
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " (smtp-wrapper jail makes one)",
        io::ErrorKind::PermissionDenied => " (only root changes it)",
        _ => "",
    }
}

/// The numbers of a user.
///
/// # Errors
/// Says that there is none, or that it is root.
pub(crate) fn look_up(user: User) -> Result<Ids, String> {
    let group = user.group.map(group).transpose()?;
    let ids = match (user.name.parse(), group) {
        (Ok(uid), Some(gid)) => Ids { uid, gid },
        (_, group) => {
            let found = entry(USERS, user.name)?;
            let found = found.ok_or_else(|| no_such(USERS, user.name, "uid:gid"))?;
            let gid = group.or(found.group).ok_or_else(|| format!("has no group in {USERS}"))?;
            Ids { uid: found.id, gid }
        }
    };
    match ids.uid == 0 || ids.gid == 0 {
        true => Err(format!("is {ids}, and to be root is no less than before")),
        false => Ok(ids),
    }
}

fn group(name: &str) -> Result<u32, String> {
    match name.parse() {
        Ok(gid) => Ok(gid),
        Err(_) => match entry(GROUPS, name)? {
            Some(found) => Ok(found.id),
            None => Err(no_such(GROUPS, name, "a number")),
        },
    }
}

fn no_such(file: &str, name: &str, otherwise: &str) -> String {
    format!("there is no {name:?} in {file} (who is known elsewhere is given as {otherwise})")
}

/// A line of the users or the groups.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// Its number.
    pub(crate) id: u32,
    /// A user's group.
    pub(crate) group: Option<u32>,
}

/// The user with this name or number; `None` if there is none, or no telling.
pub(crate) fn known(wanted: &str) -> Option<Entry> {
    entry(USERS, wanted).ok().flatten()
}

/// The first line of the file with this name or number.
fn entry(path: &str, wanted: &str) -> Result<Option<Entry>, String> {
    let cannot = |error: io::Error| format!("{path}: cannot be read: {error}");
    let Some((file, stat)) = file::open(Path::new(path)).map_err(cannot)? else { return Ok(None) };
    let octets = file::read_all(&file, &stat, MOST).map_err(cannot)?;
    Ok(find(&octets, wanted))
}

/// Names go before numbers, as everywhere.
fn find(lines: &[u8], wanted: &str) -> Option<Entry> {
    let entries = || lines.split(|&b| b == b'\n').filter_map(parse);
    let number = wanted.parse();
    entries()
        .find(|entry| entry.name == wanted)
        .or_else(|| entries().find(|entry| number == Ok(entry.id)))
}

/// NAME:PASSWORD:NUMBER:…, and behind it the group or the members.
fn parse(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&b| b == b':').map(|field| std::str::from_utf8(field).ok());
    let name = fields.next()??.to_owned();
    let id = fields.nth(1)??.parse().ok()?;
    let group = fields.next().flatten().and_then(|group| group.parse().ok());
    Some(Entry { name, id, group })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_name_and_number() {
        let users = b"root:x:0:0:root:/root:/bin/sh\n# a comment\n+::::::\nbad:x:-1:4::/:/\n\
            smtp:x:1001:1002:caf\xe9:/:/bin/false\n8:x:9:10::/:/\nlast:*:8:11::/:/";
        let found = |wanted| {
            let found = find(users, wanted)?;
            Some((found.name, found.id, found.group))
        };
        let entry = |name: &str, id, group| Some((name.to_owned(), id, Some(group)));
        for (wanted, expected) in [
            ("smtp", entry("smtp", 1001, 1002)),
            ("1001", entry("smtp", 1001, 1002)),
            ("8", entry("8", 9, 10)),
            ("last", entry("last", 8, 11)),
            ("bad", None),
            ("smt", None),
            ("", None),
            ("+", None),
        ] {
            assert_eq!(found(wanted), expected, "{wanted}");
        }
    }

    #[test]
    fn numbers_need_no_file() {
        let user = |name, group| look_up(User { name, group: Some(group) });
        assert_eq!(
            user("4000000000", "4000000001").map(|ids| ids.to_string()).as_deref(),
            Ok("4000000000:4000000001")
        );
        assert!(look_up(User { name: "4000000000", group: None }).is_err());
        assert!(look_up(User { name: "no-such-user", group: None }).is_err());
        assert!(user("4000000000", "no-such-group").is_err());
        assert!(user("root", "4000000001").is_err());
    }
}
