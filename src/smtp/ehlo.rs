//! The service extensions in the MTA's reply to EHLO (RFC 5321 4.1.1.1).
//!
//! An extension changes the dialogue, and an extension that the one in the
//! middle does not know lets mail be lost or trust be stolen
//! (XCLIENT: the MTA trusts *our* address). So the list is of those that pass.
//! CHUNKING is offered whether the MTA has it or not, for what comes in chunks can go to
//! it by DATA; BINARYMIME, which cannot, only where it has both.

use super::reply::Reply;

/// The keywords that are passed to the client, the usual ones first. Left out on purpose:
/// STARTTLS, which depends on who encrypts ([`StartTls`]); XCLIENT, XFORWARD and
/// ETRN for good, for they are meant for us and not for strangers.
pub const PASSED: &[&str] = &[
    PIPELINING,            // RFC 2920
    "SIZE",                // RFC 1870
    "8BITMIME",            // RFC 6152
    CHUNKING,              // RFC 3030
    "ENHANCEDSTATUSCODES", // RFC 2034
    "DSN",                 // RFC 3461
    "SMTPUTF8",            // RFC 6531
    "VRFY",                // RFC 5321
    AUTH,                  // RFC 4954
    BINARYMIME,            // RFC 3030
    "DELIVERBY",           // RFC 2852
    "EXPN",                // RFC 5321
    "HELP",                // RFC 5321
    "LIMITS",              // RFC 9422
    "MT-PRIORITY",         // RFC 6710
    "NO-SOLICITING",       // RFC 3865
];

/// The extension that lets commands be sent before earlier ones are answered.
const PIPELINING: &str = "PIPELINING";
/// BDAT.
const CHUNKING: &str = "CHUNKING";
/// Messages that are not made of lines.
const BINARYMIME: &str = "BINARYMIME";
/// Who proves who he is may do more.
const AUTH: &str = "AUTH";

/// What is kept from the client though the MTA offers it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Withheld {
    /// BINARYMIME: a filter could not see such a message.
    pub binarymime: bool,
    /// AUTH: the session is to be encrypted first.
    pub auth: bool,
    /// The same, if the MTA offers STARTTLS, and that is passed.
    pub auth_beside_starttls: bool,
    /// STARTTLS: it is not the MTA that encrypts.
    pub starttls: bool,
}

/// What of the MTA's extensions matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// It takes commands in groups.
    pub pipelining: bool,
    /// It takes messages in chunks.
    pub chunking: bool,
    /// The client may send messages that are not made of lines.
    pub binarymime: bool,
    /// The client sees that it may say AUTH.
    pub auth: bool,
    /// The client sees that the MTA encrypts.
    pub starttls: bool,
}

/// The extension that lets a session be encrypted (RFC 3207).
pub const STARTTLS: &str = "STARTTLS";

/// What becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTls {
    /// It is not offered.
    #[default]
    Hide,
    /// We offer it, and encrypt.
    Terminate,
    /// It is the MTA's, and what follows it goes past us.
    Pass,
}

/// Takes from the MTA's reply to EHLO what is not passed, or to HELO (not
/// `extended`) all but the first line; says what is offered.
pub fn filter(reply: &mut Reply, extended: bool, withheld: Withheld) -> Offered {
    let mut offered = Offered::default();
    reply.retain(|line| {
        if !extended {
            return false;
        }
        let keyword = line.split(|&b| b == b' ').next().unwrap_or_default();
        // "AUTH=LOGIN" is how some servers of the 1990s and their clients spell it.
        let keyword = keyword.split(|&b| b == b'=').next().unwrap_or_default();
        // The first letter tells most of them apart.
        let first = keyword.first().map(u8::to_ascii_uppercase);
        let is = |known: &&&str| {
            known.as_bytes().first().copied() == first
                && keyword.eq_ignore_ascii_case(known.as_bytes())
        };
        let passes = match PASSED.iter().find(is) {
            Some(&PIPELINING) => &mut offered.pipelining,
            Some(&CHUNKING) => &mut offered.chunking,
            Some(&BINARYMIME) if withheld.binarymime => return false,
            Some(&BINARYMIME) => &mut offered.binarymime,
            Some(&AUTH) if withheld.auth => return false,
            Some(&AUTH) => &mut offered.auth,
            Some(_) => return true,
            None if withheld.starttls || !keyword.eq_ignore_ascii_case(STARTTLS.as_bytes()) => {
                return false;
            }
            None => &mut offered.starttls,
        };
        *passes = true;
        true
    });
    if offered.starttls && withheld.auth_beside_starttls {
        offered.auth = false;
        reply.retain(|line| {
            !line.get(..AUTH.len()).is_some_and(|k| k.eq_ignore_ascii_case(AUTH.as_bytes()))
        });
    }
    if extended && !offered.chunking {
        reply.add(CHUNKING.as_bytes());
        if offered.binarymime {
            offered.binarymime = false;
            reply.retain(|line| !line.eq_ignore_ascii_case(BINARYMIME.as_bytes()));
        }
    }
    offered
}
