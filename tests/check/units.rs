//! Units of systemd and lines of inetd.

use super::*;

/// The samples of the project, with the program's path as it is here.
fn samples(folder: &Folder) -> Vec<PathBuf> {
    let mut samples = Vec::new();
    for from in ["systemd", "inetd"] {
        for file in fs::read_dir(Path::new(ROOT).join(from)).unwrap() {
            let path = file.unwrap().path();
            let mut text = fs::read_to_string(&path).unwrap();
            for place in ["/usr/sbin/", "/usr/local/sbin/", "/usr/pkg/sbin/"] {
                text = text.replace(&format!("{place}smtp-wrapper"), BINARY);
            }
            let copy = folder.file(path.file_name().unwrap().to_str().unwrap());
            fs::write(&copy, text).unwrap();
            samples.push(copy);
        }
    }
    samples.sort();
    samples
}

#[test]
fn the_samples_of_the_project_are_as_they_should_be() {
    let folder = Folder::fresh();
    let samples = samples(&folder);
    let mut options = Vec::new();
    for path in samples.iter().map(|path| path.to_str().unwrap()) {
        if path.ends_with(".socket") || path.ends_with(".service") {
            options.extend(["--unit", path]);
        } else if path.contains("inetd.") {
            options.extend(["--inetd", path]);
        }
    }
    assert_eq!(options.len(), 2 * 11, "{options:?}");
    let (found, _) = check(refusing(), &options);
    found.ends(0);
    for line in found.out.lines().filter(|line| line.starts_with("warning")) {
        assert!(line.contains("is not in /etc/passwd"), "{line}");
    }
}

#[test]
fn broken_units_and_lines_of_inetd_fail() {
    let folder = Folder::fresh();
    let unit = folder.file("smtp-wrapper@.service");
    let fine = fs::read_to_string(Path::new(ROOT).join("systemd/smtp-wrapper@.service")).unwrap();
    let fine = fine.replace("/usr/sbin/smtp-wrapper", BINARY);
    for (from, to, severity, what) in [
        (
            BINARY.to_owned(),
            "/nonexistent/smtp-wrapper".to_owned(),
            "error",
            "there is no such program",
        ),
        (
            BINARY.to_owned(),
            format!("{BINARY} --nonsense"),
            "error",
            "unknown argument \"--nonsense\"",
        ),
        (BINARY.to_owned(), format!("{BINARY} -t 0"), "error", "-t \"0\": must be above 0"),
        (BINARY.to_owned(), format!("{BINARY} try"), "error", "neither a session nor listen"),
        (BINARY.to_owned(), format!("-@{BINARY} x '-t' 5"), "note", "options of their own: -t 5"),
        ("ExecStart=".to_owned(), "ExecStop=".to_owned(), "error", "has no ExecStart="),
        (
            "StandardInput=socket".to_owned(),
            "StandardInput=null".to_owned(),
            "error",
            "a session has its client",
        ),
        ("StandardError=journal".to_owned(), String::new(), "warning", "no StandardError="),
        ("User=smtp-wrapper".to_owned(), String::new(), "warning", "sessions run as root"),
        ("CollectMode".to_owned(), "Collect".to_owned(), "warning", "stays in systemd's memory"),
    ] {
        fs::write(&unit, fine.replace(&from, &to)).unwrap();
        let (found, _) = check(refusing(), &["--unit", unit.to_str().unwrap()]);
        found.ends(i32::from(severity == "error")).says(severity, what);
    }
    let plain = folder.file("smtp-wrapper.service");
    fs::write(&plain, &fine).unwrap();
    check(refusing(), &["--unit", plain.to_str().unwrap()])
        .0
        .ends(1)
        .says("error", "is no template");
    let socket = folder.file("smtp-wrapper.socket");
    fs::write(&socket, "[Socket]\nListenStream=25\nAccept=yes\n").unwrap();
    let (found, _) = check(refusing(), &["--unit", socket.to_str().unwrap()]);
    found
        .says("warning", "no MaxConnections=")
        .says("warning", "one client can take every connection")
        .says("warning", "TriggerLimitBurst=");
    let file = folder.file("inetd.conf");
    let path = file.to_str().unwrap();
    check(refusing(), &["--inetd", path]).0.ends(1).says("error", "no such file");
    for (line, severity, what) in [
        (format!("smtp stream tcp nowait.9 nobody {BINARY}"), "error", "stands once"),
        (format!("smtp stream tcp nowait.9 nobody {BINARY} -t 5"), "error", "-t stands where"),
        (
            format!("smtp stream tcp nowait.9 nobody {BINARY} x --nonsense"),
            "error",
            "unknown argument",
        ),
        (
            format!("smtp stream tcp nowait.9 nobody {BINARY} x listen"),
            "error",
            "starts no session",
        ),
        (format!("smtp stream tcp wait nobody {BINARY} x"), "error", "inetd has to accept"),
        (format!("smtp dgram udp nowait.9 nobody {BINARY} x"), "error", "wants stream tcp"),
        (
            format!("smtp stream tcp nowait nobody {BINARY} x"),
            "warning",
            "switches the service off",
        ),
        (format!("smtp stream tcp nowait.9 root {BINARY} x"), "warning", "run as root"),
        (
            format!("smtp stream tcp nowait.9 nosuchuser {BINARY} x"),
            "warning",
            "not in /etc/passwd",
        ),
        ("smtp stream tcp".to_owned(), "error", "too few fields"),
        (
            "smtp stream tcp nowait.9 nobody /nonexistent/smtp-wrapper x".to_owned(),
            "error",
            "no such program",
        ),
        ("ftp stream tcp nowait root /usr/sbin/ftpd ftpd".to_owned(), "error", "no line for smtp"),
    ] {
        fs::write(&file, format!("# a comment\n{line}\n")).unwrap();
        let (found, _) = check(refusing(), &["--inetd", path]);
        found.ends(i32::from(severity == "error")).says(severity, what);
    }
}

#[test]
fn what_sessions_cannot_read_is_an_error() {
    let (folder, path) = config("[[filter]]\ntype = \"allow\"\nlists = [\"a.list\"]\n");
    let list = folder.file("a.list");
    fs::write(&list, "192.0.2.1\n").unwrap();
    let inetd = folder.file("inetd.conf");
    fs::write(&inetd, format!("smtp stream tcp nowait.9 nobody {BINARY} x\n")).unwrap();
    let options = ["--config", path.to_str().unwrap(), "--inetd", inetd.to_str().unwrap()];
    fs::set_permissions(&list, fs::Permissions::from_mode(0o640)).unwrap();
    check(refusing(), &options).0.ends(1).says("error", "a.list: sessions cannot read it");
    fs::set_permissions(&list, fs::Permissions::from_mode(0o644)).unwrap();
    check(refusing(), &options).0.ends(0);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    check(refusing(), &options).0.ends(1).says("error", "they run as nobody");
}
