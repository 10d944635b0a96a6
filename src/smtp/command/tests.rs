#![allow(clippy::unwrap_used, reason = "a test fails so")]

use super::*;

fn encoded(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match parse(line) {
        Ok(Command::Mail(e) | Command::Rcpt(e)) => e.encode(&mut out),
        _ => return None,
    }
    out.truncate(out.len() - 2);
    Some(out)
}

#[test]
fn a_path_in_good_form_is_passed_as_it_is() {
    for line in [
        &b"MAIL FROM:<>"[..],
        b"MAIL FROM:<a@b> SIZE=5 BODY=8BITMIME",
        b"MAIL FROM:<a@b> AUTH=<> MT-PRIORITY=3 SMTPUTF8",
        b"mail from:<a@b>",
        b"RCPT TO:<@r1,@r2:a@b>", // a source route
        b"RCPT TO:<\"a> b\\\" <c\"@d> NOTIFY=NEVER",
        b"RCPT TO:<p\xc3\xa9@b>",
        b"RCPT TO:<postmaster>",
        b"RCPT TO:<a@[IPv6:::1]>",
    ] {
        assert_eq!(encoded(line).as_deref(), Some(line), "{}", line.escape_ascii());
    }
}

#[test]
fn common_mistakes_are_mended() {
    for (line, mended) in [
        ("MAIL FROM: <a@b>", "MAIL FROM:<a@b>"),
        ("MAIL FROM:a@b SIZE=1", "MAIL FROM:<a@b> SIZE=1"),
        ("RCPT TO:<a@b>   ", "RCPT TO:<a@b>"),
    ] {
        assert_eq!(encoded(line.as_bytes()).as_deref(), Some(mended.as_bytes()));
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for line in [
        "MAIL FROM:",
        "MAIL FROM: ",
        "MAIL FROM",
        "MAIL",
        "MAIL TO:<a@b>",
        "MAIL FROM :<a@b>",
        "MAIL FROM:<a@b",
        "MAIL FROM:<a@b>SIZE=1",
        "MAIL FROM:<a@b> >",
        "MAIL FROM:<a@b> <c@d>",
        "MAIL FROM:<a@b> =1",
        "MAIL FROM:<a b@c>",
        "MAIL FROM:<<a@b>>",
        "MAIL FROM:<\"a@b>",
        "MAIL FROM:a@b>",
        "MAIL FROM:\"a b\"@c",
        "MAIL FROM:<a@b>\tSIZE=1",
    ] {
        let parsed = parse(line.as_bytes());
        assert_eq!(parsed, Err(&standing::BAD_SENDER), "{line}");
    }
}

#[test]
fn verbs() {
    use standing::*;
    assert_eq!(
        parse(b"eHlO [192.0.2.1] x "),
        Ok(Command::Hello { extended: true, argument: b"[192.0.2.1] x" })
    );
    for (line, command) in [
        (&b"DATA"[..], Ok(Command::Data)),
        (b"data  ", Ok(Command::Data)),
        (b"DATA x", Err(&BAD_ARGUMENT)),
        (b"RSET", Ok(Command::Rset)),
        (b"QUIT now", Err(&BAD_ARGUMENT)),
        (b"NOOP x y", Ok(Command::Noop)),
        (b"VRFY <a@b>", Ok(Command::Vrfy)),
        (b"AUTH PLAIN =", Ok(Command::Auth)),
        (b"starttls", Ok(Command::StartTls)),
        (b"STARTTLS now", Err(&BAD_ARGUMENT)),
        (b"HELO", Err(&BAD_ARGUMENT)),
        (b"HELO ", Err(&BAD_ARGUMENT)),
        (b"AUTH", Err(&BAD_ARGUMENT)),
        (b"AUTH =", Err(&BAD_ARGUMENT)),
        (b"BDAT 5 LAST", Ok(Command::Bdat { size: 5, last: true })),
        (b"bdat 0 last ", Ok(Command::Bdat { size: 0, last: true })),
        (b"BDAT  007", Ok(Command::Bdat { size: 7, last: false })),
        (b"BDAT 18446744073709551615", Ok(Command::Bdat { size: u64::MAX, last: false })),
        (b"BDAT 18446744073709551616", Err(&BAD_CHUNK)),
        (b"BDAT", Err(&BAD_CHUNK)),
        (b"BDAT LAST", Err(&BAD_CHUNK)),
        (b"BDAT -1", Err(&BAD_CHUNK)),
        (b"BDAT +1", Err(&BAD_CHUNK)),
        (b"BDAT 0x10", Err(&BAD_CHUNK)),
        (b"BDAT 5.", Err(&BAD_CHUNK)),
        (b"BDAT 5LAST", Err(&BAD_CHUNK)),
        (b"BDAT 5  LAST", Err(&BAD_CHUNK)),
        (b"BDAT 5 LAST LAST", Err(&BAD_CHUNK)),
        (b"BDAT 5 FIRST", Err(&BAD_CHUNK)),
        (b"BDAT\t5", Err(&BAD_CHUNK)),
        (b"BDAT 5\tLAST", Err(&BAD_CHUNK)),
        (b"BDAT 5\0", Err(&BAD_CHUNK)),
        (b"BDATA 5", Err(&UNKNOWN_COMMAND)),
        (b"XCLIENT ADDR=::1", Err(&NOT_OFFERED)),
        (b"", Err(&UNKNOWN_COMMAND)),
        (b"DATAX", Err(&UNKNOWN_COMMAND)),
        (b" DATA", Err(&UNKNOWN_COMMAND)),
        (b"DATA\0", Err(&CONTROL_CHARACTER)),
        (b"NOOP \x1b[2J", Err(&CONTROL_CHARACTER)),
        (b"\xff", Err(&UNKNOWN_COMMAND)),
    ] {
        assert_eq!(parse(line), command, "{}", line.escape_ascii());
    }
}

#[test]
fn other_protocols_are_told() {
    for bytes in
        [&b"\x16\x03\x01\x02"[..], b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.0\n", b"SSH-2.0-x\r\n"]
    {
        assert!(is_foreign(bytes), "{}", bytes.escape_ascii());
    }
    for bytes in
        [&b"EHLO x\r\n"[..], b"", b"\x16", b"GET / HTTP/1.1", b"NOOP\r\nGET / HTTP/1.1\r\n"]
    {
        assert!(!is_foreign(bytes), "{}", bytes.escape_ascii());
    }
}
