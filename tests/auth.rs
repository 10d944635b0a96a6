//! AUTH in real sessions: what it lifts, and what it does not.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Folder, Script, Session};

const EHLO: &str = "250-mta.test\n250-AUTH PLAIN LOGIN\n250 CHUNKING";

/// An MTA that knows a user.
fn mta() -> Script {
    Script::polite()
        .on("EHLO", EHLO)
        .on("AUTH", "535 5.7.8 who are you")
        .on("AUTH PLAIN AGFsaWNlAHNlY3JldA==", "235 2.7.0 welcome")
        .on("AUTH X-OWN", "235 2.7.0 welcome")
}

/// A session whose client is found in a list at connect.
fn session(folder: &Folder, config: &str) -> Session {
    let path = folder.file("config.toml");
    let text = format!(
        "state = {:?}\n[session]\nhostname = \"mx.example\"\nauth_lifts = true\n\
         [[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.0/8\"]\n{config}",
        folder.file("")
    );
    fs::write(&path, text).unwrap();
    Session::with_options(mta(), &["--config", path.to_str().unwrap()])
}

const GREETS: &str = "S: 220 mta.test ESMTP\nC: EHLO client.example\nS: 250-mta.test\n\
    S: 250-AUTH PLAIN LOGIN\nS: 250 CHUNKING";

const MESSAGE: &str = "C: MAIL FROM:<a@b.example>\nS: 250 2.1.0 sender ok\n\
    C: RCPT TO:<c@d.example>\nS: 250 2.1.5 recipient ok\n\
    C: DATA\nS: 354 go ahead\nC: x\nC: .\nS: 250 2.0.0 queued";

#[test]
fn a_user_of_the_mta_sends_from_where_a_filter_hits() {
    let folder = Folder::fresh();
    let mut s = session(&folder, "[[filter]]\ntype = \"relay\"\ndomains = [\"mta.test\"]\n");
    s.plays(GREETS);
    s.plays("C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 235 2.7.0 welcome");
    s.plays(MESSAGE);
    s.quits();
    s.mta_has_message(b"x\r\n");
    s.logs(1, "verdict=pass rule=mta to=<c@d.example> auth=plain lifted=deny");
    s.logs(1, "session=end rule=- auth=plain lifted=deny");
}

#[test]
fn who_does_not_say_who_he_is_or_says_it_wrongly_is_held() {
    let folder = Folder::fresh();
    for auth in ["", "C: AUTH PLAIN AGFsaWNlAHdyb25n\nS: 535 5.7.8 who are you"] {
        let mut s = session(&folder, "");
        s.plays(GREETS);
        if !auth.is_empty() {
            s.plays(auth);
        }
        s.plays(
            "C: MAIL FROM:<a@b.example>
             S: 250 2.0.0 Ok
             C: RCPT TO:<c@d.example>
             S: 554 5.7.1 Refused by local policy [deny]
             C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
             S: 502 5.5.1 Command not offered here
             C: QUIT
             S: 221 2.0.0 Bye
             S: (closed)",
        );
        s.ends(&[0]);
        assert!(!common::contains(&s.mta.heard().octets, b"MAIL"));
        s.logs(1, "verdict=perm rule=deny code=554 to=<c@d.example> auth=-");
        s.logs(0, "lifted=");
    }
}

#[test]
fn what_concerns_the_recipient_or_the_message_is_not_lifted() {
    let folder = Folder::fresh();
    let told = folder.file("told");
    let program = folder.file("program");
    fs::write(
        &program,
        format!(
            "#!/bin/sh\necho \"$SW_AUTH\" >>{}\ncat >/dev/null\necho a virus\n",
            told.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "[[filter]]\ntype = \"deny\"\nentries = [\"to:nobody@d.example\"]\n\
         [[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\nrun = [{program:?}]\n"
    );
    let mut s = session(&folder, &config);
    s.plays(GREETS);
    s.plays(
        "C: AUTH X-OWN abc
         S: 235 2.7.0 welcome
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<nobody@d.example>
         S: 554 5.7.1…
         C: RCPT TO:<c@d.example>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354…
         C: a virus
         C: .
         S: 450 4.7.1…",
    );
    s.quits();
    s.mta_has_no_message();
    assert_eq!(fs::read_to_string(told).unwrap(), "other\n");
    s.logs(1, "verdict=perm rule=deny to=<nobody@d.example> auth=other lifted=deny");
}

#[test]
fn by_chunks_as_by_data() {
    let folder = Folder::fresh();
    let program = folder.file("program");
    fs::write(&program, "#!/bin/sh\nsed -n '/^DATA/,$p' | sed 's/old/new/'\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\nrun = [{program:?}]\n"
    );
    let mut s = session(&folder, &config);
    s.plays(GREETS);
    s.plays(
        "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
         S: 235 2.7.0 welcome
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<c@d.example>
         S: 250 2.1.5 recipient ok",
    );
    s.client.sends(b"BDAT 3\r\n.\r\nBDAT 7 LAST\r\nold one");
    s.plays("S: 250 2.0.0 Ok\nS: 250 2.0.0 queued");
    s.quits();
    s.mta_has_message(b"..\r\nnew one\r\n");
}
