//! `smtp-wrapper jail`: what is in the directory, whose it is, and of which directory it makes none.

use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;

use super::*;

/// A run of it: exit status, standard output and error.
fn jail(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(BINARY);
    let output = command.arg("jail").args(args).env_clear().stdin(Stdio::null()).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Files and directories below, with mode and owner.
fn found(folder: &Path, below: &Path, into: &mut Vec<(String, u32, u32, u32)>) {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in entries {
        let meta = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(below).unwrap().to_str().unwrap().to_owned();
        into.push((name, meta.mode() & 0o7777, meta.uid(), meta.gid()));
        if meta.is_dir() {
            found(&path, below, into);
        }
    }
}

fn all(below: &Path) -> Vec<(String, u32, u32, u32)> {
    let mut all = Vec::new();
    found(below, below, &mut all);
    all.sort();
    all
}

#[test]
fn it_has_what_sessions_open_and_nothing_in_it_is_theirs_but_the_state() {
    if !is_root() {
        return;
    }
    let (folder, outside) = (Folder::fresh(), Folder::fresh());
    let (root, config) = (folder.file("jail"), outside.file("c.toml"));
    let text = |lists: &str| {
        format!(
            "state = \"/var/lib/state\"\n[dns]\nservers = [\"127.0.0.1\"]\n\
             [sandbox]\nuser = \"{USER}:{GROUP}\"\n[tls]\ncert = {:?}\n\
             [[filter]]\ntype = \"interval\"\nleast = \"1ms\"\n\
             [[filter]]\ntype = \"deny\"\nlists = [{lists}]\n",
            outside.file("mx.pem")
        )
    };
    let key =
        [common::tls::pem("mx.crt"), common::tls::pem("mx.key")].map(|of| fs::read(of).unwrap());
    fs::write(outside.file("mx.pem"), key.concat()).unwrap();
    fs::set_permissions(outside.file("mx.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(outside.file("one.list"), "192.0.2.1\n").unwrap();
    fs::write(outside.file("two.list"), "from:evil@client.example\n").unwrap();
    fs::set_permissions(outside.file("two.list"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&config, text("\"one.list\", \"two.list\"")).unwrap();
    let (dir, path) = (root.to_str().unwrap(), config.to_str().unwrap());
    let below = outside.file("");
    let below = below.to_str().unwrap().trim_matches('/');
    for (lists, two) in [("\"one.list\", \"two.list\"", true), ("\"one.list\"", false)] {
        fs::write(&config, text(lists)).unwrap();
        let (status, out, err) = jail(&[dir, "--config", path]);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
        let files = all(&root);
        let has = |name: &str, mode: u32, uid: u32, gid: u32| {
            files.contains(&(name.to_owned(), mode, uid, gid))
        };
        for (name, mode, group) in [
            ("c.toml", 0o644, 0),
            ("c.toml.compiled", 0o644, 0),
            ("one.list", 0o644, 0),
            ("one.list.compiled", 0o644, 0),
            ("mx.pem", 0o640, GROUP),
        ] {
            assert!(has(&format!("{below}/{name}"), mode, 0, group), "{name}: {files:#?}");
        }
        for name in ["two.list", "two.list.compiled"] {
            assert_eq!(has(&format!("{below}/{name}"), 0o640, 0, GROUP), two, "{name}: {files:#?}");
        }
        assert!(has("var/lib/state", 0o700, USER, GROUP), "{files:#?}");
        for (name, mode, uid, _) in &files {
            let theirs = name.starts_with("var/lib/state");
            assert_eq!((*uid == USER, mode & 0o022 != 0), (theirs, false), "{name}");
        }
        let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
        assert_eq!(users, format!("smtp-wrapper:*:{USER}:{GROUP}::/:/nonexistent\n"));
        assert!(out.contains(&format!("smtp-wrapper --chroot {dir} --config {path}\n")), "{out}");
        // As in the README: only a static program is of use in there.
        let is_static = root.join("usr/sbin/smtp-wrapper").exists();
        assert_eq!(out.contains("WARNING: this program is linked dynamically"), !is_static);
        let (ours, theirs) = connection();
        let options = ["--config", path, "--chroot", dir];
        let session_folder = Folder::fresh();
        let command = Program::command(&session_folder.file(""));
        let mut session =
            Session::on(ours, theirs, Script::polite(), session_folder, command, &options);
        session.greets();
        session.plays("C: MAIL FROM:<evil@client.example>\nS: 250 …\nC: RCPT TO:<b@mta.test>");
        session.plays(if two { "S: 554 …" } else { "S: 250 2.1.5 recipient ok" });
        session.plays("C: RSET\nS: 250 …\nC: QUIT\nS: 221 …");
        session.ends(&[0]);
        session.logs(0, "session=(trouble|note)");
        assert!(root.join("var/lib/state/intervals").exists());
        assert_eq!(out.contains("removed "), !two, "{out}");
    }
}

#[test]
fn it_is_made_of_no_directory_that_is_something_else() {
    if !is_root() {
        let folder = Folder::fresh();
        let dir = folder.file("jail");
        let (status, _, err) = jail(&[dir.to_str().unwrap(), "--config", "none", "--user", "8:8"]);
        assert!(status == Some(78) && err.contains("only root makes a jail"), "{err}");
        return;
    }
    let folder = Folder::fresh();
    let path = |name: &str| folder.file(name).to_str().unwrap().to_owned();
    fs::create_dir(path("full")).unwrap();
    fs::write(path("full/file"), "").unwrap();
    fs::create_dir(path("open")).unwrap();
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(path("theirs")).unwrap();
    chown(path("theirs"), Some(USER), Some(GROUP)).unwrap();
    fs::write(path("file"), "").unwrap();
    let usual = ["--config", "none", "--user", "4000001:4000002"];
    for (dir, options, says) in [
        ("/".to_owned(), &usual[..], "/ cannot be a jail"),
        (path("full"), &usual, "full: neither empty nor made by smtp-wrapper jail"),
        (path("open"), &usual, "open: must be a directory that is root's"),
        (path("theirs"), &usual, "theirs: must be a directory that is root's"),
        (path("theirs/jail"), &usual, "theirs: must be a directory that is root's"),
        (path("file"), &usual, "file: must be a directory"),
        (path("no/jail"), &usual, "No such file"),
        (path("a/../b"), &usual, "cannot be a jail"),
        (path("x"), &usual[..2], "whom do sessions run as?"),
        (
            path("x"),
            &["--config", "none", "--user", "no-such-user"],
            "there is no \"no-such-user\"",
        ),
        (
            path("x"),
            &["--user", "8:8", "--chroot", "/y"],
            "the configuration's chroot is /y, and not",
        ),
        (path("x"), &["--user", "8:8", "--config", "/no/file"], "there is no such file"),
        (
            path("x"),
            &["--user", "8:8", "--config", "none", "--state", "/etc"],
            "/etc would be the sessions'",
        ),
    ] {
        let (status, out, err) = jail(&[&[dir.as_str()], options].concat());
        assert!(status == Some(78) && err.contains(says), "{dir} {options:?}: {out}{err}");
    }
    let (status, _, err) = jail(&[]);
    assert!(status == Some(78) && err.contains("smtp-wrapper jail DIR"), "{err}");
}

#[test]
fn a_link_within_leads_nowhere() {
    if !is_root() {
        return;
    }
    let folder = Folder::fresh();
    let (root, elsewhere) = (folder.file("jail"), folder.file("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    let dir = root.to_str().unwrap();
    let usual = ["--config", "none", "--user", "4000001:4000002", "--state", "/run/state"];
    let args = [&[dir], &usual[..]].concat();
    assert_eq!(jail(&args).0, Some(0));
    fs::remove_dir(root.join("run/state")).unwrap();
    symlink(&elsewhere, root.join("run/state")).unwrap();
    let (status, _, err) = jail(&args);
    assert!(status == Some(78) && err.contains("run/state: not a directory"), "{err}");
    assert_eq!(elsewhere.metadata().unwrap().uid(), 0);
    fs::remove_file(root.join("etc/passwd")).unwrap();
    symlink(elsewhere.join("x"), root.join("etc/passwd")).unwrap();
    fs::remove_file(root.join("run/state")).unwrap();
    assert_eq!(jail(&args).0, Some(0));
    assert!(root.join("etc/passwd").symlink_metadata().unwrap().is_file());
    fs::rename(root.join("etc"), root.join("etc.real")).unwrap();
    symlink(&elsewhere, root.join("etc")).unwrap();
    let (status, _, err) = jail(&args);
    assert!(status == Some(78) && err.contains("etc: must be a directory that is root's"), "{err}");
    assert!(fs::read_dir(&elsewhere).unwrap().next().is_none());
}

#[test]
fn what_it_cannot_put_there_is_left_to_be_done() {
    if !is_root() {
        return;
    }
    let (folder, outside) = (Folder::fresh(), Folder::fresh());
    let config = outside.file("c.toml");
    let text = "state = \"/state\"\n[upstream]\naddress = [\"mta.example:25\", \"unix:/run/mta\", \"exec:/bin/mta -bs\"]\n\
        [log]\nto = \"syslog:/run/log/here\"\n\
        trace = [\"192.0.2.7 until 2030-01-01T00:00Z\"]\ntrace_to = \"/traces\"\n\
        [sandbox]\nwrite = [\"/run/programs\"]\n[dns]\nresolv_conf = \"/no/resolv.conf\"\n[tls]\ncert = \"mx.crt\"\nkey = \"mx.key\"\n\
        [[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\nrun = [\"/bin/filter\", \"x\"]\n";
    fs::write(&config, text).unwrap();
    let root = folder.file("jail");
    let user = format!("{USER}:{GROUP}");
    let args = [
        root.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
        "--user",
        &user,
        "-if",
        "/bin/ip filter",
    ];
    let (status, out, err) = jail(&args);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    for left in [
        "mx.crt is a credential",
        "mx.key is a credential",
        "/no/resolv.conf is not there, and was not copied",
        "/run/programs, which programs write to, is to be in the jail",
        "the program /bin/filter is to be in the jail",
        "the program /bin/ip filter is to be in the jail",
        "the program /bin/mta is to be in the jail",
        "the MTA's socket /run/mta is to be in the jail",
        "run this again after each change",
    ] {
        assert!(out.lines().any(|line| line.starts_with(&format!("  - {left}"))), "{left}: {out}");
    }
    assert!(out.contains(&format!("--user {user} --chroot {}", root.display())), "{out}");
    assert!(out.contains(" -if '/bin/ip filter'\n"), "{out}");
    let files = all(&root);
    for (name, mode, user) in [
        ("traces", 0o700, USER),
        ("state", 0o700, USER),
        ("run/log", 0o755, 0),
        ("etc/hosts", 0o644, 0),
    ] {
        let there = files.iter().any(|file| file.0 == name && file.1 == mode && file.2 == user);
        assert!(there, "{name}: {files:#?}");
    }
    // In a container it may be that nobody makes a device.
    let nowhere = files.iter().any(|file| file.0 == "dev/null" && file.1 == 0o666);
    assert_ne!(nowhere, out.contains("/dev/null cannot be made"), "{out}");
}
