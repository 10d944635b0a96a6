//! Entries in all their forms: inline, in a file, and compiled.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::cell::OnceCell;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

mod compiled;

/// A folder of its own, which goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn fresh() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("smtp-wrapper-lists-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn list(&self, text: &str, syntax: Syntax, topic: Topic) -> Place {
        let path = self.0.join("x.list");
        fs::write(&path, text).unwrap();
        Place { name: "x.list", path: Box::leak(path.into_boxed_path()), syntax, topic }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn compile(place: Place) -> (PathBuf, Vec<String>) {
    Compiling::read(place, &mut |_| {}).unwrap().write(&mut |_| {}).unwrap()
}

/// The list from its text, and from its compiled form.
fn both(text: &str, syntax: Syntax, topic: Topic) -> (ListFile, ListFile) {
    let folder = Folder::fresh();
    let place = folder.list(text, syntax, topic);
    compile(place);
    let (of_text, compiled) = (place.open(false).unwrap(), place.open(true).unwrap());
    assert!(compiled.is_compiled(), "{text}");
    (of_text, compiled)
}

/// What the client is: what is no address is its host name.
fn find(list: &List, ip: &str, helo: &str, from: &str, to: &str) -> Option<Hit> {
    let host = OnceCell::from(Host::given(ip.parse::<IpAddr>().is_err().then_some(ip.as_bytes())));
    let ip = ip.parse().unwrap_or(IpAddr::from([192, 0, 2, 9]));
    let client = Client { ip, port: 1, is_socket: true };
    let facts = Facts {
        client: &client,
        host: &host,
        encryption: None,
        session: "",
        hello: b"",
        helo: helo.as_bytes(),
        from: Some(from.as_bytes()),
        recipient: Some(to.as_bytes()),
        to: &[],
        envelope: b"",
        auth: None,
        lifted: false,
        message: None,
    };
    let stages = [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt];
    stages.into_iter().find_map(|stage| list.find_at(stage, &facts))
}

fn listed(file: ListFile) -> List {
    let mut list = List::default();
    list.add_file(file);
    list
}

#[test]
fn what_matches_and_what_does_not() {
    for (pattern, yes, no) in [
        ("192.0.2.1", &["192.0.2.1"][..], &["192.0.2.2", "192.0.2.10", "::ffff:c000:202"][..]),
        ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127", "192.0.3.128"]),
        ("0.0.0.0/0", &["255.255.255.255"], &["::1"]), // all of IPv4, none of IPv6
        ("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::", "32.1.13.184"]),
        ("::ffff:192.0.2.0/120", &["192.0.2.7"], &["192.0.3.7"]), // IPv4 in the other form
        ("client:192.0.2.1", &["192.0.2.1"], &["192.0.2.2"]),
        (
            "mx.example.org",
            &["mx.example.org", "MX.Example.ORG."],
            &["x.mx.example.org", "badmx.example.org", "mx.example.org.uk"],
        ),
        ("client:.example.org.", &["example.org", "a.b.example.org"], &["badexample.org", "org"]),
        ("helo:mx.example.org", &["MX.Example.ORG", "mx.example.org."], &["x.mx.example.org"]),
        ("helo:.example.org", &["example.org", "a.b.example.org"], &["badexample.org", "org"]),
        ("helo:[192.0.2.1]", &["[192.0.2.1]"], &["192.0.2.1"]),
        ("from:<>", &[""], &["<>", "a@b"]),
        (
            "from:a@example.org",
            &["a@example.org", "A@EXAMPLE.org."],
            &["b@example.org", "aa@example.org"],
        ),
        (
            "to:@example.org",
            &["x@example.org"],
            &["x@a.example.org", "x@badexample.org", "example.org"],
        ),
        ("to:example.org", &["x@example.org", "\"a@b\"@example.org"], &["example.org@x", "x"]),
        ("to:.example.org", &["x@example.org", "x@a.example.org"], &["x@badexample.org"]),
        (
            "to:postmaster@",
            &["postmaster@a", "Postmaster", "PostMaster@b.c"],
            &["postmaster2@a", "xpostmaster@a"],
        ),
        ("to:a@example.org", &["@relay,@r2:a@example.org"], &["a@example.org@x"]), // a source route
        ("a@example.org", &["a@example.org"], &["b@example.org"]),                 // a sender
        ("/^mx[0-9]\\.example$/", &["MX1.example"], &["mx.example", "amx1.example"]),
        ("/^192\\.0\\.2\\./", &["192.0.2.7"], &["192.0.3.7"]),
        ("helo:!/^192\\./", &["198.51.100.1"], &["192.0.2.7"]),
        ("/^MX$/i", &["MX"], &["mx"]), // i: letters are as they are written
        ("/^unknown$/", &[""], &["192.0.2.7.example"]), // a client without a name
        ("helo:/^[0-9.]+$/", &["192.0.2.1"], &["mx.example"]),
        ("from:/@example\\.org$/", &["x@EXAMPLE.org"], &["x@example.org.uk"]),
        ("to:/^a\\/b@/", &["a/b@x"], &["a@x"]), // a slash in the expression
        ("b\u{fc}cher.example", &["xn--bcher-kva.example"], &["bucher.example"]), // IDNA
        (".b\u{fc}cher.example", &["a.XN--BCHER-KVA.example"], &["bcher.example"]),
        (
            "from:B\u{dc}CHER.example",
            &["x@b\u{fc}cher.example", "x@xn--bcher-kva.example"],
            &["x@bucher.example"],
        ),
    ] {
        // What is no address is the client's host name.
        let forms = || {
            let inline = List::parse(&[pattern], Topic::Client).unwrap();
            let (text, compiled) = both(pattern, Syntax::Usual, Topic::Client);
            [(inline, pattern), (listed(text), "x.list:1"), (listed(compiled), "x.list:1")]
        };
        for (list, entry) in forms() {
            let is = |what: &str| {
                let hit = match pattern {
                    p if p.starts_with("helo:") => find(&list, "192.0.2.9", what, "x@x", "x@x"),
                    p if p.starts_with("from:") => find(&list, "192.0.2.9", "x", what, "x@x"),
                    p if p.starts_with("to:") => find(&list, "192.0.2.9", "x", "x@x", what),
                    "a@example.org" => find(&list, "192.0.2.9", "x", what, "x@x"),
                    _ => find(&list, what, "x", "x@x", "x@x"),
                };
                assert!(hit.iter().all(|hit| *hit.entry == *entry.as_bytes()), "{pattern} {hit:?}");
                hit.is_some()
            };
            for what in yes {
                assert!(is(what), "{pattern} {what}");
            }
            for what in no {
                assert!(!is(what), "{pattern} {what}");
            }
            assert!(list.take_note().is_none());
        }
    }
}

#[test]
fn what_is_no_entry() {
    for (pattern, why) in [
        ("", "neither an address"),
        ("example", "write helo:"),
        ("exam ple.org", "is no host name"),
        ("*.example.org", "is no host name"),
        ("192.0.2.1/24", "bits behind"),
        ("192.0.2.0/33", "after the slash"),
        ("192.0.2.0/", "after the slash"),
        ("192.0.2", "write helo:"),
        ("2001:db8::1/32", "bits behind"),
        ("::ffff:192.0.2.0/24", "bits behind"),
        ("helo:", "lacks a name"),
        ("helo:.", "lacks a name"),
        ("helo:a b", "is no host name"),
        ("to:", "lacks an address"),
        ("to:@", "lacks an address"),
        ("from:a b@c", "holds a space"),
        ("from:<a@example.org>", "without < and >"),
        ("from:*@example.org", "holds a *"),
        ("to:*.example.org", "holds a *"),
        ("to:from:a@b", "holds a colon"),
    ] {
        let error = List::parse(&[pattern], Topic::Client).map(drop).unwrap_err();
        assert!(error.contains(why), "{pattern}: {error}");
    }
}

#[test]
fn the_stages_are_those_of_the_topics() {
    let list = List::parse(&["192.0.2.1", "to:a@b"], Topic::Client).unwrap();
    assert_eq!(list.stages(), Stages::only(Stage::Connect).with(Stage::Rcpt));
}

fn refusal(action: &str) -> Option<Action<'_>> {
    Action::parse(action).unwrap()
}

#[test]
fn the_first_line_counts_and_what_it_says() {
    let text = "\u{feff}# a table of Postfix's, with a bit of everything\r\n\
        \n\
        192.0.2.7\tDUNNO\r\n\
        192.0.2.0/25  OK   # ours\n\
        192.0.2.0/24  450 4.7.1 be patient\n\
        \x20 with us\n\
        # a comment between\n\
        \x20 please\n\
        0.0.0.0/0     REJECT\n\
        /^mail[0-9]*\\.example\\.org$/   OK\n\
        .example.org  REJECT\n\
        mx.example.org OK\n\
        /./  554 who are you\n";
    let (of_text, compiled) = both(text, Syntax::Usual, Topic::Client);
    for list in [listed(of_text), listed(compiled)] {
        for (client, line, action) in [
            ("192.0.2.7", 3, "DUNNO"),
            ("192.0.2.8", 4, "OK"),
            ("192.0.2.200", 5, "450 4.7.1 be patient with us please"),
            ("198.51.100.1", 9, "REJECT"),
            ("2001:db8::1", 13, "554 who are you"),
        ] {
            let hit = find(&list, client, "", "x@x", "x@x").unwrap();
            assert_eq!(hit.entry, format!("x.list:{line}").into_bytes(), "{client}");
            assert_eq!(hit.action, refusal(action), "{client}");
        }
        // Names, of a client whose address is not listed.
        for (name, line) in [("mail3.example.org", 10), ("mx.example.org", 11), ("example.net", 13)]
        {
            let hit = list.find(Subject::Host(&[name.as_bytes().to_vec()])).unwrap();
            assert_eq!(hit.entry, format!("x.list:{line}").into_bytes(), "{name}");
        }
        assert!(list.accepts());
    }
}

#[test]
fn lists_of_the_original_are_read_as_egrep_reads_them() {
    let text = "# white hosts\n\\.example\\.org$  # ours\n\n^(mx|mail)[0-9]\\.\n";
    for list in <[_; 2]>::from(both(text, Syntax::Egrep, Topic::Host)).map(listed) {
        for (name, line) in [("A.EXAMPLE.org", Some(2)), ("mx1.x", Some(4)), ("mx.x", None)] {
            let hit = find(&list, name, "", "x", "x").map(|hit| hit.entry);
            let entry = line.map(|line| format!("x.list:{line}").into_bytes().into());
            assert_eq!(hit, entry, "{name}");
        }
    }
    // Of a path they see the command.
    let list = both("^RCPT TO:<[^@]*@example\\.org>$", Syntax::Egrep, Topic::Recipient);
    for list in <[_; 2]>::from(list).map(listed) {
        assert!(find(&list, "192.0.2.1", "", "", "a@example.org").is_some());
        assert!(find(&list, "192.0.2.1", "", "", "a@example.org.uk").is_none());
    }
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    let folder = Folder::fresh();
    for (text, why) in [
        ("# x\n192.0.2.1/24", "x.list:2: \"192.0.2.1/24\" has bits behind"),
        ("192.0.2.1 192.0.2.2", "x.list:1: unknown action \"192.0.2.2\""),
        ("192.0.2.1\n  192.0.2.2", "x.list:1: unknown action \"192.0.2.2\""),
        ("192.0.2.1\n  192.0.2.2", "begins with a space"),
        ("/abc", "has a / without another"),
        ("/abc/q", "unknown flag 'q'"),
        ("/abc/x", "basic expressions"),
        ("if /abc/\nendif", "x.list:1: if: an entry has to say"),
        ("192.0.2.1 DISCARD", "unknown action \"DISCARD\""),
        ("/(/", "x.list:1: \"/(/\" has a ( without a )"),
        ("mail..example.org\nexample", "x.list:2: \"example\" is neither"),
    ] {
        let error = folder.list(text, Syntax::Usual, Topic::Client).open(true).map(drop);
        assert!(error.clone().unwrap_err().contains(why), "{text}: {error:?}");
    }
    let missing = Place {
        path: Path::new("/nonexistent/x"),
        ..folder.list("", Syntax::Usual, Topic::Client)
    };
    assert!(missing.open(true).map(drop).unwrap_err().contains("there is no such file"));
    fs::write(folder.0.join("x.list"), b"\xff").unwrap();
    let place = Place { path: Box::leak(folder.0.join("x.list").into_boxed_path()), ..missing };
    assert!(place.open(true).map(drop).unwrap_err().contains("is not UTF-8"));
}

#[test]
fn what_never_counts_and_what_is_too_broad_is_told() {
    let folder = Folder::fresh();
    let text = "192.0.2.0/24\n192.0.2.7\n.example.org\nmail.example.org\n.sub.example.org\n\
        example.org\nfrom:.example.net\nfrom:a@b.example.net\nto:a@x\nto:A@X\n\
        198.51.100.0/25\n198.51.100.128/25\n198.51.100.0/24\n0.0.0.0/1\n.com\n/./\n/a/\n2000::/12\n";
    let (_, warnings) = compile(folder.list(text, Syntax::Usual, Topic::Client));
    let told: Vec<_> = warnings.iter().map(|w| w.split("x.list:").nth(1).unwrap()).collect();
    for expected in [
        "2: never counts: line 1",
        "4: never counts: line 3",
        "5: never counts: line 3",
        "6: never counts: line 3",
        "8: never counts: line 7",
        "10: never counts: line 9",
        "13: never counts: line 11",
        "14: \"0.0.0.0/1\" is very broad",
        "15: \".com\" is very broad",
        "16: \"/./\" is very broad",
        "18: \"2000::/12\" is very broad",
    ] {
        assert!(told.iter().any(|told| told.starts_with(expected)), "{expected}: {told:?}");
    }
    assert_eq!(told.len(), 11, "{told:?}");
}
