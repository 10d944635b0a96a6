//! `explain`: what it tells is what a session does, word for word.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::dns::{Does, NameServer};
use common::{Folder, Script, Session};
use smtp_wrapper::s25r::{Rules, first_hit};

/// Output and exit status.
fn explain(words: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
    let output = command.arg("explain").args(words).env_clear().output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).expect("text"), output.status.code().expect("a status"))
}

/// A log line without what is another each time: the session's name, the port and the times.
fn plain(line: &str) -> String {
    let changes = |word: &&str| {
        ["sid=", "port=", "t=", "dns=", "log", "<22>smtp-wrapper"]
            .iter()
            .any(|w| word.starts_with(w))
    };
    line.split_whitespace().filter(|word| !changes(word)).collect::<Vec<_>>().join(" ")
}

fn config(folder: &Folder, server: &NameServer, filters: &str) -> String {
    let path = folder.file("c.toml");
    let head = format!(
        "[session]\nhostname = \"mx.example\"\n[dns]\nservers = [\"{}\"]\ntime_limit = \"1s\"\n",
        server.address()
    );
    fs::write(&path, head + filters).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_session_says_and_logs_what_was_explained() {
    let named = |name: &str| NameServer::new().host("127.0.0.1", name);
    let s25r = "[[filter]]\ntype = \"s25r\"\nlocal = true\n";
    let listed = "[[filter]]\ntype = \"deny\"\nlists = [\"deny.list\"]\n";
    for (server, filters, status) in [
        (named("vdsl5.example.net"), s25r, 1),
        (named("mail.example.org"), s25r, 0),
        (NameServer::new(), s25r, 1),
        (NameServer::new().knows("1.0.0.127.in-addr.arpa", Does::Code(2)), s25r, 0),
        (named("mail.bad.example"), listed, 2),
        (named("mail.soft.example"), listed, 1),
        (named("mail.good.example"), listed, 0),
        (named("mail.example.org"), "[[filter]]\ntype = \"relay\"\ndomains = [\"x.example\"]\n", 2),
        (
            named("mail.example.org"),
            "[[filter]]\ntype = \"deny\"\nentries = [\"from:a@b.example\"]\non_hit = \"450 4.7.1 {ip} {from} [{rule}]\"\n",
            1,
        ),
        (
            named("mail.example.org"),
            "[[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.1\"]\nobserve = true\n",
            0,
        ),
        (
            named("mail.example.org"),
            "[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"/bin/sh\", \"-c\", \"echo for a reason\"]\n",
            1,
        ),
    ] {
        let folder = Folder::fresh();
        fs::write(
            folder.file("deny.list"),
            "mail.good.example OK\n/^mail\\.soft\\./ 450 4.7.1 not today\n.bad.example REJECT\n",
        )
        .unwrap();
        let path = config(&folder, &server, filters);
        let (told, verdict) = explain(&[
            "127.0.0.1",
            "--config",
            &path,
            "--helo",
            "client.example",
            "--from",
            "a@b.example",
            "--to",
            "c@d.example",
        ]);
        assert_eq!(verdict, status, "{told}");

        let mut s = Session::with_options(Script::polite(), &["--config", &path]);
        let said = s.asks_for_a_recipient();
        let logged =
            s.log.lines().into_iter().find(|line| line.contains(" verdict=")).expect("a line");
        let explained = told.lines().find(|line| line.starts_with("log ")).expect("a log line");
        assert_eq!(plain(explained), plain(&logged), "{told}");
        let code = if status == 0 { "250" } else { said.as_str() };
        assert!(told.lines().any(|line| line.starts_with(&format!("S: {code}"))), "{said}\n{told}");
        assert_eq!(said.starts_with("250"), status == 0, "{said}\n{told}");
    }
}

#[test]
fn questions_answers_and_lists_are_told() {
    let server = NameServer::new().host("192.0.2.7", "mail.example.org");
    let folder = Folder::fresh();
    fs::write(folder.file("allow.list"), "# ours\n.example.org\n").unwrap();
    let path = config(&folder, &server, "[[filter]]\ntype = \"allow\"\nlists = [\"allow.list\"]\n");
    let (told, status) = explain(&["192.0.2.7", "--config", &path]);
    assert_eq!(status, 0);
    for line in [
        "client      192.0.2.7",
        "host name   mail.example.org: pass",
        "PTR 7.2.0.192.in-addr.arpa: mail.example.org (",
        "A mail.example.org: 192.0.2.7 (",
        "    allow      accepts (allow.list:2)",
        "S: 250 2.0.0 Ok",
        "allow=<allow.list:2> ptr=<mail.example.org> fcrdns=pass dns=2/",
        "verdict     passes",
    ] {
        assert!(told.contains(line), "no {line:?} in\n{told}");
    }
    // Given facts are not asked for.
    let asked = server.asked();
    explain(&["192.0.2.7", "--config", &path, "--ptr", "x.example.org"]);
    explain(&["192.0.2.7", "--config", &path, "--ptr", "none"]);
    explain(&["192.0.2.7", "--config", &path, "--fcrdns", "temperror"]);
    assert_eq!(server.asked(), asked);
}

#[test]
fn nothing_is_held_and_nothing_remembered() {
    let folder = Folder::fresh();
    let state = folder.file("state");
    fs::create_dir(&state).unwrap();
    let server = NameServer::new();
    let filters = "[[filter]]\ntype = \"early\"\ndelay = \"100s\"\n[[filter]]\ntype = \"interval\"\nleast = \"1h\"\n\
         [[filter]]\ntype = \"deny\"\nentries = [\"192.0.2.9\"]\non_hit = \"tarpit\"\ntarpit = \"1h\"\n";
    let path = config(&folder, &server, filters);
    let began = std::time::Instant::now();
    for _ in 0..2 {
        let state = state.to_str().unwrap();
        let (told, status) = explain(&["192.0.2.9", "--config", &path, "--state", state]);
        assert_eq!(status, 2, "{told}");
        assert!(told.contains("early would hold the client for 100.0 s"), "{told}");
        assert!(told.contains("deny would hold the client for 3600.0 s"), "{told}");
    }
    assert!(began.elapsed().as_secs() < 10);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "it left something");
}

#[test]
fn what_is_wrong_is_told() {
    for (words, why) in [
        (&[][..], "which client?"),
        (&["mail.example.org"][..], "is no address"),
        (&["192.0.2.1", "192.0.2.2"][..], "unknown argument"),
        (&["192.0.2.1", "--fcrdns", "maybe"][..], "must be pass or fail"),
        (&["192.0.2.1", "--config", "/nonexistent"][..], "there is no such file"),
    ] {
        let (told, status) = explain(words);
        assert!(told.contains(why) && status == 78, "{words:?}: {status} {told}");
    }
    // Whoever refuses, it is refused.
    for (words, expected) in [
        (["--from", "a b@c", "--to", "u@x.example"], 2),
        (["--from", "a@c.example", "--to", "a b@c"], 2),
        (["--from", "a@c.example", "--to", "b@c.example"], 0),
    ] {
        let more = [&["192.0.2.1", "--ptr", "mail.example.org"][..], &words[..]].concat();
        let (told, status) = explain(&more);
        assert_eq!(status, expected, "{words:?}: {told}");
    }
    // What comes from the command line is dealt with as what comes from a client.
    let (told, _) = explain(&["192.0.2.1", "--ptr", "a.example", "--helo", "x\nDATA"]);
    assert!(told.contains("500 5.5.2"), "{told}");
}

/// What issue and README promise: no large provider is refused by default, and without the
/// list of providers the rules say of each what they say.
#[test]
fn the_corpus_of_mail_hosts_is_explained() {
    let folder = Folder::fresh();
    let bare = folder.file("bare.toml");
    fs::write(&bare, "[[filter]]\ntype = \"s25r\"\n").unwrap();
    let corpus = include_str!("corpus/hosts.txt");
    let (mut providers, mut hit) = (0, 0);
    for line in corpus.lines().filter(|line| !line.starts_with('#')) {
        let (host, class) = line.split_once('\t').expect("a class");
        let (told, status) = explain(&["192.0.2.1", "--config", "usual", "--ptr", host]);
        let expected = i32::from(class == "dynamic");
        assert_eq!(status, expected, "{host} is {class}\n{told}");
        let (told, status) =
            explain(&["192.0.2.1", "--config", Path::to_str(&bare).unwrap(), "--ptr", host]);
        match first_hit(Rules::Published, host.as_bytes()) {
            Some(rule) => {
                assert!(status == 1 && told.contains(&format!("450 by s25r.r{rule}")), "{told}");
            }
            None => assert_eq!(status, 0, "{told}"),
        }
        providers += usize::from(class == "provider");
        hit += usize::from(class == "provider" && status == 1);
    }
    assert!(providers >= 60 && hit * 2 > providers, "{hit} of {providers}");
}
