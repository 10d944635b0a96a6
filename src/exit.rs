//! Exit statuses (sysexits.h). Whatever the client does, a session ends with
//! 0: systemd keeps failed instances, and they count against the limits.

/// An exit status. Not the standard library's, which one cannot look into: for musl, `main` gives C a
/// number.
pub type Code = u8;

/// The end was the client's doing.
pub const OK: Code = 0;
/// `check` found an error; `report` could read its logs only in part, or knows no line.
pub const FOUND: Code = 1;
/// `replay`: something would be another.
pub const CHANGED: Code = 1;
/// `import`: something could not be carried.
pub const NOT_CARRIED: Code = 1;
/// `explain`: the client would be refused for now.
pub const REFUSED_FOR_NOW: Code = 1;
/// `explain`: the client would be refused for good.
pub const REFUSED_FOR_GOOD: Code = 2;
/// A fault of the program (EX_SOFTWARE).
pub const INTERNAL: Code = 70;
/// The MTA cannot be reached, or was lost (EX_TEMPFAIL).
pub const TEMPORARY: Code = 75;
/// The command line, or how we were started, is wrong (EX_CONFIG).
pub const CONFIGURATION: Code = 78;
