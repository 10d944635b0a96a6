//! `[sandbox]`: what a session gives up before it looks at its client.

use std::fmt;
use std::path::Path;

use super::Discord;
use super::keys::{BadKey, Keys};
use super::settings::directory;
use crate::filter::Key;

/// The keys of the table.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "user",
        value: "name, name:group or uid:gid",
        help: "whom a session that is started as root becomes (none)",
    },
    Key {
        name: "chroot",
        value: "directory",
        help: "what is its root directory from then on; goes with user (none)",
    },
    Key {
        name: "mode",
        value: "auto, off or required",
        help: "whether the kernel keeps a session from all it does not need (auto: as far as it can)",
    },
    Key {
        name: "connect",
        value: "list",
        help: "ports that filters of type program may connect to (all)",
    },
    Key {
        name: "write",
        value: "list",
        help: "directories that filters of type program may write to, beside state and TMPDIR (none)",
    },
];

/// Whether a session gives up what it does not need (`mode` of `[sandbox]`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cage {
    /// What the kernel has for it.
    #[default]
    Auto,
    /// No.
    Off,
    /// All of it, or there is no session.
    Required,
}

/// The words for it.
pub(crate) const CAGES: &[(&str, Cage)] =
    &[("auto", Cage::Auto), ("off", Cage::Off), ("required", Cage::Required)];

/// What a port may be.
const WANTS_PORTS: &str = "must be ports in quotes, as in [\"783\", \"3310\"]";

/// What a user may be.
const WANTS: &str = "must be a name, name:group or uid:gid, and not root";

/// What a session gives up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxSettings {
    /// Whom it becomes.
    pub user: Option<User>,
    /// What its root directory becomes.
    pub chroot: Option<&'static Path>,
    /// Whether the kernel keeps it from all that it does not need.
    pub mode: Cage,
    /// Ports that programs may connect to, beside those of all sessions; `None`: all.
    pub connect: Option<Vec<u16>>,
    /// Directories that programs may write to, beside those of all sessions.
    pub write: Vec<&'static Path>,
}

/// A user as it is written: names, or numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Who it is.
    pub name: &'static str,
    /// Its group; `None`: the user's own.
    pub group: Option<&'static str>,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            Some(group) => write!(f, "{}:{group}", self.name),
            None => f.write_str(self.name),
        }
    }
}

impl User {
    /// Reads it; whether there is such a user is another question.
    ///
    /// # Errors
    /// Says what it may be.
    fn read(text: &'static str) -> Result<User, String> {
        let (name, group) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        match is_account(name) && name != "root" && group.is_none_or(is_account) {
            true => Ok(User { name, group }),
            false => Err(WANTS.to_owned()),
        }
    }
}

/// A name, or a number that is not root's. The highest stands for "as it was" (setreuid(2)).
fn is_account(text: &str) -> bool {
    let named = |b: u8| b.is_ascii_graphic() && !matches!(b, b':' | b'/' | b',');
    match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u32>().is_ok_and(|id| id != 0 && id != u32::MAX),
        false => !text.starts_with(['-', '+']) && text.bytes().all(named),
    }
}

impl SandboxSettings {
    /// Reads the table.
    ///
    /// # Errors
    /// The first key that is wrong.
    #[inline(never)] // Not in every session.
    pub(super) fn read(keys: &Keys<'_>) -> Result<SandboxSettings, BadKey> {
        let mut read = SandboxSettings::default();
        if let Some(user) = keys.text("user")? {
            read.become_user(user).map_err(|what| keys.wrong("user", what))?;
        }
        if let Some(path) = keys.text("chroot")? {
            read.change_root(path).map_err(|what| keys.wrong("chroot", what))?;
        }
        read.mode = keys.choice("mode", CAGES)?.unwrap_or_default();
        let port = |text: &&str| text.parse().ok().filter(|port| *port != 0);
        if let Some(ports) = keys.texts("connect")? {
            let ports = ports.iter().map(port).collect::<Option<_>>();
            read.connect = Some(ports.ok_or_else(|| keys.wrong("connect", WANTS_PORTS))?);
        }
        for path in keys.texts("write")?.unwrap_or_default() {
            read.write.push(directory(path).map_err(|what| keys.wrong("write", what))?);
        }
        Ok(read)
    }

    /// This is the user.
    ///
    /// # Errors
    /// Says what it may be.
    pub(crate) fn become_user(&mut self, text: &'static str) -> Result<(), String> {
        self.user = Some(User::read(text)?);
        Ok(())
    }

    /// This is the root directory.
    ///
    /// # Errors
    /// Says what it may be.
    pub(crate) fn change_root(&mut self, path: &'static str) -> Result<(), String> {
        self.chroot = Some(directory(path)?);
        Ok(())
    }

    /// Do they go together, wherever each is from?
    ///
    /// # Errors
    /// Says what does not.
    #[inline(never)] // Not in every session.
    pub(super) fn agree(&self) -> Result<(), Box<Discord>> {
        if self.chroot.is_some() && self.user.is_none() {
            let what = "chroot goes with a user (user in [sandbox], or --user): root leaves any";
            return Err(Discord::new("sandbox", "chroot", what));
        }
        Ok(())
    }
}

impl super::Settings {
    /// Whether the session is kept by the kernel from all that it does not need.
    pub(crate) fn cage(&self) -> Cage {
        self.sandbox.as_ref().map_or(Cage::Auto, |sandbox| sandbox.mode)
    }

    /// What a session gives up, for an option to change.
    pub(crate) fn sandbox(&mut self) -> &mut SandboxSettings {
        self.sandbox.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_names_or_numbers_and_never_root() {
        for (text, name, group) in [
            ("smtp-wrapper", "smtp-wrapper", None),
            ("_smtpw", "_smtpw", None),
            ("mail:nogroup", "mail", Some("nogroup")),
            ("1001:1002", "1001", Some("1002")),
            ("1001", "1001", None),
            ("4294967294:1", "4294967294", Some("1")),
        ] {
            let user = User::read(text);
            assert_eq!(user, Ok(User { name, group }));
            assert_eq!(user.map(|user| user.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "",
            ":",
            "a:",
            ":a",
            "a:b:c",
            "root",
            "0",
            "00",
            "0:1",
            "1:0",
            "root:mail",
            "a b",
            "a\n",
            "4294967295",
            "4294967296",
            "1:4294967295",
            "-1",
            "-x",
            "+x",
            "a/b",
            "é",
            "a\0",
        ] {
            assert!(User::read(text).is_err(), "{text:?}");
        }
    }
}
