//! Lines of Postfix's smtpd and postscreen, and ours in its style: `connect from`,
//! `reject: RCPT from`, `proxy-accept: END-OF-MESSAGE`, `disconnect from`.

use std::collections::HashMap;
use std::net::IpAddr;

use memchr::{memchr, memmem};

use super::prefix;
use crate::log::line::Line;

/// Clients that are remembered, for lines that do not name theirs, and octets of a name.
const CLIENTS: usize = 4096;
const NAME: usize = 255;

/// Who the client of each process is.
#[derive(Default)]
pub(super) struct Postfix {
    clients: HashMap<u32, (Vec<u8>, IpAddr)>,
}

impl Postfix {
    /// Writes a line anew as the native one.
    pub(super) fn rewrite(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (pid, text) = said(line)?;
        if let Some(client) = text.strip_prefix(b"connect from ") {
            self.remember(pid, client);
            return None;
        }
        if let Some((_, client)) = split(text, b": client=").filter(|(id, _)| is_queued(id)) {
            self.remember(pid, client);
            return None;
        }
        let mut anew = match text.strip_prefix(b"disconnect from ") {
            Some(rest) => {
                self.clients.remove(&pid);
                disconnected(rest)?
            }
            None => self.recipient(pid, text)?,
        };
        // Who knows no session has no time in its name.
        anew.text(" t=0");
        out.extend_from_slice(b"v=1 sid=- ");
        out.extend_from_slice(anew.as_bytes().get(memmem::find(anew.as_bytes(), b"ip=")?..)?);
        Some(())
    }

    fn remember(&mut self, pid: u32, client: &[u8]) {
        if self.clients.len() >= CLIENTS {
            self.clients.clear();
        }
        if let Some((name, ip)) = client_of(client) {
            let name = name.get(..NAME).unwrap_or(name);
            self.clients.insert(pid, (name.to_vec(), ip));
        }
    }

    fn recipient(&self, pid: u32, text: &[u8]) -> Option<Line> {
        let (first, rest) = split(text, b": ")?;
        // Most have a queue's name before, or that there is none.
        let known = verdict(first).is_some();
        let (what, rest) = match known {
            true => (first, rest),
            false => split(rest, b": ").filter(|_| is_queued(first))?,
        };
        let verdict = verdict(what)?;
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
        let refused = if code < 500 { "temp" } else { "perm" };
        anew.word(" verdict=", if verdict == "reject" { refused } else { verdict });
        let by_mta = what.starts_with(b"proxy-");
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

/// What became of the recipient of a line of this kind.
fn verdict(what: &[u8]) -> Option<&'static str> {
    match what {
        b"reject" | b"proxy-reject" => Some("reject"),
        b"proxy-accept" => Some("pass"),
        _ => None,
    }
}

/// The name of a message in Postfix's queue, or that there is none. What has no digit is
/// another word, as `warning`.
fn is_queued(name: &[u8]) -> bool {
    let sound = (5..=32).contains(&name.len()) && name.iter().all(u8::is_ascii_alphanumeric);
    sound && (name == b"NOQUEUE" || name.iter().any(u8::is_ascii_digit))
}

/// Process and text of a line of smtpd or postscreen, or of ours where the journal names us.
fn said(line: &[u8]) -> Option<(u32, &[u8])> {
    let said = prefix::said(line)?;
    let postfix = said.program.ends_with(b"/smtpd") || said.program.ends_with(b"/postscreen");
    if !postfix && said.program != b"smtp-wrapper" {
        return None;
    }
    // Postfix tells the severity of what is amiss.
    Some((said.pid?, said.text.strip_prefix(b"info: ").unwrap_or(said.text)))
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
        None => rule_of_others(reply),
    }
}

/// Those that refuse for now so that servers come back, by the texts that they are known
/// for; what a client said stands before the last `>: `.
fn rule_of_others(reply: &[u8]) -> &'static str {
    let text = memmem::rfind(reply, b">: ").and_then(|at| reply.get(at..)).unwrap_or(reply);
    let text = text.to_ascii_lowercase();
    let says = |what: &[&[u8]]| what.iter().any(|what| memmem::find(&text, what).is_some());
    if says(&[b"greylist", b"graylist"]) {
        "greylist"
    } else if says(&[b"s25r", b"be patient"]) {
        "s25r"
    } else if says(&[b"cannot find your hostname", b"cannot find your reverse hostname"]) {
        "fcrdns"
    } else {
        "postfix"
    }
}

/// The end of a session: Postfix's `NAME[IP] ehlo=1 mail=2 rcpt=1/3 data=1 quit=1`, where a
/// command was taken so many times of so many, or ours, `NAME[IP] messages=1 octets=2`.
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
    let messages = count(b"data=").0.max(count(b"messages=").0).saturating_add(count(b"bdat=").0);
    anew.number(" messages=", messages).number(" octets=", count(b"octets=").0);
    let refused = asked.saturating_sub(taken).max(count(b"refused=").0);
    anew.number(" refused=", refused).text(" rule=-");
    named(&mut anew, name);
    Some(anew)
}
