//! Whom sessions become, and in which directory.

use super::*;

/// Checks this configuration with a line of inetd that starts sessions as this user.
fn of(text: &str, user: &str, folder: &Folder) -> Found {
    let (config, inetd) = (folder.file("c.toml"), folder.file("inetd.conf"));
    fs::write(&config, text).unwrap();
    fs::write(&inetd, format!("smtp stream tcp nowait {user} {BINARY} smtp-wrapper\n")).unwrap();
    let (config, inetd) = (config.to_str().unwrap(), inetd.to_str().unwrap());
    check(Script::polite(), &["--config", config, "--inetd", inetd]).0
}

#[test]
fn who_starts_as_root_is_to_become_another() {
    let folder = Folder::fresh();
    of("", "root", &folder).says("warning", "sessions run as root");
    let user = "[sandbox]\nuser = \"4000001:4000002\"";
    let found = of(user, "root", &folder);
    found.says("ok", "sessions become 4000001:4000002");
    assert!(!found.out.contains("run as root"), "{}", found.out);
    of(user, "nobody", &folder)
        .says("error", "sessions that start as nobody cannot become 4000001");
    of("[sandbox]\nuser = \"no-such\"", "root", &folder)
        .says("error", "user no-such: there is no \"no-such\" in /etc/passwd")
        .ends(1);
}

#[test]
fn the_cage_is_tried() {
    let folder = Folder::fresh();
    of("", "nobody", &folder).says("ok", "the kernel keeps sessions from what they do not need");
    of("[sandbox]\nmode = \"off\"", "nobody", &folder)
        .says("warning", "mode is off: whoever breaks into a session has all that its user has");
    let program = "[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"/bin/true\"]\n";
    of(program, "nobody", &folder).says("note", "programs of filters may connect to every port");
    let found = of(&format!("[sandbox]\nconnect = []\n{program}"), "nobody", &folder);
    assert!(!found.out.contains("every port"), "{}", found.out);
    for (port, good) in [("783", true), ("0", false), ("65536", false), ("smtp", false)] {
        let found = of(&format!("[sandbox]\nconnect = [{port:?}]\n{program}"), "nobody", &folder);
        assert_eq!(!found.out.contains("must be ports in quotes"), good, "{}", found.out);
    }
}

#[test]
fn what_a_session_opens_is_looked_for_in_its_jail() {
    let folder = Folder::fresh();
    let jail = folder.file("jail");
    let text = |state: &str| {
        format!(
            "state = {state:?}\n[sandbox]\nuser = \"4000001:4000002\"\nchroot = {jail:?}\n\
             [[filter]]\ntype = \"interval\"\nleast = \"1s\"\n\
             [[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"/bin/sh\"]\n"
        )
    };
    of(&text("/"), "root", &folder).says("error", "jail: the chroot: No such file").ends(1);
    fs::create_dir(&jail).unwrap();
    let found = of(&text("/state"), "root", &folder);
    found.says("ok", "jail: the chroot is there");
    found.says("warning", "jail/state: the state directory: No such file");
    found.says("error", "jail/bin/sh: No such file");
    fs::create_dir(jail.join("state")).unwrap();
    of(&text("/state"), "root", &folder)
        .says("error", "jail/state: the state directory cannot be written by 4000001");
}
