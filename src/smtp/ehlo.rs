//! The service extensions in the MTA's reply to EHLO (RFC 5321 4.1.1.1).
//!
//! An extension changes the dialogue, and an extension that the one in the
//! middle does not know lets mail be lost (CHUNKING) or trust be stolen
//! (XCLIENT: the MTA trusts *our* address). So the list is of those that pass.

use super::reply::Reply;

/// The keywords that are passed to the client. Left out on purpose: STARTTLS, which
/// depends on who encrypts ([`Offers`]); CHUNKING and BINARYMIME until they are
/// handled here; XCLIENT, XFORWARD and ETRN for good, for they are meant for us and not for strangers.
pub const PASSED: &[&str] = &[
    "8BITMIME",            // RFC 6152
    "AUTH",                // RFC 4954
    "DELIVERBY",           // RFC 2852
    "DSN",                 // RFC 3461
    "ENHANCEDSTATUSCODES", // RFC 2034
    "EXPN",                // RFC 5321
    "HELP",                // RFC 5321
    "LIMITS",              // RFC 9422
    "MT-PRIORITY",         // RFC 6710
    "NO-SOLICITING",       // RFC 3865
    PIPELINING,            // RFC 2920
    "SIZE",                // RFC 1870
    "SMTPUTF8",            // RFC 6531
    "VRFY",                // RFC 5321
];

/// The extension that lets commands be sent before earlier ones are answered.
const PIPELINING: &str = "PIPELINING";

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

/// What the MTA offers that makes a difference to the dialogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// It takes commands in groups.
    pub pipelining: bool,
    /// It offered STARTTLS, and that was passed.
    pub starttls: bool,
}

/// Takes from the MTA's reply to EHLO what is not passed, or to HELO (not
/// `extended`) all but the first line. STARTTLS is passed if the MTA is to encrypt
/// (`pass`).
pub fn filter(reply: &mut Reply, extended: bool, pass: bool) -> Offers {
    let mut offers = Offers::default();
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
        let passed = PASSED.iter().find(is);
        offers.pipelining |= passed == Some(&PIPELINING);
        let starttls =
            passed.is_none() && pass && keyword.eq_ignore_ascii_case(STARTTLS.as_bytes());
        offers.starttls |= starttls;
        passed.is_some() || starttls
    });
    offers
}
