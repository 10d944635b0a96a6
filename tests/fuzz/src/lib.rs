//! Fuzz targets over the dialogue: a program of events is played to it, by a
//! driver that does what `session.rs` does, while both ends watch.
//!
//! The invariants:
//!
//! 1. Nothing panics, overflows or loops: between two waits there is a step for
//!    each octet written, each record, and a few more.
//! 2. Memory is bounded: what waits for a peer by [`limits`], and all that the
//!    dialogue holds by what a transaction and the longest reply need.
//! 3. What the client gets parses as replies, strictly. Each complete command
//!    and message gets one reply, in order, from what the MTA said to the same
//!    command or from our own table; a reply to nothing is 4yz or 5yz and the
//!    last one; after 421 comes nothing. When nothing more happens, no complete
//!    command is without reply unless the MTA owes it.
//! 4. The client gets 2yz for its end of data only if the MTA said 2yz after it
//!    had received that message whole, octet for octet.
//! 5. The MTA never gets a CR or LF outside of CRLF, a command that is not on
//!    the list, a control character in it, DATA without an accepted recipient,
//!    mail data that is not the beginning of what the client sent after 354, or
//!    what any reader, however lenient, could take for an end of mail data that
//!    the client has not sent.
//! 6. Each recipient that was accepted, and each that the MTA refused, gets one
//!    fate in the records; `pass` is the fate of those whose message the client
//!    was told is taken, and of no others.
//! 7. The same octets in other pieces (octet by octet, in what is received and
//!    in what is taken of a write) lead to the same octets for either peer, the
//!    same records and the same ending. Not compared are programs in which it
//!    matters when something is heard: the MTA speaks before it is asked; a peer
//!    takes nothing while something else happens than that the other one sends;
//!    a line is longer than [`limits::LINE_WITHOUT_END`]. An MTA that fails may
//!    have got more or less of a group of commands.
//!
//! The form of a program is told in [`program`].

mod client;
mod driver;
mod filters;
mod heap;
mod mta;
mod program;
pub mod seeds;
mod steps;

use smtp_wrapper::limits;

/// Octet by octet is quadratic in nothing, but slow: longer programs are cut
/// into pieces of another odd size.
const LONG: usize = 16 * 1024;

/// Plays the program twice and checks the invariants.
///
/// # Panics
/// When one does not hold; that is a finding.
pub fn check(input: &[u8], obedient: bool) {
    let events = program::parse(input);
    let show = std::env::var_os("FUZZ_SHOW").is_some();
    if show {
        println!("as it is:");
    }
    let whole = driver::play(&events, obedient, None, show);
    let piece = if program::length(&events) > LONG { 509 } else { 1 };
    if show {
        println!("in pieces of {piece}:");
    }
    let pieces = driver::play(&events, obedient, Some(piece), show);
    if whole.comparable && pieces.comparable {
        assert_eq!(whole, pieces, "cut into pieces of {piece} octets it ends differently");
    }
}

/// The most that may wait to be written: what is allowed to choke, and then one
/// reply of the MTA or one line of AUTH on top.
const WAITING: [usize; 2] = [
    limits::OUTBOX + limits::REPLY_LINES * limits::REPLY_LINE,
    limits::OUTBOX + limits::AUTH_LINE + limits::CLIENT_INBOX,
];
