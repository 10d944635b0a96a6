//! One SMTP session: what reaches the MTA, what does not, and what the client is told.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::time::Duration;

use common::{Act, Script, Session, contains, each, lines};

const NO_PAUSE: Duration = Duration::ZERO;

/// Command lines that reach the MTA octet for octet.
const RELAYED: &[&[u8]] = &[
    b"MAIL FROM:<a@client.example>",
    b"mail from:<a@client.example>",
    b"Mail From:<A.B+c=d@Client.Example>",
    b"MAIL FROM:<>",
    b"MAIL FROM:<> BODY=8BITMIME SIZE=1000",
    b"MAIL FROM:<a@client.example> RET=HDRS ENVID=QQ314159 AUTH=<>",
    b"MAIL FROM:<a@client.example> X-UNHEARD-OF=1",
    // Source routes, quoted local parts, address literals.
    b"MAIL FROM:<@one.example,@two.example:a@client.example>",
    b"MAIL FROM:<\"a > b\"@client.example>",
    b"MAIL FROM:<\"a\\\"> b\\\\\"@client.example> SIZE=1",
    b"MAIL FROM:<a@[192.0.2.1]>",
    b"MAIL FROM:<a@[IPv6:2001:db8::1]>",
    // 8-bit octets, as UTF-8 and not.
    b"MAIL FROM:<\xc3\xa4@b\xc3\xbccher.example> SMTPUTF8",
    b"MAIL FROM:<\xe4@client.example>",
];

/// Command lines with small faults, and what the MTA is told instead.
const REPAIRED: &[(&str, &str)] = &[
    ("MAIL FROM: <a@client.example>", "MAIL FROM:<a@client.example>"),
    ("MAIL FROM:a@client.example", "MAIL FROM:<a@client.example>"),
    ("MAIL FROM: a@client.example SIZE=5", "MAIL FROM:<a@client.example> SIZE=5"),
];

#[test]
fn the_reverse_path_is_relayed_as_it_is() {
    let repaired = REPAIRED.iter().map(|(said, heard)| (said.as_bytes(), heard.as_bytes()));
    let cases: Vec<_> = RELAYED.iter().map(|&line| (line, line)).chain(repaired).collect();
    each(&cases, |(said, heard)| {
        let mut s = Session::starts();
        s.greets();
        s.client.sends(&[said, b"\r\n".as_slice()].concat());
        s.plays("S: 250 2.1.0 sender ok");
        s.quits();
        s.mta_heard_octets(&[b"EHLO client.example\r\n", *heard, b"\r\nQUIT\r\n"].concat());
    });
}

#[test]
fn forward_paths_are_relayed_as_they_are() {
    let mut s = Session::starts();
    s.greets();
    s.plays("C: MAIL FROM:<a@client.example>\nS: 250 2.1.0 sender ok");
    let recipients = "RCPT TO:<b@mta.test>
        rcpt to:<Postmaster>
        RCPT TO:<\"b > c\"@mta.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@mta.test
        RCPT TO:<@one.example:b@mta.test>
        RCPT TO:<b%c@mta.test>
        RCPT TO:<b!c@[192.0.2.1]>";
    for line in recipients.lines() {
        s.plays(&format!("C: {}\nS: 250 2.1.5 recipient ok", line.trim_start()));
    }
    s.plays("C: RCPT TO: c@mta.test\nS: 250 2.1.5 recipient ok");
    s.quits();
    s.mta_heard(&format!(
        "EHLO client.example\nMAIL FROM:<a@client.example>\n{recipients}
        RCPT TO:<c@mta.test>\nQUIT"
    ));
}

#[test]
fn the_name_of_the_client_is_relayed_as_it_is() {
    each(&["Client.EXAMPLE", "[192.0.2.1]", "[IPv6:2001:db8::1]", "under_score", "x"], |name| {
        for verb in ["EHLO", "HELO"] {
            let mut s = Session::starts();
            s.plays(&format!("S: 220 mta.test ESMTP\nC: {verb} {name}"));
            s.client.reply();
            s.quits();
            s.mta_heard(&format!("{verb} {name}\nQUIT"));
            s.logs(1, &format!("session=end helo=<{}>", regex::escape(name)));
        }
    });
}

#[test]
fn a_session_without_extensions() {
    let mut s = Session::starts();
    s.plays(
        "S: 220 mta.test ESMTP
         C: HELO client.example
         S: 250 mta.test
         C: MAIL FROM:<a@client.example>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<b@mta.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 go ahead
         C: Subject: hello
         C:
         C: hello
         C: .
         S: 250 2.0.0 queued",
    );
    s.quits();
    s.mta_has_message(b"Subject: hello\r\n\r\nhello\r\n");
    s.logs(1, "verdict=pass code=250 at=message from=<a@client.example> to=<b@mta.test>");
    s.logs(1, "session=end end=quit ip=\\[127\\.0\\.0\\.1\\]");
}

#[test]
fn several_messages_and_what_stands_between() {
    let mut s =
        Session::with(Script::polite().on("RCPT TO:<no@", "550-5.1.1 no such\n550 5.1.1 user"));
    s.opens_a_message();
    s.plays(
        "C: one
         C: .
         S: 250 2.0.0 queued
         C: NOOP
         S: 250 2.0.0 nothing done
         C: NOOP as you like
         S: 250 2.0.0 nothing done
         C: VRFY b
         S: 252 2.5.2 cannot say
         C: EXPN list
         S: 502 5.5.1 no lists here
         C: HELP
         S: 214-2.0.0 you asked
         S: 214 2.0.0 for it
         C: MAIL FROM:<dropped@client.example>
         S: 250 2.1.0 sender ok
         C: RSET
         S: 250 2.0.0 forgotten
         C: MAIL FROM:<>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<no@mta.test>
         S: 550-5.1.1 no such
         S: 550 5.1.1 user
         C: RCPT TO:<c@mta.test>
         S: 250 2.1.5 recipient ok
         C: RCPT TO:<d@mta.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 go ahead
         C: two
         C: .
         S: 250 2.0.0 queued",
    );
    s.quits();
    let [one, two] = s.mta.heard().messages.try_into().expect("two messages");
    assert_eq!(
        (one.data.as_slice(), two.data.as_slice()),
        (b"one\r\n".as_slice(), b"two\r\n".as_slice())
    );
    assert_eq!(two.from, "FROM:<>");
    assert_eq!(two.to, ["TO:<no@mta.test>", "TO:<c@mta.test>", "TO:<d@mta.test>"]);
    s.logs(4, r"verdict=\w+");
    s.logs(1, "verdict=perm code=550 at=rcpt from=<> to=<no@mta.test>");
    s.logs(1, "verdict=pass code=250 at=message from=<> to=<d@mta.test>");
}

#[test]
fn commands_out_of_order_are_answered_here() {
    let mut s = Session::with(Script::polite().on("RCPT", "450 4.2.0 later"));
    s.greets();
    s.plays(
        "C: RCPT TO:<b@mta.test>
         S: 503 5.5.1…
         C: DATA
         S: 503 5.5.1…
         C: MAIL FROM:<a@client.example>
         S: 250 2.1.0 sender ok
         C: MAIL FROM:<again@client.example>
         S: 503 5.5.1…
         C: DATA
         S: 554 5.5.1…
         C: RCPT TO:<b@mta.test>
         S: 450 4.2.0 later
         C: DATA
         S: 554 5.5.1…",
    );
    s.quits();
    s.mta_heard("EHLO client.example\nMAIL FROM:<a@client.example>\nRCPT TO:<b@mta.test>\nQUIT");
    s.logs(1, "verdict=temp code=450 at=rcpt to=<b@mta.test>");
}

const GROUP: &[u8] = b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mta.test>\r\n\
    RCPT TO:<no@mta.test>\r\nRCPT TO:<c@mta.test>\r\nDATA\r\n";
const DATA_AND_QUIT: &[u8] = b"Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n";

#[test]
fn pipelined_commands_get_their_own_replies() {
    // Whole groups, in pieces of 7 octets, and octet by octet.
    each(&[4096, 7, 1], |&size| {
        let mut s = Session::with(Script::polite().on("RCPT TO:<no@", "550 5.1.1 no such user"));
        s.greets();
        s.client.trickles(GROUP, size, NO_PAUSE);
        s.plays(
            "S: 250 2.1.0 sender ok
             S: 250 2.1.5 recipient ok
             S: 550 5.1.1 no such user
             S: 250 2.1.5 recipient ok
             S: 354 go ahead",
        );
        s.client.trickles(DATA_AND_QUIT, size, NO_PAUSE);
        s.plays("S: 250 2.0.0 queued\nS: 221 2.0.0 goodbye\nS: (closed)");
        s.ends(&[0]);
        s.mta_has_message(b"Subject: x\r\n\r\n..dot\r\n");
        s.logs(2, "verdict=pass");
        s.logs(1, "verdict=perm to=<no@mta.test>");
    });
}

#[test]
fn a_client_that_never_waits_is_served_all_the_same() {
    let mut s = Session::starts();
    s.client.sends(&[b"EHLO client.example\r\n", GROUP, DATA_AND_QUIT].concat());
    s.client.gets("220 mta.test ESMTP");
    s.client.reply();
    s.plays(
        "S: 250 2.1.0 sender ok
         S: 250 2.1.5 recipient ok
         S: 250 2.1.5 recipient ok
         S: 250 2.1.5 recipient ok
         S: 354 go ahead
         S: 250 2.0.0 queued
         S: 221 2.0.0 goodbye
         S: (closed)",
    );
    s.ends(&[0]);
    s.mta_has_message(b"Subject: x\r\n\r\n..dot\r\n");
}

#[test]
fn an_mta_without_pipelining_gets_one_command_at_a_time() {
    let held = Act::Held(lines("250 2.1.0 sender ok"));
    let mut s = Session::with(Script::polite().on("EHLO", "250 mta.test").on("MAIL", held));
    s.greets();
    s.client.sends(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mta.test>\r\nQUIT\r\n");
    s.mta.waits_for("MAIL FROM:<a@client.example>\r\n");
    s.client.hears_nothing(Duration::from_millis(100));
    assert!(!contains(&s.mta.heard().octets, b"RCPT"), "the second command was not held back");
    s.mta.lets_go();
    s.plays("S: 250 2.1.0 sender ok\nS: 250 2.1.5 recipient ok\nS: 221 2.0.0 goodbye\nS: (closed)");
    s.ends(&[0]);
}

#[test]
fn only_understood_keywords_are_offered() {
    let script = Script::polite().on(
        "EHLO",
        "250-mta.test greets you
         250-PIPELINING
         250-STARTTLS
         250-size 1000000
         250-CHUNKING
         250-BINARYMIME
         250-8BITMIME
         250-ETRN
         250-XCLIENT NAME ADDR PORT
         250-XFORWARD NAME ADDR
         250-X-OWN thing
         250-BURL
         250-AUTH PLAIN LOGIN
         250-DSN
         250-SMTPUTF8
         250-ENHANCEDSTATUSCODES
         250 HELP",
    );
    let mut s = Session::with_options(script, &["--starttls", "hide"]);
    s.plays(
        "S: 220 mta.test ESMTP
         C: EHLO client.example
         S: 250-mta.test greets you
         S: 250-PIPELINING
         S: 250-size 1000000
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-8BITMIME
         S: 250-AUTH PLAIN LOGIN
         S: 250-DSN
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250 HELP",
    );
    s.quits();
}

#[test]
fn an_authentication_exchange_is_relayed() {
    let mta = Script::polite()
        .on("AUTH PLAIN", "235 2.7.0 welcome")
        .on("AUTH LOGIN", "334 VXNlcm5hbWU6")
        .on("AUTH EMPTY", "334 ")
        .on("Ym9i", "334 UGFzc3dvcmQ6")
        .on("d3Jvbmc=", "535 5.7.8 wrong")
        .on("*", "501 5.7.0 as you wish");
    let mut s = Session::with(mta);
    s.greets();
    s.plays(
        "C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: Ym9i
         S: 334 UGFzc3dvcmQ6
         C: d3Jvbmc=
         S: 535 5.7.8 wrong
         C: AUTH EMPTY
         S: 334 
         C: *
         S: 501 5.7.0 as you wish
         C: AUTH PLAIN AGJvYgBzZWNyZXQ=
         S: 235 2.7.0 welcome
         C: NOOP
         S: 250 2.0.0 nothing done",
    );
    s.quits();
    s.mta_heard(
        "EHLO client.example
         AUTH LOGIN
         Ym9i
         d3Jvbmc=
         AUTH EMPTY
         *
         AUTH PLAIN AGJvYgBzZWNyZXQ=
         NOOP
         QUIT",
    );
    // A password belongs in no log.
    s.logs(0, ".*(Ym9i|d3Jvbmc|AGJvYgBzZWNyZXQ|secret).*");
}

#[test]
fn a_long_response_of_an_authentication_is_relayed() {
    // RFC 4954 4: up to 12 288 octets.
    let long = "A".repeat(12_000);
    let mut s = Session::with(Script::polite().on("AUTH", "334 ").on("AAAA", "235 2.7.0 welcome"));
    s.greets();
    s.plays(&format!("C: AUTH GSSAPI\nS: 334 \nC: {long}\nS: 235 2.7.0 welcome"));
    s.quits();
    s.mta_heard(&format!("EHLO client.example\nAUTH GSSAPI\n{long}\nQUIT"));
}
