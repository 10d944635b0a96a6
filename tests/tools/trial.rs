//! `try`: what it says, and what becomes of a message.

use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use rustix::process::Signal;

use super::desk::{Client, PATIENCE, Tool, mta, until};

/// `try` has its ports by name, so one test of it at a time.
static TRY: Mutex<()> = Mutex::new(());

/// A `try` whose MTA is away, whatever else runs on this machine.
fn try_it() -> (Tool, u16) {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let tool = Tool::starts(&["try", "--upstream", &away]);
    let port = tool.port("127.0.0.1:");
    (tool, port)
}

#[test]
fn try_says_what_to_do_next_and_shows_what_arrives() {
    let _alone = TRY.lock().unwrap_or_else(PoisonError::into_inner);
    let (tool, port) = try_it();
    for next in ["swaks --server ", "curl --url smtp://", "python3 -c ", "telnet 127.0.0.1 "] {
        assert!(tool.out().contains(next), "{next}: {}", tool.out());
    }
    for kind in [
        "127.0.0.1  mail.example.org",
        "127.0.0.2  dsl-127-0-0-2.example.net, a dial-up line",
        "127.0.0.3  a host without a name",
    ] {
        assert!(tool.out().contains(kind), "{kind}: {}", tool.out());
    }
    assert!(tool.out().contains("Ctrl-C"));
    for (from, refusal) in [
        (2, "450 4.7.1 S25R check, be patient [r1]"),
        (3, "450 4.7.25 reverse lookup failure, be patient"),
    ] {
        let mut client = Client::calls(from, port);
        client.hears();
        for command in ["HELO x\r\n", "MAIL FROM:<a@x>\r\n", "RCPT TO:<b@y>\r\n"] {
            client.says(command.as_bytes());
            let reply = client.hears();
            let refused = command.starts_with("RCPT");
            assert!(
                if refused { reply.starts_with(refusal) } else { reply.starts_with("2") },
                "{reply}"
            );
        }
    }
    Client::calls(1, port).sends(b"Subject: x\r\n\r\n..one\r\n\x1b]0;title\x07\xff\xc2\x9b31m");
    until("the message", || tool.out().contains("end of message 1"));
    assert!(
        tool.out().contains("\n  from  <a@x>\n  to    <b@y>\n| Subject: x\n| \n| .one\n"),
        "{}",
        tool.out()
    );
    assert!(tool.out().contains("| \\x1b]0;title\\x07\\xff\\u{9b}31m\n"), "{}", tool.out());
    assert!(!tool.out().contains(|c: char| c.is_control() && c != '\n'));
    until("log lines", || {
        tool.err().contains("verdict=pass") && tool.err().contains("session=end")
    });
    tool.signal(Signal::INT);
    until("the end of all", || tool.children().is_empty());
}

#[test]
fn a_second_try_finds_a_place_of_its_own() {
    let _alone = TRY.lock().unwrap_or_else(PoisonError::into_inner);
    let (first, port) = try_it();
    // The MTA of this one is the sink of the first, which shows messages on another terminal.
    let sink = first
        .out()
        .lines()
        .find(|l| l.contains("built-in MTA"))
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    let second = Tool::starts(&["try", "--upstream", &sink]);
    let other = second.port(" is taken (another try?), so this is ");
    assert!(other > port, "{}", second.out());
    Client::calls(1, other).sends(b"for the second");
    until("the message", || second.out().contains("| for the second\n"));
    assert!(!first.out().contains("for the second"));
}

#[test]
fn try_uses_the_mta_that_is_there_and_says_so() {
    let _alone = TRY.lock().unwrap_or_else(PoisonError::into_inner);
    let (mta, messages) = mta();
    let tool = Tool::starts(&["try", "--upstream", &mta]);
    let port = tool.port("127.0.0.1:");
    assert!(tool.out().contains("IT GETS YOUR MESSAGES"), "{}", tool.out());
    Client::calls(1, port).sends(b"for real");
    assert_eq!(messages.recv_timeout(PATIENCE).unwrap(), b"for real\r\n");
}
