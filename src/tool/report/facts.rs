//! What the report wants to know of a line, taken out of its fields in one pass.

use std::net::IpAddr;

use crate::log::fields::from_outside;
use crate::tool::logs::{Entry, ip};

/// What became of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Temp,
    Perm,
    /// The client gave up before it was decided.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Recipient(Verdict),
    Session,
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) kind: Kind,
    /// Seconds since 1970.
    pub(super) time: Option<u32>,
    pub(super) ip: Option<IpAddr>,
    pub(super) rule: &'a [u8],
    /// The rule that would have refused.
    pub(super) would: Option<&'a [u8]>,
    pub(super) helo: &'a [u8],
    pub(super) from: &'a [u8],
    pub(super) to: &'a [u8],
    /// An entry of a list let the client in.
    pub(super) allowed: bool,
    /// The client's host name, confirmed or not.
    pub(super) name: Option<&'a [u8]>,
    pub(super) confirmed: bool,
    pub(super) messages: u64,
    pub(super) octets: u64,
    /// The client of a session was refused as such, before it named a recipient.
    pub(super) at_once: Option<Verdict>,
}

impl<'a> Facts<'a> {
    #[inline]
    pub(super) fn of(entry: &Entry<'a>) -> Facts<'a> {
        let seconds = entry.time.and_then(|micros| u32::try_from(micros / 1_000_000).ok());
        let mut facts = Facts {
            kind: Kind::Other,
            time: seconds,
            ip: None,
            rule: b"-",
            would: None,
            helo: b"",
            from: b"",
            to: b"",
            allowed: false,
            name: None,
            confirmed: false,
            messages: 0,
            octets: 0,
            at_once: None,
        };
        let inside = |value: &'a [u8]| from_outside(value).unwrap_or_default();
        for (key, value) in entry.fields.clone() {
            match key {
                b"ip" => facts.ip = ip(value),
                b"verdict" => {
                    facts.kind = Kind::Recipient(match value {
                        b"pass" => Verdict::Pass,
                        b"temp" => Verdict::Temp,
                        b"perm" => Verdict::Perm,
                        _ => Verdict::None,
                    });
                }
                b"session" if value == b"end" => facts.kind = Kind::Session,
                b"rule" => facts.rule = value,
                b"would" if value != b"-" => {
                    // CODE:RULE
                    facts.would = Some(value.get(4..).unwrap_or(value));
                }
                b"helo" => facts.helo = inside(value),
                b"from" => facts.from = inside(value),
                b"to" => facts.to = inside(value),
                b"allow" => facts.allowed = true,
                b"ptr" => facts.name = from_outside(value),
                b"fcrdns" => {
                    facts.confirmed = value == b"pass";
                    // What stands behind it is of no use here, and a fifth of the fields.
                    break;
                }
                b"messages" => facts.messages = number(value),
                b"code" => {
                    facts.at_once = match value.first() {
                        Some(b'4') => Some(Verdict::Temp),
                        Some(b'5') => Some(Verdict::Perm),
                        _ => None,
                    };
                }
                b"octets" => facts.octets = number(value),
                _ => {}
            }
        }
        facts
    }

    /// Does the rule that refused live from that a mail server comes back? What others
    /// refuse, even for now, is not lifted by an entry, or is not to be.
    pub(super) fn is_for_now(&self) -> bool {
        matches!(self.area(), b"s25r" | b"fcrdns" | b"greylist")
    }

    /// Did a rule refuse that says whom nobody wants here?
    pub(super) fn is_unwanted(&self) -> bool {
        matches!(self.area(), b"deny" | b"relay" | b"early")
    }

    /// The filter of the rule.
    fn area(&self) -> &'a [u8] {
        self.rule.split(|&b| b == b'.').next().unwrap_or_default()
    }
}

/// Nineteen digits at most, so that sums of them can only stop at the end, not wrap.
fn number(value: &[u8]) -> u64 {
    let digits = value.iter().take(19).take_while(|b| b.is_ascii_digit());
    digits.fold(0, |sum, b| sum * 10 + u64::from(b - b'0'))
}

/// The domain of a mail address; of the null reverse-path `<>`.
pub(super) fn domain(address: &[u8]) -> &[u8] {
    match memchr::memrchr(b'@', address) {
        Some(at) => address.get(at + 1..).unwrap_or_default(),
        None if address.is_empty() => b"<>",
        None => address,
    }
}
