//! Lines of Postfix's smtpd and postscreen, and ours in its style: `connect from`,
//! `reject: RCPT from`, `proxy-accept: END-OF-MESSAGE`, `disconnect from`.

use std::collections::HashMap;
use std::net::IpAddr;

use memchr::{memchr, memmem};

use crate::log::line::Line;

/// Clients that are remembered, for lines that do not name theirs.
const CLIENTS: usize = 4096;

/// Who the client of each process is.
#[derive(Default)]
pub(super) struct Postfix {
    clients: HashMap<u32, (Vec<u8>, IpAddr)>,
}

impl Postfix {
    /// Writes a line anew as the native one.
    pub(super) fn rewrite(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (pid, text) = said(line)?;
        let mut anew = if let Some(client) = text.strip_prefix(b"connect from ") {
            if self.clients.len() >= CLIENTS {
                self.clients.clear();
            }
            let (name, ip) = client_of(client)?;
            self.clients.insert(pid, (name.to_vec(), ip));
            return None;
        } else if let Some(rest) = text.strip_prefix(b"disconnect from ") {
            self.clients.remove(&pid);
            disconnected(rest)?
        } else {
            self.recipient(pid, text)?
        };
        // Who knows no session has no time in its name.
        anew.text(" t=0");
        out.extend_from_slice(b"v=1 sid=- ");
        out.extend_from_slice(anew.as_bytes().get(memmem::find(anew.as_bytes(), b"ip=")?..)?);
        Some(())
    }

    fn recipient(&self, pid: u32, text: &[u8]) -> Option<Line> {
        let (_, text) = split(text, b": ")?;
        let (what, rest) = split(text, b": ")?;
        let verdict = match what {
            b"reject" | b"proxy-reject" => None,
            b"proxy-accept" => Some("pass"),
            _ => return None,
        };
        let (head, rest) = split(rest, b": ")?;
        let (stage, client) = match split(head, b" from ") {
            Some((stage, client)) => (stage, client_of(client)?),
            None => (head, self.clients.get(&pid).map(|(name, ip)| (&**name, *ip))?),
        };
        let code: u16 = std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?;
        let (reply, keys) = split(rest, b"; from=<")?;
        let value = |key: &[u8]| {
            let (_, rest) = split(keys, key)?;
            rest.get(..memchr(b'>', rest)?)
        };
        let from = keys.get(..memchr(b'>', keys)?)?;
        let mut anew = Line::new(0, pid, client.1, 0);
        anew.begin();
        anew.word(" verdict=", verdict.unwrap_or(if code < 500 { "temp" } else { "perm" }));
        let by_mta = what == b"proxy-reject" || verdict.is_some();
        anew.word(" rule=", if by_mta { "mta" } else { rule(reply) });
        anew.number(" code=", code.into());
        let at = if stage == b"END-OF-MESSAGE" { "message" } else { "rcpt" };
        anew.word(" at=", at).word(" would=", "-");
        anew.outside(" helo=", value(b" helo=<").unwrap_or_default());
        anew.outside(" from=", from).outside(" to=", value(b" to=<").unwrap_or_default());
        anew.outside(" reply=", reply.get(4..).unwrap_or_default());
        named(&mut anew, client.0);
        Some(anew)
    }
}

/// Process and text of a line of smtpd or postscreen.
fn said(line: &[u8]) -> Option<(u32, &[u8])> {
    let (head, text) = split(line, b"]: ")?;
    let open = memchr::memrchr(b'[', head)?;
    let (program, pid) = head.split_at(open);
    if !program.ends_with(b"/smtpd") && !program.ends_with(b"/postscreen") {
        return None;
    }
    let pid = std::str::from_utf8(pid.get(1..)?).ok()?.parse().ok()?;
    // Postfix tells the severity of what is amiss.
    Some((pid, text.strip_prefix(b"info: ").unwrap_or(text)))
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = memmem::find(text, at)?;
    Some((text.get(..found)?, text.get(found + at.len()..)?))
}

/// `NAME[IP]`, perhaps with a port behind.
fn client_of(text: &[u8]) -> Option<(&[u8], IpAddr)> {
    let (name, rest) = split(text, b"[")?;
    let (ip, _) = split(rest, b"]")?;
    let ip: IpAddr = std::str::from_utf8(ip).ok()?.parse().ok()?;
    Some((name, ip.to_canonical()))
}

fn named(line: &mut Line, name: &[u8]) {
    match name {
        b"" | b"unknown" => line.text(" ptr=- fcrdns=-"),
        name => line.outside(" ptr=", name).word(" fcrdns=", "pass"),
    };
}

/// The rule that our replies name in their last brackets.
fn rule(reply: &[u8]) -> &str {
    let named = || {
        let inside = reply.trim_ascii_end().strip_suffix(b"]")?;
        let word = inside.get(memchr::memrchr(b'[', inside)? + 1..)?;
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(b);
        let sound = !word.is_empty() && word.iter().all(plain);
        std::str::from_utf8(word).ok().filter(|_| sound)
    };
    match named() {
        Some("r0") => "s25r.r0",
        Some("r1") => "s25r.r1",
        Some("r2") => "s25r.r2",
        Some("r3") => "s25r.r3",
        Some("r4") => "s25r.r4",
        Some("r5") => "s25r.r5",
        Some("r6") => "s25r.r6",
        Some("own") => "s25r.own",
        Some(rule) => rule,
        None => "postfix",
    }
}

/// The end of a session: `NAME[IP] ehlo=1 mail=2 rcpt=1/3 data=1 quit=1 commands=5/7`,
/// where a command was taken so many times of so many.
fn disconnected(rest: &[u8]) -> Option<Line> {
    let (name, ip) = client_of(rest)?;
    let count = |key: &[u8]| {
        let words = rest.split(|&b| b == b' ').find_map(|word| word.strip_prefix(key));
        let numbers = std::str::from_utf8(words.unwrap_or(b"0")).unwrap_or("0");
        let (good, all) = numbers.split_once('/').unwrap_or((numbers, numbers));
        (good.parse::<u64>().unwrap_or(0), all.parse::<u64>().unwrap_or(0))
    };
    let (taken, asked) = count(b"rcpt=");
    let mut anew = Line::new(0, 0, ip, 0);
    anew.begin().text(" session=end end=quit mta=- why=<> helo=<>");
    anew.number(" messages=", count(b"data=").0 + count(b"bdat=").0).text(" octets=0");
    anew.number(" refused=", asked.saturating_sub(taken)).text(" rule=-");
    named(&mut anew, name);
    Some(anew)
}
