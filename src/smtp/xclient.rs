//! XCLIENT, by which an MTA is told who the client really is (Postfix,
//! XCLIENT_README): what it offers, and the command. Pure functions; the
//! sequence is in [`crate::dialogue`].

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::reply::Reply;
use crate::limits;

/// The MTA's reply to XCLIENT when it does not do it: syntax (RFC 5321 4.2.4),
/// out of order, no permission. Any other 4yz or 5yz is what it would have
/// greeted this client with.
const NOT_DONE: [u16; 7] = [500, 501, 502, 503, 504, 530, 550];

/// A host name, as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Name {
    /// This one.
    Is(Vec<u8>),
    /// There is none.
    None,
    /// There was no telling.
    #[default]
    Unknown,
}

/// Who the client is, for the MTA.
#[derive(Clone, Debug)]
pub struct Who {
    /// The name under which we say EHLO.
    pub our_name: String,
    /// The name that leads back to the address.
    pub name: Name,
    /// The name that the address has.
    pub reverse_name: Name,
    /// The address.
    pub ip: IpAddr,
    /// The port; 0 if it is not known.
    pub port: u16,
    /// What the client connected to.
    pub local: Option<SocketAddr>,
}

/// Does this reply to XCLIENT say that it was not done?
#[must_use]
pub fn not_done(code: u16) -> bool {
    NOT_DONE.contains(&code)
}

/// The commands that tell the MTA who the client is, each with its CRLF; `hello`
/// is the client's EHLO or HELO line, if it has said one. One command, unless
/// that is longer than an MTA need take: then the address comes with the last,
/// as an MTA may judge by it who may say XCLIENT.
///
/// # Errors
/// Why the MTA, which replied so to EHLO, cannot be told.
pub fn commands(who: &Who, hello: &[u8], offer: &Reply) -> Result<Vec<Vec<u8>>, &'static str> {
    let offered = offered(offer).ok_or("XCLIENT is not offered")?;
    if !has(&offered, "ADDR") {
        return Err("XCLIENT is offered without ADDR");
    }
    let mut commands = Vec::new();
    let mut command = b"XCLIENT".to_vec();
    for (attribute, value) in attributes(who, hello) {
        if !has(&offered, attribute) {
            continue;
        }
        let mut word = format!(" {attribute}=").into_bytes();
        xtext(&value, &mut word);
        if command.len() + word.len() + 2 > limits::XCLIENT_LINE {
            command.extend_from_slice(b"\r\n");
            commands.push(std::mem::replace(&mut command, b"XCLIENT".to_vec()));
        }
        command.extend_from_slice(&word);
    }
    command.extend_from_slice(b"\r\n");
    commands.push(command);
    Ok(commands)
}

/// The attributes that the MTA takes.
fn offered(reply: &Reply) -> Option<Vec<&[u8]>> {
    let mut offered = None;
    for line in reply.lines().skip(1) {
        let mut words = line.split(|&b| b == b' ').filter(|word| !word.is_empty());
        if words.next().is_some_and(|keyword| keyword.eq_ignore_ascii_case(b"XCLIENT")) {
            offered.get_or_insert_with(Vec::new).extend(words);
        }
    }
    offered
}

fn has(offered: &[&[u8]], attribute: &str) -> bool {
    offered.iter().any(|word| word.eq_ignore_ascii_case(attribute.as_bytes()))
}

/// What there is to tell. What is not known is told too: the MTA would keep what
/// it knows of our own connection.
fn attributes(who: &Who, hello: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    const UNAVAILABLE: &[u8] = b"[UNAVAILABLE]";
    let name = |name: &Name| match name {
        Name::Is(name) if is_host_name(name) => name.clone(),
        Name::Is(_) | Name::None => UNAVAILABLE.to_vec(),
        Name::Unknown => b"[TEMPUNAVAIL]".to_vec(),
    };
    let port = |port: u16| match port {
        0 => UNAVAILABLE.to_vec(),
        port => port.to_string().into_bytes(),
    };
    let mut told = vec![
        ("NAME", name(&who.name)),
        ("REVERSE_NAME", name(&who.reverse_name)),
        ("PORT", port(who.port)),
    ];
    if !hello.is_empty() {
        let extended = hello.first().is_some_and(|b| b"eE".contains(b));
        told.push(("PROTO", if extended { b"ESMTP".to_vec() } else { b"SMTP".to_vec() }));
        let helo = hello.get(4..).unwrap_or_default().trim_ascii();
        // A longer one is an error to Postfix; the client's own HELO follows.
        if !helo.is_empty() && helo.len() <= LONGEST_NAME {
            told.push(("HELO", helo.to_vec()));
        }
    }
    told.push(("DESTADDR", who.local.map_or(UNAVAILABLE.to_vec(), |local| address(local.ip()))));
    told.push(("DESTPORT", port(who.local.map_or(0, |local| local.port()))));
    told.push(("ADDR", address(who.ip)));
    told.retain(|(attribute, value)| fits(attribute, value));
    told
}

/// Octets of a host name, as in Postfix.
const LONGEST_NAME: usize = 255;

/// Is there a line that it has room in? Only a HELO name of odd octets is so long.
fn fits(attribute: &str, value: &[u8]) -> bool {
    let mut word = Vec::new();
    xtext(value, &mut word);
    "XCLIENT  =\r\n".len() + attribute.len() + word.len() <= limits::XCLIENT_LINE
}

fn address(ip: IpAddr) -> Vec<u8> {
    let mut text = String::new();
    let _ = match ip {
        IpAddr::V4(ip) => write!(text, "{ip}"),
        IpAddr::V6(ip) => write!(text, "IPV6:{ip}"),
    };
    text.into_bytes()
}

/// Is it a host name to Postfix? Anything else would make it refuse XCLIENT, and
/// so a client with such a name could never send mail; to the MTA it has none.
fn is_host_name(name: &[u8]) -> bool {
    let label = |label: &[u8]| {
        let sound = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.iter().all(sound)
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    let numeric = name.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    name.len() <= LONGEST_NAME && !numeric && name.split(|&b| b == b'.').all(label)
}

/// Writes a value as xtext (RFC 3461 4).
fn xtext(value: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let hex = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
    for &b in value {
        match b {
            b'!'..=b'~' if b != b'+' && b != b'=' => out.push(b),
            _ => out.extend([b'+', hex(b >> 4), hex(b & 15)]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::reply::Arriving;
    use super::*;

    fn offer(lines: &[&str]) -> Reply {
        let mut arriving = Arriving::default();
        let mut reply = arriving.line(b"250-mta").unwrap();
        for (n, line) in lines.iter().enumerate() {
            let mark = if n + 1 == lines.len() { ' ' } else { '-' };
            reply = arriving.line(format!("250{mark}{line}").as_bytes()).unwrap();
        }
        reply.unwrap()
    }

    fn who() -> Who {
        Who {
            our_name: "mx.example".to_owned(),
            name: Name::Is(b"client.example".to_vec()),
            reverse_name: Name::Is(b"client.example".to_vec()),
            ip: "192.0.2.1".parse().unwrap(),
            port: 4000,
            local: Some("198.51.100.7:25".parse().unwrap()),
        }
    }

    fn told(who: &Who, hello: &str, lines: &[&str]) -> String {
        let commands = commands(who, hello.as_bytes(), &offer(lines)).unwrap();
        String::from_utf8(commands.concat()).unwrap()
    }

    const ALL: &[&str] =
        &["SIZE 1", "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT"];

    #[test]
    fn what_is_offered_is_told() {
        assert_eq!(
            told(&who(), "", ALL),
            "XCLIENT NAME=client.example REVERSE_NAME=client.example PORT=4000 \
             DESTADDR=198.51.100.7 DESTPORT=25 ADDR=192.0.2.1\r\n"
        );
        assert_eq!(
            told(&who(), "HELO a b+c=d", ALL),
            "XCLIENT NAME=client.example REVERSE_NAME=client.example PORT=4000 PROTO=SMTP \
             HELO=a+20b+2Bc+3Dd DESTADDR=198.51.100.7 DESTPORT=25 ADDR=192.0.2.1\r\n"
        );
        let some = told(&who(), "ehlo é", &["xclient addr proto", "DSN", "XCLIENT helo"]);
        assert_eq!(some, "XCLIENT PROTO=ESMTP HELO=+C3+A9 ADDR=192.0.2.1\r\n");
        let v6 = Who { ip: "2001:db8::1".parse().unwrap(), local: None, port: 0, ..who() };
        assert_eq!(
            told(&v6, "", &["XCLIENT ADDR PORT DESTADDR DESTPORT"]),
            "XCLIENT PORT=[UNAVAILABLE] DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE] \
             ADDR=IPV6:2001:db8::1\r\n"
        );
    }

    #[test]
    fn names_that_are_none() {
        let long = "a".repeat(64);
        let longer = format!("{}.b", "a.".repeat(130));
        for (name, shown) in [
            (Name::None, "[UNAVAILABLE]"),
            (Name::Unknown, "[TEMPUNAVAIL]"),
            (Name::Is(b"a_b.example".to_vec()), "a_b.example"),
            (Name::Is(b"a b".to_vec()), "[UNAVAILABLE]"),
            (Name::Is(b"a=b".to_vec()), "[UNAVAILABLE]"),
            (Name::Is(b"a\r\nMAIL".to_vec()), "[UNAVAILABLE]"),
            (Name::Is(b"[TEMPUNAVAIL]".to_vec()), "[UNAVAILABLE]"),
            (Name::Is(b"192.0.2.1".to_vec()), "[UNAVAILABLE]"),
            (Name::Is(b"-a.example".to_vec()), "[UNAVAILABLE]"),
            (Name::Is(b"a..example".to_vec()), "[UNAVAILABLE]"),
            (Name::Is(b"".to_vec()), "[UNAVAILABLE]"),
            (Name::Is(long.into_bytes()), "[UNAVAILABLE]"),
            (Name::Is(longer.into_bytes()), "[UNAVAILABLE]"),
        ] {
            let who = Who { name, ..who() };
            let wire = told(&who, "", &["XCLIENT NAME ADDR"]);
            assert_eq!(wire, format!("XCLIENT NAME={shown} ADDR=192.0.2.1\r\n"));
        }
    }

    #[test]
    fn a_line_is_not_too_long() {
        let name = Name::Is("a.".repeat(127).into_bytes().split_last().unwrap().1.to_vec());
        let who = Who { name: name.clone(), reverse_name: name, ..who() };
        for helo in [200, 255, 256] {
            let hello = format!("EHLO {}", "h".repeat(helo));
            let commands = commands(&who, hello.as_bytes(), &offer(ALL)).unwrap();
            assert_eq!(commands.len(), if helo > 255 { 2 } else { 3 }, "{helo}");
            for (n, command) in commands.iter().enumerate() {
                assert!(command.len() <= limits::XCLIENT_LINE && command.ends_with(b"\r\n"));
                let addr = command.windows(6).any(|w| w == b" ADDR=");
                assert_eq!(addr, n + 1 == commands.len());
            }
        }
        // Its encoding has no place in any line.
        let hello = format!("EHLO {}", "é".repeat(100));
        assert!(!told(&who, &hello, ALL).contains("HELO="));
    }

    #[test]
    fn what_is_not_offered() {
        for (lines, why) in [
            (&["PIPELINING"][..], "XCLIENT is not offered"),
            (&["XCLIENTS ADDR"], "XCLIENT is not offered"),
            (&["XCLIENT"], "XCLIENT is offered without ADDR"),
            (&["XCLIENT NAME", "ADDR"], "XCLIENT is offered without ADDR"),
        ] {
            assert_eq!(commands(&who(), b"", &offer(lines)), Err(why), "{lines:?}");
        }
        // The first line is the MTA's name.
        let mut arriving = Arriving::default();
        let reply = arriving.line(b"250 XCLIENT ADDR").unwrap().unwrap();
        assert!(commands(&who(), b"", &reply).is_err());
    }
}
