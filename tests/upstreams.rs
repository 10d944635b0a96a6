//! Several MTAs, Unix sockets, and programs in the place of an MTA.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::{Act, Folder, Mta, Program, Script, Session, Transcript, connection, contains};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

const AWAY: &str = "S: 421 4.3.0 Mail system not available, try again later\nS: (closed)";

/// A session whose second MTA, at this address, is polite.
fn second(first: Script, options: &[&str]) -> (Session, Mta) {
    let second =
        Mta::follows(Script::polite().on("(greeting)", "220 second.test"), &Transcript::new());
    let address = second.address().to_string();
    let options = [&["--upstream", &address][..], options].concat();
    (Session::with_options(first, &options), second)
}

#[test]
fn the_next_one_is_called() {
    let polite = Script::polite;
    for (what, script, why) in [
        ("down", Script::absent(), "127.0.0.1:.*refused.*"),
        ("closes", polite().on("(greeting)", Act::Close), "closed.x20the.x20connection"),
        ("resets", polite().on("(greeting)", Act::Reset), ".*"),
        ("busy", polite().on("(greeting)", "421 4.3.2 busy"), "421.x204.3.2.x20busy.x0d.x0a"),
        ("full", polite().on("(greeting)", "452-4.3.1 full\n452 4.3.1 wait"), "452-4.3.1.*"),
        ("half", polite().on("(greeting)", Act::Last(b"220 mta".to_vec())), "closed.*"),
        ("odd", polite().on("(greeting)", "hello"), "hello.x0d.x0a"),
    ] {
        let (mut s, mta) = second(script, &[]);
        s.plays("S: 220 second.test\nC: EHLO client.example");
        s.client.reply();
        s.plays("C: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
        s.ends(&[0]);
        s.logs(1, &format!("session=trouble upstream=<127.0.0.1:.*> why=<{why}>"));
        s.logs(1, &format!("session=end end=quit mta=ok why=<> upstream=<{}>", mta.address()));
        assert!(contains(&mta.heard().octets, b"EHLO client.example"), "{what}");
        assert!(!contains(&s.mta.heard().octets, b"EHLO"), "{what}");
    }
}

#[test]
fn one_that_is_slow_is_passed_over() {
    let (mut s, _mta) = second(Script::polite().on("(greeting)", Act::Silence), &["-t", "0.5"]);
    s.plays("S: 220 second.test\nC: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
    s.ends(&[0]);
    s.logs(1, "session=trouble why=<no.x20greeting.x20in.x20time>");

    // Nobody takes the connection: its queue is full.
    let stuck = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&stuck, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
    listen(&stuck, 0).unwrap();
    let address: SocketAddr = rustix::net::getsockname(&stuck).unwrap().try_into().unwrap();
    let _waiting: Vec<_> =
        (0..3).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50))).collect();
    let second = Mta::follows(Script::polite(), &Transcript::new());
    let (first, second) = (address.to_string(), second.address().to_string());
    let folder = Folder::fresh();
    let config = folder.file("config.toml");
    let list = format!("[upstream]\naddress = [\"{first}\", \"{second}\"]\n");
    fs::write(&config, list).unwrap();
    let log = common::Syslog::at(folder.file("log"));
    let mut command = Program::command(&folder.file(""));
    command.args(["-t", "0.5", "--log", &format!("syslog:{}", log.path().display())]);
    command.args(["--config", config.to_str().unwrap()]);
    let (ours, theirs) = connection();
    let transcript = Transcript::new();
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = common::Client::on_socket(ours, &transcript);
    client.gets("220 mta.test ESMTP");
    client.says("QUIT");
    client.gets("221 2.0.0 goodbye");
    client.is_closed();
    assert_eq!(program.status(), Some(0));
    log.stops();
    let lines = log.lines().join("\n");
    assert!(lines.contains(&format!("session=trouble upstream=<{first}> why=<")), "{lines}");
}

#[test]
fn a_greeting_of_5yz_is_final() {
    let (mut s, mta) = second(Script::polite().on("(greeting)", "554 5.7.1 nobody"), &[]);
    s.plays("S: 554 5.7.1 nobody\nC: QUIT\nS: 221 2.0.0 Bye\nS: (closed)");
    s.ends(&[0]);
    assert_eq!(mta.connections(), 0);
}

#[test]
fn what_the_last_one_says_is_the_client_s() {
    let busy =
        Mta::follows(Script::polite().on("(greeting)", "421 4.3.2 busy"), &Transcript::new());
    let busy = busy.address().to_string();
    let options = ["--upstream", "unix:/nonexistent", "--upstream", &busy];
    let mut s = Session::with_options(Script::absent(), &options);
    s.plays("S: 421 4.3.2 busy\nS: (closed)");
    s.ends(&[0]);
    s.logs(2, "session=trouble");
    s.logs(1, &format!("session=end mta=closing upstream=<{busy}>"));

    let mut s = Session::with_options(Script::absent(), &["--upstream", "unix:/nonexistent"]);
    s.plays(AWAY);
    s.ends(&[75]);
    s.logs(1, "session=end mta=lost upstream=<unix:/nonexistent> why=<unix:/nonexistent:.*>");
}

#[test]
fn sigterm_while_one_is_connected() {
    let (mut s, _mta) = second(Script::polite().on("(greeting)", Act::Silence), &[]);
    s.mta.waits("the connection", |_| true);
    thread::sleep(Duration::from_millis(50));
    s.program.terminate();
    s.plays("S: 421 4.3.2 Shutting down, try again later\nS: (closed)");
    s.ends(&[0]);
}

#[test]
fn a_unix_socket() {
    for identity in ["none", "proxy-v1"] {
        let folder = Folder::fresh();
        let path = folder.file("mta");
        let listener = UnixListener::bind(&path).unwrap();
        let mta = thread::spawn(move || {
            let mut mta = listener.accept().unwrap().0;
            let mut lines = BufReader::new(mta.try_clone().unwrap()).lines().map(Result::unwrap);
            let header = (identity != "none").then(|| lines.next().unwrap());
            mta.write_all(b"220 unix.test\r\n").unwrap();
            let said = lines.next().unwrap();
            mta.write_all(b"221 bye\r\n").unwrap();
            assert!(lines.next().is_none());
            (header, said)
        });
        let upstream = format!("unix:{}", path.display());
        let mut s = Session::with_options(
            Script::absent(),
            &["--upstream", &upstream, "--identity", identity],
        );
        s.plays("S: 220 unix.test\nC: QUIT\nS: 221 bye\nS: (closed)");
        s.ends(&[0]);
        let (header, said) = mta.join().unwrap();
        assert_eq!(said, "QUIT");
        assert!(header.is_none_or(|line| line.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 ")));
    }
}

/// A small MTA in shell, that does something first.
fn script(folder: &Folder, first: &str) -> String {
    let path = folder.file("mta.sh");
    let text = format!(
        "#!/bin/sh\n{first}\nprintf '220 exec.test\\r\\n'\n\
         while IFS= read -r line; do\n case \"$line\" in\n\
         EHLO*) printf '250-exec.test\\r\\n250 PIPELINING\\r\\n';;\n\
         DATA*) printf '354 go\\r\\n'\n  while IFS= read -r text; do\n\
         case \"$text\" in .?) break;; esac; printf '%s\\n' \"$text\" >>\"$0.mail\"; done\n\
         printf '250 queued\\r\\n';;\n\
         QUIT*) printf '221 bye\\r\\n'; break;;\n\
         *) printf '250 ok\\r\\n';;\n esac\ndone\n{LAST}"
    );
    write_program(&path, &text);
    format!("exec:{}", path.display())
}

/// What the script does when the session is over.
const LAST: &str = "[ -z \"$STAYS\" ] || eval \"$STAYS\"\n";

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A session with this program as its MTA, behind one that is not there.
fn exec(upstream: &str, environment: &[(&str, &str)]) -> Session {
    let (ours, theirs) = connection();
    let folder = Folder::fresh();
    let mut command = Program::command(&folder.file(""));
    command.envs(environment.iter().copied());
    Session::on(ours, theirs, Script::absent(), folder, command, &["--upstream", upstream])
}

/// Runs no process whose command line has this in it?
fn nobody_runs(what: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        let runs = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            contains(&line, what.as_bytes())
        });
        if !runs || Instant::now() > until {
            return !runs;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_program_is_an_mta_and_knows_the_client() {
    let folder = Folder::fresh();
    let upstream = script(
        &folder,
        "env >\"$0.env\"; echo \"$# $1\" >\"$0.args\"; ls -l /proc/self/fd >\"$0.fds\"
         while read -r line; do case $line in SigBlk*|SigIgn*) echo \"$line\";; esac; done \
         </proc/self/status >\"$0.signals\"",
    );
    let mut s =
        exec(&format!("{upstream} -bs  more"), &[("TCPREMOTEHOST", "forged"), ("HOME", "/")]);
    s.plays(
        "S: 220 exec.test
         C: EHLO client.example
         S: 250-exec.test
         S: 250 PIPELINING
         C: MAIL FROM:<a@b>
         S: 250 ok
         C: RCPT TO:<c@d>
         S: 250 ok
         C: DATA
         S: 354 go
         C: text
         C: .
         S: 250 queued
         C: QUIT
         S: 221 bye
         S: (closed)",
    );
    s.ends(&[0]);
    s.logs(1, "session=end end=quit messages=1 upstream=<exec:.*mta.sh.*>");
    assert_eq!(fs::read_to_string(folder.file("mta.sh.mail")).unwrap(), "text\r\n");
    assert_eq!(fs::read_to_string(folder.file("mta.sh.args")).unwrap(), "2 -bs\n");
    let environment = fs::read_to_string(folder.file("mta.sh.env")).unwrap();
    for line in [
        "PROTO=TCP",
        "TCPREMOTEIP=127.0.0.1",
        "REMOTE_ADDR=127.0.0.1",
        "TCPLOCALIP=127.0.0.1",
        "HOME=/",
    ] {
        assert!(environment.lines().any(|l| l == line), "{line}: {environment}");
    }
    for name in ["TCPREMOTEPORT=", "REMOTE_PORT=", "TCPLOCALPORT="] {
        assert!(environment.lines().any(|l| l.starts_with(name)), "{name}: {environment}");
    }
    assert!(
        !environment.contains("TCPREMOTEHOST") && !environment.contains("SW_"),
        "{environment}"
    );
    // No signal is blocked, and SIGPIPE is not ignored.
    let signals = fs::read_to_string(folder.file("mta.sh.signals")).unwrap();
    let set = |name: &str| {
        let line = signals.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!((set("SigBlk:"), set("SigIgn:") >> 12 & 1), (0, 0), "{signals}");
    // Its connection, and neither the client's nor the log's. What else is open is
    // what the test has inherited.
    let fds = fs::read_to_string(folder.file("mta.sh.fds")).unwrap();
    assert_eq!(fds.matches("socket:").count(), 1, "{fds}");
    assert!(nobody_runs(folder.file("mta.sh").to_str().unwrap()));
}

#[test]
fn programs_that_do_not_work() {
    let folder = Folder::fresh();
    let file = |name: &str, text: &str| {
        let path = folder.file(name);
        write_program(&path, text);
        format!("exec:{}", path.display())
    };
    let not_executable = folder.file("plain");
    fs::write(&not_executable, "#!/bin/sh\n").unwrap();
    for (what, upstream, why) in [
        ("missing", "exec:/nonexistent/mta -bs".to_owned(), ".*No.x20such.x20file.*"),
        ("not executable", format!("exec:{}", not_executable.display()), ".*"),
        ("without interpreter", file("cr", "#!/bin/sh\r\n"), ".*first.x20line.*"),
        ("exits at once", file("exits", "#!/bin/sh\nexit 3\n"), ".*"),
        (
            "exits and leaves a child with its connection",
            file("leaves", "#!/bin/sh\nsleep 61 &\nexit 0\n"),
            ".*",
        ),
        ("is killed", file("killed", "#!/bin/sh\nkill -9 $$\n"), ".*"),
    ] {
        let mut s = exec(&upstream, &[]);
        s.plays(AWAY);
        s.ends(&[75]);
        s.took_less_than(Duration::from_secs(2));
        s.logs(1, &format!("session=end end=mta.away mta=lost why=<{why}>"));
        s.logs(1, "session=trouble");
        assert!(nobody_runs("sleep\x0061"), "{what}");
    }
    let mut s = exec(&file("status", "#!/bin/sh\nexit 3\n"), &[]);
    s.plays(AWAY);
    s.ends(&[75]);
    s.logs(1, "session=note upstream=exec why=<ended.x20with.x20status.x203>");
}

#[test]
fn what_a_program_writes_to_standard_error_is_logged_and_never_the_client_s() {
    let folder = Folder::fresh();
    let long = "x".repeat(10_000);
    let upstream = script(&folder, &format!("echo oops >&2; echo {long} >&2; printf 'half' >&2"));
    let mut s = exec(&upstream, &[]);
    s.plays("S: 220 exec.test\nC: QUIT\nS: 221 bye\nS: (closed)");
    s.ends(&[0]);
    s.logs(1, "session=note upstream=exec why=<oops>");
    s.logs(1, "session=note upstream=exec why=<x+...>");
    s.logs(1, "session=note upstream=exec why=<half>");

    let folder = Folder::fresh();
    let upstream = script(&folder, "(while echo flood; do :; done) >&2 &");
    let mut s = exec(&upstream, &[]);
    s.plays("S: 220 exec.test\nC: EHLO x\nS: 250-exec.test\nS: 250 PIPELINING");
    thread::sleep(Duration::from_millis(300));
    s.plays("C: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\nS: (closed)");
    s.ends(&[0]);
    s.logs(50, "session=note upstream=exec why=<flood>");
    assert!(nobody_runs(folder.file("mta.sh").to_str().unwrap()));
}

#[test]
fn a_program_that_outlives_the_session() {
    for (what, stays, logged) in [
        ("ignores the end", "exec sleep 62", "ended.x20by.x20SIGTERM"),
        ("ignores SIGTERM", "trap '' TERM; sleep 63; sleep 63", "killed"),
    ] {
        let folder = Folder::fresh();
        let upstream = script(&folder, "");
        let mut s = exec(&upstream, &[("STAYS", stays)]);
        let began = Instant::now();
        s.plays("S: 220 exec.test\nC: QUIT\nS: 221 bye\nS: (closed)");
        // The client does not wait for it.
        assert!(began.elapsed() < Duration::from_secs(1), "{what}");
        s.ends(&[0]);
        assert!(began.elapsed() > Duration::from_secs(2), "{what}: {:?}", s.log.lines());
        s.logs(
            1,
            &format!("session=note upstream=exec why=<outlived.x20the.x20session:.x20{logged}>"),
        );
        assert!(nobody_runs("sleep\x0062") && nobody_runs("sleep\x0063"), "{what}");
    }
    // One that leaves a child ends in time, and the child with it.
    let folder = Folder::fresh();
    let upstream = script(&folder, "sleep 64 & sleep 64 >/dev/null 2>&1 </dev/null &");
    let mut s = exec(&upstream, &[]);
    s.plays("S: 220 exec.test\nC: QUIT\nS: 221 bye\nS: (closed)");
    s.ends(&[0]);
    s.took_less_than(Duration::from_secs(1));
    assert!(nobody_runs("sleep\x0064"));
}

#[test]
fn a_client_that_dies_in_its_message_does_not_give_a_program_an_end_of_it() {
    let folder = Folder::fresh();
    let upstream = script(&folder, "");
    let mut s = exec(&upstream, &[]);
    s.plays(
        "S: 220 exec.test
         C: MAIL FROM:<a@b>
         S: 250 ok
         C: RCPT TO:<c@d>
         S: 250 ok
         C: DATA
         S: 354 go
         C: text",
    );
    s.client.leaves();
    s.ends(&[0]);
    s.took_less_than(Duration::from_secs(2));
    assert!(nobody_runs(folder.file("mta.sh").to_str().unwrap()));
}

#[test]
fn a_program_behind_an_mta_that_is_down() {
    let folder = Folder::fresh();
    let upstream = script(&folder, "");
    // It is told nothing by a header.
    let mut s = Session::with_options(
        Script::absent(),
        &["--upstream", &upstream, "--identity", "proxy-v1"],
    );
    s.plays("S: 220 exec.test\nC: QUIT\nS: 221 bye\nS: (closed)");
    s.ends(&[0]);
    s.logs(1, "session=trouble");
}

#[test]
fn a_program_by_pipes() {
    // The client on pipes, and standard error of the program to be waited for beside them.
    let folder = Folder::fresh();
    let upstream = script(&folder, "echo oops >&2");
    let (its_input, input) = rustix::pipe::pipe().unwrap();
    let (output, its_output) = rustix::pipe::pipe().unwrap();
    let mut command = Program::command(&folder.file(""));
    command.args(["--config", "none", "--log", "none", "--upstream", &upstream]);
    command.env("TCPREMOTEIP", "192.0.2.1").stderr(std::process::Stdio::null());
    command.stdin(its_input).stdout(its_output);
    let transcript = Transcript::new();
    let mut program = Program::starts(command, &transcript);
    let mut client = common::Client::on_pipes(output, input, &transcript);
    client.gets("220 exec.test");
    client.says("NOOP");
    client.gets("250 ok");
    client.says("QUIT");
    client.gets("221 bye");
    client.is_closed();
    assert_eq!(program.status(), Some(0));
}

#[test]
fn listeners_that_are_gone() {
    // A port that nobody listens on any more is no trouble for the next.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mta = Mta::follows(Script::polite(), &Transcript::new());
    let mta = mta.address().to_string();
    let options = ["--upstream", &gone, "--upstream", &gone, "--upstream", &mta];
    let mut s = Session::with_options(Script::absent(), &options);
    s.plays("S: 220 mta.test ESMTP\nC: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
    s.ends(&[0]);
    s.logs(3, "session=trouble");
}
