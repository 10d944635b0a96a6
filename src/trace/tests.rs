//! What is shown of a side, however it comes in pieces.

use super::side::Side;

/// `>`: asked, `<`: answered.
fn shown(dialogue: &[(char, &str)], piece: usize) -> Vec<String> {
    let (mut side, mut lines) = (Side::new("C: ", "S: "), Vec::new());
    side.answered(b"220 greeting\r\n", &mut Vec::new());
    for (who, octets) in dialogue {
        for octets in octets.as_bytes().chunks(piece) {
            match who {
                '>' => side.asked(octets, &mut lines),
                _ => side.answered(octets, &mut lines),
            }
        }
    }
    side.asker_has_closed(&mut lines);
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

#[track_caller]
fn shows(dialogue: &[(char, &str)], expected: &[&str]) {
    for piece in [1, 2, 3, 7, 1000] {
        let lines = shown(dialogue, piece);
        assert_eq!(lines.split_last(), Some((&"C: (closed)".to_owned(), &own(expected)[..])));
    }
}

fn own(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn mail_data_are_counted() {
    shows(
        &[
            ('>', "data\r\n"),
            ('<', "354 go\r\n"),
            ('>', "secret\r\n..\r\n.x\r\n\r\n.\r\nQUIT\r\n"),
            ('<', "250 ok\r\n221 bye\r\n"),
        ],
        &[
            "C: data",
            "S: 354 go",
            "C: (21 octets of mail data)",
            "C: QUIT",
            "S: 250 ok",
            "S: 221 bye",
        ],
    );
    shows(
        &[('>', "DATA now\r\n"), ('<', "501 no\r\n"), ('>', "Subject: secret\r\n")],
        &["C: DATA now", "S: 501 no", "C: (17 octets that are no command)"],
    );
    shows(
        &[('>', "DATA\r\n"), ('<', "503 no\r\n"), ('>', "RSET\r\n")],
        &["C: DATA", "S: 503 no", "C: RSET"],
    );
    // Sent without waiting; and cut off.
    shows(
        &[('>', "DATA\r\nsecret\r\n"), ('<', "354 go\r\n")],
        &["C: DATA", "S: 354 go", "C: (8 octets of mail data, not all of it)"],
    );
    shows(&[('>', "DATA\r\n.\r\nNOOP\r\n")], &["C: DATA", "C: (3 octets of mail data)", "C: NOOP"]);
    shows(
        &[('>', "BDAT 6 LAST\r\nsecretNOOP\r\nBDAT 0\r\nBDAT 3\r\nse")],
        &[
            "C: BDAT 6 LAST",
            "C: (6 octets of mail data)",
            "C: NOOP",
            "C: BDAT 0",
            "C: BDAT 3",
            "C: (2 octets of mail data, not all of it)",
        ],
    );
}

#[test]
fn credentials_are_not_shown() {
    shows(
        &[('>', "AUTH PLAIN c2VjcmV0\r\n"), ('<', "235 ok\r\n"), ('>', "NOOP\r\n")],
        &["C: AUTH PLAIN (credentials)", "S: 235 ok", "C: NOOP"],
    );
    shows(
        &[
            ('>', "auth login\r\n"),
            ('<', "334 VXNlcg==\r\n"),
            ('>', "c2VjcmV0\r\n"),
            ('<', "334 UGFzcw==\r\n"),
            ('>', "c2VjcmV0\r\n"),
            ('<', "535 no\r\n"),
            ('>', "QUIT\r\n"),
        ],
        &[
            "C: AUTH LOGIN",
            "S: 334 VXNlcg==",
            "C: (credentials)",
            "S: 334 UGFzcw==",
            "C: (credentials)",
            "S: 535 no",
            "C: QUIT",
        ],
    );
    // Sent without waiting.
    shows(
        &[('>', "AUTH LOGIN\r\nc2VjcmV0\r\nc2Vj")],
        &["C: AUTH LOGIN", "C: (credentials)", "C: (credentials)"],
    );
    // An answer to something else, or to half of it, ends nothing.
    shows(
        &[('>', "NOPE x\r\nAUTH LOGIN\r\n"), ('<', "500 no\r\n"), ('>', "c2Vj\r\n")],
        &["C: (8 octets that are no command)", "C: AUTH LOGIN", "S: 500 no", "C: (credentials)"],
    );
    shows(
        &[
            ('>', "AUTH LOGIN\r\n"),
            ('<', "334 VXNlcg==\r\n"),
            ('>', "c2Vj"),
            ('<', "421 too late\r\n"),
            ('>', "cmV0\r\nQUIT\r\n"),
        ],
        &["C: AUTH LOGIN", "S: 334 VXNlcg==", "S: 421 too late", "C: (credentials)", "C: QUIT"],
    );
    // One that does not look at answers, and odd ways to say it.
    shows(
        &[('>', "AUTH LOGIN\r\n"), ('<', "502 no\r\n"), ('>', "c2VjcmV0\r\n")],
        &["C: AUTH LOGIN", "S: 502 no", "C: (10 octets that are no command)"],
    );
    for odd in ["AUTH c2VjcmV0", "AUTH=PLAIN c2VjcmV0", "auth\tplain2\tc2VjcmV0", "AUTH"] {
        shows(&[('>', &format!("{odd}\r\n"))], &["C: AUTH (credentials)"]);
    }
    shows(&[('>', "AUTHPLAIN c2VjcmV0\r\n")], &["C: (20 octets that are no command)"]);
    shows(&[('>', "AUTH\tplain c2VjcmV0\r\n")], &["C: AUTH PLAIN (credentials)"]);
}

#[test]
fn what_is_long_is_cut_and_what_is_odd_is_shown() {
    let long = format!("NOOP {}\r\n", "x".repeat(5000));
    let lines = shown(&[('>', &long)], 100);
    let line = lines.first().map(String::as_str).unwrap_or_default();
    assert!((1000..1100).contains(&line.len()) && line.ends_with("xx... (5007 octets)"), "{line}");
    shows(&[('>', "NOOP\n"), ('<', "junk")], &["C: NOOP\n"]);
    let mut out = Vec::new();
    super::printable(b"a\\\x1b\xff \n", &mut out);
    assert_eq!(out, b"a\\x5c\\x1b\\xff \\x0a");
}
