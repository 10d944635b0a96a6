//! Configuration, lists, programs, and what else a session finds.

use super::*;

#[test]
fn a_broken_configuration_is_told_with_its_line() {
    let (folder, path) = config("\n[session]\ngreet_dealy = \"5s\"\n");
    let path = path.to_str().unwrap();
    let found = run(&["check", "--config", path]);
    found.ends(1).says("error", &format!("{path}:3: unknown key \"greet_dealy\""));
    found.says("note", "were not looked at");
    let missing = folder.file("none.toml");
    run(&["check", "--config", missing.to_str().unwrap()]).ends(1).says("error", "no such file");
    run(&["check", "--log", "file"]).ends(78);
    run(&["check", "--nonsense"]).ends(78);
    run(&["check", "--unit"]).ends(78);
}

#[test]
fn who_may_write_the_configuration_may_run_programs() {
    let (folder, path) = config("");
    let name = path.to_str().unwrap();
    check(refusing(), &["--config", name]).0.ends(0).says("note", "has no compiled form");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    check(refusing(), &["--config", name]).0.ends(1).says("error", "may be written by others");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(folder.file(""), fs::Permissions::from_mode(0o777)).unwrap();
    check(refusing(), &["--config", name]).0.ends(1).says("error", "may be replaced by others");
}

#[test]
fn compiled_forms_that_are_stale_and_lists_that_are_odd() {
    let text = "[[filter]]\ntype = \"allow\"\nlists = [\"a.list\"]\n";
    let (folder, path) = config(text);
    let name = path.to_str().unwrap();
    let list = folder.file("a.list");
    let head = "# as of 2001-01-01\n192.0.2.0/24\n192.0.2.1\n.org\n0.0.0.0/0\n";
    fs::write(&list, head).unwrap();
    let (found, _) = check(refusing(), &["--config", name]);
    found
        .ends(0)
        .says("warning", "a.list:3: never counts: line 2 has it already")
        .says("warning", "a.list:4: \".org\" is very broad")
        .says("warning", "a.list:5: \"0.0.0.0/0\" is very broad")
        .says("warning", "days old by its own word")
        .says("ok", "a.list: the list is read: 4 entries");
    assert!(run(&["compile", "--config", name]).status == Some(0));
    check(refusing(), &["--config", name]).0.says("ok", "c.toml.compiled: is of the configuration");
    let many: String = (0..400).map(|n| format!("192.0.{}.{}\n", n / 256, n % 256)).collect();
    fs::write(&list, &many).unwrap();
    fs::write(&path, format!("{text}\n")).unwrap();
    let (found, _) = check(refusing(), &["--config", name]);
    found
        .says("warning", "a.list.compiled is not of this text")
        .says("note", "c.toml.compiled is not");
    fs::remove_file(folder.file("a.list.compiled")).unwrap();
    check(refusing(), &["--config", name]).0.says("warning", "400 entries, and no compiled form");
    let shadowed: String = (0..30).map(|_| "192.0.2.1\n").collect();
    fs::write(&list, shadowed).unwrap();
    let (found, _) = check(refusing(), &["--config", name]);
    found.says("warning", "19 more entries like these");
    fs::write(&list, "192.0.2.0/33\n").unwrap();
    check(refusing(), &["--config", name]).0.ends(1).says("error", "a.list:1: ");
}

#[test]
fn programs_have_to_be_there_and_nobody_elses() {
    let folder = Folder::fresh();
    let program = folder.file("filter.sh");
    let path = program.to_str().unwrap();
    let filter =
        |at: &str| format!("[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"{at}\"]\n");
    let (found, _folder) = checked_with(&filter(path), refusing());
    found.ends(1).says("error", &format!("c.toml:1: program {path}: No such file"));
    for (text, mode, what) in [
        ("#!/bin/sh\n", 0o644, "may not be executed"),
        ("#!/bin/sh\n", 0o757, "may be written by others"),
        ("#!/nonexistent/sh\n", 0o755, "its first line names what is not there: /nonexistent/sh"),
        ("#!/bin/sh\r\n", 0o755, "its first line ends in CR"),
        ("#!", 0o755, "its first line names what is not there"),
    ] {
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        checked_with(&filter(path), refusing()).0.ends(1).says("error", what);
    }
    checked_with(&filter("/bin/sh"), refusing()).0.ends(0).says("ok", "program /bin/sh is there");
    check(refusing(), &["-if", path]).0.ends(1).says("error", "option -if: ");
}

#[test]
fn name_servers_are_asked() {
    let server = NameServer::new().host("127.0.0.1", "localhost");
    let at = server.address().to_string();
    let fcrdns = "[[filter]]\ntype = \"fcrdns\"\n";
    let (folder, path) = config(fcrdns);
    let with =
        |server: &str| check(refusing(), &["--config", path.to_str().unwrap(), "--dns", server]).0;
    with(&at).ends(0).says("ok", "the name server answers: the name of 127.0.0.1 in ");
    let reverse = "1.0.0.127.in-addr.arpa";
    for (does, what) in [
        (dns::Does::Code(2), "servfail for the name of 127.0.0.1"),
        (dns::Does::Code(5), "refused for the name of 127.0.0.1"),
        (dns::Does::Silence, "timeout for the name of 127.0.0.1"),
    ] {
        let server = NameServer::new().knows(reverse, does);
        with(&server.address().to_string()).ends(1).says("error", what);
    }
    check(refusing(), &[]).0.says("note", "no filter needs host names");
    drop(folder);
}

#[test]
fn the_state_directory_and_syslog() {
    let folder = Folder::fresh();
    let state = folder.file("state");
    let state = state.to_str().unwrap();
    check(refusing(), &["--state", state]).0.ends(0).says("note", "no filter that needs it");
    check(refusing(), &["--state", state, "-i", "5"])
        .0
        .ends(0)
        .says("warning", "the state directory: ");
    fs::write(state, "").unwrap();
    check(refusing(), &["--state", state]).0.ends(1).says("error", "the state directory is none");
    fs::remove_file(state).unwrap();
    fs::create_dir(state).unwrap();
    check(refusing(), &["--state", state, "-i", "5"])
        .0
        .ends(0)
        .says("ok", "the state directory is there");
    fs::set_permissions(state, fs::Permissions::from_mode(0o777)).unwrap();
    check(refusing(), &["--state", state]).0.says("warning", "can be forged");
    let log = common::Syslog::at(folder.file("log"));
    let to = format!("syslog:{}", log.path().display());
    check(refusing(), &["--log", &to]).0.ends(0).says("ok", "syslogd is there");
    log.stops();
    assert_eq!(log.lines(), Vec::<String>::new(), "nothing is logged");
    check(refusing(), &["--log", "syslog:/nonexistent"]).0.ends(1).says("error", "no syslogd");
}
