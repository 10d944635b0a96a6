//! `listen` and `try` as they are run: the real binary, real connections on loopback, real processes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "tools/desk.rs"]
mod desk;
#[path = "tools/trial.rs"]
mod trial;

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use desk::{BINARY, Client, PATIENCE, Tool, mta, until};
use rustix::process::{Pid, Signal, kill_process};

fn listen(mta: &str, more: &[&str]) -> Tool {
    let args =
        [&["listen", "--log", "none", "--upstream", mta][..], more, &["127.0.0.1:0"]].concat();
    Tool::starts(&args)
}

/// A directory of this test's own, with a copy of the program.
fn copy_of_program(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("smtp-wrapper-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a directory");
    fs::copy(BINARY, folder.join("program")).expect("a copy");
    folder
}

#[test]
fn listen_relays() {
    let (mta, messages) = mta();
    let tool = listen(&mta, &[]);
    let port = tool.listens();
    assert!(
        tool.err().ends_with(&format!("listening on 127.0.0.1:{port}, relaying to {mta}\n")),
        "{}",
        tool.err()
    );
    Client::calls(1, port).sends(b"Subject: x\r\n\r\ntext");
    assert_eq!(messages.recv_timeout(PATIENCE).expect("a message"), b"Subject: x\r\n\r\ntext\r\n");
}

#[test]
fn both_families_have_one_port() {
    let (mta, _messages) = mta();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tool = Tool::starts(&["listen", "--log", "none", "--upstream", &mta, &free.to_string()]);
    until("the start-up line", || tool.err().contains(&format!("listening on 0.0.0.0:{free}")));
    assert!(Client::calls(1, free).greeted().is_some());
    // A machine without IPv6 has none to listen on.
    if TcpListener::bind("[::1]:0").is_ok() {
        assert!(tool.err().contains(&format!(" and [::]:{free}, relaying")), "{}", tool.err());
        std::net::TcpStream::connect(("::1", free)).expect("IPv6");
    }
}

#[test]
fn caps_answer_421_without_a_process_and_free_up() {
    let (mta, _messages) = mta();
    let tool = listen(&mta, &["--max", "3", "--max-per-address", "2"]);
    let port = tool.listens();
    let first = Client::calls(1, port).greeted().expect("a session");
    let _second = Client::calls(1, port).greeted().expect("a session");
    let mut third = Client::calls(1, port);
    assert!(third.hears().starts_with("421 4.7.0 Too many connections from your address"));
    let other = Client::calls(2, port).greeted().expect("a session for another address");
    let mut fifth = Client::calls(3, port);
    assert!(fifth.hears().starts_with("421 4.7.0 Too many connections, "));
    assert_eq!(tool.children().len(), 3);
    // One of the refusals is told at once, the other with the next second.
    until("a line for each refusal", || {
        tool.err().contains("rule=listen.too-many-of-address")
            && tool.err().contains("1 more connections were refused")
    });
    drop(first);
    until("a place for the address", || Client::calls(1, port).greeted().is_some());
    drop(other);
    until("a place in all", || Client::calls(3, port).greeted().is_some());
}

#[test]
fn a_refused_client_that_talks_first_gets_its_421() {
    let (mta, _messages) = mta();
    let tool = listen(&mta, &["--max", "1"]);
    let port = tool.listens();
    let _only = Client::calls(1, port).greeted().expect("a session");
    for _ in 0..50 {
        let mut early = Client::calls(1, port);
        early.says(b"EHLO x\r\nMAIL FROM:<a@b>\r\n");
        thread::sleep(Duration::from_millis(5));
        early.says(b"RCPT TO:<a@b>\r\n");
        assert!(early.hears().starts_with("421 4.7.0"));
    }
    // Clients that never hang up, more than are waited for, hold nobody up.
    let silent: Vec<_> = (0..100).map(|_| Client::calls(1, port)).collect();
    assert!(Client::calls(1, port).greeted().is_none());
    drop(silent);
}

#[test]
fn no_zombies_after_many_sessions() {
    let (mta, _messages) = mta();
    let tool = listen(&mta, &[]);
    let port = tool.listens();
    for _ in 0..300 {
        let mut client = Client::calls(1, port).greeted().expect("a session");
        client.says(b"QUIT\r\n");
        assert!(client.hears().starts_with("221"));
    }
    assert!(tool.children().len() < 10, "{:?}", tool.children());
    until("an empty process list", || tool.children().is_empty());
}

/// An ignored SIGCHLD stays ignored across exec, and hides that sessions end.
#[test]
fn sessions_are_reaped_whatever_started_us() {
    let (mta, _messages) = mta();
    let script = r#"exec env --ignore-signal=CHLD "$0" "$@""#;
    let args =
        ["listen", "--log", "none", "--upstream", &mta, "--max-per-address", "2", "127.0.0.1:0"];
    let tool = Tool::shell(script, &args, Stdio::null(), None);
    let port = tool.listens();
    for _ in 0..6 {
        until("a place", || {
            Client::calls(1, port).greeted().is_some_and(|mut client| {
                client.says(b"QUIT\r\n");
                client.hears().starts_with("221")
            })
        });
    }
}

#[test]
fn sockets_from_systemd() {
    let (mta, _messages) = mta();
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = sockets.each_ref().map(|s| s.local_addr().unwrap().port());
    let [first, second] = sockets.map(OwnedFd::from);
    let script =
        r#"exec 3<&0 4>&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@""#;
    let args = ["listen", "--log", "none", "--upstream", &mta];
    let tool = Tool::shell(script, &args, first.into(), Some(second.into()));
    for port in ports {
        let mut client = Client::calls(1, port).greeted().expect("a session");
        client.says(b"QUIT\r\n");
        assert!(client.hears().starts_with("221"));
    }
    assert!(
        tool.err()
            .contains(&format!("listening on 127.0.0.1:{} and 127.0.0.1:{}", ports[0], ports[1]))
    );
}

#[test]
fn a_connection_is_not_a_listening_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = Client::calls(1, listener.local_addr().unwrap().port());
    let connection = OwnedFd::from(listener.accept().unwrap().0);
    let script = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#;
    let mut tool = Tool::shell(script, &["listen"], connection.into(), None);
    assert_eq!(tool.status(), Some(78));
    assert!(
        tool.err().contains("does not listen") && tool.err().contains("Accept=no"),
        "{}",
        tool.err()
    );
}

#[test]
fn the_supervisor_is_told_and_sessions_do_not_speak_for_us() {
    let (mta, _messages) = mta();
    let folder = copy_of_program("notify");
    let path = folder.join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(["listen", "--log", "none", "--upstream", &mta, "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path);
    let mut tool = Tool::runs(command);
    let told = || {
        let mut text = [0; 512];
        let n = supervisor.recv(&mut text).expect("news");
        String::from_utf8_lossy(&text[..n]).into_owned()
    };
    assert_eq!(told(), "READY=1\nSTATUS=0 of 256 sessions, 0 refused\n");
    let client = Client::calls(1, tool.listens()).greeted().expect("a session");
    assert_eq!(told(), "STATUS=1 of 256 sessions, 0 refused\n");
    drop(client);
    assert_eq!(told(), "STATUS=0 of 256 sessions, 0 refused\n");
    tool.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1\n");
    assert_eq!(tool.status(), Some(0));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_supervisor_that_does_not_read_holds_nobody_up() {
    let (mta, _messages) = mta();
    let folder = copy_of_program("stuck");
    let path = folder.join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(["listen", "--log", "none", "--upstream", &mta, "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path);
    let mut tool = Tool::runs(command);
    let port = tool.listens();
    assert!(supervisor.recv(&mut [0; 512]).is_ok());
    let others = UnixDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send_to(b"STATUS=of others\n", &path).is_ok() {}
    for _ in 0..3 {
        assert!(Client::calls(1, port).greeted().is_some());
        thread::sleep(Duration::from_millis(600));
    }
    tool.signal(Signal::TERM);
    assert_eq!(tool.status(), Some(0));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_wrong_at_the_start_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, status, says) in [
        (&["127.0.0.1:x"][..], &[78][..], "PORT, HOST:PORT or [IPv6]:PORT"),
        (&["70000"], &[78], "70000"),
        (&["192.0.2.1:2525"], &[78], "does not have that address"),
        (&["no-such-host.invalid:2525"], &[75, 78], "no-such-host.invalid"),
        (&["127.0.0.1:0", &taken], &[75], "another program listens there"),
        (&["--max", "0", "127.0.0.1:0"], &[78], "--max 0"),
    ] {
        let mut tool = Tool::starts(&[&["listen"], args].concat());
        let code = tool.status().expect("an exit status");
        assert!(status.contains(&code), "{args:?}: {code}");
        assert!(
            tool.err().contains(says) && tool.err().lines().count() == 1,
            "{args:?}: {}",
            tool.err()
        );
    }
}

#[test]
fn lack_of_descriptors_neither_kills_nor_spins() {
    let (mta, _messages) = mta();
    for limit in 4..12 {
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let args = ["listen", "--log", "none", "--upstream", &mta, "127.0.0.1:0"];
        let mut tool = Tool::shell(&script, &args, Stdio::null(), None);
        until("a word", || !tool.err().is_empty());
        if !tool.err().contains(", relaying") {
            assert!([75, 78].contains(&tool.status().expect("an exit status")), "{}", tool.err());
            continue;
        }
        let port = tool.listens();
        let clients: Vec<_> = (0..20).map(|_| Client::calls(1, port)).collect();
        let before = tool.ticks();
        thread::sleep(Duration::from_millis(700));
        assert!(tool.ticks() - before < 15, "{limit} descriptors: {} ticks", tool.ticks() - before);
        assert!(tool.child.try_wait().unwrap().is_none(), "{limit} descriptors: {}", tool.err());
        assert!(tool.err().lines().count() < 6, "{}", tool.err());
        drop(clients);
    }
}

#[test]
fn a_program_that_is_missing_for_a_moment_or_replaced() {
    let (mta, _messages) = mta();
    let folder = copy_of_program("update");
    let program = folder.join("program");
    let mut command = Command::new(&program);
    command.args(["listen", "--log", "none", "--upstream", &mta, "127.0.0.1:0"]);
    let tool = Tool::runs(command);
    let port = tool.listens();
    assert!(Client::calls(1, port).greeted().is_some());
    fs::rename(&program, folder.join("away")).unwrap();
    assert!(Client::calls(1, port).hears().starts_with("421 4.3.0 "));
    until("a line in the log", || tool.err().contains("cannot start a session for [127.0.0.1]"));
    fs::write(folder.join("new"), "#!/bin/sh\nprintf '220 the new one\\r\\n'\n").unwrap();
    fs::set_permissions(folder.join("new"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    fs::rename(folder.join("new"), &program).unwrap();
    assert_eq!(Client::calls(1, port).hears(), "220 the new one\r\n");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn sigterm_ends_listen_and_not_its_sessions() {
    let (mta, messages) = mta();
    let mut tool = listen(&mta, &[]);
    let port = tool.listens();
    let client = Client::calls(1, port);
    let mut other = Client::calls(1, port).greeted().expect("a session");
    until("two sessions", || tool.children().len() == 2);
    let last = tool.children().iter().map(|(pid, _)| *pid).max().unwrap();
    // A session takes SIGTERM itself, although `listen` holds it back for its own wait.
    kill_process(Pid::from_raw(last).unwrap(), Signal::TERM).unwrap();
    assert!(other.hears().starts_with("421 4.3.2"));
    tool.signal(Signal::TERM);
    assert_eq!(tool.status(), Some(0));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    { client }.sends(b"after the end");
    assert_eq!(messages.recv_timeout(PATIENCE).unwrap(), b"after the end\r\n");
}
