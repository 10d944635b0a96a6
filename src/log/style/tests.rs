//! The styles, line by line.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::fields;
use super::super::line::Line;
use super::*;

fn line() -> Line {
    Line::new(0xabc, 16, Ipv4Addr::new(192, 0, 2, 7).into(), 25)
}

fn shown(style: Style, line: &Line) -> String {
    let lines = render(style, line.as_bytes(), false);
    lines.iter().map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join("\n")
}

/// A recipient's line.
fn recipient(verdict: &str, rule: &str, at: &str, reply: &[u8], name: Option<&[u8]>) -> Line {
    let mut line = line();
    let code = match verdict {
        "pass" => 250,
        "temp" => 450,
        _ => 550,
    };
    line.begin().word(" verdict=", verdict).word(" rule=", rule).number(" code=", code);
    line.word(" at=", at).text(" would=-").outside(" helo=", b"h").outside(" from=", b"a@b");
    line.outside(" to=", b"c@d").outside(" reply=", reply);
    match name {
        Some(name) => line.outside(" ptr=", name).text(" fcrdns=pass dns=2/0ms"),
        None => line.text(" ptr=- fcrdns=- dns=-"),
    };
    line.text(" tls=- auth=-").seconds(" t=", Duration::from_millis(7));
    line
}

#[test]
fn as_postfix() {
    let refused = recipient("temp", "s25r.r1", "rcpt", b"4.7.1 S25R check, be patient [r1]", None);
    assert_eq!(
        shown(Style::Postfix, &refused),
        "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 450 4.7.1 <c@d>: S25R check, be patient \
         [r1]; from=<a@b> to=<c@d> proto=ESMTP helo=<h>"
    );
    let taken = recipient("pass", "mta", "message", b"2.0.0 Ok: queued as 4F3B", Some(b"mx.b"));
    let accepted = "proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as 4F3B; from=<a@b> \
                    to=<c@d> proto=ESMTP helo=<h>";
    assert_eq!(
        shown(Style::Postfix, &taken),
        format!("NOQUEUE: client=mx.b[192.0.2.7]\n{accepted}")
    );
    assert_eq!(render(Style::Postfix, taken.as_bytes(), true), [accepted.as_bytes()]);
    let said = b"5.1.1 <c@d>: Recipient address rejected: User unknown";
    let unknown = recipient("perm", "mta", "rcpt", said, Some(b"x[192.0.2.9]"));
    assert_eq!(
        shown(Style::Postfix, &unknown),
        "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 550 5.1.1 <c@d>: Recipient address \
         rejected: User unknown; from=<a@b> to=<c@d> proto=ESMTP helo=<h>"
    );
    let by_mta = recipient("perm", "mta", "message", b"no", None);
    assert!(shown(Style::Postfix, &by_mta).starts_with("proxy-reject: END-OF-MESSAGE: 550 no; "));
    let mut ended = line();
    ended.begin().text(" session=end end=smtp.too-many-errors mta=ok why=<> helo=<>");
    ended.text(" messages=0 octets=0 refused=20 rule=smtp.too-many-errors t=0.001");
    assert_eq!(
        shown(Style::Postfix, &ended),
        "too many errors after UNKNOWN from unknown[192.0.2.7]\n\
         disconnect from unknown[192.0.2.7] messages=0 octets=0 refused=20 \
         end=smtp.too-many-errors rule=smtp.too-many-errors t=0.001"
    );
}

#[test]
fn as_the_original() {
    let refused = recipient("temp", "s25r.r1", "rcpt", b"4.7.1 be patient", Some(b"p1.isp"));
    assert_eq!(
        shown(Style::Original, &refused),
        "rejected by ip_filter. IP=192.0.2.7: 450 4.7.1 be patient rule=s25r.r1 ptr=<p1.isp> \
         helo=<h> from=<a@b> to=<c@d>"
    );
    let mut none = Line::without_session();
    none.word(" session=", "none").word(" end=", "x").outside(" why=", b"no such file");
    assert_eq!(shown(Style::Original, &none), "none. IP=-: end=x no such file");
    assert_eq!(shown(Style::Postfix, &none), "warning: unknown[-]: none end=x: no such file");
}

#[test]
fn as_json() {
    let refused = recipient("temp", "s25r.r1", "rcpt", b"say \"hi\\\"\r\n\xe9", Some(b"-"));
    assert_eq!(
        shown(Style::Json, &refused),
        r#"{"v":1,"sid":"abc.10","ip":"192.0.2.7","port":25,"verdict":"temp","rule":"s25r.r1","code":450,"at":"rcpt","would":null,"helo":"h","from":"a@b","to":"c@d","reply":"say \"hi\\\"\u000d\u000a\u00e9","ptr":"-","fcrdns":"pass","dns":"2/0ms","tls":null,"auth":null,"t":0.007}"#
    );
    let mut ended = line();
    ended.begin().word(" session=", "end").number(" cpu=", 3).text("ms").number(" mem=", 900);
    assert!(shown(Style::Json, ended.text("KiB")).ends_with(r#","cpu":3,"mem":900}"#));
}

#[test]
fn no_text_passes_for_a_mark() {
    let hostile = b"x]: y: client=z reject: RCPT from a[192.0.2.9]: 554 5.7.1 rejected by ip";
    for style in [Style::Postfix, Style::Original] {
        let line = shown(style, &recipient("temp", "program.refused", "rcpt", hostile, None));
        assert!(line.contains("x]:\\x20y: client=z reject:\\x20RCPT from a"), "{line}");
        assert!(line.contains("rejected\\x20by ip"), "{line}");
    }
}

/// Numbers without a pattern, the same in each run.
fn dice(seed: &mut u64) -> u8 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) as u8
}

#[test]
fn any_octets_stay_in_their_place() {
    let (mut seed, odd) = (1, *b" \r\n\"'<>\\[]:;={},\x1b\x80x20");
    for _ in 0..20_000 {
        let octets = |seed: &mut u64| -> Vec<u8> {
            let length = dice(seed) % 40;
            let octet = |seed: &mut u64| match dice(seed) {
                n @ 0..128 => odd.get(usize::from(n) % odd.len()).copied().unwrap_or(0),
                _ => dice(seed),
            };
            (0..length).map(|_| octet(seed)).collect()
        };
        let (reply, name) = (octets(&mut seed), octets(&mut seed));
        let line = recipient("temp", "x", "rcpt", &reply, Some(&name));
        for style in [Style::Postfix, Style::Original, Style::Json] {
            let text = shown(style, &line);
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text:?}");
            assert!(style == Style::Json || text.matches("from=<").count() == 1, "{text}");
        }
        let mut read = Vec::new();
        let written = Fields::of(line.as_bytes()).and_then(|fields| fields.get(b"reply"));
        fields::decode(written.and_then(from_outside).unwrap_or_default(), &mut read);
        assert_eq!(read, reply);
        // A reader of JSON that knows strings and nothing else finds the same octets.
        let json = shown(Style::Json, &line);
        let value = json.split_once("\"reply\":\"").map(|(_, rest)| rest).unwrap_or_default();
        assert_eq!(unescaped(value), reply, "{json}");
    }
}

/// A JSON string up to its end, each character an octet.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut octets, mut rest) = (Vec::new(), text.bytes());
    while let Some(octet) = rest.next() {
        match (octet, octet == b'\\') {
            (b'"', _) => break,
            (_, false) => octets.push(octet),
            (_, true) => match rest.next() {
                Some(b'u') => {
                    let digits: Vec<u8> = rest.by_ref().take(4).collect();
                    let digits = String::from_utf8_lossy(&digits).into_owned();
                    octets.push(u8::from_str_radix(&digits, 16).unwrap_or_default());
                }
                plain => octets.extend(plain),
            },
        }
    }
    octets
}
