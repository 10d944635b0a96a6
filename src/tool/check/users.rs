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
