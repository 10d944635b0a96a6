//! Line ends that are none: whatever a lenient MTA might take for a line's end, or for the end of
//! mail data, only CRLF and CRLF.CRLF are one; and mail data arrive octet for octet.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::time::Duration;

use common::{Script, Session, contains, each};

/// Long enough for the program to take what was sent so far.
const PAUSE: Duration = Duration::from_millis(2);

/// The envelope that a smuggler hides in mail data, and the end of mail data that he means.
const HIDDEN: &str = "MAIL FROM:<evil@client.example>\r\nRCPT TO:<victim@mta.test>\r\n\
    DATA\r\nsmuggled\r\n.\r\n";

/// What some back end or other has taken for the end of mail data, or might.
fn false_ends() -> Vec<String> {
    const NEWLINES: [&str; 3] = ["\n", "\r", "\r\n"];
    let around = NEWLINES.iter().flat_map(|before| NEWLINES.map(|after| (before, after)));
    let mut ends: Vec<_> = around.map(|(before, after)| format!("{before}.{after}")).collect();
    ends.retain(|end| end != "\r\n.\r\n");
    // A true end that a bare CR or LF comes before or after.
    ends.extend(["\r\r\n.\r\n", "\n\r\n.\r\n", "\r\n.\r\r\n", "\n.\n\r\n.\r\n"].map(str::to_owned));
    ends
}

#[test]
fn no_second_message_behind_a_false_end() {
    let mut cases = Vec::new();
    for end in false_ends() {
        let data = format!("Subject: x\r\n\r\ntext{end}{HIDDEN}");
        // In one write, in two at every point around the false end, and octet by octet.
        let (from, to) = ("Subject: x\r\n\r\ntex".len(), data.len() - HIDDEN.len() + 3);
        cases.extend((from..to).map(|split| (data.clone(), split, data.len())));
        cases.extend([(data.clone(), data.len(), 0), (data.clone(), 0, 1)]);
    }
    each(&cases, |(data, split, size)| {
        let mut s = Session::with(Script::lenient());
        s.opens_a_message();
        let (first, second) = data.as_bytes().split_at(*split);
        s.client.sends(first);
        std::thread::sleep(PAUSE);
        s.client.forgiving = data.contains("\r\n.\r\r\n") || data.contains("\n\r\n.\r\nM");
        s.client.trickles(second, (*size).max(1), Duration::from_micros(200));
        s.plays("S: 550 5.6.11…\nS: (closed)");
        s.ends(&[0]);
        s.mta_has_no_message();
        let heard = s.mta.heard().octets;
        assert!(!contains(&heard, b"evil"), "{}", heard.escape_ascii());
        s.logs(1, "verdict=perm code=550 to=<b@mta.test>");
    });
}

#[test]
fn no_second_message_within_a_chunk() {
    // What is an end of mail data in DATA is content here.
    let ends = [false_ends(), vec!["\r\n.\r\n".to_owned()]].concat();
    let cases: Vec<_> = ends
        .iter()
        .flat_map(|end| {
            let text = format!("Subject: x\r\n\r\ntext{end}{HIDDEN}");
            let whole = text.len();
            let around = "Subject: x\r\n\r\ntex".len()..whole - HIDDEN.len() + 2;
            around.chain([whole]).map(move |split| (text.clone(), split)).collect::<Vec<_>>()
        })
        .collect();
    each(&cases, |(text, split)| {
        let mut s = Session::with(Script::lenient());
        s.greets();
        let (first, second) = text.as_bytes().split_at(*split);
        let chunks = [
            format!("BDAT {}\r\n", first.len()).as_bytes(),
            first,
            format!("BDAT {} LAST\r\n", second.len()).as_bytes(),
            second,
        ]
        .concat();
        s.plays(
            "C: MAIL FROM:<a@client.example>
             S: 250 2.1.0 sender ok
             C: RCPT TO:<b@mta.test>
             S: 250 2.1.5 recipient ok",
        );
        s.client.sends(&chunks);
        // HIDDEN itself has a line of a dot, which is content, and no bare newline.
        let clean = !text.replace("\r\n", "").contains(['\r', '\n']);
        if clean {
            s.plays("S: 250 2.0.0 Ok\nS: 250 2.0.0 queued");
            s.quits();
            s.mta_has_message(text.replace("\r\n.", "\r\n..").as_bytes());
            return;
        }
        let replies = s.client.rest();
        assert!(replies.last().is_some_and(|last| last.starts_with("550 5.6.11 ")), "{replies:?}");
        s.ends(&[0]);
        s.mta_has_no_message();
        assert!(!contains(&s.mta.heard().octets, b"evil"), "the hidden message came through");
        s.logs(1, "verdict=perm code=550 to=<b@mta.test>");
    });
}

#[test]
fn a_true_end_is_an_end_however_it_is_split() {
    let data = format!("Subject: x\r\n\r\ntext\r\n.\r\n{HIDDEN}");
    let around = "Subject: x\r\n\r\ntext".len();
    each(&(around..around + 9).collect::<Vec<_>>(), |&split| {
        let mut s = Session::with(Script::lenient());
        s.opens_a_message();
        let (first, second) = data.as_bytes().split_at(split);
        s.client.sends(first);
        std::thread::sleep(PAUSE);
        s.client.sends(second);
        s.plays(
            "S: 250 2.0.0 queued
             S: 250 2.1.0 sender ok
             S: 250 2.1.5 recipient ok
             S: 354 go ahead
             S: 250 2.0.0 queued",
        );
        s.quits();
        let messages = s.mta.heard().messages;
        let data: Vec<_> = messages.iter().map(|message| message.data.as_slice()).collect();
        assert_eq!(data, [b"Subject: x\r\n\r\ntext\r\n".as_slice(), b"smuggled\r\n"]);
    });
}

#[test]
fn a_client_that_never_ends_its_tainted_mail_data_is_told_after_a_while() {
    let mut s = Session::with(Script::lenient());
    s.opens_a_message();
    s.client.sends(b"text\n.\nMAIL FROM:<evil@client.example>\n");
    s.plays("S: 550 5.6.11…\nS: (closed)");
    s.ends(&[0]);
    s.took_less_than(Duration::from_secs(6));
    s.mta_has_no_message();
}

/// Commands with a line end that is none; nothing of them is a command.
const BARE: &[&str] = &[
    "NOOP\nMAIL FROM:<evil@client.example>\r\n",
    "NOOP\rMAIL FROM:<evil@client.example>\r\n",
    "NOOP\r\r\nMAIL FROM:<evil@client.example>\r\n",
    "NOOP\n",
    "\n",
    "\r\r\n",
    "MAIL FROM:<a@client.example>\nRCPT TO:<victim@mta.test>\nDATA\nevil\n.\n",
    "MAIL FROM:<a@client.example\n> SIZE=5\r\n",
    "MAIL FROM:<\"a\nRCPT TO:<evil>\"@client.example>\r\n",
    "EHLO x\nMAIL FROM:<evil@client.example>\r\n",
    "VRFY x\nMAIL FROM:<evil@client.example>\r\n",
    "AUTH PLAIN\nMAIL FROM:<evil@client.example>\r\n",
    "QUIT\nMAIL FROM:<evil@client.example>\r\n",
];

#[test]
fn a_bare_newline_in_a_command_ends_the_session() {
    let cases: Vec<_> = BARE.iter().flat_map(|text| [(text, usize::MAX), (text, 1)]).collect();
    each(&cases, |(text, size)| {
        let mut s = Session::with(Script::lenient());
        s.greets();
        // Octet by octet, only as far as the program can go on reading.
        let bare = text.find('\n').map_or(text.len(), |at| at + 1);
        let text = text.get(..if *size == 1 { bare } else { text.len() }).unwrap_or(text);
        s.client.trickles(text.as_bytes(), (*size).min(text.len()), Duration::ZERO);
        // `QUIT<LF>` alone could be anything yet.
        s.plays("S: 500 5.5.2…\nS: (closed)");
        s.ends(&[0]);
        s.mta_heard("EHLO client.example");
    });
}

#[test]
fn a_bare_newline_within_authentication_ends_the_session() {
    let mut s = Session::with(Script::polite().on("AUTH", "334 VXNlcm5hbWU6"));
    s.greets();
    s.plays("C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6");
    s.client.sends(b"Ym9i\nMAIL FROM:<evil@client.example>\r\n");
    s.plays("S: 500 5.5.2…\nS: (closed)");
    s.ends(&[0]);
    s.mta_heard("EHLO client.example\nAUTH LOGIN");
}

/// Mail data as they are on the wire, without the line that ends them.
const MAIL_DATA: &[&[u8]] = &[
    b"",
    b"\r\n",
    b"a\r\n",
    b"\r\n\r\n\r\n",
    // Lines of a dot, a dot on the first line, dots that were not doubled.
    b"..\r\n",
    b"..first\r\n",
    b"a\r\n..\r\n...\r\nb\r\n",
    b".x\r\n.y\r\n",
    b"a.\r\n.b.\r\n",
    // NUL, other control characters, 8-bit octets, broken UTF-8.
    b"\0\r\n\0\0.\r\n.\0\r\n",
    b"\x01\x02\x08\x0b\x0c\x1a\x1b\x7f\t\r\n",
    b"\x80\xff\xc3\x28 \xc3\xa4\r\n.\xff\r\n",
    // What looks like commands.
    b"QUIT\r\nDATA\r\nRSET\r\n",
];

#[test]
fn mail_data_arrive_octet_for_octet() {
    let pieces = [4096, 3, 1];
    let cases = MAIL_DATA.iter().flat_map(|data| pieces.map(|size| (*data, size)));
    each(&cases.collect::<Vec<_>>(), |(data, size)| {
        let mut s = Session::starts();
        s.opens_a_message();
        s.client.trickles(&[data, b".\r\n".as_slice()].concat(), *size, Duration::from_micros(300));
        s.plays("S: 250 2.0.0 queued");
        s.quits();
        s.mta_has_message(data);
    });
}

#[test]
fn long_lines_arrive_whole() {
    let line = (0..=255u8).filter(|octet| !b"\r\n".contains(octet)).cycle().take(100_000);
    let data = [line.collect::<Vec<u8>>(), b"\r\nshort\r\n".to_vec()].concat();
    let mut s = Session::starts();
    s.opens_a_message();
    s.client.sends(&[data.as_slice(), b".\r\n"].concat());
    s.plays("S: 250 2.0.0 queued");
    s.quits();
    s.mta_has_message(&data);
}

#[test]
fn a_large_message_arrives_whole_and_costs_no_memory() {
    // 20 MB of lines of different lengths, some with a dot in front.
    let mut data = Vec::with_capacity(21_000_000);
    for number in 0.. {
        if data.len() > 20_000_000 {
            break;
        }
        let dots = if number % 5 == 0 { ".." } else { "" };
        let line = format!("{dots}{number:0width$}\r\n", width = number % 77 + 1);
        data.extend_from_slice(line.as_bytes());
    }
    let mut s = Session::starts();
    s.opens_a_message();
    s.client.sends(&data);
    s.client.sends(b".\r\n");
    s.plays("S: 250 2.0.0 queued");
    let peak = s.program.peak_memory();
    s.quits();
    s.mta_has_message(&data);
    assert!(peak < 12_000, "{peak} KiB for one session");
}
