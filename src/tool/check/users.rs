//! The users of this system, as far as /etc/passwd has them, and what starts sessions as
//! them. Who is not there may still be known elsewhere.

use crate::cli::Invocation;
use crate::config::Settings;
use crate::sandbox::user::known;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    /// Its name.
    pub(super) name: String,
    /// Its number.
    pub(super) uid: u32,
    /// Its group.
    pub(super) gid: u32,
}

/// What starts sessions, and what it gives them.
#[derive(Clone, Debug)]
pub(super) struct Starter {
    /// Where that stands.
    pub(super) place: String,
    /// Whom they run as, if it is one of the users here.
    pub(super) user: Option<User>,
    /// They run as root, and none of their options changes that: where this stands.
    pub(super) root: Option<String>,
    /// The names of their credentials (systemd.exec(5)).
    pub(super) credentials: Vec<String>,
}

impl Starter {
    /// Do sessions have a credential with this name?
    pub(super) fn gives(&self, name: &str) -> bool {
        let is = |id: &String| match id.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            // What is in a directory has its name in front.
            None => name
                .strip_prefix(&**id)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_')),
        };
        self.credentials.iter().any(is)
    }
}

/// The user with this name or number.
pub(super) fn find(wanted: &str) -> Option<User> {
    let found = known(wanted)?;
    Some(User { name: found.name, uid: found.id, gid: found.group? })
}

/// Do these options make sessions become another user?
pub(super) fn names_user(asked: &Invocation) -> bool {
    let mut settings = Settings::default();
    let _ = asked.apply(&mut settings);
    settings.sandbox.is_some_and(|sandbox| sandbox.user.is_some())
}
