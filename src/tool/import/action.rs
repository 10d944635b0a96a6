//! The actions of Postfix's access tables (access(5)), as those of lists here.

use crate::list::Action;
use crate::smtp::refusal::is_status;

/// What becomes of an action.
pub(super) struct Carried {
    /// As a list has it.
    pub(super) action: String,
    /// What of it is lost, and what to do.
    pub(super) lost: Option<String>,
}

/// Reads an action.
pub(super) fn carried(text: &str) -> Carried {
    let text = text.trim();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let upper = word.to_ascii_uppercase();
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    let whole = |action: String| Carried { action, lost: None };
    // It has no opinion here, and those behind it are not asked, as there.
    let dunno = |why: &str| Carried { action: "DUNNO".to_owned(), lost: Some(why.to_owned()) };
    match upper.as_str() {
        "OK" | "PERMIT" => whole("OK".to_owned()),
        "DUNNO" => whole("DUNNO".to_owned()),
        "REJECT" => with_text("REJECT", '5', rest),
        "DEFER" | "DEFER_IF_PERMIT" => with_text(&upper, '4', rest),
        _ if digits && word.len() == 3 && word.starts_with(['4', '5']) => {
            let code = match word {
                "421" | "450" | "451" | "452" => word,
                _ if word.starts_with('4') => "450",
                _ if word > "559" => "554",
                _ => word,
            };
            let class = if word.starts_with('4') { '4' } else { '5' };
            let rest = if rest.trim().is_empty() { "Access denied" } else { rest };
            let mut carried = with_text(code, class, rest);
            if code != word {
                carried.lost.get_or_insert(format!("{word} is no code of RFC 5321: {code} it is"));
            }
            carried
        }
        _ if digits && !word.is_empty() => whole("OK".to_owned()),
        "WARN" | "INFO" => dunno("only logs: see observe = true, for a filter of its own"),
        "PREPEND" | "HOLD" | "FILTER" | "REDIRECT" | "BCC" => {
            dunno(&format!("{word} is for the MTA to do: leave it in a table there"))
        }
        "DISCARD" => dunno("DISCARD loses mail, which is not done here: REJECT it"),
        "DEFER_IF_REJECT" => dunno("DEFER_IF_REJECT has no counterpart: leave it to the MTA"),
        "" => dunno("has no action: what was meant?"),
        _ => dunno(&format!("{word} is a restriction of Postfix: leave it to the MTA")),
    }
}

/// A refusal with a text that a list may have.
fn with_text(word: &str, class: char, text: &str) -> Carried {
    let (text, lost) = plain(text.trim());
    let status = text.split(' ').next().unwrap_or_default();
    let text = match is_status(status) && !status.starts_with(class) {
        // Postfix mends it so.
        true => format!("{class}{}", text.get(1..).unwrap_or_default()),
        false => text,
    };
    let action = format!("{word} {text}").trim().to_owned();
    match Action::parse(&action) {
        Ok(_) => Carried { action, lost },
        Err(why) => Carried {
            action: match word.bytes().all(|b| b.is_ascii_digit()) {
                true => format!("{word} Access denied"),
                false => word.to_owned(),
            },
            lost: Some(format!("its text is left out: {why}")),
        },
    }
}

/// A text without places for what an expression has matched, which are not filled here.
fn plain(text: &str) -> (String, Option<String>) {
    if !text.contains('$') {
        return (text.to_owned(), None);
    }
    let (mut out, mut lost) = (String::new(), None);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let inside = |close: char| after.split_once(close).map_or("", |(_, rest)| rest);
        rest = match after.chars().next() {
            Some('$') => {
                out.push('$');
                after.get(1..).unwrap_or_default()
            }
            Some('{') => inside('}'),
            Some('(') => inside(')'),
            _ => after.trim_start_matches(|c: char| c.is_ascii_digit()),
        };
        if !after.starts_with('$') {
            out.push_str("...");
            lost =
                Some("$1 and the like are not filled in: see {ip}, {helo} … of on_hit".to_owned());
        }
    }
    (out + rest, lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions() {
        for (text, action, lost) in [
            ("OK", "OK", false),
            ("permit", "OK", false),
            ("1071254567", "OK", false),
            ("DUNNO", "DUNNO", false),
            ("reject", "REJECT", false),
            ("REJECT go away", "REJECT go away", false),
            ("450 4.7.1 later", "450 4.7.1 later", false),
            ("450 5.7.1 later", "450 4.7.1 later", false),
            ("499 later", "450 later", true),
            ("571 no", "554 no", true),
            ("550", "550 Access denied", false),
            ("defer_if_permit wait", "DEFER_IF_PERMIT wait", false),
            ("DISCARD", "DUNNO", true),
            ("WARN x", "DUNNO", true),
            ("reject_unverified_sender", "DUNNO", true),
            ("REJECT you are $1, ${2}!", "REJECT you are ..., ...!", true),
            ("REJECT costs 5$$", "REJECT costs 5$", false),
            ("REJECT \u{e9}", "REJECT", true),
        ] {
            let carried = carried(text);
            assert_eq!((carried.action.as_str(), carried.lost.is_some()), (action, lost), "{text}");
        }
    }
}
