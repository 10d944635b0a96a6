//! Authentication (RFC 4954): the exchange is the client's and the MTA's, and passes.
//!
//! Where AUTH may lift what filters found of the peer (`auth_lifts`), a client of whom a
//! refusal is found is not held at once: its greeting, EHLO and AUTH are the MTA's affair,
//! for only the MTA knows its users. What holds it is MAIL before the MTA has said 235 to its
//! AUTH, or an MTA that does not offer AUTH at all; from there on it is held like any
//! other. After 235 the refusal is forgotten.
//!
//! Rejected: answering EHLO and AUTH ourselves and calling the MTA with the first AUTH. The mechanisms
//! that are offered are the MTA's, and SCRAM binds what was offered.

use super::{Dialogue, Expected, Protection, State};
use crate::limits;
use crate::smtp::command::{self, Command};
use crate::smtp::ehlo::StartTls;
use crate::smtp::standing::{self, Standing};
use crate::stage::{Ruling, Stage};

/// What AUTH is about.
#[derive(Debug, Default)]
pub(super) struct Auth {
    /// What the client will be held for: the name to speak under, and the rule.
    put_off: Option<(String, &'static str)>,
    /// The mechanism of the exchange.
    mechanism: &'static str,
    /// How often the MTA said 334 in it.
    rounds: u32,
}

/// Mechanisms that the log names (the registry of RFC 4422, and what is in use beside it).
const MECHANISMS: &[&str] = &[
    "plain",
    "login",
    "cram-md5",
    "digest-md5",
    "scram-sha-1",
    "scram-sha-1-plus",
    "scram-sha-256",
    "scram-sha-256-plus",
    "external",
    "gssapi",
    "ntlm",
    "oauthbearer",
    "xoauth2",
    ANONYMOUS,
];

/// The log's name for any other.
const OTHER: &str = "other";

/// Proves nothing (RFC 4505).
const ANONYMOUS: &str = "anonymous";

/// The log's name for a mechanism, if it has one.
pub(crate) fn known_mechanism(name: &[u8]) -> Option<&'static str> {
    MECHANISMS.iter().copied().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

impl Dialogue {
    /// The client's part of an AUTH exchange. A line that cannot be one cancels
    /// the exchange (RFC 4954 4), and the MTA's reply to that is the client's. So does a
    /// line too many; an MTA that goes on asking then is left.
    pub(super) fn auth_line(&mut self, line: &[u8], size: usize) -> bool {
        let rounds = self.auth.as_ref().map_or(0, |auth| auth.rounds);
        if self.mta_speaks() || rounds > limits::AUTH_ROUNDS + 1 {
            self.confused();
            return true;
        }
        let sound = size <= limits::AUTH_LINE
            && rounds <= limits::AUTH_ROUNDS
            && line.iter().all(|b| b.is_ascii_graphic());
        let out = self.to_mta.tail();
        out.extend_from_slice(if sound { line } else { b"*" });
        out.extend_from_slice(b"\r\n");
        self.expected.push_back(Expected::Auth);
        self.state = State::Commands;
        true
    }

    /// Is AUTH out of place here? A client that is held is told that there is none.
    pub(super) fn auth_objection(&self, in_transaction: bool) -> Option<&'static Standing> {
        match () {
            () if !self.connected => None,
            () if self.hides_auth() => Some(&standing::AUTH_IN_CLEAR),
            // HELO does not tell whether the session can be encrypted; nor does AUTH
            // belong behind it (RFC 4954 3).
            () if self.plan.hides_auth
                && self.summary.hello.first().is_some_and(|b| b"hH".contains(b)) =>
            {
                Some(&standing::AUTH_NOT_NOW)
            }
            () if in_transaction || self.summary.authenticated.is_some() => {
                Some(&standing::AUTH_NOT_NOW)
            }
            () => None,
        }
    }

    /// Is AUTH kept from the client until the session is encrypted?
    pub(super) fn hides_auth(&self) -> bool {
        self.plan.hides_auth
            && match self.plan.starttls {
                StartTls::Terminate => !self.is_encrypted(),
                StartTls::Pass => self.protection == Protection::Offered,
                StartTls::Hide => false,
            }
    }

    /// AUTH goes to the MTA.
    pub(super) fn auth_begins(&mut self, line: &[u8]) {
        let argument = line.get(5..).unwrap_or_default().trim_ascii();
        let name = command::mechanism(argument).unwrap_or_default();
        let auth = self.auth.get_or_insert_default();
        auth.mechanism = known_mechanism(name).unwrap_or(OTHER);
        auth.rounds = 0;
    }

    /// The MTA's answer within an exchange: 334, 235 or a refusal.
    pub(super) fn auth_answered(&mut self, code: u16) {
        let Some(auth) = &mut self.auth else { return };
        match code {
            334 => {
                auth.rounds += 1;
                self.state = State::Auth;
            }
            235 => self.summary.authenticated = Some(auth.mechanism),
            _ => {}
        }
    }

    /// Does it lift what filters find of the client that the MTA knows who it is?
    #[must_use]
    pub fn is_lifted(&self) -> bool {
        self.plan.auth_lifts && self.summary.authenticated.is_some_and(|by| by != ANONYMOUS)
    }

    /// The client will be held, unless AUTH lifts that.
    pub(super) fn put_off(&mut self, name: String, rule: &'static str) {
        self.auth.get_or_insert_default().put_off = Some((name, rule));
    }

    /// What becomes of what filters said of a command, if AUTH may lift it.
    #[cold]
    pub(super) fn unless_lifted(&mut self, command: Command<'_>, ruling: Ruling) -> Ruling {
        // Who is held already stays so.
        if self.held || !matches!(command, Command::Hello { .. } | Command::Mail(_)) {
            return ruling;
        }
        let hello = matches!(command, Command::Hello { .. });
        match ruling {
            Ruling::Hold { .. } if self.is_lifted() => Ruling::Pass,
            Ruling::Hold { name, rule } if hello => {
                self.put_off(name, rule);
                Ruling::Pass
            }
            // With all that was found before it under another name.
            Ruling::Pass if hello && self.plan.consult.has(Stage::Helo) => {
                self.take_put_off();
                Ruling::Pass
            }
            Ruling::Pass if !hello => match self.take_put_off() {
                Some((name, rule)) if !self.is_lifted() => Ruling::Hold { name, rule },
                _ => Ruling::Pass,
            },
            ruling => ruling,
        }
    }

    /// Is the client held, or will it be, unless AUTH lifts that?
    pub(super) fn is_suspect(&self) -> bool {
        let put_off = self.auth.as_ref().is_some_and(|auth| auth.put_off.is_some());
        self.held || (put_off && !self.is_lifted())
    }

    fn take_put_off(&mut self) -> Option<(String, &'static str)> {
        self.auth.as_mut().and_then(|auth| auth.put_off.take())
    }

    /// The MTA has answered EHLO or HELO: where it offers no AUTH, nothing can lift what was put
    /// off. It may yet offer AUTH when the session is encrypted.
    #[inline(always)] // Most have nothing put off.
    pub(super) fn hold_without_auth(&mut self) {
        if self.auth.is_some() && !self.offered.auth && !self.hides_auth() && !self.is_lifted() {
            self.hold_what_is_put_off();
        }
    }

    #[cold]
    fn hold_what_is_put_off(&mut self) {
        if let Some((name, rule)) = self.take_put_off() {
            self.hold(name, rule);
        }
    }
}
