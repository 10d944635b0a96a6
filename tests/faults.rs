//! What goes wrong on the MTA's side at each stage of a session, and what the client is told.
//!
//! In every case: a message is 250 for the client only if it was 250 at the MTA, the MTA never sees
//! an end of mail data that the client did not send, the session has its log line, and the process
//! is gone in bounded time.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use common::{
    Act, Client, Folder, Program, Script, Session, Transcript, connection, contains, each, lines,
    matches,
};

const SHORT: Duration = Duration::from_millis(100);

fn the_mta_at(stage: &str, faults: &[(&str, Act)], answer: impl Fn(&str) -> &'static str + Sync) {
    each(faults, |(fault, act)| {
        let mut s = Session::with_options(Script::polite().on(stage, act.clone()), &["-t", "1"]);
        s.plays_until(stage);
        let (got, expected) = (s.client.reply(), answer(fault));
        if !got.last().is_some_and(|line| matches(expected, line)) {
            s.transcript.fail(format!("the client expected {expected} and got {got:?}"));
        }
        s.is_over();
        // After QUIT nothing is owed any more, and to say 421 is an MTA's right.
        s.ends(if stage == "QUIT" || *fault == "421" { &[0] } else { &[75] });
        match stage {
            "QUIT" => s.logs(1, "verdict=pass code=250"),
            "." => s.logs(1, "verdict=temp code=4[25]1 at=message to=<b@mta.test>"),
            "RCPT" => s.logs(1, "verdict=temp code=4[25]1 at=rcpt to=<b@mta.test>"),
            _ => s.logs(0, "verdict=pass"),
        }
        if stage != "." && stage != "QUIT" {
            s.mta_has_no_message();
        }
    });
}

/// The MTA is lost.
fn lost() -> Vec<(&'static str, Act)> {
    vec![
        ("close", Act::Close),
        ("reset", Act::Reset),
        ("silence", Act::Silence),
        ("close within a reply", Act::Last(b"250-2.0.0 half a".to_vec())),
        ("silence within a reply", Act::Say(b"250-2.0.0 half a reply\r\n25".to_vec())),
    ]
}

/// The MTA says what no MTA says.
fn nonsense() -> Vec<(&'static str, Act)> {
    vec![
        ("garbage", "welcome to mta.test".into()),
        ("no code", "25 ok".into()),
        ("code out of range", "650 ok".into()),
        ("octets", Act::Say(b"\x16\x03\x01\0\xff\xfe\r\n".to_vec())),
        ("bare LF", Act::Say(b"250 2.0.0 ok\n250 2.0.0 ok\r\n".to_vec())),
        ("bare CR", Act::Say(b"250 2.0.0 ok\r250 2.0.0 ok\r\n".to_vec())),
        ("two codes in one reply", "250-one\n550 two".into()),
        ("one long line", Act::Say([b"250 ", [b'x'; 1_000_000].as_slice(), b"\r\n"].concat())),
        ("a line without end", Act::Endless(b"250 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_vec())),
        ("a reply without end", Act::Endless(b"250-and so on\r\n".to_vec())),
    ]
}

fn farewell() -> (&'static str, Act) {
    ("421", Act::Last(lines("421 4.3.2 going down")))
}

#[test]
fn the_mta_at_its_greeting() {
    let mut faults = [lost(), nonsense(), vec![farewell()]].concat();
    faults.push(("wrong class", "354 go ahead".into()));
    the_mta_at("(greeting)", &faults, |fault| match fault {
        "421" => "^421 4.3.2 going down$",
        _ => r"^421 4\.3\.0 ",
    });
}

/// At EHLO, MAIL, RCPT and DATA: what is lost ends the session, what is nonsense is 451.
fn the_mta_at_command(stage: &str, wrong: &str) {
    let faults = [lost(), vec![farewell()]].concat();
    the_mta_at(stage, &faults, |fault| match fault {
        "421" => "^421 4.3.2 going down$",
        _ => r"^421 4\.3\.0 ",
    });
    let faults = [nonsense(), vec![("wrong class", wrong.into())]].concat();
    the_mta_at(stage, &faults, |_| r"^451 4\.3\.0 ");
}

#[test]
fn the_mta_at_ehlo() {
    the_mta_at_command("EHLO", "354 go ahead");
}

#[test]
fn the_mta_at_mail() {
    the_mta_at_command("MAIL", "354 go ahead");
}

#[test]
fn the_mta_at_rcpt() {
    the_mta_at_command("RCPT", "354 go ahead");
}

#[test]
fn the_mta_at_data() {
    the_mta_at_command("DATA", "250 2.0.0 ok");
}

#[test]
fn the_mta_after_the_end_of_mail_data() {
    let mut faults = [lost(), nonsense(), vec![farewell()]].concat();
    faults.push(("wrong class", "354 more".into()));
    the_mta_at(".", &faults, |fault| match fault {
        "421" => "^421 4.3.2 going down$",
        _ => r"^451 4\.3\.0 ",
    });
}

#[test]
fn the_mta_at_quit() {
    let faults = [lost(), nonsense(), vec![farewell()]].concat();
    the_mta_at("QUIT", &faults, |_| "^(221|421) ");
}

#[test]
fn the_mta_within_mail_data() {
    // The MTA's reply before the end of mail data, and what the client may be told after it.
    let early: &[(&str, Act, &str)] = &[
        ("close", Act::Close, r"^451 4\.3\.0 "),
        ("reset", Act::Reset, r"^451 4\.3\.0 "),
        ("421 and close", farewell().1, "^421 4.3.2 "),
        ("552 and close", Act::Last(lines("552 5.3.4 too big")), "^552 5.3.4 "),
        ("552", "552 5.3.4 too big".into(), "^552 5.3.4 "),
        ("250", "250 2.0.0 queued".into(), r"^451 4\.3\.0 "),
        ("250 and close", Act::Last(lines("250 2.0.0 queued")), r"^451 4\.3\.0 "),
        ("354", "354 more".into(), r"^451 4\.3\.0 "),
        ("garbage", "what?".into(), r"^451 4\.3\.0 "),
        ("half a 250", Act::Say(b"250-2.0.0 queued\r\n250".to_vec()), r"^451 4\.3\.0 "),
    ];
    each(early, |(fault, act, expected)| {
        let mut s = Session::with(Script::polite().on("(data)", act.clone()));
        s.opens_a_message();
        s.client.says("Subject: x");
        s.mta.waits_for("Subject");
        s.client.hears_nothing(SHORT);
        s.client.sends(b"\r\ntext\r\n.\r\n");
        let got = s.client.reply();
        let fits = |line: &String| matches(expected, line);
        assert!(got.last().is_some_and(fits), "{got:?}");
        s.is_over();
        s.ends(if fault.starts_with(['4', '5']) { &[0] } else { &[75] });
        s.mta_has_no_message();
        s.logs(1, "verdict=(temp|perm) at=message to=<b@mta.test>");
    });
}

#[test]
fn an_mta_that_never_finishes_a_line() {
    let endless = Act::Slowly(Duration::from_millis(50), lines(&"2".repeat(100)));
    let mut s = Session::with_options(Script::polite().on("MAIL", endless), &["-t", "0.5"]);
    s.plays_until("MAIL");
    s.plays("S: 421 4.3.0…\nS: (closed)");
    s.program.status();
    s.took_less_than(Duration::from_secs(3));
}

#[test]
fn a_reply_that_nobody_asked_for_answers_nothing() {
    // A second reply in the same packet, and the MTA refuses the command that follows.
    let cases = [
        ("EHLO", "250 mta.test\n250 2.0.0 stale", "MAIL FROM:<a@client.example>"),
        ("MAIL", "250 2.1.0 sender ok\n250 2.0.0 stale", "RCPT TO:<b@mta.test>"),
        ("RCPT", "250 2.1.5 recipient ok\n354 stale", "DATA"),
        ("DATA", "354 go ahead\n250 2.0.0 stale", "text\r\n."),
    ];
    each(&cases, |(stage, replies, next)| {
        let refusal = if *stage == "DATA" { "." } else { next };
        let mta = Script::polite().on(stage, *replies).on(refusal, "550 5.7.1 no");
        let mut s = Session::with(mta);
        s.plays_through(stage);
        s.client.forgiving = true;
        s.client.tries(next);
        s.client.half_closes();
        let rest = s.client.rest();
        let refused = rest.iter().all(|line| line.starts_with(['4', '5']));
        assert!(refused && !rest.is_empty(), "{rest:?}");
        s.ends(&[0, 75]);
        s.logs(0, "verdict=pass");
        // With an MTA that is one reply ahead nothing more is agreed upon.
        assert!(*stage == "DATA" || !contains(&s.mta.heard().octets, next.as_bytes()));
    });
}

#[test]
fn an_mta_that_stops_reading() {
    let mta = Script::polite().on("(data)", Act::Deaf);
    let mut s = Session::with_options(mta, &["-t", "1"]);
    s.opens_a_message();
    let flood = s.client.floods([b"text\r\n".repeat(5_000_000).as_slice(), b".\r\n"].concat());
    s.client.gets("451 4.3.0…");
    assert_eq!(flood.join().expect("no panic"), 30_000_003, "the rest was not read");
    s.is_over();
    s.ends(&[75]);
    s.mta_has_no_message();
}

#[test]
fn no_mta() {
    let mut s = Session::with(Script::absent());
    s.plays("S: 421 4.3.0…\nS: (closed)");
    s.ends(&[75]);
    s.took_less_than(Duration::from_secs(2));
}

#[test]
fn an_mta_that_takes_no_connections() {
    // A listener with its queue full: the kernel answers no more connections.
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&listener, &std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port");
    listen(&listener, 0).expect("a listener");
    let address = TcpListener::from(listener.try_clone().unwrap()).local_addr();
    let address = address.expect("its address");
    let fill = || TcpStream::connect_timeout(&address, SHORT);
    let _queue: Vec<_> = (0..4).map(|_| fill()).take_while(Result::is_ok).collect();

    let (transcript, folder) = (Transcript::new(), Folder::fresh());
    let (ours, theirs) = connection();
    let mut command = Program::command(&folder.file(""));
    command.args(["--upstream", &address.to_string(), "--log", "none", "-t", "1"]);
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.gets("421 4.3.0…");
    client.is_closed();
    assert_eq!(program.status(), Some(75));
}

#[test]
fn an_mta_that_wants_nobody() {
    for (greeting, rest) in [
        (
            "554 5.7.1 not you",
            "C: EHLO client.example
             S: 503…
             C: MAIL FROM:<>
             S: 503…
             C: QUIT
             S: 221…",
        ),
        // What is refused for now must not become refused for good.
        ("450 4.3.2 not now", "C: EHLO client.example\nS: 421…"),
    ] {
        let mut s = Session::with(Script::polite().on("(greeting)", greeting));
        s.plays(&format!("S: {greeting}"));
        s.plays(rest);
        s.plays("S: (closed)");
        s.ends(&[0]);
        s.mta_heard("");
    }
}

#[test]
fn an_mta_that_is_slow_but_alive() {
    let slowly = |text| Act::Slowly(Duration::from_millis(15), lines(text));
    let mta = Script::polite()
        .on("(greeting)", slowly("220 mta.test ESMTP"))
        .on("MAIL", slowly("250 2.1.0 sender ok"))
        .on("RCPT", slowly("250-2.1.5 recipient\n250 2.1.5 ok"))
        .on("DATA", slowly("354 go ahead"))
        .on(".", slowly("250 2.0.0 queued"));
    let mut s = Session::with_options(mta, &["-t", "2"]);
    s.greets();
    s.plays(
        "C: MAIL FROM:<a@client.example>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<b@mta.test>
         S: 250-2.1.5 recipient
         S: 250 2.1.5 ok
         C: DATA
         S: 354 go ahead
         C: text
         C: .
         S: 250 2.0.0 queued",
    );
    s.quits();
}
