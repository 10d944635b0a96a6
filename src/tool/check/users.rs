//! The users of this system, as far as /etc/passwd has them. A static program has no
//! other way; who is not there may still be known elsewhere.

use std::fs;

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
    let text = fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        let is = name == wanted || wanted.parse() == Ok(uid);
        is.then(|| User { name: name.to_owned(), uid, gid })
    })
}
