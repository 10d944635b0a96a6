//! A refusal: a reply that can only be negative, with the rule it comes from.

use std::borrow::Cow;

use super::reply::encode_line;
use super::standing::Standing;

/// A reply code that refuses, 4yz or 5yz. Of the temporary ones only 421, 450,
/// 451 and 452 exist (RFC 5321 4.2.3): a large sender takes others for
/// permanent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalCode(u16);

impl RefusalCode {
    /// The usual refusal for now.
    pub const MAILBOX_UNAVAILABLE: RefusalCode = RefusalCode(450);
    /// The usual refusal for good.
    pub const TRANSACTION_FAILED: RefusalCode = RefusalCode(554);
    /// The refusal that ends the session.
    pub const CLOSING: RefusalCode = RefusalCode(421);
    /// Something of ours does not work.
    pub const LOCAL_ERROR: RefusalCode = RefusalCode(451);

    /// The code, if it refuses.
    #[must_use]
    pub const fn new(code: u16) -> Option<RefusalCode> {
        match code {
            421 | 450 | 451 | 452 | 500..=559 => Some(RefusalCode(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// May the client try again?
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        self.0 < 500
    }
}

/// A refusal, as it is sent and logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reply code.
    pub code: RefusalCode,
    /// What the log calls it, `filter.rule`.
    pub rule: &'static str,
    /// The enhanced status code (RFC 3463) and the text, printable, one line.
    pub text: Cow<'static, str>,
    /// What else the log is to know of why (what a program said, the entry that
    /// matched); octets from outside as they came.
    pub why: Cow<'static, [u8]>,
}

impl Refusal {
    /// A refusal whose text is known beforehand.
    #[must_use]
    pub const fn new(code: RefusalCode, rule: &'static str, text: &'static str) -> Refusal {
        Refusal { code, rule, text: Cow::Borrowed(text), why: Cow::Borrowed(b"") }
    }

    /// A reply of ours that refuses; `None` if it does not.
    #[must_use]
    pub const fn standing(reply: &Standing) -> Option<Refusal> {
        match RefusalCode::new(reply.code) {
            Some(code) => Some(Refusal::new(code, reply.rule, reply.text)),
            None => None,
        }
    }

    /// The same, with what the log is to know of why.
    #[must_use]
    pub fn because(mut self, why: impl Into<Cow<'static, [u8]>>) -> Refusal {
        self.why = why.into();
        self
    }

    /// Writes the reply as it goes over the wire.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode_line(self.code.get(), true, self.text.as_bytes(), out);
    }
}

/// Is it an enhanced status code (RFC 3463 2)?
#[must_use]
pub fn is_status(word: &str) -> bool {
    let mut parts = word.split('.');
    let class = parts.next().is_some_and(|class| matches!(class, "2" | "4" | "5"));
    let number = |part: Option<&str>| {
        part.is_some_and(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    class && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}
