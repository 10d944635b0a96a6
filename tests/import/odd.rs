//! Files that are none, words that are wrong, and what is told then.

use super::*;

#[test]
fn what_makes_no_filter_is_told_aloud() {
    let told_aloud = |words: &[&str]| {
        let folder = Folder::fresh();
        let (told, status, config) = import(&folder, words);
        assert_eq!(status, 1, "{words:?}: {told}");
        for text in [&told, &fs::read_to_string(&config).unwrap()] {
            assert!(text.contains("THERE IS NO FILTER in what was made"), "{words:?}: {text}");
        }
    };
    told_aloud(&["rblsmtpd", "-x"]);
    told_aloud(&["rblsmtpd", "-r", "zen.example"]);
    told_aloud(&["postscreen", env!("CARGO_BIN_EXE_smtp-wrapper")]);
    told_aloud(&["postscreen", "/dev/null"]);
    told_aloud(&["postfix-access", "check_client_access hash:/dev/null"]);
}

#[test]
fn other_lists_and_long_lines_are_told_and_pipes_are_read() {
    let folder = Folder::fresh();
    original(&folder);
    fs::write(folder.file("lists/grey_ip_db"), "^192\\.0\\.2\\.\n").unwrap();
    let long = format!("({}\n", "x".repeat(20_000));
    fs::write(folder.file("lists/black_hostname_db"), long).unwrap();
    let lists = folder.file("lists");
    let (told, status, config) = import(&folder, &["smtp_wrapper", lists.to_str().unwrap()]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("lists/grey_ip_db: is none of the original's lists"), "{told}");
    assert!(told.contains("not carried   2\n") && told.contains("xxx…xxx"), "{told}");
    assert!(told.contains(": write it otherwise\n"), "{told}");
    for text in [told, fs::read_to_string(config).unwrap()] {
        assert!(text.lines().all(|line| line.len() < 500), "{text}");
        assert!(!text.contains("THERE IS NO FILTER"), "{text}");
    }

    let folder = Folder::fresh();
    let into = folder.file("new");
    let mut child = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"))
        .args(["import", "postscreen", "/dev/stdin", "--into", into.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"192.0.2.0/24 reject\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("entries       1\n"), "{told}");
}

#[test]
fn odd_files_do_no_harm() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let sound = [CLIENT, SENDER, HELO, LISTS[0].1, LISTS[5].1, "192.0.2.0/24 permit\n"].concat();
    for n in 0..60 {
        let folder = Folder::fresh();
        let mut text = sound.clone().into_bytes();
        for _ in 0..random(200) {
            let at = random(text.len() - 1);
            match random(3) {
                0 => text[at] = b"\\/!$^<>\"'[](){}|*+?.:#\n\r\t\0\xff\xc3"[random(28)],
                1 => drop(text.remove(at)),
                _ => text.insert(at, b"\\/!$^<>\"'[](){}|*+?.:#@\n\t"[random(25)]),
            }
        }
        fs::create_dir(folder.file("lists")).unwrap();
        for (name, _) in LISTS {
            fs::write(folder.file("lists").join(name), &text).unwrap();
        }
        let file = folder.file("lists/black_ip_db");
        let file = file.to_str().unwrap();
        let lists = folder.file("lists");
        let access = format!(
            "check_client_access hash:{file} check_client_access cidr:{file} check_client_access pcre:{file} \
             check_sender_access hash:{file} check_sender_access regexp:{file} check_helo_access pcre:{file}"
        );
        let words: &[&str] = match n % 3 {
            0 => &["smtp_wrapper", lists.to_str().unwrap()],
            1 => &["postscreen", file],
            _ => &["postfix-access", &access],
        };
        let (told, status, config) = import(&folder, words);
        // What was made can be read, whatever it was made of.
        assert!(status == 0 || status == 1, "{status} {told}");
        let (told, status) =
            run(&["explain", "192.0.2.1", "--ptr", "a.example", "--config", &config]);
        assert!((0..3).contains(&status), "{status} {told}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = Folder::fresh();
    original(&folder);
    let lists = folder.file("lists");
    let lists = lists.to_str().unwrap();
    fs::create_dir(folder.file("new")).unwrap();
    let (told, status, _) = import(&folder, &["smtp_wrapper", lists]);
    assert!(status == 78 && told.contains("is there already"), "{status} {told}");
    assert_eq!(fs::read_dir(folder.file("new")).unwrap().count(), 0);
    for (words, why) in [
        (&["import"][..], "import what?"),
        (&["import", "smtp_wrapper", lists][..], "--into DIR is missing"),
        (&["import", "sendmail", "x", "--into", "/nonexistent/x"][..], "is not known"),
        (&["import", "smtp_wrapper", "/nonexistent", "--into", "/nonexistent/x"][..], "is none of"),
        (&["import", "smtp_wrapper", "/etc", "--into", "/nonexistent/x"][..], "has none of"),
        (
            &["import", "postscreen", "/nonexistent", "--into", "/nonexistent/x"][..],
            "there is no such file",
        ),
        (
            &["import", "postfix-access", "hash:/x", "--into", "/nonexistent/x"][..],
            "belongs in front",
        ),
        (
            &["import", "postfix-access", "check_client_access", "--into", "/nonexistent/x"][..],
            "wants a table",
        ),
        (
            &[
                "import",
                "postfix-access",
                "check_client_access ldap:/x",
                "--into",
                "/nonexistent/x",
            ][..],
            "no text to read",
        ),
        (&["import", "rblsmtpd", "x", "--into", "/nonexistent/x"][..], "no arguments of rblsmtpd"),
        (&["import", "smtp_wrapper", lists, "--into", "/nonexistent/x"][..], "cannot be made"),
    ] {
        let (told, status) = run(words);
        assert!(told.contains(why) && status == 78, "{words:?}: {status} {told}");
    }
}
