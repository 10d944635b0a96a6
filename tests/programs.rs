//! Program filters and what they do wrong: in every case the session goes on in bounded time, the
//! MTA gets no message that was not judged good, and nothing of the program is left.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Folder, Script, Session, contains, each};

/// A message of about this size, in wire form, with dots and octets above 127, and its final dot.
fn message(size: usize) -> Vec<u8> {
    let mut message = b"Subject: x\r\n\r\n..a dot\r\n\x00\xe9\r\n".to_vec();
    while message.len() < size {
        message.extend_from_slice(&[b'x'; 76]);
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b".\r\n");
    message
}

/// A program in a folder that notes its process in the file `pids`, and runs these lines.
fn program(folder: &Path, lines: &str) -> PathBuf {
    let path = folder.join("filter");
    let pids = folder.join("pids");
    let script = format!("#!/bin/sh\npids={}\necho $$ >>$pids\n{lines}\n", pids.display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Nothing that noted itself runs any more, or waits to be reaped.
#[track_caller]
fn nothing_is_left(folder: &Path) {
    for pid in fs::read_to_string(folder.join("pids")).unwrap_or_default().lines() {
        let there = || Path::new("/proc").join(pid).exists();
        // What we do not wait for ourselves is init's to reap.
        for _ in 0..100 {
            if !there() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = fs::read_to_string(Path::new("/proc").join(pid).join("status"));
        let zombie = status.is_ok_and(|status| status.contains("State:\tZ"));
        assert!(!there() || zombie, "process {pid} is left");
    }
}

fn with_filter(option: &str, path: &Path, more: &[&str]) -> Session {
    let mut options = vec![option, path.to_str().unwrap()];
    options.extend(more);
    Session::with_options(Script::polite(), &options)
}

/// A message through a contents filter; gives the reply to its end.
fn sends(s: &mut Session, message: &[u8]) -> String {
    s.greets();
    s.plays(
        "C: MAIL FROM:<a@client.example> SIZE=5
         S: 250 2.1.0 sender ok
         C: RCPT TO:<b@mta.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 End data with…",
    );
    let flood = s.client.floods(message.to_vec());
    // First all of it, however long that takes; then the answer has its time.
    flood.join().unwrap();
    s.client.reply().pop().unwrap_or_default()
}

/// What the filter does, and what the client is told at the end of its message.
const CONTENTS: &[(&str, &str, &str)] = &[
    ("passes", "sed '/^DATA.$/,$!d' | tail -n 2147483647", "250 2.0.0 queued"),
    ("refuses", "cat >/dev/null; echo no", "450 4.7.1 Refused by local filter"),
    ("says nothing", "cat >/dev/null", "450 4.7.1 Refused by local filter"),
    ("fails quietly", "cat >/dev/null; exit 1", "450 4.7.1 Refused by local filter"),
    ("reads nothing and refuses", "echo no", "450 4.7.1 Refused by local filter"),
    (
        "reads nothing and answers",
        "sleep 0.3; printf 'DATA\\r\\nx\\r\\n.\\r\\n'",
        "250 2.0.0 queued",
    ),
    ("answers with LF behind DATA", "cat >/dev/null; printf 'DATA\\nx\\r\\n.\\r\\n'", "250 2.0.0"),
    ("crashes at once", "kill -SEGV $$", "451 4.3.0"),
    ("crashes at the end", "cat >/dev/null; kill -SEGV $$", "451 4.3.0"),
    ("crashes in its answer", "cat >/dev/null; printf 'DATA\\r\\nx'; kill -KILL $$", "451 4.3.0"),
    ("hangs", "exec sleep 100", "451 4.3.0"),
    ("hangs behind its input", "cat >/dev/null; exec sleep 100", "451 4.3.0"),
    ("stops itself", "kill -STOP $$", "451 4.3.0"),
    ("does not mind SIGTERM", "trap '' TERM; cat >/dev/null; sleep 100", "451 4.3.0"),
    ("floods", "cat >/dev/null; exec cat /dev/zero", "450 4.7.1 Refused by local filter"),
    ("floods as a message", "cat >/dev/null; echo DATA; exec cat /dev/zero", "451 4.3.0"),
    ("truncates", "cat >/dev/null; printf 'DATA\\r\\nSubject: x\\r\\n'", "451 4.3.0"),
    ("has no dot line", "cat >/dev/null; printf 'DATA\\r\\nx.\\r\\n'", "451 4.3.0"),
    (
        "goes on",
        "cat >/dev/null; printf 'DATA\\r\\nx\\r\\n.\\r\\nMAIL FROM:<x@y>\\r\\n'",
        "451 4.3.0",
    ),
    ("emits bare LF", "cat >/dev/null; printf 'DATA\\r\\nx\\n.\\r\\n.\\r\\n'", "451 4.3.0"),
    ("emits bare CR", "cat >/dev/null; printf 'DATA\\r\\nx\\ry\\r\\n.\\r\\n'", "451 4.3.0"),
    (
        "smuggles",
        "cat >/dev/null; printf 'DATA\\r\\nx\\n.\\nMAIL FROM:<x@y>\\r\\n.\\r\\n'",
        "451 4.3.0",
    ),
    (
        "leaves a child with its output",
        "cat >/dev/null; sleep 100 & echo $! >>$pids; printf 'DATA\\r\\nx\\r\\n.\\r\\n'",
        "250 2.0.0 queued",
    ),
    ("leaves a child with all", "sleep 100 & echo $! >>$pids; exit 0", "450 4.7.1"),
    (
        "closes its output and lives on",
        "cat >/dev/null; printf 'DATA\\r\\nx\\r\\n.\\r\\n'; exec >&-; exec sleep 100",
        "250 2.0.0 queued",
    ),
];

fn contents_filters(size: usize) {
    let message = message(size);
    each(CONTENTS, |(name, lines, expected)| {
        // Of a large message it would answer before the end, which is another case.
        if *name == "reads nothing and answers" && size > 100_000 {
            return;
        }
        let folder = Folder::fresh();
        let path = program(&folder.file(""), lines);
        let config = folder.file("config.toml");
        let text = format!(
            "[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\n\
             run = [{path:?}]\ntime_limit = \"{}s\"\n",
            if size > 100_000 { 5 } else { 1 }
        );
        fs::write(&config, text).unwrap();
        let options = ["--config", config.to_str().unwrap()];
        let mut s = Session::with_options(Script::polite(), &options);
        let reply = sends(&mut s, &message);
        assert!(reply.starts_with(expected), "{name}: {reply}");
        // The session goes on.
        s.plays("C: MAIL FROM:<c@client.example>\nS: 250 2.1.0 sender ok");
        s.quits();
        match *name {
            "passes" => s.mta_has_message(message.strip_suffix(b".\r\n").unwrap()),
            _ if expected.starts_with("250") => s.mta_has_message(b"x\r\n"),
            _ => drop(s.mta_has_no_message()),
        }
        assert!(!contains(&s.mta.heard().octets, b"x@y"), "{name}");
        let trouble = if expected.starts_with("451") { 1 } else { 0 };
        s.logs(trouble, "session=trouble filter=program");
        nothing_is_left(&folder.file(""));
    });
}

#[test]
fn contents_filters_and_small_messages() {
    contents_filters(1000);
}

#[test]
fn contents_filters_and_large_messages() {
    contents_filters(20_000_000);
}

#[test]
fn a_contents_filter_that_talks_too_early_refuses() {
    let folder = Folder::fresh();
    let path = program(&folder.file(""), "echo I know enough; cat >/dev/null");
    let mut s = with_filter("-f", &path, &[]);
    s.greets();
    s.plays(
        "C: MAIL FROM:<a@client.example>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<b@mta.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 End data with…",
    );
    for _ in 0..40 {
        s.client.says("a line");
        std::thread::sleep(Duration::from_millis(20));
    }
    s.plays("C: .\nS: 450 4.7.1 Refused by local filter…");
    s.quits();
    s.logs(1, "rule=program.too-early code=450 at=message why=<I\\\\x20know\\\\x20enough>");
    s.mta_has_no_message();
    nothing_is_left(&folder.file(""));
}

#[test]
fn what_a_contents_filter_is_told() {
    let folder = Folder::fresh();
    let path = program(
        &folder.file(""),
        // Not by grep: while a shell starts a program, it blocks signals itself.
        "d=$(dirname $0); env >$d/env; cat >$d/told
         while read -r line; do case $line in SigBlk*) echo \"$line\" >$d/mask;; esac; done </proc/self/status
         ls -l /proc/self/fd >$d/fds; printf 'DATA\\r\\nx\\r\\n.\\r\\n'",
    );
    let mut s = with_filter("-f", &path, &[]);
    let message = message(1000);
    assert_eq!(sends(&mut s, &message), "250 2.0.0 queued");
    let told = fs::read(folder.file("told")).unwrap();
    let head = b"EHLO client.example\r\nMAIL FROM:<a@client.example> SIZE=5\r\n\
                 RCPT TO:<b@mta.test>\r\nDATA\r\n";
    assert!(told == [head.to_vec(), message].concat(), "{}", told.escape_ascii());
    let env = fs::read_to_string(folder.file("env")).unwrap();
    for line in [
        "SW_FROM_IP=127.0.0.1",
        "SW_HELO=client.example",
        "SW_MAIL_FROM=a@client.example",
        "SW_RCPT_TO=b@mta.test",
        "TCPREMOTEIP=127.0.0.1",
        "TCPLOCALIP=127.0.0.1",
        "PROTO=TCP",
    ] {
        assert!(env.lines().any(|have| have == line), "{line} is not in\n{env}");
    }
    // No signal is blocked, and no connection of ours is there.
    let mask = fs::read_to_string(folder.file("mask")).unwrap();
    assert_eq!(mask.trim(), "SigBlk:\t0000000000000000");
    let fds = fs::read_to_string(folder.file("fds")).unwrap();
    assert!(fds.contains(" 0 -> pipe:") && !fds.contains("socket:"), "{fds}");
    s.quits();
}

/// What an IP filter does, and what its client is told at RCPT.
const IP: &[(&str, &str, &str)] = &[
    ("says nothing", "", "250"),
    ("says OK", "echo OK all is well", "250"),
    ("says ok", "printf ok", "250"),
    ("fails quietly", "exit 1", "250"),
    ("says O", "printf O", "450 4.7.1 Refused"),
    ("refuses", "echo bad; echo more", "450 4.7.1 Refused"),
    ("refuses with an empty line", "echo", "450 4.7.1 Refused"),
    ("reads its input", "read x; echo $x", "451 4.3.0"), // there is none, for ever
    ("crashes", "kill -SEGV $$", "451 4.3.0"),
    ("says OK and crashes", "echo OK; kill -SEGV $$", "250"),
    ("hangs", "exec sleep 100", "451 4.3.0"),
    ("floods", "exec cat /dev/zero", "450 4.7.1 Refused"),
    ("leaves a child with its output", "sleep 100 & echo $! >>$pids; echo OK", "250"),
    ("closes its output and lives on", "exec >&-; exec sleep 100", "250"),
    ("says OK and lives on", "echo OK; exec >&-; exec sleep 100", "250"),
    ("cannot run something", "exec 2>/dev/null\nnosuchcommand", "451 "),
    ("ends with another status", "exit 3", "250"),
];

#[test]
fn ip_filters() {
    each(IP, |(name, lines, expected)| {
        let folder = Folder::fresh();
        let path = program(&folder.file(""), lines);
        let config = folder.file("config.toml");
        let text = format!(
            "[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [{path:?}]\ntime_limit = \"1s\"\n",
        );
        fs::write(&config, text).unwrap();
        let options = ["--config", config.to_str().unwrap()];
        let mut s = Session::with_options(Script::polite(), &options);
        s.client.reply();
        s.plays("C: EHLO client.example");
        s.client.reply();
        s.plays("C: MAIL FROM:<a@b>\nS: 250…\nC: RCPT TO:<c@mta.test>");
        let reply = s.client.reply().pop().unwrap_or_default();
        assert!(reply.starts_with(expected), "{name}: {reply}");
        assert_eq!(s.mta.connections(), usize::from(*expected == "250"), "{name}");
        s.plays("C: QUIT\nS: 221…\nS: (closed)");
        s.ends(&[0]);
        s.took_less_than(Duration::from_secs(5));
        nothing_is_left(&folder.file(""));
    });
}

#[test]
fn programs_that_cannot_be_started() {
    let folder = Folder::fresh();
    let plain = folder.file("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    let nothing = folder.file("nothing");
    fs::write(&nothing, "echo OK\n").unwrap();
    fs::set_permissions(&nothing, fs::Permissions::from_mode(0o755)).unwrap();
    let interpreter = folder.file("interpreter");
    fs::write(&interpreter, "#!/nonexistent/sh\n").unwrap();
    fs::set_permissions(&interpreter, fs::Permissions::from_mode(0o755)).unwrap();
    let itself = folder.file("");
    let cases = [plain, nothing, interpreter, itself, folder.file("missing")];
    each(&cases, |path| {
        for option in ["-if", "-f"] {
            let mut s = with_filter(option, path, &[]);
            if option == "-f" {
                let reply = sends(&mut s, &message(100));
                assert!(reply.starts_with("451 4.3.0"), "{reply}");
                s.quits();
                s.mta_has_no_message();
            } else {
                s.client.reply();
                s.plays("C: HELO x\nS: 250…\nC: MAIL FROM:<>\nS: 250…\nC: RCPT TO:<a@mta.test>\nS: 451 4.3.0…");
                s.plays("C: QUIT\nS: 221…\nS: (closed)");
                s.ends(&[0]);
            }
            s.logs(1, "session=trouble filter=program at=(connect|data|message) why=<.*>");
        }
    });
}

#[test]
fn a_client_that_leaves_ends_the_filter_it_waits_for() {
    for leaves in [|s: &mut Session| s.client.leaves(), |s: &mut Session| s.client.resets()] {
        let folder = Folder::fresh();
        let path = program(&folder.file(""), "exec sleep 100");
        let mut s = with_filter("-if", &path, &[]);
        s.client.hears_nothing(Duration::from_millis(300));
        leaves(&mut s);
        s.ends(&[0]);
        s.took_less_than(Duration::from_secs(2));
        s.logs(1, "session=end end=client-left");
        nothing_is_left(&folder.file(""));
    }
}

#[test]
fn sigterm_ends_a_session_that_waits_for_a_filter() {
    let folder = Folder::fresh();
    let path = program(&folder.file(""), "exec sleep 100");
    let mut s = with_filter("-if", &path, &[]);
    s.client.hears_nothing(Duration::from_millis(300));
    s.program.terminate();
    s.plays("S: 421 4.3.2 Shutting down…\nS: (closed)");
    s.ends(&[0]);
    nothing_is_left(&folder.file(""));
}

#[test]
fn a_broken_filter_passes_if_it_may() {
    let folder = Folder::fresh();
    let config = folder.file("config.toml");
    for (at, run) in
        [("connect", "/nonexistent"), ("message", "/nonexistent"), ("message", "/bin/false")]
    {
        let text = format!(
            "[[filter]]\ntype = \"program\"\nat = {at:?}\ncontract = \"original\"\nrun = [{run:?}]\n\
             on_error = \"pass\"\n"
        );
        fs::write(&config, text).unwrap();
        let options = ["--config", config.to_str().unwrap()];
        let mut s = Session::with_options(Script::polite(), &options);
        if at == "connect" {
            s.opens_a_message();
            s.plays("C: .\nS: 250 2.0.0 queued");
        } else {
            // An exit status is no trouble: a filter that says nothing refuses.
            let expected = if run == "/bin/false" { "450 4.7.1" } else { "250 2.0.0" };
            let reply = sends(&mut s, &message(300_000));
            assert!(reply.starts_with(expected), "{run}: {reply}");
        }
        s.quits();
    }
}

#[test]
fn a_message_that_the_mta_did_not_take_does_not_get_into_the_next_one() {
    let folder = Folder::fresh();
    let config = folder.file("config.toml");
    for run in ["/nonexistent", "/bin/cat"] {
        // The one changes nothing; the other answers with what it was told, which is no message.
        let text = format!(
            "[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\nrun = [{run:?}]\n\
             on_error = \"pass\"\non_hit = \"refuse\"\nobserve = true\n"
        );
        fs::write(&config, text).unwrap();
        let script = Script::polite().once("DATA", "451 4.3.2 not now");
        let mut s = Session::with_options(script, &["--config", config.to_str().unwrap()]);
        s.greets();
        for (to, text, reply) in
            [("b", "first", "451 4.3.2 not now"), ("c", "second", "250 2.0.0 queued")]
        {
            s.plays(&format!(
                "C: MAIL FROM:<a@client.example>
                 S: 250 2.1.0 sender ok
                 C: RCPT TO:<{to}@mta.test>
                 S: 250 2.1.5 recipient ok
                 C: DATA
                 S: 354 End data with…
                 C: {text}
                 C: .
                 S: {reply}"
            ));
        }
        s.quits();
        s.mta_has_message(b"second\r\n");
        assert_eq!(s.mta.heard().messages.first().map(|message| message.to.len()), Some(1));
    }
}

#[test]
fn a_message_that_could_not_be_kept_does_not_get_into_the_next_one() {
    // There is little room beyond what is kept in memory; the last block is one too many.
    let folder = Folder::fresh();
    let slow = "sleep 0.5\nsed -n '/^DATA/,$p' | tail -n 1000000";
    let slow = program(&folder.file(""), slow);
    let (ours, theirs) = common::connection();
    let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let command = common::Program::shell(&folder.file(""), limited);
    let options = ["-f", slow.to_str().unwrap()];
    let mut s = Session::on(ours, theirs, Script::polite(), Folder::fresh(), command, &options);
    s.greets();
    let head = "C: MAIL FROM:<a@client.example>\nS: 250…\nC: RCPT TO:<b@mta.test>\nS: 250…\nC: DATA\nS: 354…";
    let lines = |text: &[u8], size: usize| [text, b"\r\n"].concat().repeat(size / (text.len() + 2));
    s.plays(head);
    s.client.sends(&lines(b"secret of the first", 250_000));
    std::thread::sleep(Duration::from_millis(300));
    s.client.sends(&[lines(b"secret of the first", 30_000), b".\r\n".to_vec()].concat());
    s.client.gets("552 5.3.4…");
    s.plays(head);
    let second = lines(b"the second", 255_000);
    s.client.sends(&[second.as_slice(), b".\r\n"].concat());
    s.client.gets("250 2.0.0 queued");
    s.quits();
    s.mta_has_message(&second);
    nothing_is_left(&folder.file(""));
}

#[test]
fn a_refusal_with_a_reason_stands_however_the_program_ends() {
    let folder = Folder::fresh();
    let path = program(&folder.file(""), "cat >/dev/null\necho this is spam\nkill -9 $$");
    let config = folder.file("config.toml");
    let text = format!(
        "[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\nrun = [{path:?}]\n\
         on_error = \"pass\"\n"
    );
    fs::write(&config, text).unwrap();
    let options = ["--config", config.to_str().unwrap()];
    let mut s = Session::with_options(Script::polite(), &options);
    let reply = sends(&mut s, &message(100));
    assert!(reply.starts_with("450 "), "{reply}");
    s.quits();
    s.mta_has_no_message();
    s.logs(
        1,
        "verdict=temp rule=program.refused code=450 at=message why=<this\\\\x20is\\\\x20spam>",
    );
}

#[test]
fn a_client_that_half_closes_gets_its_replies_with_filters_too() {
    let folder = Folder::fresh();
    let ip = program(&folder.file(""), "sleep 0.3");
    let mut s = with_filter("-if", &ip, &[]);
    s.client.sends(b"EHLO client.example\r\nMAIL FROM:<a@b.example>\r\nNOOP\r\nQUIT\r\n");
    s.client.half_closes();
    let said = s.client.rest();
    assert!(said.first().is_some_and(|line| line.starts_with("220")), "{said:?}");
    assert!(said.last().is_some_and(|line| line.starts_with("221")), "{said:?}");
    // And for its message, with nothing behind it.
    let folder = Folder::fresh();
    let slow = program(&folder.file(""), "sleep 0.3\nexec sed -n '/^DATA/,$p'");
    let mut s = with_filter("-f", &slow, &[]);
    s.greets();
    s.plays(
        "C: MAIL FROM:<a@b.example>\nS: 250…\nC: RCPT TO:<b@mta.test>\nS: 250…\nC: DATA\nS: 354…",
    );
    s.client.sends(b"text\r\n.\r\n");
    s.client.half_closes();
    s.client.gets("250 2.0.0 queued");
    s.mta_has_message(b"text\r\n");
}
