//! As the smtpd of Postfix logs before a content filter (SMTPD_PROXY_README), for those
//! who read its logs: pflogsumm, fail2ban and many a script.
//!
//! ```text
//! connect from NAME[IP]                                           a session begins
//! NOQUEUE: reject: RCPT from NAME[IP]: CODE STATUS <TO>: TEXT; …  a recipient is refused
//! NOQUEUE: reject: CONNECT from NAME[IP]: CODE STATUS TEXT; …     the client is, or HELO or MAIL
//! NOQUEUE: client=NAME[IP]                                        a message is taken
//! proxy-accept: END-OF-MESSAGE: CODE TEXT; …                      for this recipient
//! proxy-reject: END-OF-MESSAGE: CODE TEXT; …                      the MTA does not take it
//! too many errors after UNKNOWN from NAME[IP]                     the session's end
//! disconnect from NAME[IP] messages=N octets=N refused=N end=WORD rule=WORD t=SECONDS
//! warning: NAME[IP]: TEXT                                         everything else
//! ```
//!
//! with `from=<FROM> to=<TO> proto=ESMTP helo=<HELO>` for the second `…`. NAME is
//! `unknown` unless it leads back to the address and looks like a name: a bracket in it
//! would be taken for the address by who reads this.

use super::{Words, says};
use crate::log::fields::{Fields, from_outside};
use crate::smtp::refusal::is_status;

/// The lines.
pub(super) fn render(fields: &Fields<'_>, again: bool) -> Vec<Vec<u8>> {
    match (fields.get(b"verdict"), fields.get(b"session")) {
        (Some(verdict), _) => recipient(fields, verdict, again),
        (_, Some(b"begin")) => vec![from(Words::default().say("connect"), fields).done()],
        (_, Some(b"end")) => end(fields),
        (_, Some(b"trace")) => {
            let line = client(Words::default().say("trace "), fields);
            vec![line.say(": ").value(fields.get(b"why").and_then(from_outside)).done()]
        }
        (_, kind) => vec![other(fields, kind.unwrap_or_default())],
    }
}

/// Who the client is, `NAME[IP]`.
fn client(words: Words, fields: &Fields<'_>) -> Words {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._".contains(b);
    let confirmed = says(fields, "fcrdns", "pass");
    let name = fields.get(b"ptr").and_then(from_outside).filter(|_| confirmed);
    let name = name.filter(|name| !name.is_empty() && name.iter().all(plain));
    words.value(name.or(Some(b"unknown"))).value(fields.get(b"ip"))
}

fn from(words: Words, fields: &Fields<'_>) -> Words {
    client(words.say(" from "), fields)
}

/// `; from=<> to=<> proto=ESMTP helo=<>`.
fn envelope(words: Words, fields: &Fields<'_>) -> Vec<u8> {
    let words = words.say("; from=").value(fields.get(b"from"));
    let words = words.say(" to=").value(fields.get(b"to"));
    words.say(" proto=ESMTP helo=").value(fields.get(b"helo")).done()
}

fn recipient(fields: &Fields<'_>, verdict: &[u8], again: bool) -> Vec<Vec<u8>> {
    let (message, by_mta) = (says(fields, "at", "message"), says(fields, "rule", "mta"));
    let words = Words::default();
    match verdict {
        b"pass" => {
            let first = client(Words::default().say("NOQUEUE: client="), fields).done();
            let words = words.say("proxy-accept: END-OF-MESSAGE: ").value(fields.get(b"code"));
            let taken = envelope(words.say(" ").text(fields.get(b"reply")), fields);
            if again { vec![taken] } else { vec![first, taken] }
        }
        b"temp" | b"perm" if message && by_mta => {
            let words = words.say("proxy-reject: END-OF-MESSAGE: ").value(fields.get(b"code"));
            vec![envelope(words.say(" ").text(fields.get(b"reply")), fields)]
        }
        b"temp" | b"perm" => {
            let words = from(words.say("NOQUEUE: reject: ").say(stage(fields)), fields);
            let words = words.say(": ").value(fields.get(b"code")).say(" ");
            vec![envelope(reason(words, fields), fields)]
        }
        _ => {
            let words = from(words.say("NOQUEUE: abandoned: ").say(stage(fields)), fields);
            vec![envelope(words.say(": ").value(fields.get(b"rule")), fields)]
        }
    }
}

fn stage(fields: &Fields<'_>) -> &'static str {
    match fields.get(b"at") {
        Some(b"rcpt") => "RCPT",
        Some(b"data") => "DATA",
        Some(b"connect") => "CONNECT",
        Some(b"helo") => "HELO",
        Some(b"mail") => "MAIL",
        _ => "END-OF-MESSAGE",
    }
}

/// The reply as Postfix gives it: status, what it is about, and why.
fn reason(words: Words, fields: &Fields<'_>) -> Words {
    const SPACE: &[u8] = b"\\x20";
    let reply = fields.get(b"reply").and_then(from_outside).unwrap_or_default();
    let word = memchr::memmem::find(reply, SPACE).unwrap_or(reply.len());
    let (status, text) = reply.split_at_checked(word).unwrap_or((reply, b""));
    let is_one = std::str::from_utf8(status).is_ok_and(is_status);
    let (words, text) = match is_one {
        true => (words.value(Some(status)).say(" "), text.strip_prefix(SPACE).unwrap_or(text)),
        false => (words, reply),
    };
    let to = fields.get(b"to");
    // A Postfix behind has said already what it is about.
    let said = [b"\\x3c", to.and_then(from_outside).unwrap_or_default(), b"\\x3e:", SPACE].concat();
    let text = text.strip_prefix(said.as_slice()).unwrap_or(text);
    let mut words = if to.is_some() { words.value(to).say(": ") } else { words };
    super::text(text, &mut words.0);
    words
}

fn end(fields: &Fields<'_>) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    if fields.get(b"code").is_some() {
        let words = from(Words::default().say("NOQUEUE: reject: ").say(stage(fields)), fields);
        let words = reason(words.say(": ").value(fields.get(b"code")).say(" "), fields);
        lines.push(words.say("; proto=ESMTP helo=").value(fields.get(b"helo")).done());
    }
    if says(fields, "end", "smtp.too-many-errors") {
        let words = Words::default().say("too many errors after UNKNOWN");
        lines.push(from(words, fields).done());
    }
    if fields.get(b"mta").is_some_and(|mta| !matches!(mta, b"ok" | b"closing")) {
        let words = client(Words::default().say("warning: "), fields).say(": MTA ");
        lines.push(words.value(fields.get(b"mta")).say(": ").text(fields.get(b"why")).done());
    }
    let words = from(Words::default().say("disconnect"), fields);
    let words = words.keyed(" messages=", fields.get(b"messages"));
    let words = words.keyed(" octets=", fields.get(b"octets"));
    let words = words.keyed(" refused=", fields.get(b"refused"));
    let words = words.keyed(" end=", fields.get(b"end")).keyed(" rule=", fields.get(b"rule"));
    lines.push(words.keyed(" t=", fields.get(b"t")).done());
    lines
}

fn other(fields: &Fields<'_>, kind: &[u8]) -> Vec<u8> {
    let words = Words::default().say(if kind == b"panic" { "panic: " } else { "warning: " });
    let words = client(words, fields).say(": ").value(Some(kind));
    let words = words.keyed(" filter=", fields.get(b"filter")).keyed(" at=", fields.get(b"at"));
    let words = words.keyed(" upstream=", fields.get(b"upstream"));
    let words = words.keyed(" end=", fields.get(b"end")).keyed(" file=", fields.get(b"file"));
    words.keyed(" line=", fields.get(b"line")).say(": ").text(fields.get(b"why")).done()
}
