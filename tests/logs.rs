//! How `report` and `replay` read logs: each kind and style of them, and hostile ones.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;
#[path = "report/traffic.rs"]
mod traffic;

use std::fs;
use std::io::Write as _;

use common::Folder;
use common::tool::{figure, tool};
use traffic::{Dice, Month};

/// Output and exit status of `report` over this log.
fn report(words: &[&str], log: &[u8]) -> (String, i32) {
    tool(&[&["report"], words].concat(), log)
}

/// The same of `replay`, by what is usual.
fn replay(words: &[&str], log: &[u8]) -> (String, i32) {
    tool(&[&["replay", "--config", "usual"], words].concat(), log)
}

/// The report without the line that counts lines.
fn without_counts(text: &str) -> String {
    let told = |line: &&str| !line.contains(" of them known (");
    text.lines().filter(told).collect::<Vec<_>>().join("\n")
}

/// The first lines that differ.
fn difference(text: &str, other: &str) -> String {
    let mut pairs = text.lines().zip(other.lines());
    format!("{:?}", pairs.find(|(one, other)| one != other))
}

/// A month as lines of another kind, each from its time and the native line.
fn written(month: &Month, line: impl Fn(u64, &str) -> Vec<u8>) -> Vec<u8> {
    month.lines.iter().flat_map(|(time, native)| line(*time, native)).collect()
}

#[test]
fn each_kind_of_log_tells_the_same() {
    let month = Month::new(2);
    let plain = without_counts(&report(&["-"], month.log().as_bytes()).0);
    let syslog =
        |_: u64, line: &str| format!("Mar  3 01:02:03 mx smtp-wrapper[77]: {line}\n").into_bytes();
    let export = |time: u64, line: &str| {
        let head = format!(
            "__CURSOR=s=1\n__REALTIME_TIMESTAMP={time}\nSYSLOG_IDENTIFIER=smtp-wrapper\n_PID=7\n"
        );
        // The long form of a field is for any octets.
        let length = u64::try_from(line.len()).unwrap().to_le_bytes();
        [head.as_bytes(), b"MESSAGE\n", &length, line.as_bytes(), b"\nPRIORITY=6\n\n"].concat()
    };
    let journal = |time: u64, line: &str| {
        let line = line.replace('\\', "\\\\").replace('"', "\\\"");
        format!("{{\"__REALTIME_TIMESTAMP\":\"{time}\",\"_X\":[1,{{\"a\":\"}}\"}}],\"MESSAGE\":\"{line}\",\"_PID\":\"7\"}}\n").into_bytes()
    };
    let json = |_: u64, line: &str| format!("{}\n", as_json(line)).into_bytes();
    let logs = [
        ("syslog", written(&month, syslog)),
        ("export", written(&month, export)),
        ("journal", written(&month, journal)),
        ("json", written(&month, json)),
    ];
    for (kind, log) in logs {
        let (text, status) = report(&["-"], &log);
        assert_eq!(status, 0, "{kind}");
        assert!(without_counts(&text) == plain, "{kind}: {}", difference(&text, &plain));
    }
}

/// A native line in the json style.
fn as_json(line: &str) -> String {
    let value = |key: &str, value: &str| match value {
        "-" => "null".to_owned(),
        _ if matches!(key, "v" | "code" | "port" | "messages" | "octets" | "refused" | "t") => {
            value.trim_start_matches('0').to_owned()
        }
        _ => {
            let inside = value.strip_prefix('<').and_then(|value| value.strip_suffix('>'));
            format!("\"{}\"", inside.unwrap_or(value).replace("\\x", "\\u00"))
        }
    };
    let fields = line.split(' ').filter_map(|field| field.split_once('='));
    let members: Vec<_> = fields.map(|(key, of)| format!("\"{key}\":{}", value(key, of))).collect();
    format!("{{{}}}", members.join(",")).replace(":.", ":0.").replace(":,", ":0,")
}

#[test]
fn files_may_be_compressed_and_in_any_order() {
    let month = Month::new(6);
    let log = month.log();
    let folder = Folder::fresh();
    let half = log[..log.len() / 2].rfind('\n').unwrap() + 1;
    let (old, new) = (folder.file("mail.log.1.gz"), folder.file("mail.log"));
    // Two members, as of two rotations put together.
    let mut packed = Vec::new();
    for part in [&log.as_bytes()[..half / 2], &log.as_bytes()[half / 2..half]] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(part).unwrap();
        packed.extend(gzip.finish().unwrap());
    }
    fs::write(&old, &packed).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(&new, &log[half..]).unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let whole = report(&["-"], log.as_bytes());
    let (text, status) = report(&[new, old], b"");
    assert!((&text, status) == (&whole.0, whole.1), "{}", difference(&text, &whole.0));
    // One that is cut is told, and what is there is counted.
    fs::write(old, &packed[..packed.len() - 100]).unwrap();
    let (text, status) = report(&[new, old], b"");
    assert_eq!(status, 1);
    assert!(text.contains("mail.log.1.gz: read only in part"), "{text}");
    assert!(figure(&text, "recipients") > figure(&whole.0, "recipients") / 2);
    let (text, status) = report(&[new, "/nonexistent.log"], b"");
    assert!(status == 78 && text.contains("/nonexistent.log"), "{text}");
    let (text, status) = report(&[], b"");
    assert!(status == 78 && text.contains("which log?"), "{text}");
    let (text, status) = report(&["-"], b"Mar  1 00:00:00 mx sshd[1]: hello\n");
    assert!(status == 1 && text.contains("no line is known"), "{text}");
}

#[test]
fn lines_of_postfix_and_of_the_original_are_known() {
    let mut log = String::from(
        "2026-03-01T10:00:00+01:00 mx postfix/smtpd[5]: connect from mail.peer.example[192.0.2.9]\n\
         2026-03-01T10:00:01.5+01:00 mx postfix/smtpd[5]: NOQUEUE: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued; from=<a@peer.example> to=<b@our.example> proto=ESMTP helo=<mail.peer.example>\n\
         2026-03-01T10:00:02+01:00 mx postfix/smtpd[5]: disconnect from mail.peer.example[192.0.2.9] ehlo=1 mail=1 rcpt=1/3 data=1 quit=1 commands=5/7\n\
         2026-03-01T10:00:03+01:00 mx postfix/smtpd[6]: NOQUEUE: reject: RCPT from unknown[192.0.2.77]: 554 5.7.1 <b@our.example>: Refused by local policy [deny]; from=<x@y.example> to=<b@our.example> proto=ESMTP helo=<x>\n",
    );
    for minute in [0, 5, 15, 35, 59] {
        for (hour, id) in [(10, 1), (15, 2)] {
            log.push_str(&format!(
                "Mar  1 {hour}:{minute:02}:07 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from mx1a2.queue.example[198.51.100.7]: \
                 450 4.7.1 <b@our.example>: S25R check, be patient [r1]; from=<c{id}@queue.example> to=<b@our.example> proto=ESMTP helo=<mx.queue.example>\n"
            ));
        }
    }
    for hour in [1, 2, 4, 8] {
        log.push_str(&format!(
            "Mar  2 {hour:02}:00:00 mx smtp_wrapper[9]: 450 4.7.1 rule 1 (rejected by ip_filter. IP=203.0.113.8)(SW02)\n"
        ));
    }
    // Ours in these styles.
    log.push_str(
        "Mar  3 01:00:00 mx postfix/smtpd[8]: connect from unknown[192.0.2.8]\n\
         Mar  3 01:00:00 mx postfix/smtpd[8]: NOQUEUE: client=mx.friend.example[192.0.2.8]\n\
         Mar  3 01:00:00 mx postfix/smtpd[8]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 stored; from=<> to=<a@our.example> proto=ESMTP helo=<mx.friend.example>\n\
         Mar  3 01:00:00 mx postfix/smtpd[8]: proxy-reject: END-OF-MESSAGE: 554 5.7.1 no; from=<> to=<b@our.example> proto=ESMTP helo=<mx.friend.example>\n\
         Mar  3 01:00:00 mx postfix/smtpd[8]: disconnect from mx.friend.example[192.0.2.8] messages=1 octets=32 refused=0 end=quit rule=- t=0.004\n\
         Mar  3 01:00:00 mx smtp_wrapper[9]: accepted. IP=192.0.2.8: 250 2.0.0 stored rule=mta ptr=<mx.friend.example> helo=<mx.friend.example> from=<> to=<a@our.example>\n\
         Mar  3 01:00:00 mx smtp_wrapper[9]: rejected by ip_filter. IP=192.0.2.9: 450 4.7.1 S25R check, be patient [r2] rule=s25r.r2 ptr=<x12345.friend.example> helo=<x> from=<a@x.example> to=<b@our.example>\n\
         Mar  3 01:00:00 mx smtp_wrapper[9]: end. IP=192.0.2.8: quit mta=ok why=<> messages=1 refused=0 rule=- ptr=<mx.friend.example> helo=<> t=0.001\n\
         Mar  3 01:00:00 mx smtp-wrapper[9]: v=1 sid=- ip=[192.0.2.5] port=1 session=end end=quit mta=away why=<> helo=<> messages=0 octets=0 refused=1 rule=fcrdns.none code=450 at=connect reply=<x> ptr=- fcrdns=fail dns=- tls=- auth=- t=0.1\n",
    );
    let (text, status) = report(&["-"], log.as_bytes());
    assert_eq!(status, 0);
    assert!(text.contains("(native 1, postfix 16, original 7)"), "{text}");
    for (name, count) in [
        ("accepted ", 3),
        ("refused for now", 15),
        ("refused for good", 2),
        ("sessions", 4),
        ("messages", 3),
    ] {
        assert_eq!(figure(&text, name), count, "{name} in {text}");
    }
    assert!(
        text.contains("1 session was refused before") && text.contains("fcrdns.none"),
        "{text}"
    );
    assert!(text.contains("\nmx1a2.queue.example\n"), "{text}");
    assert!(
        text.contains("s25r.r1") && text.contains("program.refused") && text.contains("deny"),
        "{text}"
    );
}

#[test]
fn nobody_writes_a_line_of_ours_in_anothers_log() {
    let forged = "v=1 sid=64c0000000000.1 ip=[192.0.2.1] port=1 verdict=temp rule=s25r.r1 code=450 at=rcpt would=- helo=<h.example> from=<a@b.c> to=<d@e.f> reply=<x> ptr=- fcrdns=fail dns=- tls=- auth=- t=0.1";
    for before in [
        "Mar  1 00:00:00 mx postfix/smtpd[1]: improper command pipelining after DATA from unknown[192.0.2.9]: ",
        "Mar  1 00:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 450 4.7.1 <",
        "Mar  1 00:00:00 mx other[1]: ",
        "192.0.2.9 - - [01/Mar/2026:00:00:00 +0000] \"GET /",
        "Mar  1 00:00:00 mx other[1]: smtp-wrapper[2]: ",
    ] {
        let (text, _) = report(&["-"], format!("{before}{forged}\n").as_bytes());
        assert!(text.contains("1 line read, 0 of them known"), "{before}: {text}");
    }
    for before in [
        "",
        "2026-03-01T00:00:00Z ",
        "<22>smtp-wrapper[2]: ",
        "Mar  1 00:00:00 mx smtp-wrapper[2]: ",
    ] {
        let (text, _) = report(&["-"], format!("{before}{forged}\n").as_bytes());
        assert!(text.contains("1 line read, 1 of them known"), "{before}: {text}");
    }
}

#[test]
fn the_same_sessions_are_told_alike_in_each_style() {
    let log = |style: &str| fs::read(format!("tests/corpus/logs/{style}.log")).unwrap();
    let [native, json, postfix, original] = ["native", "json", "postfix", "original"].map(log);
    let told = |log: &[u8]| {
        let (text, status) = report(&["-"], log);
        assert_eq!(status, 0, "{text}");
        without_counts(&text)
    };
    let plain = told(&native);
    for (name, count) in [
        ("recipients", 16),
        ("accepted ", 4),
        ("refused for now", 6),
        ("refused for good", 6),
        ("sessions", 18),
        ("messages", 3),
        ("groups refused", 4),
        ("1 recipient was not decided", 0),
    ] {
        match count {
            0 => assert!(plain.contains(name), "{name} in {plain}"),
            _ => assert_eq!(figure(&plain, name), count, "{name} in {plain}"),
        }
    }
    let other = told(&json);
    assert!(other == plain, "json: {}", difference(&other, &plain));
    // The original's style does not have the octets of messages.
    let (other, plain) = (told(&original), plain.replace("3  128 octets", "3  0 octets"));
    assert!(other == plain, "original: {}", difference(&other, &plain));
    // Postfix's does not have the rule of a reply that does not name it, nor who gave up.
    let (other, _) = report(&["-"], &postfix);
    for name in [
        "recipients",
        "accepted ",
        "refused for now",
        "refused for good",
        "sessions",
        "groups refused",
    ] {
        assert_eq!(figure(&other, name), figure(&plain, name), "{name} in {other}");
    }
    assert!(other.contains("3  128 octets"), "{other}");

    // What would have become of them; an example is a line of the log itself.
    let replayed = |log: &[u8]| {
        let (text, status) = replay(&["-"], log);
        assert_eq!(status, 1, "{text}");
        let sum = |line: &&str| !line.contains(" mx smtp-wrapper[");
        text.lines().filter(sum).collect::<Vec<_>>().join("\n")
    };
    let plain = replayed(&native);
    let counts = [("recipients", 17), ("unchanged", 8), ("newly passed", 9), ("not known", 0)];
    for (name, count) in counts {
        assert_eq!(figure(&plain, name), count, "{name} in {plain}");
    }
    let other = replayed(&json);
    assert!(other == plain, "json: {}", difference(&other, &plain));
    for (log, count) in [(&postfix, 16), (&original, 17)] {
        let (text, status) = replay(&["-"], log);
        assert_eq!(status, 78, "{text}");
        assert!(
            text.contains(&format!("{count} lines about a recipient, all in a style")),
            "{text}"
        );
        // Beside others they are counted.
        let (text, _) = replay(&["-"], &[&native[..], log].concat());
        assert!(
            text.contains(&format!("style has not the facts, not replayed: {count}")),
            "{text}"
        );
        assert_eq!(figure(&text, "recipients"), 17, "{text}");
    }
}

#[test]
fn hostile_logs_are_no_trouble_and_what_is_shown_is_printable() {
    let month = Month::new(8);
    let log = month.log();
    let log = &log.as_bytes()[..400_000];
    let mut dice = Dice::new(77);
    let folder = Folder::fresh();
    let page = folder.file("page.html");
    let page = page.to_str().unwrap();
    let head = b"v=1 sid=64c0000000000.1 ip=[192.0.2.1] port=1 verdict=";
    let mut logs: Vec<Vec<u8>> = (0..6)
        .map(|_| {
            let mut log = log.to_vec();
            for _ in 0..20_000 {
                let at = usize::try_from(dice.between(0, log.len() as u64)).unwrap();
                log[at] = dice.number().to_le_bytes()[0];
            }
            log
        })
        .collect();
    logs.push((0..300_000).map(|_| dice.number().to_le_bytes()[0]).collect());
    logs.push([head.as_slice(), &vec![b'x'; 300_000], b"\n", log].concat());
    logs.push([&head[..], b"temp rule=\x1b[31m<script>alert(1)</script> from=<\x07'\"><img/src=x> to=<> t=99999999999999999999\n"].concat());
    logs.push(
        [&head[..], b"temp rule= = =x sid= t= ptr=< messages=99999999999999999999\n\n=\n \n"]
            .concat(),
    );
    logs.push(b"v=1 sid=ffffffffffffff.1 ip=[::ffff:1.2.3.4] verdict=temp t=1\nv=1 sid=\nv=1 sid=- \n{\"v\":1,\n{\"v\":1,\"a\":[[[\n{\"MESSAGE\":\"\\u\n".to_vec());
    logs.push(b"__CURSOR=1\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\x7fabc".to_vec());
    logs.push(b"__CURSOR=1\nMESSAGE\n\x02\0".to_vec());
    logs.push(b"\x1f\x8b\x08\0garbage".to_vec());
    logs.push(b"\x1f".to_vec());
    for log in logs {
        let (text, status) = report(&["--html", page, "-"], &log);
        assert!(matches!(status, 0 | 1), "{status}: {text}");
        assert!(text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{text:?}");
        let page = fs::read_to_string(page).unwrap();
        assert!(
            !page.contains("<script") && !page.contains("<img") && !page.contains('\x1b'),
            "{page}"
        );
    }
}

#[test]
fn much_in_a_small_file_is_no_trouble() {
    // 40 MB of a line that is too long, and a million empty ones.
    let folder = Folder::fresh();
    let bomb = folder.file("bomb.gz");
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(&bomb).unwrap(),
        flate2::Compression::best(),
    );
    let block = vec![b'x'; 1 << 20];
    (0..40).for_each(|_| gzip.write_all(&block).unwrap());
    let block = vec![b'\n'; 1 << 20];
    (0..1).for_each(|_| gzip.write_all(&block).unwrap());
    gzip.finish().unwrap();
    let (text, _) = report(&[bomb.to_str().unwrap()], b"");
    assert!(text.contains("1 line was too long and passed over"), "{text}");
    assert!(text.contains("1 048 576 lines read"), "{text}");
}

#[test]
fn hostile_logs_are_no_trouble_for_replay() {
    let folder = Folder::fresh();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let json = r#"{"v":1,"sid":"a.b","ip":"203.0.113.2","port":9,"verdict":"temp","rule":"s25r.r1","code":450,"at":"rcpt","would":null,"helo":"a b","from":"","to":"c@d.example","reply":"4.7.1 x","ptr":"p1-2.example","fcrdns":"pass","dns":"2/3ms","tls":null,"auth":null,"t":0.004}"#;
    let native = "v=1 sid=1.2 ip=[203.0.113.1] port=9 verdict=x rule=s25r.r1 code=450 at=rcpt would=- \
                  helo=<c.example> from=<a@b.example> to=<c@d.example> reply=<x> ptr=<p1-2.example.org> \
                  fcrdns=pass dns=2/1ms tls=- auth=- t=0.1\n";
    let sound = [native.to_owned(), json.to_owned() + "\n"];
    let mut octets = Vec::new();
    for n in 0..20_000 {
        let mut line = sound[n % 2].clone().into_bytes();
        for _ in 0..random(4) {
            let at = random(line.len() - 1);
            match random(3) {
                0 => {
                    line[at] =
                        [b'\\', b'x', b'"', b'<', b'>', b' ', b'=', 0, 0xff, b'\r'][random(10)]
                }
                1 => drop(line.remove(at)),
                _ => line.insert(at, b"\\u\"<> =\r\n\t{}"[random(12)]),
            }
        }
        octets.extend(line);
    }
    octets.extend(b"x".repeat(1 << 20));
    let log = folder.file("log");
    fs::write(&log, octets).unwrap();
    let (told, status) = replay(&[log.to_str().unwrap()], b"");
    assert!(status == 0 || status == 1, "{status} {told}");
    assert!(told.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{told}");
    assert!(figure(&told, "unchanged") > 5000, "{told}");
}
