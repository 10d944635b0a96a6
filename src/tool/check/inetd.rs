//! The lines of inetd(8), and the services of xinetd, that start sessions.

use std::path::Path;

use crate::cli::{Invocation, Mode};

use super::findings::Findings;
use super::units::{command, read};
use super::users::{self, Starter, User};

/// Where inetd looks.
const INETD: &str = "/etc/inetd.conf";

/// What a line must begin with, or name, to be about us.
const SERVICES: [&str; 2] = ["smtp", "25"];
const OURS: &str = "smtp-wrapper";

/// Looks at the files that are named, or else at the usual one, if it mentions us;
/// gives what starts sessions.
pub(super) fn check(asked: &Invocation, findings: &mut Findings) -> Vec<Starter> {
    let mut starters = Vec::new();
    let named = &asked.check().inetds;
    let usual = [INETD];
    let files = if named.is_empty() { &usual[..] } else { named };
    for &path in files {
        match read(Path::new(path)) {
            Ok(text) if !named.is_empty() || text.contains(OURS) => {
                starters.extend(file(path, &text, findings));
            }
            Ok(_) => {}
            Err(why) if !named.is_empty() => findings.error(path, why, ""),
            Err(_) => {}
        }
    }
    starters
}

/// That of a line; `becomes_user`: by the options of sessions.
fn starter(place: &str, (user, is_root): (Option<User>, bool), becomes_user: bool) -> Starter {
    let root = (is_root && !becomes_user).then(|| place.to_owned());
    Starter { place: place.to_owned(), user, root, credentials: Vec::new() }
}

fn file(path: &str, text: &str, findings: &mut Findings) -> Vec<Starter> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    let lines: Vec<_> =
        lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
    if lines.iter().any(|(_, line)| *line == "{" || line.ends_with('{')) {
        return xinetd(path, &lines, findings).into_iter().collect();
    }
    let about_us = |(_, line): &&(usize, &str)| {
        let service = line.split_ascii_whitespace().next().unwrap_or_default();
        let service = service.rsplit(':').next().unwrap_or_default();
        SERVICES.contains(&service) || line.contains(OURS)
    };
    let ours: Vec<_> = lines.iter().filter(about_us).collect();
    if ours.is_empty() {
        findings.error(path, "no line for smtp, and none that starts smtp-wrapper", LINE);
    }
    ours.into_iter().filter_map(|(n, line)| inetd(&format!("{path}:{n}"), line, findings)).collect()
}

const LINE: &str = "the lines for each system are in the folder inetd of the source";

fn inetd(at: &str, line: &str, findings: &mut Findings) -> Option<Starter> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, socket, protocol, wait, user, program, rest @ ..] = fields.as_slice() else {
        findings.error(at, "has too few fields", LINE);
        return None;
    };
    if *socket != "stream" || !protocol.starts_with("tcp") {
        findings.error(at, format_args!("{socket} {protocol}: SMTP wants stream tcp"), LINE);
    }
    if !wait.starts_with("nowait") {
        findings.error(at, format_args!("{wait}: inetd has to accept"), "nowait");
    } else if *wait == "nowait" {
        findings.warning(
            at,
            "nowait without a number: inetd switches the service off after some connections within a minute, \
             which any stranger can bring about",
            "nowait.100000 (NetBSD: nowait:100000, FreeBSD: nowait/256/0/16), or inetd -R",
        );
    }
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let options = match rest.split_first() {
        None => {
            let what =
                "the program's name stands once: inetd wants it twice, the path and the name";
            findings.error(at, what, format_args!("{program} {name}"));
            return None;
        }
        Some((first, _)) if first.starts_with('-') || *first == "listen" => {
            let what = format_args!(
                "{first} stands where the program's name belongs, and is not seen as an option"
            );
            findings.error(at, what, format_args!("{program} {name} {}", rest.join(" ")));
            return None;
        }
        Some((_, options)) => options,
    };
    let becomes_user = session(at, program, options, findings)?;
    // user, user:group (BSD), user.group, each with /class.
    let plain = user.split([':', '/']).next().unwrap_or_default();
    let user = users::find(plain).map_or(plain.split('.').next().unwrap_or_default(), |_| plain);
    Some(starter(at, of_user(at, user, findings), becomes_user))
}

/// Does this start a session? If so: do its options make it become another user?
fn session(at: &str, program: &str, options: &[&str], findings: &mut Findings) -> Option<bool> {
    let words: Vec<String> =
        std::iter::once(&program).chain(options).map(|word| (*word).to_owned()).collect();
    let asked = command(at, &words, None, findings)?;
    if asked.mode != Mode::Session {
        findings.error(at, "starts no session: inetd accepts connections itself", LINE);
        return None;
    }
    findings.ok(at, "the program is there, and takes its options");
    Some(users::names_user(&asked))
}

/// The user, or whether it is root.
fn of_user(at: &str, name: &str, findings: &mut Findings) -> (Option<User>, bool) {
    let user = users::find(name);
    match &user {
        Some(user) if user.uid == 0 => return (None, true),
        Some(_) => {}
        None => {
            let what = format_args!("the user {name} is not in /etc/passwd");
            findings.warning(at, what, "make it, or name another");
        }
    }
    (user, false)
}

/// The services of xinetd.conf(5) that start us.
fn xinetd(path: &str, lines: &[(usize, &str)], findings: &mut Findings) -> Option<Starter> {
    let value = |name: &str| {
        let mut found = lines.iter().filter_map(|(n, line)| {
            let (key, value) = line.split_once('=')?;
            (key.trim_end_matches('+').trim() == name).then(|| (*n, value.trim()))
        });
        found.next()
    };
    let at =
        |key: Option<(usize, &str)>| key.map_or(path.to_owned(), |(n, _)| format!("{path}:{n}"));
    let Some((n, program)) = value("server") else {
        findings.error(path, "names no server", LINE);
        return None;
    };
    if value("wait").is_none_or(|(_, wait)| wait != "no") {
        findings.error(&at(value("wait")), "xinetd has to accept", "wait = no");
    }
    if let Some((n, "yes")) = value("disable") {
        findings.warning(&format!("{path}:{n}"), "the service is disabled", "disable = no");
    }
    if value("cps").is_none() {
        findings.warning(
            path,
            "no cps: 50 connections a second switch the service off, which any stranger can bring about",
            "cps = 100000 1",
        );
    }
    let options = value("server_args").map_or("", |(_, args)| args);
    let options: Vec<&str> = options.split_ascii_whitespace().collect();
    let becomes_user = session(&format!("{path}:{n}"), program, &options, findings)?;
    let user = value("user");
    let at = at(user);
    let user = of_user(&at, user.map_or("root", |(_, user)| user), findings);
    Some(starter(&at, user, becomes_user))
}
