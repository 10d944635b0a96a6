//! How the program is started, and whom it takes for the client.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use common::{
    Client, Folder, Mta, Program, Script, Session, Syslog, Transcript, connection, connection_to,
    each, upstream_and_log,
};

/// A session on this connection, with a command that the test makes.
fn session_on(
    (ours, theirs): (TcpStream, TcpStream),
    command: impl FnOnce(&Folder) -> Command,
) -> Session {
    let folder = Folder::fresh();
    let command = command(&folder);
    Session::on(ours, theirs, Script::polite(), folder, command, &[])
}

fn plain(folder: &Folder) -> Command {
    Program::command(&folder.file(""))
}

/// One message, with a log that names the client so.
#[track_caller]
fn is_served_as(mut s: Session, ip: &str) {
    s.opens_a_message();
    s.plays("C: text\nC: .\nS: 250 2.0.0 queued");
    s.quits();
    s.mta_has_message(b"text\r\n");
    let ip = regex::escape(ip);
    s.logs(1, &format!(r"verdict=pass ip=\[{ip}\] "));
    s.logs(1, &format!(r"session=end ip=\[{ip}\] "));
}

#[test]
fn the_client_is_on_fd_0() {
    let (ours, theirs) = connection();
    let port = ours.local_addr().expect("an address").port();
    let mut s = session_on((ours, theirs), plain);
    s.greets();
    s.quits();
    s.logs(1, &format!(r"session=end ip=\[127\.0\.0\.1\] port={port}"));
}

#[test]
fn a_socket_is_asked_before_the_environment() {
    let s = session_on(connection(), |folder| {
        let mut command = plain(folder);
        command.envs([("TCPREMOTEIP", "192.0.2.1"), ("REMOTE_ADDR", "192.0.2.2")]);
        command
    });
    is_served_as(s, "127.0.0.1");
}

#[test]
fn systemd_passes_the_client_as_fd_3() {
    // Its process id is known to a shell before it becomes the program.
    let pass = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=connection
        exec \"$0\" \"$@\" 3<&0 </dev/null >/dev/null";
    let s = session_on(connection(), |folder| Program::shell(&folder.file(""), pass));
    is_served_as(s, "127.0.0.1");
}

#[test]
fn what_was_passed_to_another_process_is_not_ours() {
    let (ours, theirs) = connection();
    let pass = "export LISTEN_PID=1 LISTEN_FDS=1; exec \"$0\" \"$@\" 3<&0 </dev/null";
    let mut s = session_on((ours, theirs), |folder| Program::shell(&folder.file(""), pass));
    // fd 1 is still the client's.
    s.plays("S: 421 4.3.0…\nS: (closed)");
    assert_eq!(s.program.status(), Some(78));
    assert_eq!(s.mta.connections(), 0);
}

#[test]
fn a_client_by_ipv6() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("IPv6 on loopback");
    is_served_as(session_on(connection_to(&listener), plain), "::1");
}

#[test]
fn an_ipv4_client_on_a_dual_stack_socket() {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("a dual-stack socket");
    let port = listener.local_addr().expect("an address").port();
    let ours = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let (theirs, peer) = listener.accept().expect("a connection");
    assert_eq!(peer.ip().to_string(), "::ffff:127.0.0.1");
    is_served_as(session_on((ours, theirs), plain), "127.0.0.1");
}

/// The client by two pipes, as under UCSPI programs with something in between, and what the
/// environment says of it.
fn piped(environment: &[(&str, &str)]) -> (Client, Program, Mta, Syslog, Folder) {
    let (transcript, folder) = (Transcript::new(), Folder::fresh());
    let mta = Mta::follows(Script::polite(), &transcript);
    let log = Syslog::at(folder.file("log"));
    let mut command = plain(&folder);
    command.args(upstream_and_log(&mta, &log)).envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = Program::starts(command, &transcript);
    let input = program.child().stdout.take().expect("a pipe");
    let output = program.child().stdin.take().expect("a pipe");
    let client = Client::on_pipes(OwnedFd::from(input), OwnedFd::from(output), &transcript);
    (client, program, mta, log, folder)
}

#[test]
fn a_client_by_pipes_is_whom_the_environment_names() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("TCPREMOTEIP", "192.0.2.1"), ("TCPREMOTEPORT", "40000")], "[192.0.2.1] port=40000"),
        (&[("TCPREMOTEIP", "192.0.2.1"), ("REMOTE_ADDR", "192.0.2.2")], "[192.0.2.1] port="),
        (&[("REMOTE_ADDR", "192.0.2.2"), ("REMOTE_PORT", "40001")], "[192.0.2.2] port=40001"),
        (&[("TCPREMOTEIP", "2001:db8::1")], "[2001:db8::1] port="),
        (&[("TCPREMOTEIP", "::ffff:192.0.2.1")], "[192.0.2.1] port="),
    ];
    each(cases, |(environment, logged)| {
        let (mut client, mut program, mta, log, _folder) = piped(environment);
        client.gets("220 mta.test ESMTP");
        client.says("HELO client.example");
        client.gets("250 mta.test");
        client.says("MAIL FROM:<>");
        client.gets("250 2.1.0 sender ok");
        client.says("RCPT TO:<b@mta.test>");
        client.gets("250 2.1.5 recipient ok");
        client.says("DATA");
        client.gets("354 go ahead");
        client.sends(&[b"text\r\n".repeat(100_000).as_slice(), b".\r\n"].concat());
        client.gets("250 2.0.0 queued");
        client.says("QUIT");
        client.gets("221 2.0.0 goodbye");
        client.is_closed();
        assert_eq!(program.status(), Some(0));
        log.stops();
        assert!(log.lines().iter().all(|line| line.contains(logged)), "{:#?}", log.lines());
        assert_eq!(mta.heard().messages.len(), 1);
    });
}

#[test]
fn a_client_by_pipes_that_leaves() {
    let (mut client, mut program, mta, log, _folder) = piped(&[("TCPREMOTEIP", "192.0.2.1")]);
    client.gets("220 mta.test ESMTP");
    client.leaves();
    assert_eq!(program.status(), Some(0));
    log.stops();
    assert_eq!(log.lines().iter().filter(|line| line.contains("session=end")).count(), 1);
    assert!(mta.heard().messages.is_empty());
}

#[test]
fn an_unknown_client_is_refused() {
    let nobody: &[&[(&str, &str)]] = &[
        &[],
        &[("TCPREMOTEIP", "")],
        &[("TCPREMOTEIP", "somebody")],
        &[("REMOTE_ADDR", "192.0.2.300")],
    ];
    each(nobody, |environment| {
        let (mut client, mut program, mta, log, _folder) = piped(environment);
        client.gets("421 4.3.0…");
        client.is_closed();
        assert_eq!(program.status(), Some(78));
        log.stops();
        assert!(!log.lines().is_empty(), "not a word in the log");
        assert!(!log.lines().iter().any(|line| line.contains("0.0.0.0")), "{:#?}", log.lines());
        assert_eq!(mta.connections(), 0);
    });
}

#[test]
fn a_client_that_is_gone_before_the_start() {
    for reset in [false, true] {
        let transcript = Transcript::new();
        let (ours, theirs) = connection();
        let mut client = Client::on_socket(ours, &transcript);
        if reset {
            client.resets()
        } else {
            client.leaves()
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        let (nobody, _) = connection();
        let mut s = session_on((nobody, theirs), plain);
        assert_eq!(s.program.status(), Some(0));
        s.mta_heard("");
    }
}

#[test]
fn without_fd_2() {
    let closed = "exec \"$0\" \"$@\" 2>&-";
    let s = session_on(connection(), |folder| Program::shell(&folder.file(""), closed));
    is_served_as(s, "127.0.0.1");
}

#[test]
fn bad_options_are_told_the_client_and_the_log() {
    let bad: &[&[&str]] = &[
        &["--no-such-option"],
        &["-q"],
        &["stray"],
        &["-t", "soon"],
        &["-t", "0"],
        &["-t"],
        &["--upstream", "nowhere:at:all:"],
        &["--upstream", "127.0.0.1:99999"],
        &["-sp", "smtp"],
        &["--log", "somewhere"],
        &["--max", "5"],
        // On an inetd line these would speak to the client.
        &["--help"],
        &["--version"],
        &["try"],
        &["listen", "192.0.2.1:99"],
        &["listen", "x:y:z"],
    ];
    each(bad, |options| {
        let folder = Folder::fresh();
        let command = plain(&folder);
        let (ours, theirs) = connection();
        let mut s = Session::on(ours, theirs, Script::polite(), folder, command, options);
        s.plays("S: 421 4.3.5…\nS: (closed)");
        assert_eq!(s.program.status(), Some(78));
        assert_eq!(s.mta.connections(), 0);
    });
}

#[test]
fn bad_options_at_a_terminal_are_told_there() {
    // No client: fd 0 is not a socket, fd 2 is where a person reads.
    let folder = Folder::fresh();
    let mut command = plain(&folder);
    let output = command.arg("--no-such-option").stdin(Stdio::null()).output().expect("its output");
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("--no-such-option"), "{told:?}");
}

#[test]
fn help_and_version() {
    let says = |option| {
        let output = plain(&Folder::fresh()).current_dir("/").arg(option).output().expect("output");
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).expect("text")
    };
    let help = says("--help");
    for word in ["--upstream", "--time-limit", "--log", "-sh", "-sp", "-t", "listen", "try"] {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
    assert!(says("--version").contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_options_of_the_original() {
    let transcript = Transcript::new();
    let mta = Mta::follows(Script::polite(), &transcript);
    let port = mta.address().port().to_string();
    let (ours, theirs) = connection();
    let folder = Folder::fresh();
    let mut command = plain(&folder);
    command.args(["-sh", "127.0.0.1", "-sp", &port, "-t", "5", "--log", "none"]);
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.gets("220 mta.test ESMTP");
    client.says("QUIT");
    client.gets("221 2.0.0 goodbye");
    client.is_closed();
    assert_eq!(program.status(), Some(0));
    assert_eq!(mta.heard().octets, b"QUIT\r\n");
}

#[test]
fn a_listening_socket_is_no_client() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let (transcript, folder) = (Transcript::new(), Folder::fresh());
    let log = Syslog::at(folder.file("log"));
    let mut command = plain(&folder);
    command.args(["--log", &format!("syslog:{}", log.path().display())]);
    command.stdin(OwnedFd::from(listener)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = Program::starts(command, &transcript);
    assert_eq!(program.status(), Some(78));
    log.stops();
    assert_eq!(log.lines().len(), 1, "{:#?}", log.lines());
}
