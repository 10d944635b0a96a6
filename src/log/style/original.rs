//! As smtp_wrapper, for scripts that look for whom it refused: `IP=` and an address behind
//! `rejected by`, and the sender and the recipient.
//!
//! ```text
//! rejected by ip_filter. IP=A: CODE TEXT rule=… ptr=… helo=… from=… to=…
//! rejected by contents_filter. IP=A: …     a message that a filter refused
//! rejected by mta. IP=A: …                 a recipient or a message that the MTA refused
//! accepted. IP=A: …
//! abandoned. IP=A: …
//! end. IP=A: …                             a session
//! note. IP=A: TEXT                         everything else, by its name
//! ```

use super::{Words, says};
use crate::log::fields::{Fields, from_outside};

/// The line; two of a session in which the client was refused as such.
pub(super) fn render(fields: &Fields<'_>) -> Vec<Vec<u8>> {
    let mut lines = vec![line(fields)];
    if says(fields, "session", "end") && fields.get(b"code").is_some() {
        let words = ip(Words::default().say("rejected by ip_filter"), fields).say(" ");
        let words = words.value(fields.get(b"code")).say(" ").text(fields.get(b"reply"));
        lines.insert(0, who(words, fields).done());
    }
    lines
}

fn line(fields: &Fields<'_>) -> Vec<u8> {
    match (fields.get(b"verdict"), fields.get(b"session").unwrap_or(b"note")) {
        (Some(verdict), _) => recipient(fields, verdict),
        (_, b"end") => {
            let words = ip(Words::default().say("end"), fields).say(" ").value(fields.get(b"end"));
            let words = words.keyed(" mta=", fields.get(b"mta")).keyed(" why=", fields.get(b"why"));
            let words = words.keyed(" messages=", fields.get(b"messages"));
            let words = words.keyed(" refused=", fields.get(b"refused"));
            who(words, fields).keyed(" t=", fields.get(b"t")).done()
        }
        (_, b"trace") => {
            let words = ip(Words::default().say("trace"), fields);
            words.say(" ").value(fields.get(b"why").and_then(from_outside)).done()
        }
        (_, kind) => {
            let words = ip(Words::default().value(Some(kind)), fields);
            let words = words.keyed(" filter=", fields.get(b"filter"));
            let words = words.keyed(" at=", fields.get(b"at"));
            let words = words.keyed(" upstream=", fields.get(b"upstream"));
            let words = words.keyed(" end=", fields.get(b"end"));
            let words = words.keyed(" file=", fields.get(b"file"));
            let words = words.keyed(" line=", fields.get(b"line"));
            words.say(" ").text(fields.get(b"why")).done()
        }
    }
}

fn recipient(fields: &Fields<'_>, verdict: &[u8]) -> Vec<u8> {
    let (message, by_mta) = (says(fields, "at", "message"), says(fields, "rule", "mta"));
    let words = Words::default().say(match verdict {
        b"pass" => "accepted",
        b"temp" | b"perm" if by_mta => "rejected by mta",
        b"temp" | b"perm" if message => "rejected by contents_filter",
        b"temp" | b"perm" => "rejected by ip_filter",
        _ => "abandoned",
    });
    let words = ip(words, fields).say(" ").value(fields.get(b"code"));
    let words = match verdict {
        b"none" => words,
        _ => words.say(" ").text(fields.get(b"reply")),
    };
    let words = who(words, fields);
    words.say(" from=").value(fields.get(b"from")).say(" to=").value(fields.get(b"to")).done()
}

/// The client's address, which is what is looked for.
fn ip(words: Words, fields: &Fields<'_>) -> Words {
    let ip = fields.get(b"ip").and_then(|ip| ip.strip_prefix(b"[")?.strip_suffix(b"]"));
    words.say(". IP=").value(ip).say(":")
}

fn who(words: Words, fields: &Fields<'_>) -> Words {
    let words = words.say(" rule=").value(fields.get(b"rule"));
    let words = words.say(" ptr=").value(fields.get(b"ptr"));
    words.say(" helo=").value(fields.get(b"helo"))
}
