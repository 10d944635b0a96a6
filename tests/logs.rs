//! How `report` and `replay` read logs: each kind and style of them, and hostile ones.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;

use common::Folder;
use common::tool::{figure, tool};

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
