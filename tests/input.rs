//! Input that is answered without the MTA: commands that are none or are not passed on, other
//! protocols, and too much of everything.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::time::Duration;

use common::{Session, each};

/// What somebody hides where no commands are.
const HIDDEN: &str = "MAIL FROM:<evil@client.example>\r\nRCPT TO:<victim@mta.test>\r\n\
    DATA\r\nsmuggled\r\n.\r\n";

/// Lines that are answered here, and the beginning of the answer.
const REFUSED: &[(&str, &str)] = &[
    // Not ours to pass on: they would change whom the MTA believes to talk to.
    ("XCLIENT ADDR=192.0.2.1 NAME=trusted.example", "502 5.5.1"),
    ("xclient addr=192.0.2.1", "502 5.5.1"),
    ("XFORWARD ADDR=192.0.2.1", "502 5.5.1"),
    ("STARTTLS", "502 5.5.1"),
    ("starttls", "502 5.5.1"),
    ("ETRN mta.test", "502 5.5.1"),
    ("TURN", "502 5.5.1"),
    // No commands.
    ("", "500 5.5.1"),
    (" NOOP", "500 5.5.1"),
    ("NOOPS", "500 5.5.1"),
    ("MAILFROM:<a@client.example>", "500 5.5.1"),
    ("Subject: hello", "500 5.5.1"),
    ("\u{e4}\u{f6}", "500 5.5.1"),
    // Control characters.
    ("NOOP \0", "500 5.5.2"),
    ("NO\0OP", "500 5.5.2"),
    ("NOOP \x1b[31m", "500 5.5.2"),
    ("NOOP \x7f", "500 5.5.2"),
    ("\x01\x02\x03", "500 5.5.2"),
    ("EHLO a\x08b", "500 5.5.2"),
    ("MAIL FROM:<a\0@client.example>", "500 5.5.2"),
    // Arguments.
    ("EHLO", "501 5.5.4"),
    ("HELO ", "501 5.5.4"),
    ("MAIL", "501 5."),
    ("MAIL TO:<a@client.example>", "501 5."),
    ("RSET now", "501 5.5.4"),
    ("MAIL FROM:<a@client.example", "501 5.1.7"),
    ("MAIL FROM:<a b@client.example>", "501 5.1.7"),
    ("MAIL FROM:<a@client.example>SIZE=5", "501 5."),
    ("MAIL FROM:", "501 5."),
];

#[test]
fn what_is_no_command_is_answered_here() {
    each(REFUSED, |(line, answer)| {
        let mut s = Session::starts();
        s.greets();
        s.plays(&format!("C: {line}\nS: {answer}…\nC: NOOP\nS: 250 2.0.0 nothing done"));
        s.quits();
        s.mta_heard("EHLO client.example\nNOOP\nQUIT");
    });
}

#[test]
fn bad_forward_paths_are_answered_here() {
    let mut s = Session::starts();
    s.greets();
    s.plays(
        "C: MAIL FROM:<a@client.example>
         S: 250 2.1.0 sender ok
         C: RCPT
         S: 501 5.1.3…
         C: RCPT TO:<>
         S: 501 5.1.3…
         C: RCPT TO:<b@mta.test
         S: 501 5.1.3…
         C: RCPT TO:<b c@mta.test>
         S: 501 5.1.3…",
    );
    s.quits();
    s.mta_heard("EHLO client.example\nMAIL FROM:<a@client.example>\nQUIT");
}

#[test]
fn a_payload_is_never_read_as_commands() {
    let size = HIDDEN.len();
    let cases = [
        "BDAT".to_owned(),
        format!("bdat -{size}"),
        format!("BDAT\t{size}"),
        format!("BDAT {size} FIRST"),
        format!("BDAT {size}\x0c"),
        format!("BDAT {size} {}", " ".repeat(3000)),
        format!("BDAT {size} {}", " ".repeat(20_000)),
    ];
    each(&cases, |bdat| {
        let mut s = Session::starts();
        s.greets();
        let envelope = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mta.test>\r\n";
        s.client.sends(format!("{envelope}{bdat}\r\n{HIDDEN}").as_bytes());
        s.plays("S: 250 2.1.0 sender ok\nS: 250 2.1.5 recipient ok\nS: 501 5.5.4…\nS: (closed)");
        s.ends(&[0]);
        s.mta_heard(&format!("EHLO client.example\r\n{envelope}"));
    });
    // Nor where its size is known, whether it is taken or not.
    let mut s = Session::starts();
    s.greets();
    s.client.sends(format!("BDAT {size} LAST\r\n{HIDDEN}").as_bytes());
    s.plays("S: 503 5.5.1…");
    s.quits();
    s.mta_heard("EHLO client.example\nQUIT");
}

#[test]
fn other_protocols_are_told_so() {
    let protocols: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: mta.test\r\nUser-Agent: x\r\n\r\n",
        b"POST /x HTTP/1.0\r\nContent-Length: 99\r\n\r\nEHLO x\r\nMAIL FROM:<evil@x.example>\r\n",
        b"CONNECT mta.test:25 HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        // A ClientHello: without a line end, and with one in its random octets.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x01\x02\x03\x04",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\nEHLO x\r\nMAIL FROM:<evil@x>\r\n",
    ];
    each(protocols, |octets| {
        let mut s = Session::starts();
        s.client.gets("220 mta.test ESMTP");
        s.client.sends(octets);
        s.plays("S: 554 5.5.1…\nS: (closed)");
        s.ends(&[0]);
        s.mta_heard("");
    });
}

#[test]
fn long_lines_are_refused_once() {
    // 2 048 octets are the limit, 64 KiB the end of patience.
    each(&[2_100, 9_000, 60_000], |&length| {
        let mut s = Session::starts();
        s.greets();
        s.plays(&format!("C: NOOP {}", "x".repeat(2_000)));
        s.plays("S: 250 2.0.0 nothing done");
        s.plays(&format!(
            "C: MAIL FROM:<a@client.example> X={}",
            "MAIL FROM:<>".repeat(length / 12)
        ));
        s.plays("S: 500 5.5.2…\nC: NOOP\nS: 250 2.0.0 nothing done");
        s.quits();
        let noop = format!("NOOP {}", "x".repeat(2_000));
        s.mta_heard(&format!("EHLO client.example\n{noop}\nNOOP\nQUIT"));
    });
}

#[test]
fn a_line_without_end_is_refused_before_it_ends() {
    let mut s = Session::starts();
    s.greets();
    let flood = s.client.floods(vec![b'x'; 50_000_000]);
    s.plays("S: 500 5.5.2…\nS: (closed)");
    s.ends(&[0]);
    flood.join().expect("no panic");
    s.took_less_than(Duration::from_secs(5));
    s.mta_heard("EHLO client.example");
}

#[test]
fn after_twenty_errors_the_session_ends() {
    let mut s = Session::starts();
    s.greets();
    for _ in 0..20 {
        s.plays("C: FOO bar\nS: 500 5.5.1…");
    }
    s.plays("C: FOO bar\nS: 421 4.7.0…\nS: (closed)");
    s.ends(&[0]);
    s.mta_heard("EHLO client.example");
}

#[test]
fn a_delivered_message_pardons_errors() {
    let mut s = Session::starts();
    s.greets();
    for _ in 0..3 {
        for _ in 0..15 {
            s.plays("C: FOO bar\nS: 500 5.5.1…");
        }
        s.plays(
            "C: MAIL FROM:<>\nS: 250 2.1.0 sender ok\nC: RCPT TO:<b@mta.test>
             S: 250 2.1.5 recipient ok\nC: DATA\nS: 354 go ahead\nC: .\nS: 250 2.0.0 queued",
        );
    }
    s.quits();
}

#[test]
fn ten_thousand_unknown_commands() {
    let mut s = Session::starts();
    s.greets();
    let flood = s.client.floods("FOO bar\r\n".repeat(10_000).into_bytes());
    let lines = s.client.rest();
    let (last, errors) = lines.split_last().expect("an answer");
    assert!(errors.iter().all(|line| line.starts_with("500 5.5.1")), "{errors:?}");
    assert!(last.starts_with("421 4.7.0") && errors.len() == 20, "{lines:?}");
    s.ends(&[0]);
    flood.join().expect("no panic");
    s.mta_heard("EHLO client.example");
}

#[test]
fn a_hundred_thousand_recipients() {
    let mut s = Session::starts();
    s.greets();
    s.plays("C: MAIL FROM:<a@client.example>\nS: 250 2.1.0 sender ok");
    let recipients: String = (0..100_000).map(|n| format!("RCPT TO:<r{n}@mta.test>\r\n")).collect();
    let flood = s.client.floods(recipients.into_bytes());
    for number in 0..100_000 {
        s.client.gets(if number < 1000 { "250 2.1.5 recipient ok" } else { "452 4.5.3…" });
    }
    flood.join().expect("no panic");
    s.plays("C: DATA\nS: 354 go ahead\nC: hello\nC: .\nS: 250 2.0.0 queued");
    let peak = s.program.peak_memory();
    s.quits();
    let messages = s.mta.heard().messages;
    let recipients: Vec<_> = messages.iter().map(|message| message.to.len()).collect();
    assert_eq!(recipients, [1000]);
    assert!(peak < 12_000, "{peak} KiB for one session");
}
