//! `[sandbox] user` and `chroot`: who a session is while it goes on, and that there is none when it
//! cannot be so; and the directory that `smtp-wrapper jail` makes for it. What takes root is tested where the tests run as root; tests/real/jail has it too.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;
#[path = "jail/kit.rs"]
mod kit;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use common::{Client, Folder, Program, Script, Session, Transcript, connection};
use rustix::process::{getegid, geteuid, getgid, getuid};

const BINARY: &str = env!("CARGO_BIN_EXE_smtp-wrapper");

/// Nobody here.
const USER: u32 = 4_000_001;
const GROUP: u32 = 4_000_002;

fn is_root() -> bool {
    geteuid().is_root()
}

/// The numbers in a line of the process's status.
fn numbers(of: u32, key: &str) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{of}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("its line");
    line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// Copies the program. By another process: a test that starts something meanwhile would hand on
/// a descriptor that writes it, and what is being written cannot be executed.
fn copied(to: &Path) {
    assert!(Command::new("cp").arg(BINARY).arg(to).status().unwrap().success());
}

/// A command that runs the program, as it is or as another user with further groups.
fn started_as(folder: &Path, ids: Option<(u32, u32)>) -> Command {
    let Some((uid, gid)) = ids else { return Program::command(folder) };
    // Where it lies, others may have no way to it.
    let program = folder.join("program");
    copied(&program);
    let mut command = Command::new("setpriv");
    let ids = [format!("--reuid={uid}"), format!("--regid={gid}"), "--groups=7,8".to_owned()];
    command.env_clear().current_dir(folder).args(ids).arg(program);
    command
}

#[test]
fn keys_and_options_are_read() {
    use smtp_wrapper::config::{self, Source};
    let folder = Folder::fresh();
    let file = folder.file("c.toml");
    for (text, says) in [
        ("[sandbox]\nuser = \"mail\"", ""),
        ("[sandbox]\nuser = \"mail:8\"\nchroot = \"/srv\"", ""),
        ("[sandbox]\nuser = \"root\"", ":2: key \"user\" in [sandbox]: must be a name"),
        ("[sandbox]\nuser = \"0:8\"", ":2: key \"user\" in [sandbox]: must be a name"),
        ("[sandbox]\nuser = 8", ":2: key \"user\" in [sandbox]: must be a text"),
        (
            "[sandbox]\nuser = \"8:8\"\nchroot = \"srv\"",
            ":3: key \"chroot\" in [sandbox]: must be a path",
        ),
        (
            "[sandbox]\nchroot = \"/srv\"",
            ":2: key \"chroot\" in [sandbox]: chroot goes with a user",
        ),
        (
            "[sandbox]\nusr = \"mail\"",
            ":2: unknown key \"usr\" in [sandbox]: did you mean \"user\"?",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap().to_owned().leak();
        let said = config::load(Source::Named(path), true, |_| Ok(())).err();
        let said = said.map(|error| error.0).unwrap_or_default();
        assert!(said.contains(says) && says.is_empty() == said.is_empty(), "{text:?}: {said}");
    }
}

#[test]
fn a_session_of_root_becomes_the_user_in_the_jail() {
    if !is_root() {
        return;
    }
    for compiled in [false, true] {
        let (folder, outside) = (Folder::fresh(), Folder::fresh());
        let jail = folder.file("jail");
        fs::create_dir(&jail).unwrap();
        fs::create_dir(jail.join("state")).unwrap();
        chown(jail.join("state"), Some(USER), Some(GROUP)).unwrap();
        let config = outside.file("c.toml");
        let text = format!(
            "state = \"/state\"\n[sandbox]\nuser = \"{USER}:{GROUP}\"\nchroot = {jail:?}\n\
             [[filter]]\ntype = \"interval\"\nleast = \"1ms\"\n\
             [[filter]]\ntype = \"deny\"\nlists = [\"deny.list\"]\n"
        );
        fs::write(&config, text).unwrap();
        fs::write(outside.file("deny.list"), "192.0.2.1\nfrom:evil@client.example\n").unwrap();
        // Root reads them, the user could not.
        fs::set_permissions(outside.file(""), fs::Permissions::from_mode(0o700)).unwrap();
        if compiled {
            let made = Command::new(BINARY).arg("compile").arg(&config).output().unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        let (ours, theirs) = connection();
        let command = Program::command(&folder.file(""));
        let options = ["--config", config.to_str().unwrap()];
        let mut session = Session::on(ours, theirs, Script::polite(), folder, command, &options);
        session.opens_a_message();
        let pid = session.program.child().id();
        assert_eq!(numbers(pid, "Uid:"), [USER; 4]);
        assert_eq!(numbers(pid, "Gid:"), [GROUP; 4]);
        assert_eq!(numbers(pid, "Groups:"), []);
        for set in ["CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(numbers(pid, set), [0], "{set}");
        }
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
        assert_eq!((link("root"), link("cwd")), (jail.clone(), jail.clone()));
        session.plays("C: x\nC: .\nS: 250 2.0.0 queued");
        session.quits();
        // The log was connected before, the list is searched, the state lies in the jail.
        session.logs(1, "verdict=pass");
        session.logs(0, "session=(trouble|note)");
        assert!(jail.join("state/intervals").exists());
    }
}

#[test]
fn a_user_without_a_jail_keeps_the_root_directory() {
    if !is_root() {
        return;
    }
    let options = ["--user", &format!("{USER}:{GROUP}")];
    let mut session = Session::with_options(Script::polite(), &options);
    session.greets();
    let pid = session.program.child().id();
    assert_eq!((numbers(pid, "Uid:"), numbers(pid, "Groups:")), (vec![USER; 4], vec![]));
    assert_eq!(fs::read_link(format!("/proc/{pid}/root")).unwrap(), Path::new("/"));
    session.quits();
}

#[test]
fn who_is_the_user_already_is_let_be() {
    let (folder, ids) = (Folder::fresh(), is_root().then_some((USER, GROUP)));
    let we = ids.unwrap_or((getuid().as_raw(), getgid().as_raw()));
    fs::set_permissions(folder.file(""), fs::Permissions::from_mode(0o777)).unwrap();
    let (ours, theirs) = connection();
    let command = started_as(&folder.file(""), ids);
    let options = ["--user", &format!("{}:{}", we.0, we.1)];
    let mut session = Session::on(ours, theirs, Script::polite(), folder, command, &options);
    fs::set_permissions(session.log.path(), fs::Permissions::from_mode(0o666)).unwrap();
    session.greets();
    let pid = session.program.child().id();
    assert_eq!(numbers(pid, "Uid:"), [we.0; 4]);
    session.quits();
}

/// Runs a session that is not to be, and gives what the log says of it.
#[track_caller]
fn refused(ids: Option<(u32, u32)>, options: &[&str]) -> String {
    let folder = Folder::fresh();
    fs::set_permissions(folder.file(""), fs::Permissions::from_mode(0o777)).unwrap();
    let (transcript, (ours, theirs)) = (Transcript::new(), connection());
    let log = common::Syslog::at(folder.file("log"));
    fs::set_permissions(log.path(), fs::Permissions::from_mode(0o666)).unwrap();
    let mut command = started_as(&folder.file(""), ids);
    let to = format!("syslog:{}", log.path().display());
    command.args(["--config", "none", "--log", &to]).args(options);
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.gets("421 4.3.5 Configuration error, try again later");
    client.is_closed();
    assert_eq!(program.status(), Some(78));
    log.stops();
    let said = log.lines().join("\n");
    assert!(said.starts_with("<19>") && said.lines().count() == 1, "{said}");
    assert!(said.contains("end=session.bad-configuration"), "{said}");
    said.replace("\\x20", " ").replace("\\x22", "\"")
}

#[test]
fn what_cannot_be_had_ends_the_session() {
    let numbers = format!("{USER}:{GROUP}");
    for (options, says) in [
        (&["--user", "no-such-user"][..], "there is no \"no-such-user\" in /etc/passwd"),
        (&["--user", "4000001:no-such-group"], "there is no \"no-such-group\" in /etc/group"),
        (&["--user", "4000001"], "there is no \"4000001\" in /etc/passwd"),
        (&["--user", "nobody:root"], "65534:0"),
        (&["--chroot", "/"], "chroot goes with a user"),
    ] {
        let said = refused(None, options);
        assert!(said.contains(says), "{options:?}: {said}");
    }
    if is_root() {
        for (path, says) in [
            (
                "/no/such/jail",
                "No such file or directory (os error 2) (smtp-wrapper jail makes one)",
            ),
            ("/etc/passwd", "Not a directory"),
        ] {
            let said = refused(None, &["--user", &numbers, "--chroot", path]);
            assert!(said.contains(&format!("chroot {path}: {says}")), "{said}");
        }
    }
}

#[test]
fn who_is_not_root_cannot_become_another() {
    let ids = is_root().then_some((USER, GROUP));
    let said = refused(ids, &["--user", "4000003:4000004"]);
    let we = ids.unwrap_or((geteuid().as_raw(), getegid().as_raw()));
    let expected = format!("started as {}:{}, and only root becomes 4000003:4000004", we.0, we.1);
    assert!(said.contains(&expected), "{said}");
    let own = format!("{}:{}", we.0, we.1);
    let said = refused(ids, &["--user", &own, "--chroot", "/"]);
    assert!(said.contains("Operation not permitted (os error 1) (only root changes it)"), "{said}");
}

#[test]
fn a_saved_root_is_a_way_back() {
    if !is_root() {
        return;
    }
    // Started so that only the effective user is another: root is one call away.
    let (folder, transcript) = (Folder::fresh(), Transcript::new());
    fs::set_permissions(folder.file(""), fs::Permissions::from_mode(0o777)).unwrap();
    let (ours, theirs) = connection();
    let mut command = Command::new("setpriv");
    command.env_clear().args(["--euid=4000001", "--egid=4000002", "--clear-groups"]);
    copied(&folder.file("program"));
    command.arg(folder.file("program")).args(["--config", "none", "--log", "none"]);
    command.args(["--user", "4000001:4000002"]);
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.gets("421 4.3.5 Configuration error, try again later");
    assert_eq!(program.status(), Some(78));
}

#[test]
fn a_balancer_is_read_by_the_user() {
    if !is_root() {
        return;
    }
    let (folder, outside) = (Folder::fresh(), Folder::fresh());
    let (jail, config) = (folder.file("jail"), outside.file("c.toml"));
    fs::create_dir(&jail).unwrap();
    let text = format!(
        "[session]\nproxy_from = [\"127.0.0.1\"]\n[sandbox]\nuser = \"{USER}:{GROUP}\"\nchroot = {jail:?}\n"
    );
    fs::write(&config, text).unwrap();
    let (ours, theirs) = connection();
    let command = Program::command(&folder.file(""));
    let options = ["--config", config.to_str().unwrap()];
    let mut session = Session::on(ours, theirs, Script::polite(), folder, command, &options);
    // Nothing was said yet: it waits for the header, as nobody.
    let pid = session.program.child().id();
    let until = std::time::Instant::now() + common::PATIENCE;
    while numbers(pid, "Uid:") != [USER; 4] {
        assert!(std::time::Instant::now() < until, "it stays root before the header");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    session.client.sends(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 25\r\n");
    session.greets();
    session.quits();
    session.logs(1, "session=end ip=\\[192.0.2.7\\]");
}
