//! What stands in a log and is no usual recipient: texts that are commands, lines without
//! end, clients who speak out of turn or authenticate.

use super::*;

#[test]
fn no_text_of_a_log_is_a_command() {
    let folder = Folder::fresh();
    let sound = line("mta", "fcrdns=pass dns=2/1ms").replace("at=rcpt", "at=message");
    let smuggled = "\\x3e\\x0d\\x0aDATA\\x0d\\x0aSubject:x\\x0d\\x0a\\x0d\\x0ax\\x0d\\x0a.";
    let text: String = ["c@d.example", "a@b.example", "c.example"]
        .map(|of| sound.replace(of, &format!("{of}{smuggled}")))
        .concat();
    let log = config(&folder, "log", &(text + &sound));
    // Such a filter keeps messages.
    let filter = "[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\n\
                  run = [\"/nonexistent\"]\n";
    let path = config(&folder, "c.toml", filter);
    let (told, status) = replay(&[&log, "--config", &path]);
    assert_eq!((counts(&told), status), ([1, 0, 0, 0, 3], 0), "{told}");
    assert!(told.contains("cannot be played again: "), "{told}");
}

#[test]
fn a_line_that_is_shown_is_cut() {
    let folder = Folder::fresh();
    let text = line("mta", "fcrdns=pass dns=2/1ms").replace("at=rcpt", "at=message");
    let odd = text.replace("reply=<x>", &format!("reply=<{}>", "\u{1}\u{e9}".repeat(400)));
    let log = config(&folder, "log", &odd);
    let (told, status) = replay(&[&log, "--config", "usual"]);
    assert_eq!((counts(&told), status), ([0, 1, 0, 0, 0], 1), "{told}");
    let line = told.lines().find(|line| line.contains("v=1 sid="));
    assert_eq!(line.map(|line| line.trim().len()), Some(300), "{told}");
}

#[test]
fn recipients_after_a_mail_that_was_refused_are_not_known() {
    let server = server();
    let folder = Folder::fresh();
    let head = head(&server).replace("[session]\n", "[session]\nreject_at = \"connect\"\n");
    let deny = "[[filter]]\ntype = \"deny\"\nentries = [\"from:a@b.example\"]\n";
    let path = config(&folder, "c.toml", &(head + deny));
    let lines = sessions(&path, "client.example", "a@b.example", &["c@ours.example"], false);
    let of_recipient = |line: &&String| line.contains(" verdict=perm rule=smtp.need-mail");
    let refused = lines.iter().filter(of_recipient).count();
    assert_eq!(refused, CLIENTS.len(), "{lines:#?}");
    let log = folder.file("log");
    fs::write(&log, lines.join("\n")).unwrap();
    let (told, status) = replay(&[log.to_str().unwrap(), "--config", &path]);
    assert_eq!((counts(&told), status), ([0, 0, 0, 0, refused as u64], 0), "{told}");
    assert!(told.contains("after one that was refused: 9"), "{told}");
}

#[test]
fn who_authenticated_does_so_again() {
    let folder = Folder::fresh();
    let text = line("mta", "fcrdns=pass dns=2/1ms").replace("at=rcpt", "at=message");
    let log = config(&folder, "log", &text.replace("auth=-", "auth=yes"));
    let (told, status) = replay(&[&log, "--config", "none"]);
    assert_eq!((counts(&told), status), ([1, 0, 0, 0, 0], 0), "{told}");
}
