#![allow(clippy::unwrap_used, reason = "a test fails so")]

use std::time::{Duration, UNIX_EPOCH};

use super::*;

/// What is known of a log: the time, and the native line's fields as text.
fn read(log: &[u8]) -> (Vec<(Style, Option<u64>, String)>, Counts) {
    let (mut logs, mut all) = (Logs::default(), Vec::new());
    // 2026-03-10.
    let written = UNIX_EPOCH + Duration::from_secs(1_773_100_800);
    let input = Input::of("test", io::Cursor::new(log.to_vec()), written, None).unwrap();
    let each = &mut |entry: &Entry<'_>| {
        let fields = entry.fields.clone().map(|(key, value)| {
            format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
        });
        all.push((entry.style, entry.time, fields.collect::<Vec<_>>().join(" ")));
    };
    logs.read(input, &mut |_| {}, each).unwrap();
    (all, logs.counts)
}

const NATIVE: &str = "v=1 sid=3e8.7 ip=[192.0.2.1] port=9 verdict=temp t=0.005";

#[test]
fn a_native_line_is_dated_by_itself() {
    for (before, behind) in [("", ""), ("Mar  1 00:00:00 mx smtp-wrapper[7]: ", "\n"), ("", "\r\n")]
    {
        let (all, _) = read(format!("{before}{NATIVE}{behind}").as_bytes());
        assert_eq!(
            all.first().map(|(style, time, _)| (*style, *time)),
            Some((Style::Native, Some(6000)))
        );
    }
    // A session that has no name is dated by the syslogd: never later than the file.
    for (stamp, time) in [
        ("Mar  1 00:00:07", 1_772_323_207),
        ("Mar 11 00:00:00", 1_773_187_200),
        ("Dec 31 23:59:59", 1_767_225_599),
        ("2026-03-01T01:00:07+01:00", 1_772_323_207),
        ("2026-03-01T00:00:07.000000Z", 1_772_323_207),
        ("2026-02-28T19:00:07-0500", 1_772_323_207),
    ] {
        let line = format!(
            "{stamp} mx smtp-wrapper[7]: v=1 sid=- ip=[-] port=- session=none end=x why=<y>\n"
        );
        assert_eq!(
            read(line.as_bytes()).0.first().and_then(|(_, at, _)| *at),
            Some(time * 1_000_000),
            "{stamp}"
        );
    }
}

#[test]
fn json_is_written_as_the_native_line_says_it() {
    let json = r#"{"v":1,"sid":"3e8.7","ip":"192.0.2.1","port":9,"verdict":"temp","would":null,"helo":"a b\u00e9\"\\<","t":0.005}"#;
    let native = r"v=1 sid=3e8.7 ip=[192.0.2.1] port=9 verdict=temp would=- helo=<a\x20b\xe9\x22\x5c\x3c> t=0.005";
    let native = native.replace(r"\x22", "\"");
    for json in [json.to_owned(), json.replace("{\"v\":1,", "{\"v\":\"1\",")] {
        let (all, _) = read(json.as_bytes());
        assert_eq!(all, [(Style::Json, Some(6000), native.clone())]);
    }
    for bad in [r#"{"v":1,"rule":"a b"}"#, r#"{"v":1,"a b":"c"}"#, r#"{"v":1,"rule":"x> to=<y"}"#] {
        assert_eq!(read(bad.as_bytes()).0, [], "{bad}");
    }
}

#[test]
fn lines_are_counted_whether_known_or_not() {
    let long = "x".repeat(blocks::LINE + 1);
    let (all, counts) = read(format!("{NATIVE}\n{long}\n\n{NATIVE}\nother\n{NATIVE}").as_bytes());
    assert_eq!((all.len(), counts.lines, counts.too_long, counts.known()), (3, 6, 1, 3));
    // Whatever the blocks are, a line is whole.
    let many = format!("{NATIVE}{}\n", " x=y".repeat(9000)).repeat(40);
    assert_eq!(read(many.as_bytes()).1.known(), 40);
}

#[test]
fn the_journal_exports_any_octets() {
    let mut log =
        b"__CURSOR=s\n__REALTIME_TIMESTAMP=5\nSYSLOG_IDENTIFIER=postfix/smtpd\n_PID=3\nMESSAGE\n"
            .to_vec();
    let text = b"NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 450 4.7.1 no\n\xff; from=<a> to=<b> proto=ESMTP helo=<c>";
    log.extend((text.len() as u64).to_le_bytes());
    log.extend_from_slice(text);
    log.extend_from_slice(b"\n\n__CURSOR=t\nSYSLOG_IDENTIFIER=smtp-wrapper\nMESSAGE=");
    log.extend_from_slice(NATIVE.as_bytes());
    let (all, counts) = read(&log);
    assert_eq!((all.len(), counts.lines), (2, 2));
    let (style, time, fields) = all.first().unwrap();
    assert_eq!((*style, *time), (Style::Postfix, Some(5)));
    assert!(fields.contains("from=<a> to=<b> reply=<4.7.1\\x20no\\x0a\\xff>"), "{fields}");
}

#[test]
fn whose_an_entry_is_says_the_journal() {
    let known = |fields: &[(&str, &str)]| {
        let fields = [fields, &[("MESSAGE", NATIVE)]].concat();
        let export = fields.iter().map(|(key, value)| format!("{key}={value}\n"));
        let export = format!("__CURSOR=s\n{}\n", export.collect::<String>());
        let json: Vec<_> = fields.iter().map(|(key, of)| format!("\"{key}\":\"{of}\"")).collect();
        let json = format!("{{{}}}\n", json.join(","));
        let counts = [export, json].map(|log| read(log.as_bytes()).1.known());
        assert_eq!(counts[0], counts[1]);
        counts[0] == 1
    };
    assert!(known(&[("SYSLOG_IDENTIFIER", "smtp-wrapper"), ("_PID", "7")]));
    assert!(known(&[("SYSLOG_IDENTIFIER", "inetd"), ("_COMM", "smtp-wrapper"), ("_PID", "7")]));
    assert!(known(&[("_SYSTEMD_UNIT", "smtp-wrapper@7.service")]));
    assert!(!known(&[("SYSLOG_IDENTIFIER", "sshd"), ("_COMM", "sshd"), ("_PID", "7")]));
    assert!(!known(&[("SYSLOG_IDENTIFIER", "postfix/smtpd"), ("_PID", "7")]));
    assert!(!known(&[]));
}

#[test]
fn a_day_that_only_the_last_leap_year_has() {
    // Written on 2025-01-10.
    let clock = stamp::Clock::new(UNIX_EPOCH + Duration::from_secs(1_736_467_200));
    assert_eq!(clock.stamp(b"Feb 29 00:00:00 mx x"), Some(1_709_164_800_000_000));
}

#[test]
fn a_clients_name_is_bounded() {
    let connect = format!(
        "Mar  1 00:00:00 mx postfix/smtpd[5]: connect from {}[192.0.2.9]\n",
        "x".repeat(9000)
    );
    let log = connect
        + "Mar  1 00:00:00 mx postfix/smtpd[5]: NOQUEUE: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok; from=<a> to=<b> proto=ESMTP helo=<c>\n";
    let (all, _) = read(log.as_bytes());
    assert!(all.first().unwrap().2.len() < 700);
}
