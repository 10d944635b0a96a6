//! What a session that was killed leaves behind: nothing that holds a connection, and nothing that
//! the next one would stumble over.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::common::tls::{Encrypted, pem, usual};
use super::common::{Folder, Program, Script, Session, connection};
use super::dice::{Dice, points};
use super::shot::runs_of;

fn executable(path: &Path, lines: &str) {
    fs::write(path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn kill(s: &mut Session) {
    let program = s.program.child();
    program.kill().unwrap();
    program.wait().unwrap();
    s.client.forgiving = true;
}

/// Waits until the file is there, and has a line.
fn line_of(path: &Path) -> String {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Some((line, _)) = text.split_once('\n') {
            return line.to_owned();
        }
        assert!(Instant::now() < until, "{} does not come", path.display());
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_program_that_outlives_its_session_holds_no_connection() {
    let folder = Folder::fresh();
    let (program, pids) = (folder.file("filter"), folder.file("pids"));
    // It looks at nothing, so it does not notice that it is alone.
    executable(&program, &format!("echo $$ >>{pids:?}\nexec sleep 3"));
    let mut s = Session::with_options(Script::polite(), &["-f", program.to_str().unwrap()]);
    s.greets();
    s.plays("C: MAIL FROM:<a@b>\nS: 250…\nC: RCPT TO:<c@mta.test>\nS: 250…\nC: DATA\nS: 354…");
    s.client.says("half a message");
    let pid = line_of(&pids);
    let killed = Instant::now();
    kill(&mut s);
    assert_eq!(s.client.rest(), [""; 0]);
    s.mta.waits("the end of its connection", |heard| heard.end.is_some());
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    assert!(runs_of(&[&pid]), "the program was to be there still");
    s.mta_has_no_message();
}

#[test]
fn an_mta_that_is_a_program_takes_nothing_of_a_killed_session() {
    let folder = Folder::fresh();
    let mta = folder.file("mta");
    executable(
        &mta,
        "echo $$ >$0.pid; printf '220 exec.test\\r\\n'
         while IFS= read -r line; do case $line in
         DATA*) printf '354 go\\r\\n'; while IFS= read -r text; do
            case $text in .?) echo taken >$0.taken; break;; esac; echo x >>$0.lines; done;;
         *) printf '250 ok\\r\\n';; esac; done",
    );
    let (ours, theirs) = connection();
    let command = Program::command(&folder.file(""));
    let upstream = format!("exec:{}", mta.display());
    let options = ["--upstream", &upstream];
    let mut s = Session::on(ours, theirs, Script::absent(), Folder::fresh(), command, &options);
    s.plays(
        "S: 220 exec.test\nC: EHLO x\nS: 250-ok\nS: 250 CHUNKING\nC: MAIL FROM:<a@b>\nS: 250 ok",
    );
    s.plays("C: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\nC: half a message\nC: half a li");
    let pid = line_of(&folder.file("mta.pid"));
    line_of(&folder.file("mta.lines"));
    kill(&mut s);
    assert_eq!(s.client.rest(), [""; 0]);
    let until = Instant::now() + Duration::from_secs(3);
    while runs_of(&[&pid]) {
        assert!(Instant::now() < until, "the MTA is left");
        thread::sleep(Duration::from_millis(2));
    }
    assert!(!folder.file("mta.taken").exists());
}

#[test]
fn keys_of_tickets_are_whole_or_made_anew() {
    let mut dice = Dice::seeded(30);
    let state = Folder::fresh();
    let options = |more: &[&str]| {
        let mut options = vec!["--state".to_owned(), state.file("").display().to_string()];
        let keys = ["--tls-cert", &pem("mx.crt"), "--tls-key", &pem("mx.key")].map(str::to_owned);
        options.extend(keys);
        options.extend(more.iter().map(|&word| word.to_owned()));
        options
    };
    let session = || {
        let (ours, theirs) = connection();
        let socket = ours.try_clone().unwrap();
        let folder = Folder::fresh();
        let command = Program::command(&folder.file(""));
        let options = options(&[]);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let mut s = Session::on(ours, theirs, Script::polite(), folder, command, &options);
        s.greets();
        (s, socket)
    };
    for _ in 0..points(30) {
        let _ = fs::remove_file(state.file("tls-tickets"));
        // One that makes the keys, and is killed at it.
        let (mut s, mut socket) = session();
        socket.write_all(b"STARTTLS\r\n").unwrap();
        thread::sleep(Duration::from_micros(dice.below(6000)));
        kill(&mut s);
        // The next one gives tickets, and the one behind takes them.
        let config = Arc::clone(&usual());
        for resumed in [false, true] {
            let (mut s, socket) = session();
            s.plays("C: STARTTLS\nS: 220 2.0.0 Ready to start TLS");
            let mut client = Encrypted::begins(&config, "mx.example.org", socket).shakes_hands();
            client.says("EHLO x");
            client.reply();
            client.quits();
            s.ends(&[0]);
            s.logs(usize::from(resumed), "session=end resumed=yes");
        }
    }
}
