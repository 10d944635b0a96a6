//! The lists of the original (`*_db` files): an extended regular expression a line.
//!
//! What is plain becomes an entry of a list in this program's own form; the other
//! expressions stay as they are written, in a list of the original's form. Both stand in
//! one filter, and it is all one which of them matches.

use std::fs;
use std::path::Path;

use anyhow::{anyhow, bail};

use super::made::Made;
use super::plain::{self, Name};
use super::recipients::recipient;
use super::source::{Line, lines};
use crate::list::expression_matches;

/// The files, what they are matched against, and what they do, in the order in which they
/// are asked.
const LISTS: [(&str, &str, &str); 4] = [
    ("black_ip_db", "address", "deny"),
    ("white_ip_db", "address", "allow"),
    ("black_hostname_db", "host", "deny"),
    ("white_hostname_db", "host", "allow"),
];
const CLIENTS: &str = "relay_allow_host_db";
const RECIPIENTS: &str = "relay_allow_address_db";

/// Every refusal of the original was for now.
const SOFTLY: &str = "on_hit = \"tempfail\"  # as the original; without it, for good\n";

/// Imports these files, or those of a directory.
pub(super) fn import(words: &[&str]) -> anyhow::Result<Made> {
    let mut made = Made::default();
    let names = LISTS.map(|(name, ..)| name);
    let names: Vec<&str> = names.into_iter().chain([CLIENTS, RECIPIENTS]).collect();
    let mut files: Vec<(&str, String)> = Vec::new();
    for word in words {
        let path = Path::new(word);
        if path.is_dir() {
            let inside = names.iter().map(|name| (*name, path.join(name)));
            let there = inside.filter(|(_, path)| path.exists());
            files.extend(there.map(|(name, path)| (name, path.to_string_lossy().into_owned())));
            others(path, &names, &mut made);
        } else {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let name = names.iter().find(|known| **known == name);
            let name = name.ok_or_else(|| anyhow!("{word} is none of {}", names.join(", ")))?;
            files.push((name, (*word).to_owned()));
        }
    }
    if files.is_empty() {
        bail!("{} has none of {}", words.join(" "), names.join(", "));
    }
    let of = |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, path)| path);
    for (name, about, kind) in LISTS {
        if let Some(path) = of(name) {
            list(path, (name, about, kind), &mut made)?;
        }
    }
    made.filter("[[filter]]\ntype = \"s25r\"\nrules = \"original\"\n");
    relay(of(CLIENTS), of(RECIPIENTS), &mut made)?;
    Ok(made)
}

/// Files of the same kind that are none of the original's lists.
fn others(directory: &Path, names: &[&str], made: &mut Made) {
    let inside = fs::read_dir(directory).into_iter().flatten().flatten();
    let found = inside.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut found: Vec<_> =
        found.filter(|name| name.ends_with("_db") && !names.contains(&&**name)).collect();
    found.sort();
    for name in found {
        let why = format!(
            "is none of the original's lists, and nothing of it is carried: name it as one of {}, or \
             write a filter for it",
            names.join(", ")
        );
        made.leave(&directory.join(name).to_string_lossy(), &why);
    }
}

/// The expression of a line, as the original's reader has it; `None` if it is none.
fn expression(line: &Line, made: &mut Made) -> Option<String> {
    let text = line.text.split('#').next().unwrap_or_default().trim();
    match expression_matches(text, "") {
        Ok(_) => Some(text.to_owned()),
        Err(why) => {
            made.leave(&line.place, &format!("{text:?} {why}: write it otherwise"));
            None
        }
    }
}

/// A list over addresses or host names.
fn list(
    path: &str,
    (name, about, kind): (&str, &str, &str),
    made: &mut Made,
) -> anyhow::Result<()> {
    let lines = lines(path, made)?;
    let mut read = Vec::new();
    for line in &lines {
        read.extend(expression(line, made).map(|expression| (line, expression)));
    }
    let names: Vec<Option<Name>> = match about {
        "host" => read.iter().map(|(_, expression)| plain::name(expression)).collect(),
        _ => Vec::new(),
    };
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    for (n, (line, expression)) in read.iter().enumerate() {
        let entry = match names.get(n) {
            None => plain::network(expression),
            // With the domain itself it is the domain and all below it.
            Some(Some(Name::Below(domain))) => {
                let whole = names.contains(&Some(Name::Host(domain.clone())));
                if !whole {
                    let what = format!(
                        "{expression:?} stays an expression: .{domain} would be cheaper, and {domain} \
                         itself too"
                    );
                    made.note(&line.place, &what);
                }
                whole.then(|| format!(".{domain}"))
            }
            Some(Some(Name::Domain(domain))) => Some(format!(".{domain}")),
            Some(Some(Name::Host(host))) => Some(host.clone()),
            Some(None) => None,
        };
        match entry {
            Some(entry) => {
                own.push(format!("{entry:<24}  # {}: {}\n", line.place, line.text.trim()))
            }
            None => {
                if names.is_empty() && is_open_ended(expression) {
                    let what = format!("{expression:?} matches longer numbers too: a $ is missing");
                    made.note(&line.place, &what);
                }
                theirs.push(format!("{}\n", line.text.trim()));
            }
        }
    }
    let mut table = format!("[[filter]]\ntype = \"{kind}\"\nmatch = \"{about}\"\n");
    if own.is_empty() && theirs.is_empty() {
        return Ok(());
    }
    if !own.is_empty() {
        let like = format!("{}.list", name.strip_suffix("_db").unwrap_or(name));
        let list = made.list(&like, own.concat(), own.len());
        table += &format!("entries = [\"list:{list}\"]\n");
    }
    if !theirs.is_empty() {
        let list = made.list(name, theirs.concat(), theirs.len());
        table += &format!("lists = [\"{list}\"]\nsyntax = \"egrep\"\n");
    }
    if kind == "deny" {
        table += SOFTLY;
    }
    made.filter(&table);
    Ok(())
}

/// Is it an address without an end, as `^192\.0\.2\.1`, which is `192.0.2.10` too?
fn is_open_ended(expression: &str) -> bool {
    plain::network(&format!("{expression}$")).is_some_and(|plain| !plain.contains('/'))
}

/// Who may relay, and to whom everybody may write.
fn relay(
    clients: Option<&String>,
    recipients: Option<&String>,
    made: &mut Made,
) -> anyhow::Result<()> {
    let (mut own, mut to) = (Vec::new(), Vec::new());
    if let Some(path) = clients {
        for line in lines(path, made)? {
            let Some(expression) = expression(&line, made) else { continue };
            match plain::network(&expression) {
                Some(network) => {
                    own.push(format!("{network:<24}  # {}: {}\n", line.place, line.text.trim()));
                }
                None => made.leave(
                    &line.place,
                    &format!(
                        "{expression:?} is no network: the filter relay takes addresses and networks \
                         only; write them into its clients"
                    ),
                ),
            }
        }
    }
    if let Some(path) = recipients {
        for line in lines(path, made)? {
            let Some(expression) = expression(&line, made) else { continue };
            match recipient(&expression) {
                Ok(entry) => {
                    to.push(format!("{entry:<24}  # {}: {}\n", line.place, line.text.trim()));
                }
                Err(why) => made.leave(&line.place, &format!("{expression:?} {why}")),
            }
        }
    }
    if to.is_empty() {
        let what = "there is no filter relay, for nothing says to whom strangers may write";
        made.note(recipients.map_or(RECIPIENTS, |path| path), what);
        if !own.is_empty() {
            made.leave(
                clients.map_or(CLIENTS, |path| path),
                "needs that filter: write it, with domains",
            );
        }
        return Ok(());
    }
    let list = made.list("relay_allow_address.list", to.concat(), to.len());
    let mut table = format!("[[filter]]\ntype = \"relay\"\ndomains = [\"list:{list}\"]\n");
    if !own.is_empty() {
        let list = made.list("relay_allow_host.list", own.concat(), own.len());
        table += &format!("clients = [\"list:{list}\"]\n");
    }
    made.filter(&(table + SOFTLY));
    Ok(())
}
