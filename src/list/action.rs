//! What an entry of a list says shall happen, in the words of Postfix's access
//! tables (access(5)): `OK`, `DUNNO`, `REJECT` with or without a text, `DEFER` with
//! or without one, and a reply as in `450 4.7.1 be patient`.
//!
//! An entry that says nothing is for the filter to judge: allow accepts, deny
//! refuses. Actions that are the MTA's (HOLD, FILTER, REDIRECT, …) are mistakes
//! here, and so is DISCARD: mail is never lost.

use std::borrow::Cow;

use crate::smtp::refusal::{RefusalCode, is_status};

/// The longest text of a reply, in octets (RFC 5321 4.5.3.1.5: 512 with code and CRLF).
const LONGEST: usize = 500;

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Accept.
    Accept,
    /// No opinion, and those behind it are not looked at.
    Pass,
    /// Refuse, with this code and text (enhanced code included); without a text it is
    /// the filter's own.
    Refuse(RefusalCode, Option<Cow<'a, str>>),
}

impl<'a> Action<'a> {
    /// Reads one; `None` if there is none.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Option<Action<'a>>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let rest =
            Some(rest.trim_ascii()).filter(|rest| !rest.starts_with('#')).unwrap_or_default();
        let alone = |action| match rest {
            "" => Ok(Some(action)),
            _ => Err(format!("{word} has no text: {rest:?} does not belong there")),
        };
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        match word.to_ascii_uppercase().as_str() {
            "OK" | "PERMIT" => alone(Action::Accept),
            "DUNNO" => alone(Action::Pass),
            "REJECT" => refuse(RefusalCode::TRANSACTION_FAILED, rest),
            "DEFER" | "DEFER_IF_PERMIT" => refuse(RefusalCode::MAILBOX_UNAVAILABLE, rest),
            _ if digits && word.len() == 3 && word.starts_with(['4', '5']) => {
                let code = word.parse().ok().and_then(RefusalCode::new);
                let code = code.ok_or("the code must be 421, 450, 451, 452 or 5yz")?;
                match rest {
                    "" => Err(format!("a text must follow {word}")),
                    rest => refuse(code, rest),
                }
            }
            // As Postfix reads it: what POP-before-SMTP programs wrote into such tables.
            _ if digits => alone(Action::Accept),
            _ => Err(format!(
                "unknown action {word:?}: OK, DUNNO, REJECT, DEFER or a reply as in \
                 \"450 4.7.1 be patient\" (one entry a line, comments begin with #)"
            )),
        }
    }

    /// The same, when the text it was read from is gone.
    #[must_use]
    pub fn into_owned(self) -> Action<'static> {
        match self {
            Action::Accept => Action::Accept,
            Action::Pass => Action::Pass,
            Action::Refuse(code, text) => {
                Action::Refuse(code, text.map(|text| Cow::Owned(text.into_owned())))
            }
        }
    }
}

fn refuse(code: RefusalCode, text: &str) -> Result<Option<Action<'_>>, String> {
    if text.is_empty() {
        return Ok(Some(Action::Refuse(code, None)));
    }
    if text.len() > LONGEST || !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Err(format!("the text must be printable ASCII of at most {LONGEST} octets"));
    }
    let class = if code.is_temporary() { '4' } else { '5' };
    let status = text.split(' ').next().unwrap_or_default();
    let text = match is_status(status) {
        true if !status.starts_with(class) => {
            return Err(format!("the enhanced code {status} does not fit {}", code.get()));
        }
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{class}.7.1 {text}")),
    };
    Ok(Some(Action::Refuse(code, Some(text))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_those_of_postfix() {
        let refuse = |code, text: Option<&'static str>| {
            Action::Refuse(RefusalCode::new(code).unwrap(), text.map(Cow::Borrowed))
        };
        for (text, action) in [
            ("", None),
            ("OK", Some(Action::Accept)),
            ("ok", Some(Action::Accept)),
            ("permit", Some(Action::Accept)),
            ("1071254567", Some(Action::Accept)),
            ("DUNNO", Some(Action::Pass)),
            ("REJECT", Some(refuse(554, None))),
            ("reject go away", Some(refuse(554, Some("5.7.1 go away")))),
            ("DEFER", Some(refuse(450, None))),
            ("DEFER_IF_PERMIT", Some(refuse(450, None))),
            ("450 be patient", Some(refuse(450, Some("4.7.1 be patient")))),
            ("550 5.1.1 no such user", Some(refuse(550, Some("5.1.1 no such user")))),
        ] {
            assert_eq!(Action::parse(text), Ok(action), "{text}");
        }
        for (text, why) in [
            ("450", "a text must follow"),
            ("499 text", "must be 421"),
            ("450 5.7.1 text", "does not fit 450"),
            ("OK really", "does not belong"),
            ("DISCARD", "unknown action"),
            ("HOLD", "unknown action"),
            ("192.0.2.1", "one entry a line"),
            ("REJECT \u{e9}", "printable"),
        ] {
            let error = Action::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
