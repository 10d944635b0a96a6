//! What the tests of the real binary share.
//!
//! A test plays one SMTP session with three parties in view: the client (the test itself), the
//! program (the real binary, started in a fresh directory with the client's connection as fd 0, 1
//! and 2, as inetd does it) and the MTA (a thread that follows a script). Because fd 2 is the
//! client's connection, anything the program writes to it arrives at the client as a line that no
//! dialogue expects.
//!
//! Every wait is bounded by [`PATIENCE`], and every failure shows what passed on both sides until
//! then.

// Each test file is a crate of its own and uses its own part of this.
#![allow(dead_code, unused_imports, unreachable_pub)]

mod client;
mod connection;
pub mod dns;
mod mta;
mod program;
mod script;
mod session;
mod stages;
mod syslog;
mod table;
pub mod tls;
pub mod tool;
mod transcript;

pub use client::Client;
pub use mta::{End, Heard, Message, Mta};
pub use program::copy;
pub use program::{Folder, Program};
pub use script::{Act, Script};
pub use session::{Session, connection, connection_to, upstream_and_log};
pub use syslog::Syslog;
pub use table::each;
pub use transcript::Transcript;

use std::time::Duration;

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Text as written in a test, without its indentation and with CRLF at the end of each line.
pub fn lines(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for line in text.lines().map(str::trim_start).skip_while(|line| line.is_empty()) {
        octets.extend_from_slice(line.as_bytes());
        octets.extend_from_slice(b"\r\n");
    }
    // The last line of a text written over several lines is the indentation of its closing quote.
    if octets.ends_with(b"\r\n\r\n") && text.ends_with([' ', '\n']) {
        octets.truncate(octets.len() - 2);
    }
    octets
}

/// True if `part` occurs in `whole`.
pub fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// True if a regular expression finds something in the text, both taken for octets.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern = regex::bytes::RegexBuilder::new(pattern).unicode(false).build();
    pattern.expect("a regular expression").is_match(text.as_bytes())
}
