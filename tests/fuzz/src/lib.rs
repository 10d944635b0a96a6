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
//!    had received that message whole, octet for octet, or what filters made of
//!    it. No reply of the MTA to a command of ours (what brings it to where a
//!    held client is; DATA and RSET around a message that is kept) reaches the
//!    client as a positive one; as a refusal, only for the recipient or message
//!    that it is about, or a 421.
//! 5. The MTA never gets a CR or LF outside of CRLF, a command that is not on
//!    the list, a control character in it, DATA without an accepted recipient,
//!    mail data that is not the beginning of what the client sent after 354, or
//!    what any reader, however lenient, could take for an end of mail data that
//!    the client has not sent. If messages are kept, it gets no mail data before
//!    the filters have let a message pass, and then that message, as they left
//!    it, to its end, once.
//! 6. Each recipient that was accepted, and each that the MTA or a filter
//!    refused, gets one fate in the records; `pass` is the fate of those whose
//!    message the client was told is taken, and of no others. Not so when the
//!    MTA closes the session by itself: a command that is not dealt with yet
//!    then has no record, though the client takes the 421 for its reply.
//! 7. The same octets in other pieces (octet by octet, in what is received, kept
//!    and poured, and in what is taken of a write) lead to the same octets for
//!    either peer, the same records and the same ending. Not compared are
//!    programs in which it matters when something is heard: the MTA speaks
//!    before it is asked; a peer takes nothing while something else happens than
//!    that the other one sends; a line is longer than
//!    [`limits::LINE_WITHOUT_END`]; a message cannot be kept. An MTA that fails
//!    may have got more or less of a group of commands, and more or fewer
//!    recipients may be given up with it.
//! 8. Filters are asked where the plan says and nowhere else, in the session's
//!    order, at most once about each line and each message, and about what the
//!    client sent. A refusal of theirs is said at most once, to what they were
//!    asked about.
//! 9. A recipient reaches the MTA only if the filters let it through. For a held
//!    client the MTA is neither called nor told anything before one is, nor
//!    after it has been left; then it is told HELO or EHLO, MAIL and that RCPT,
//!    each once. Nobody else's session calls the MTA twice.
//! 10. When a message comes to nothing and the MTA is kept, the next thing that
//!     the MTA gets is RSET, and it gets that before the session waits.
//!
//! The form of a program is told in [`program`].

mod client;
mod driver;
pub mod filtered;
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
