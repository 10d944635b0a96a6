//! What a refusal says: the filter's own text, or one from the configuration
//! with places to fill in.

use crate::smtp::refusal::{Refusal, RefusalCode, is_status};

use super::Facts;

/// A filter that does not work, where that refuses.
pub const BROKEN: Refusal = Refusal::new(
    RefusalCode::LOCAL_ERROR,
    "filter.broken",
    "4.3.0 Local filter not available, try again later",
);

/// A text of the configuration may become this long, in octets (RFC 5321
/// 4.5.3.1.5: 512 with code and CRLF).
const LONGEST: usize = 500;

/// What may stand in braces in a text.
const PLACES: &[&str] = &["ip", "rule", "why", "helo", "from", "to"];

/// A reply of the configuration, `on_hit = "450 4.7.1 be patient [{rule}]"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    code: RefusalCode,
    text: &'static str,
}

impl Own {
    /// Reads one; `None` if it does not begin with three digits.
    ///
    /// # Errors
    /// Says what is wrong with it.
    #[inline(never)] // Not in every session.
    pub fn parse(text: &'static str) -> Option<Result<Own, String>> {
        let (code, rest) = text.split_at_checked(3)?;
        code.bytes().all(|b| b.is_ascii_digit()).then(|| Own::checked(code, rest.trim_ascii()))
    }

    fn checked(code: &str, text: &'static str) -> Result<Own, String> {
        let wants = "the code must be 421, 450, 451, 452 or 5yz";
        let Some(code) = code.parse().ok().and_then(RefusalCode::new) else {
            return Err(wants.to_owned());
        };
        if text.is_empty() || text.len() > LONGEST || text.bytes().any(|b| b.is_ascii_control()) {
            return Err(format!(
                "a text of one line and at most {LONGEST} octets must follow the code"
            ));
        }
        let class = if code.is_temporary() { '4' } else { '5' };
        let status = text.split(' ').next().unwrap_or_default();
        if is_status(status) && !status.starts_with(class) {
            return Err(format!("the enhanced code {status} does not fit {}", code.get()));
        }
        for place in text.split('{').skip(1) {
            match place.split_once('}') {
                Some((name, _)) if PLACES.contains(&name) => {}
                _ => return Err(format!("in braces may stand {}", PLACES.join(", "))),
            }
        }
        Ok(Own { code, text })
    }

    /// The refusal with this code and text.
    #[must_use]
    pub fn fill(&self, refusal: Refusal, facts: &Facts<'_>) -> Refusal {
        let mut text = String::with_capacity(self.text.len() + 64);
        if !is_status(self.text.split(' ').next().unwrap_or_default()) {
            text.push_str(if self.code.is_temporary() { "4.7.1 " } else { "5.7.1 " });
        }
        let mut rest = self.text;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (place, after) = after.split_once('}').unwrap_or((after, ""));
            match place {
                "ip" => text.push_str(&facts.client.ip.to_string()),
                "rule" => text.push_str(refusal.rule),
                "why" => push_printable(&mut text, &refusal.why),
                "helo" => push_printable(&mut text, facts.helo),
                "from" => push_printable(&mut text, facts.from.unwrap_or_default()),
                "to" => push_printable(&mut text, facts.recipient.unwrap_or_default()),
                _ => {}
            }
            rest = after;
        }
        text.push_str(rest);
        let fits = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(fits.unwrap_or_default());
        Refusal { code: self.code, text: text.into(), ..refusal }
    }
}

/// Octets from outside, so that they can be shown in a reply.
fn push_printable(text: &mut String, octets: &[u8]) {
    const MOST: usize = 100;
    let printable = |&b: &u8| if b == b' ' || b.is_ascii_graphic() { char::from(b) } else { '?' };
    text.extend(octets.iter().take(MOST).map(printable));
}

/// The refusal, made one for now.
#[must_use]
pub fn temporary(refusal: Refusal) -> Refusal {
    if refusal.code.is_temporary() {
        return refusal;
    }
    with_class(refusal, RefusalCode::MAILBOX_UNAVAILABLE, '4')
}

/// The refusal, made one for good.
#[must_use]
pub fn permanent(refusal: Refusal) -> Refusal {
    if !refusal.code.is_temporary() {
        return refusal;
    }
    with_class(refusal, RefusalCode::TRANSACTION_FAILED, '5')
}

fn with_class(mut refusal: Refusal, code: RefusalCode, class: char) -> Refusal {
    refusal.code = code;
    let text = refusal.text.to_mut();
    if text.get(1..2) == Some(".") {
        text.replace_range(..1, class.encode_utf8(&mut [0; 4]));
    }
    refusal
}
