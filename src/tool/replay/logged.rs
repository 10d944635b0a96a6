//! A recipient as the log has it: what a session knew of the client and what became of
//! the recipient.
//!
//! A log is input like any other: what does not fit is not whole.

use std::net::IpAddr;
use std::time::Duration;

use crate::dns::Trouble;
use crate::host::{Host, Iprev};
use crate::limits;
use crate::log::fields::{decode, from_outside};
use crate::tool::logs::{Entry, Style};

/// A word of ours is no longer.
const WORD: usize = 64;

/// What a line of a log is.
#[derive(Debug)]
pub(super) enum Line {
    /// A recipient whose fate was known.
    Recipient(Box<Logged>),
    /// A session that was refused before it named one.
    RefusedSession,
    /// Another line of ours.
    Other,
    /// One of ours that is not whole.
    Damaged,
    /// A recipient, in a style that has not the facts.
    Factless,
}

/// A recipient.
#[derive(Debug, Default)]
pub(super) struct Logged {
    pub(super) ip: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) verdict: String,
    pub(super) rule: String,
    pub(super) code: Option<u16>,
    /// It was decided when the message was there.
    pub(super) at_message: bool,
    /// What a filter that only observed would have done.
    pub(super) would: Option<(u16, String)>,
    pub(super) helo: Vec<u8>,
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
    pub(super) reply: Vec<u8>,
    pub(super) why: Vec<u8>,
    /// Its host names, if they were looked up.
    pub(super) host: Option<Host>,
    pub(super) authenticated: bool,
    /// One of the texts that count was cut.
    pub(super) cut: bool,
}

impl Logged {
    /// The client has several host names, of which the log has one.
    pub(super) fn has_more_names(&self) -> bool {
        let several = |host: &Host| host.iprev == Iprev::Pass && host.questions > 2;
        self.host.as_ref().is_some_and(several)
    }

    /// Did a filter decide? Else it was the MTA, the client or the session.
    pub(super) fn by_filter(&self) -> bool {
        let of = self.rule.split('.').next().unwrap_or_default();
        !matches!(of, "mta" | "smtp" | "session" | "client" | "listen")
    }
}

/// What has been read of a line.
#[derive(Default)]
struct Reading {
    logged: Logged,
    /// Keys that every line about a recipient has.
    seen: u32,
    session: bool,
    /// It says where something was decided.
    at: bool,
    refused: bool,
    messages: bool,
    ptr: Option<Vec<u8>>,
    iprev: Option<Iprev>,
    dns: Option<Vec<u8>>,
    odd: bool,
}

const RECIPIENT: [&[u8]; 12] = [
    b"ip", b"port", b"verdict", b"rule", b"code", b"at", b"helo", b"from", b"to", b"ptr",
    b"fcrdns", b"t",
];

impl Line {
    /// What a line of a log is.
    pub(super) fn of(entry: &Entry<'_>) -> Line {
        if matches!(entry.style, Style::Postfix | Style::Original) {
            let recipient = entry.fields.get(b"verdict").is_some();
            return if recipient { Line::Factless } else { Line::Other };
        }
        let (mut reading, mut decoded) = (Reading::default(), Vec::new());
        for (key, value) in entry.fields.clone() {
            match from_outside(value) {
                Some(inside) => {
                    decoded.clear();
                    decode(inside, &mut decoded);
                    reading.take(key, Some(&decoded));
                }
                None => reading.take(key, Some(value).filter(|value| *value != b"-")),
            }
        }
        reading.line()
    }
}

impl Reading {
    fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        // The time is the last one of all: of a line that is cut there it is missing.
        let there = key != b"t" || value.is_some_and(|value| !value.is_empty());
        if let Some(n) = RECIPIENT.iter().position(|known| *known == key).filter(|_| there) {
            self.seen |= 1 << n;
        }
        let logged = &mut self.logged;
        match (key, value) {
            (b"ip", Some(ip)) => {
                let ip = ip.strip_prefix(b"[").and_then(|ip| ip.strip_suffix(b"]")).unwrap_or(ip);
                logged.ip = word(ip).parse().ok();
            }
            (b"port", Some(port)) => logged.port = number(port).unwrap_or(0),
            (b"verdict", Some(verdict)) => logged.verdict = word(verdict).to_owned(),
            (b"rule", Some(rule)) => logged.rule = word(rule).to_owned(),
            (b"code", Some(code)) => {
                logged.code = number(code).filter(|code| (200..600).contains(code));
                self.odd |= logged.code.is_none();
            }
            (b"at", Some(at)) => (logged.at_message, self.at) = (at == b"message", true),
            (b"would", Some(would)) => {
                let (code, rule) = word(would).split_once(':').unwrap_or_default();
                logged.would = number(code.as_bytes()).map(|code| (code, rule.to_owned()));
            }
            (b"helo", Some(helo)) => logged.helo = text(helo, &mut logged.cut),
            (b"from", Some(from)) => logged.from = text(from, &mut logged.cut),
            (b"to", Some(to)) => logged.to = text(to, &mut logged.cut),
            (b"ptr", Some(ptr)) => self.ptr = Some(text(ptr, &mut logged.cut)),
            (b"reply", Some(reply)) => logged.reply = reply.to_vec(),
            (b"why", Some(why)) => logged.why = why.to_vec(),
            (b"fcrdns", Some(result)) => {
                let all = [Iprev::Pass, Iprev::Fail, Iprev::TempError, Iprev::PermError];
                self.iprev = all.into_iter().find(|iprev| iprev.name().as_bytes() == result);
                self.odd |= self.iprev.is_none();
            }
            (b"dns", Some(dns)) => self.dns = Some(dns.to_vec()),
            (b"auth", Some(by)) => {
                logged.authenticated = !by.eq_ignore_ascii_case(b"anonymous");
            }
            (b"session", _) => self.session = true,
            (b"refused", Some(count)) => self.refused = count != b"0",
            (b"messages", Some(count)) => self.messages = count != b"0",
            _ => {}
        }
    }

    fn line(mut self) -> Line {
        let early = self.at || self.logged.helo.is_empty();
        let refused = self.refused && !self.messages && early;
        if self.session {
            let by_filter = refused && self.logged.by_filter();
            return if by_filter { Line::RefusedSession } else { Line::Other };
        }
        let names = [&self.logged.verdict, &self.logged.rule];
        let nameless = names.into_iter().any(String::is_empty);
        if self.seen != (1 << RECIPIENT.len()) - 1 || self.odd || nameless {
            return Line::Damaged;
        }
        if self.logged.ip.is_none() {
            return Line::Damaged;
        }
        self.logged.host = self.host();
        Line::Recipient(Box::new(self.logged))
    }

    /// What was found of the host names; `dns` is `questions/time` or
    /// `questions/trouble/time`.
    fn host(&mut self) -> Option<Host> {
        let iprev = self.iprev?;
        let dns = self.dns.take().unwrap_or_default();
        let mut parts = dns.split(|&b| b == b'/');
        let questions = parts.next().and_then(number).unwrap_or(0);
        let trouble = parts.next().and_then(|trouble| {
            let all = [
                Trouble::TimedOut,
                Trouble::Unreachable,
                Trouble::Malformed,
                Trouble::Refused,
                Trouble::ServFail,
            ];
            all.into_iter().find(|known| known.name().as_bytes() == trouble)
        });
        let name = self.ptr.take();
        let confirmed = name.iter().filter(|_| iprev == Iprev::Pass).cloned().collect();
        Some(Host { iprev, confirmed, name, trouble, questions, took: Duration::ZERO })
    }
}

/// A word of ours; empty if it is none.
fn word(value: &[u8]) -> &str {
    let sound = value.len() <= WORD && value.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(value).ok().filter(|_| sound).unwrap_or_default()
}

fn number<N: std::str::FromStr>(value: &[u8]) -> Option<N> {
    word(value).parse().ok()
}

/// A text from outside, and whether it was cut when it was written.
fn text(value: &[u8], cut: &mut bool) -> Vec<u8> {
    let plain = |b: &u8| b.is_ascii_graphic() && !b"<>\\".contains(b);
    let written = |b: &u8| if plain(b) { 1 } else { "\\xNN".len() };
    if let Some(before) = value.strip_suffix(b"...") {
        // It is cut a little earlier where an escape stood.
        let length: usize = before.iter().map(written).sum();
        *cut |= length + "\\xNN".len() > limits::LOGGED_TEXT;
    }
    value.to_vec()
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
mod tests {
    use std::io::Cursor;
    use std::time::SystemTime;

    use super::*;
    use crate::tool::logs::{Input, Logs};

    const NATIVE: &str = "Nov 25 10:00:00 mx smtp-wrapper[9]: v=1 sid=a.b ip=[192.0.2.7] port=9 verdict=temp \
        rule=s25r.r1 code=450 at=rcpt would=- helo=<a\\x20b> from=<> to=<c@d.example> reply=<4.7.1\\x20x> \
        ptr=<p1-2.example> fcrdns=pass dns=2/3ms tls=- auth=- t=0.004";
    const JSON: &str = r#"{"v":"1","sid":"a.b","ip":"192.0.2.7","port":9,"verdict":"temp","rule":"s25r.r1","code":450,"at":"rcpt","would":null,"helo":"a b","from":"","to":"c@d.example","reply":"4.7.1 x","ptr":"p1-2.example","fcrdns":"pass","dns":"2/3ms","tls":null,"auth":null,"t":0.004}"#;

    /// What a log of this line says, if the line is known.
    fn read(line: &str) -> Option<Line> {
        let (octets, mut read) = (Cursor::new(line.to_owned()), None);
        let input = Input::of("test", octets, SystemTime::now(), None).expect("an input");
        let each = &mut |entry: &Entry<'_>| read = Some(Line::of(entry));
        Logs::default().read(input, &mut |_| {}, each).expect("it is read");
        read
    }

    fn logged(line: &str) -> Logged {
        match read(line) {
            Some(Line::Recipient(logged)) => *logged,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn both_styles_say_the_same() {
        let (native, json) = (logged(NATIVE), logged(JSON));
        assert_eq!(format!("{native:?}"), format!("{json:?}"));
        assert_eq!(native.helo, b"a b");
        assert_eq!((native.code, native.rule.as_str()), (Some(450), "s25r.r1"));
        assert!(native.by_filter() && !native.cut && !native.has_more_names());
        assert_eq!(native.host.map(|host| host.confirmed.len()), Some(1));
    }

    #[test]
    fn cut_texts_and_cut_lines_are_noticed() {
        let long = "x".repeat(limits::LOGGED_TEXT);
        assert!(logged(&NATIVE.replace("c@d.example", &format!("{long}..."))).cut);
        assert!(!logged(&NATIVE.replace("c@d.example", &long)).cut);
        assert!(!logged(&NATIVE.replace("c@d.example", "x...")).cut);
        let odd = format!("{}...", "\\x00".repeat(limits::LOGGED_TEXT / 4));
        assert!(logged(&NATIVE.replace("c@d.example", &odd)).cut);
        for line in [NATIVE, JSON] {
            for end in 0..line.len() {
                let read = read(line.get(..end).unwrap_or_default());
                // What is cut within the last value of all cannot be told.
                let whole = matches!(read, Some(Line::Recipient(_))) && end < line.len() - 4;
                assert!(!whole, "{end} {read:?}");
            }
        }
        for (line, what) in [
            (NATIVE.replace("code=450", "code=9999"), "Some(Damaged)"),
            (NATIVE.replace("ip=[192.0.2.7]", "ip=[-]"), "Some(Damaged)"),
            (NATIVE.replace("fcrdns=pass", "fcrdns=maybe"), "Some(Damaged)"),
            (NATIVE.replace("verdict=temp rule=s25r.r1 code=450", "session=note"), "Some(Other)"),
            ("postfix/smtpd[1]: connect from x".to_owned(), "None"),
            (String::new(), "None"),
        ] {
            assert_eq!(format!("{:?}", read(&line)), what, "{line}");
        }
    }
}
