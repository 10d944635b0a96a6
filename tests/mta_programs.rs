//! Programs in the place of an MTA: what they are told, and whatever they do.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]
#![allow(unsafe_code)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::{Folder, Mta, Program, Script, Session, Transcript, connection, contains};

const AWAY: &str = "S: 421 4.3.0 Mail system not available, try again later\nS: (closed)";

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
         S: 250-PIPELINING
         S: 250 CHUNKING
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
    s.plays("S: 220 exec.test\nC: EHLO x\nS: 250-exec.test\nS: 250-PIPELINING\nS: 250 CHUNKING");
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
fn a_program_delivers_in_a_child_what_it_has_taken() {
    // As sendmail does, which leaves the group only after the fork.
    let deliver = "{ sleep 1; echo done >\"$0.done\"; } >/dev/null 2>&1 </dev/null &";
    for (what, end, delivers) in [
        ("a message", "C: .\nS: 250 queued\nC: QUIT\nS: 221 bye\nS: (closed)", true),
        ("none", "", false),
    ] {
        let folder = Folder::fresh();
        let upstream = script(&folder, "");
        let mut s = exec(&upstream, &[("STAYS", deliver)]);
        s.plays("S: 220 exec.test\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x");
        if end.is_empty() {
            s.client.leaves();
        } else {
            s.plays(end);
        }
        s.ends(&[0]);
        s.took_less_than(Duration::from_secs(1));
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(fs::exists(folder.file("mta.sh.done")).unwrap(), delivers, "{what}");
    }
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
fn an_mta_behind_a_program_that_does_not_work() {
    let folder = Folder::fresh();
    let mta = Mta::follows(Script::polite(), &Transcript::new());
    let mta = mta.address().to_string();
    for (what, text, why) in [
        ("ends", "echo oops >&2; exit 3", "closed.x20the.x20connection"),
        ("greets with 421", "printf '421 busy\\r\\n'; sleep 65 & exec cat", "421.x20busy.x0d.x0a"),
        ("leaves a child", "sleep 65 & exit 0", "closed.x20the.x20connection"),
    ] {
        let path = folder.file(&what.replace(' ', "-"));
        write_program(&path, &format!("#!/bin/sh\n{text}\n"));
        let program = format!("exec:{}", path.display());
        let options = ["--upstream", &program, "--upstream", &mta];
        let mut s = Session::with_options(Script::absent(), &options);
        s.plays("S: 220 mta.test ESMTP");
        // Nothing of it is left while the next one serves.
        assert!(nobody_runs("sleep\x0065"), "{what}");
        s.plays("C: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
        s.ends(&[0]);
        s.logs(1, &format!("session=trouble upstream=<exec:.*> why=<{why}>"));
        s.logs(1, &format!("session=end mta=ok upstream=<{mta}>"));
    }
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
fn a_program_has_its_signals_whatever_the_supervisor_did_with_them() {
    let folder = Folder::fresh();
    // It copies what is known of itself, and is no MTA.
    let told = folder.file("told");
    let upstream = format!("exec:/bin/cp /proc/self/status {}", told.display());
    let (ours, theirs) = connection();
    let mut command = Program::command(&folder.file(""));
    // SAFETY: what is called is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigfillset(all.as_mut_ptr());
            libc::sigprocmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut());
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    let options = ["--upstream", upstream.as_str()];
    let mut s = Session::on(ours, theirs, Script::absent(), Folder::fresh(), command, &options);
    s.plays(AWAY);
    s.ends(&[75]);
    let signals = fs::read_to_string(told).unwrap();
    let set = |name: &str, signal: libc::c_int| {
        let line = signals.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap() >> (signal - 1) & 1
    };
    assert_eq!(set("SigIgn:", libc::SIGCHLD), 0, "{signals}");
    for signal in [libc::SIGTERM, libc::SIGALRM, libc::SIGCHLD] {
        assert_eq!(set("SigBlk:", signal), 0, "{signals}");
    }
}

#[test]
fn a_program_that_is_left_for_another_one_hears_it() {
    let folder = Folder::fresh();
    let busy = folder.file("busy.sh");
    // It ends when its connection is closed, and not before.
    write_program(&busy, "#!/bin/sh\nprintf '421 busy\\r\\n'\nread -r line\n");
    let other = script(&folder, "");
    let (ours, theirs) = connection();
    let command = Program::command(&folder.file(""));
    let busy = format!("exec:{}", busy.display());
    let options = ["--upstream", busy.as_str(), "--upstream", other.as_str()];
    let mut s = Session::on(ours, theirs, Script::absent(), Folder::fresh(), command, &options);
    s.plays(
        "S: 220 exec.test
         C: QUIT
         S: 221 bye
         S: (closed)",
    );
    s.ends(&[0]);
    let lines = s.log.lines();
    assert!(!lines.iter().any(|line| line.contains("outlived")), "{lines:?}");
}
