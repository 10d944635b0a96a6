//! Lists in files, in real sessions: as text, compiled, stale and damaged.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Folder, Script, Session};

/// A configuration with a deny filter for this list.
fn with_list(folder: &Folder, text: &str, keys: &str) -> (PathBuf, PathBuf) {
    let (config, list) = (folder.file("c.toml"), folder.file("deny.list"));
    fs::write(&list, text).unwrap();
    let filter = format!("[[filter]]\ntype = \"deny\"\nlists = [\"deny.list\"]\n{keys}");
    fs::write(&config, format!("[session]\nhostname = \"mx.example\"\n{filter}")).unwrap();
    (config, list)
}

fn compile(files: &[&Path]) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
    let output = command.arg("compile").args(files).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).expect("text"), output.status.success())
}

/// What is said at RCPT, and all log lines.
fn session(config: &Path) -> (String, Vec<String>) {
    let options = ["--config", config.to_str().unwrap()];
    let mut s = Session::with_options(Script::polite(), &options);
    let said = s.asks_for_a_recipient();
    (said, s.log.lines())
}

#[test]
fn each_topic_hits_where_it_is_known_in_both_forms() {
    for (text, keys, said, why) in [
        ("127.0.0.0/8 REJECT", "", "554 5.7.1 Refused by local policy [deny]", "deny.list:1"),
        ("# x\n\n127.0.0.1 450 4.7.1 wait a bit", "", "450 4.7.1 wait a bit", "deny.list:3"),
        ("helo:.example", "", "554 5.7.1", "deny.list:1"),
        ("a@b.example", "", "554 5.7.1", "deny.list:1"),
        ("to:/^c@/ 550 5.1.1 nobody here", "", "550 5.1.1 nobody here", "deny.list:1"),
        ("client.example", "match = \"helo\"", "554 5.7.1", "deny.list:1"),
        ("b.example", "match = \"sender\"", "554 5.7.1", "deny.list:1"),
        ("d.example", "match = \"recipient\"", "554 5.7.1", "deny.list:1"),
        ("^127\\.", "match = \"address\"\nsyntax = \"egrep\"", "554 5.7.1", "deny.list:1"),
        ("@d\\.example>$", "match = \"recipient\"\nsyntax = \"egrep\"", "554 5.7.1", "deny.list:1"),
        ("127.0.0.1 DUNNO\n0.0.0.0/0", "", "250", ""),
        ("127.0.0.1 OK\n0.0.0.0/0", "", "250", ""),
        ("192.0.2.1", "", "250", ""),
        ("", "", "250", ""),
    ] {
        let folder = Folder::fresh();
        let (config, _) = with_list(&folder, text, keys);
        for compiled in [false, true] {
            if compiled {
                let (told, success) = compile(&[&config]);
                assert!(success && told.contains("deny.list.compiled is written"), "{told}");
            }
            let (reply, log) = session(&config);
            assert!(reply.starts_with(said), "{text} {keys} {compiled}: {reply}");
            let line = log.iter().find(|line| line.contains(" verdict=")).expect("a line");
            assert!(why.is_empty() || line.contains(&format!(" why=<{why}>")), "{line}");
            assert!(!log.iter().any(|line| line.contains("session=note")), "{log:?}");
        }
    }
}

#[test]
fn an_edit_takes_effect_at_once_and_the_log_says_that_the_form_is_stale() {
    let folder = Folder::fresh();
    let (config, list) = with_list(&folder, "192.0.2.1\n", "");
    assert!(compile(&[&config]).1);
    assert!(session(&config).0.starts_with("250"));
    fs::write(&list, "127.0.0.1\n").unwrap();
    let (said, log) = session(&config);
    assert!(said.starts_with("554"), "{said}");
    let note = log.iter().find(|line| line.contains("session=note")).expect("a note");
    assert!(note.contains("deny.list.compiled\\x20is\\x20not\\x20of\\x20this\\x20text"), "{note}");
    // A list alone is compiled as the configuration reads it.
    assert!(compile(&[&list]).1);
    let (said, log) = session(&config);
    assert!(said.starts_with("554") && !log.iter().any(|l| l.contains("session=note")), "{log:?}");
}

#[test]
fn a_form_that_is_damaged_or_not_ours_is_not_believed() {
    let folder = Folder::fresh();
    let (config, _) = with_list(&folder, "127.0.0.1 450 4.7.1 wait\n", "");
    assert!(compile(&[&config]).1);
    let form = folder.file("deny.list.compiled");
    let sound = fs::read(&form).unwrap();
    let mut odd = sound.clone();
    odd[1500] ^= 1;
    for (octets, why) in [
        (odd.as_slice(), "is\\x20damaged"),
        (&sound[..sound.len() - 1], "is\\x20damaged"),
        (&sound[..10], "is\\x20damaged"),
        (b"".as_slice(), "is\\x20damaged"),
    ] {
        fs::write(&form, octets).unwrap();
        let (said, log) = session(&config);
        assert!(said.starts_with("450 4.7.1 wait"), "{said}");
        assert!(log.iter().any(|l| l.contains("session=note") && l.contains(why)), "{log:?}");
    }
    fs::write(&form, &sound).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&form, mode).unwrap();
    let (said, log) = session(&config);
    assert!(said.starts_with("450") && log.iter().any(|l| l.contains("by\\x20others")), "{log:?}");
}

#[test]
fn a_list_is_put_in_place_while_sessions_run() {
    let folder = Folder::fresh();
    let (config, list) = with_list(&folder, "127.0.0.1\n", "");
    assert!(compile(&[&config]).1);
    let options = ["--config", config.to_str().unwrap()];
    // It has opened the old form, and asks it at RCPT only.
    let mut s = Session::with_options(Script::polite(), &options);
    s.client.reply();
    let next = folder.file("next");
    fs::write(&next, "192.0.2.1\n").unwrap();
    fs::rename(&next, &list).unwrap();
    assert!(compile(&[&config]).1);
    s.client.says("EHLO x");
    s.client.reply();
    s.client.says("MAIL FROM:<>");
    s.client.reply();
    s.client.says("RCPT TO:<c@d.example>");
    assert!(s.client.line().expect("a reply").starts_with("554"));
    s.client.says("QUIT");
    s.client.reply();
    s.ends(&[0]);
    assert!(session(&config).0.starts_with("250"));
}

#[test]
fn a_broken_or_missing_list_is_421_and_named_in_the_log() {
    let folder = Folder::fresh();
    for (list, why) in [
        (Some("192.0.2.1\n/(/\n"), "deny.list:2:"),
        (Some("192.0.2.1 HOLD\n"), "deny.list:1:"),
        (None, "no\\x20such\\x20file"),
    ] {
        let (config, path) = with_list(&folder, list.unwrap_or_default(), "");
        if list.is_none() {
            fs::remove_file(&path).unwrap();
        }
        let mut s =
            Session::with_options(Script::polite(), &["--config", config.to_str().unwrap()]);
        s.client.gets("421 4.3.5 …");
        s.client.is_closed();
        assert_eq!(s.program.status(), Some(78));
        s.log.stops();
        let lines = s.log.lines();
        assert!(
            lines.iter().any(|line| line.contains(why) && line.contains("c.toml:5")),
            "{lines:?}"
        );
        let (told, success) = compile(&[&config]);
        assert!(!success && told.contains("c.toml:5"), "{told}");
    }
}

#[test]
fn warnings_are_told_and_nothing_is_lost_with_a_mistake() {
    let folder = Folder::fresh();
    let text = "# as of 2020-01-01\n10.0.0.0/8\n10.1.2.3\n0.0.0.0/0\n";
    let (config, list) = with_list(&folder, text, "");
    let (told, success) = compile(&[&config]);
    assert!(success, "{told}");
    for warning in [
        "deny.list:3: never counts: line 2 has it already",
        "deny.list:4: \"0.0.0.0/0\" is very broad",
        "days old by its own word",
        "3 entries",
    ] {
        assert!(told.contains(warning), "no {warning:?} in {told}");
    }
    let before = fs::read(folder.file("deny.list.compiled")).unwrap();
    fs::write(&list, "10.0.0.0/8\nnonsense\n").unwrap();
    let (told, success) = compile(&[&config]);
    assert!(!success && told.contains("deny.list:2: \"nonsense\" is neither"), "{told}");
    assert_eq!(fs::read(folder.file("deny.list.compiled")).unwrap(), before);
    let leftovers = fs::read_dir(folder.file("")).unwrap();
    let names: Vec<_> = leftovers.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains(".compiled.")), "{names:?}");
}

#[test]
fn a_list_that_cannot_be_read_any_more_refuses_for_now() {
    let folder = Folder::fresh();
    let (config, list) = with_list(&folder, "to:c@d.example\n", "");
    assert!(compile(&[&config]).1);
    let form = folder.file("deny.list.compiled");
    let options = ["--config", config.to_str().unwrap()];
    // It opens both; then both are spoilt in a way that no good program has.
    let mut s = Session::with_options(Script::polite(), &options);
    s.client.reply();
    let sound = fs::read(&form).unwrap();
    let head = fs::read(&form).unwrap()[..1024].to_vec();
    fs::write(&form, [head, vec![0; sound.len() - 1024]].concat()).unwrap();
    fs::write(&list, [0xff]).unwrap();
    s.client.says("EHLO client.example");
    s.client.reply();
    s.client.says("MAIL FROM:<a@b.example>");
    s.client.reply();
    s.client.says("RCPT TO:<c@d.example>");
    assert!(s.client.line().expect("a reply").starts_with("451 4.3.0"));
    s.client.says("QUIT");
    s.client.reply();
    s.ends(&[0]);
    s.logs(1, "session=trouble filter=deny at=rcpt");
}

#[test]
fn the_form_is_no_more_readable_than_the_text() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::fresh();
    let (config, list) = with_list(&folder, "127.0.0.1\n", "");
    for file in [&config, &list] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert!(compile(&[&config]).1);
    for name in ["deny.list.compiled", "c.toml.compiled"] {
        let mode = fs::metadata(folder.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
