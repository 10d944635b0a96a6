//! Lines of the original smtp_wrapper, of which only refusals tell something: the
//! address, and the tag of the reply or what the filter said; and ours in its style, which
//! tell more: `rejected by ip_filter. IP=A: 450 TEXT rule=… helo=<…> from=<…> to=<…>`.

use std::net::IpAddr;

use memchr::{memchr, memmem};

use super::prefix;
use crate::log::line::Line;

/// Writes a line anew as the native one.
pub(super) fn rewrite(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let said = prefix::said(line)?;
    // Ours have this name where the journal gives it.
    if said.program != b"smtp_wrapper" && said.program != b"smtp-wrapper" {
        return None;
    }
    let text = said.text;
    let ip = address(text)?;
    if let Some(mut anew) = ours(text, ip) {
        return finish(&mut anew, out);
    }
    let tag = tag(text)?;
    let code = match tag.as_slice() {
        b"SW01" => "421",
        b"SW02" | b"SW05" | b"SW09" | b"SW10" | b"SW12" => "450",
        b"SW08" => "502",
        _ => "451",
    };
    let at = if matches!(tag.as_slice(), b"SW09" | b"SW10") { "message" } else { "connect" };
    let mut anew = Line::new(0, 0, ip, 0);
    anew.begin().word(" verdict=", if code == "502" { "perm" } else { "temp" });
    anew.word(" rule=", rule(&tag)).word(" code=", code).word(" at=", at).text(" would=-");
    anew.outside(" helo=", value(text, b"helo=<").unwrap_or_default());
    anew.outside(" from=", value(text, b"from=<").unwrap_or_default());
    anew.outside(" to=", value(text, b"to=<").unwrap_or_default());
    anew.outside(" reply=", text);
    finish(&mut anew, out)
}

/// A line in the original's style; `None` if it is one of the original.
fn ours(text: &[u8], ip: IpAddr) -> Option<Line> {
    let (what, rest) = split(text, b". IP=")?;
    let (_, rest) = split(rest, b": ")?;
    let by = split(rest, b" rule=").map(|(_, by)| by)?;
    let rule = by.get(..memchr(b' ', by)?).filter(|word| is_word(word))?;
    let rule = std::str::from_utf8(rule).ok()?;
    let mut anew = Line::new(0, 0, ip, 0);
    anew.begin();
    let code = rest.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit));
    let verdict = match (what, code.and_then(|code| code.first())) {
        (b"accepted", _) => "pass",
        (b"abandoned", _) => "none",
        (b"end", _) => {
            let digits = split(rest, b" messages=").map(|(_, count)| count);
            let count = digits.and_then(|count| count.get(..memchr(b' ', count)?));
            let count = count.filter(|count| count.iter().all(u8::is_ascii_digit));
            let count = std::str::from_utf8(count.unwrap_or(b"0")).unwrap_or("0");
            anew.word(" session=", "end").word(" messages=", count).word(" rule=", rule);
            return Some(anew);
        }
        (_, Some(b'4')) => "temp",
        (_, Some(b'5')) => "perm",
        _ => return None,
    };
    anew.word(" verdict=", verdict).word(" rule=", rule);
    anew.outside(" helo=", value(by, b" helo=<").unwrap_or_default());
    anew.outside(" from=", value(by, b" from=<").unwrap_or_default());
    anew.outside(" to=", value(by, b" to=<").unwrap_or_default());
    if let Some(name) = value(by, b" ptr=<") {
        // Whether it is confirmed is not said; the rules of S25R but 0 are for such names.
        anew.outside(" ptr=", name);
        let confirmed = rule.starts_with("s25r.") && rule != "s25r.r0";
        anew.word(" fcrdns=", if confirmed { "pass" } else { "-" });
    }
    Some(anew)
}

fn is_word(text: &[u8]) -> bool {
    text.iter().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(b))
}

/// Puts what they all have around it.
fn finish(anew: &mut Line, out: &mut Vec<u8>) -> Option<()> {
    anew.text(" t=0");
    out.extend_from_slice(b"v=1 sid=- ");
    out.extend_from_slice(anew.as_bytes().get(memmem::find(anew.as_bytes(), b"ip=")?..)?);
    Some(())
}

/// What is ours in the original's place (`profile = "original"`).
fn rule(tag: &[u8]) -> &'static str {
    match tag {
        b"SW01" => "interval.too-fast",
        // What it refused for now so that servers come back.
        b"SW02" => "s25r.ip-filter",
        b"SW10" => "program.refused",
        b"SW03" => "mta.away",
        b"SW04" => "session.client-silent",
        b"SW05" => "early.talker",
        b"SW09" => "program.too-early",
        b"SW11" => "mta",
        _ => "filter.broken",
    }
}

/// `SW01` to `SW14`, in brackets; a line about a filter without one is of that filter.
fn tag(text: &[u8]) -> Option<[u8; 4]> {
    if let Some(at) = memmem::find(text, b"(SW") {
        let tag = text.get(at + 1..)?.first_chunk::<4>()?;
        let digits = tag.get(2..)?.iter().all(u8::is_ascii_digit);
        return digits.then_some(*tag);
    }
    let by = |what: &[u8]| memmem::find(text, what).is_some();
    match (by(b"ip_filter"), by(b"contents_filter")) {
        (true, _) => Some(*b"SW02"),
        (_, true) => Some(*b"SW10"),
        _ => None,
    }
}

/// The client: behind `IP=`, between brackets, or the first word that is an address.
fn address(text: &[u8]) -> Option<IpAddr> {
    let parsed = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<IpAddr>().ok();
    if let Some((_, rest)) = split(text, b"IP=") {
        let end = rest.iter().position(|b| !b.is_ascii_hexdigit() && !b".:".contains(b));
        let word = rest.get(..end.unwrap_or(rest.len()))?;
        // A colon ends it, or is in it.
        return parsed(word.strip_suffix(b":").unwrap_or(word)).map(|ip| ip.to_canonical());
    }
    let mut words = text.split(|b| b" []()<>,;=".contains(b));
    words.find_map(parsed).map(|ip| ip.to_canonical())
}

fn value<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let (_, rest) = split(text, key)?;
    rest.get(..memchr(b'>', rest)?)
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = memmem::find(text, at)?;
    Some((text.get(..found)?, text.get(found + at.len()..)?))
}
