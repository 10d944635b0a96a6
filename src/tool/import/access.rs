//! Postfix's access tables: what a key or pattern matches there, as an entry of a list.
//!
//! An indexed table is asked for the whole name first, then for the domains it is in, and
//! for the address behind that; so entries are put in that order. In cidr, regexp and pcre
//! tables the first line that matches counts, as here.

use std::net::Ipv6Addr;

use anyhow::bail;

use super::action::carried;
use super::made::Made;
use super::pattern::Pattern;
use super::plain::literal;
use super::quoted;
use super::source::{Line, whole_lines};
use crate::list::{List, Topic, expression_matches};

/// What a table is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Client,
    Helo,
    Sender,
    Recipient,
}

impl Table {
    /// As a filter has it (`match`); of a client its names.
    fn about(self) -> (&'static str, Topic) {
        match self {
            Table::Client => ("host", Topic::Host),
            Table::Helo => ("helo", Topic::Helo),
            Table::Sender => ("sender", Topic::Sender),
            Table::Recipient => ("recipient", Topic::Recipient),
        }
    }
}

const ADDRESS: (&str, Topic) = ("address", Topic::Address);

/// An entry, and where it stands in the order of questions.
struct Entry {
    /// The smaller is asked first.
    order: u32,
    text: String,
    action: String,
    place: String,
}

/// Imports a table.
///
/// # Errors
/// It cannot be read, or is of a kind that has no text.
pub(super) fn table(of: Table, kind: &str, path: &str, made: &mut Made) -> anyhow::Result<()> {
    match kind {
        "hash" | "btree" | "lmdb" | "cdb" | "dbm" | "sdbm" | "texthash" => {
            indexed(of, path, &whole_lines(path, made)?, made);
        }
        "cidr" if of == Table::Client => cidr(path, &whole_lines(path, made)?, made),
        "cidr" => made.leave(path, "is of networks, which only clients have"),
        "regexp" | "pcre" => patterns((of, kind), path, &whole_lines(path, made)?, made),
        _ => {
            bail!("{kind}:{path}: of this type there is no text to read; postmap -s may print one")
        }
    }
    Ok(())
}

/// The key or pattern, and the action as it is carried.
fn parted<'a>(line: &'a Line, key: usize, made: &mut Made) -> (&'a str, String) {
    let (key, action) = line.text.split_at_checked(key).unwrap_or((&line.text, ""));
    let carried = carried(action);
    if let Some(lost) = carried.lost {
        made.leave(&line.place, &format!("{key} {}: {lost}", action.trim()));
    }
    (key, carried.action)
}

/// Where the first white space is.
fn space(text: &str) -> usize {
    text.find([' ', '\t']).unwrap_or(text.len())
}

/// Makes a list and its filter.
fn filter(path: &str, (about, topic): (&str, Topic), entries: &[Entry], made: &mut Made) {
    let mut text = String::new();
    let mut count = 0;
    for entry in entries {
        match List::parse(&[entry.text.clone().leak()], topic) {
            Ok(_) => {
                text.push_str(&format!("{} {}\n", entry.text, entry.action));
                count += 1;
            }
            Err(why) => made.leave(&entry.place, &format!("{why}: write it otherwise")),
        }
    }
    if count == 0 {
        return;
    }
    let base = path.rsplit('/').next().unwrap_or(path);
    let name = made.list(&format!("{base}.{about}"), text, count);
    made.filter(&format!(
        "[[filter]]\ntype = \"deny\"\nmatch = \"{about}\"\nlists = [\"{name}\"]\n"
    ));
}

/// A table that is asked for whole keys.
fn indexed(of: Table, path: &str, lines: &[Line], made: &mut Made) {
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for line in lines {
        let (key, action) = parted(line, quoted::end(&line.text), made);
        let place = line.place.clone();
        let network = if of == Table::Client { network(key) } else { None };
        match network {
            Some(Ok((text, length))) => {
                addresses.push(Entry { order: 128 - length, text, action, place });
            }
            Some(Err(why)) => made.leave(&line.place, &format!("{key}: {why}")),
            None => match name(of, key) {
                Ok((text, order)) => names.push(Entry { order, text, action, place }),
                Err(why) => made.leave(&line.place, &format!("{key}: {why}")),
            },
        }
    }
    names.sort_by_key(|entry| entry.order);
    addresses.sort_by_key(|entry| entry.order);
    warn_of_dunno(path, &names, !addresses.is_empty(), made);
    filter(path, of.about(), &names, made);
    filter(path, ADDRESS, &addresses, made);
}

/// A name that has no opinion ends the search there; here the address has a filter of its own.
fn warn_of_dunno(path: &str, names: &[Entry], more: bool, made: &mut Made) {
    if more && names.iter().any(|entry| entry.action == "DUNNO") {
        made.leave(
            path,
            "DUNNO for a host name keeps its address from being looked for, there and not here: \
             write OK, or take the address out",
        );
    }
}

/// An address or a part of one, whole octets, and its length in bits from the left; an
/// IPv4 address counts as one of 128 bits. `None`: it is none.
fn network(key: &str) -> Option<Result<(String, u32), &'static str>> {
    const NEVER: &str = "never matches in a table of this type: write a cidr table, or the octets";
    if key.contains('/') {
        return Some(Err(NEVER));
    }
    if key.contains(':') {
        return Some(
            network6(key).ok_or("is no address, or is not written as Postfix looks for it"),
        );
    }
    if !key.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let parsed: Option<Vec<u8>> = key.split('.').map(|part| part.parse().ok()).collect();
    let octets = parsed.filter(|octets| octets.len() <= 4);
    let Some(octets) = octets else { return Some(Err(NEVER)) };
    let text = octets.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    let length = octets.len() as u32 * 8;
    Some(match text == key {
        false => Err(NEVER),
        true if length == 32 => Ok((text, 128)),
        true => Ok((format!("{text}{}/{length}", ".0".repeat(4 - octets.len())), 96 + length)),
    })
}

/// An address of IPv6, or its first groups; with a zero behind them the texts that Postfix
/// looks for are not those of all addresses in the network.
fn network6(key: &str) -> Option<(String, u32)> {
    if let Ok(ip) = key.parse::<Ipv6Addr>() {
        let same = ip.to_string() == key.to_ascii_lowercase();
        return same.then(|| (key.to_owned(), 128));
    }
    let groups: Vec<&str> = key.split(':').collect();
    let sound = |group: &&str| {
        let number = u16::from_str_radix(group, 16);
        number.is_ok_and(|n| n != 0 && format!("{n:x}") == group.to_ascii_lowercase())
    };
    if groups.len() > 7 || !groups.iter().all(sound) {
        return None;
    }
    let length = groups.len() as u32 * 16;
    Some((format!("{key}::/{length}"), length))
}

/// A name, domain or mailbox, and how early it is asked for.
fn name(of: Table, key: &str) -> Result<(String, u32), &'static str> {
    const MAILBOX: u32 = 0;
    const LAST: u32 = u32::MAX;
    if key.starts_with('.') {
        return Err(
            "is not looked for (parent_domain_matches_subdomains): write it without the dot",
        );
    }
    if matches!(of, Table::Sender | Table::Recipient) {
        if key.contains('"') {
            let (text, whole) = quoted::mailbox(key)?;
            return Ok((text, if whole { MAILBOX } else { LAST }));
        }
        match key.split_once('@') {
            _ if key == "<>" => return Ok((key.to_owned(), MAILBOX)),
            Some(("", _)) => {
                return Err("is not looked for in such tables: write the domain alone");
            }
            Some((_, "")) => return Ok((key.to_owned(), LAST)),
            Some(_) => return Ok((key.to_owned(), MAILBOX)),
            None => {}
        }
    }
    if key.contains(['@', '[', ']', '*', '"']) {
        return Err("is never looked for in such a table: what was meant?");
    }
    // What a client without a name is called, and no domain.
    if of == Table::Client && key.eq_ignore_ascii_case("unknown") {
        return Ok((key.to_owned(), LAST));
    }
    let labels = key.split('.').count() as u32;
    Ok((format!(".{key}"), LAST - 1 - labels))
}

/// A table of networks.
fn cidr(path: &str, lines: &[Line], made: &mut Made) {
    let mut entries = Vec::new();
    for line in outside_of_conditions(lines, made) {
        let (key, action) = parted(line, space(&line.text), made);
        match key.starts_with('!') {
            true => made.leave(&line.place, &format!("{key}: write the networks that are meant")),
            false => entries.push(Entry {
                order: 0,
                text: key.trim_start_matches('[').trim_end_matches(']').to_owned(),
                action,
                place: line.place.clone(),
            }),
        }
    }
    filter(path, ADDRESS, &entries, made);
}

/// The lines that do not stand between if and endif.
fn outside_of_conditions<'a>(lines: &'a [Line], made: &mut Made) -> Vec<&'a Line> {
    let (mut outside, mut depth) = (Vec::new(), 0u32);
    for line in lines {
        let word = line.text.get(..space(&line.text)).unwrap_or_default();
        let word = word.split(['/', '!']).next().unwrap_or_default();
        if word.eq_ignore_ascii_case("if") {
            depth += 1;
        }
        match depth {
            0 if word.eq_ignore_ascii_case("endif") => {
                made.leave(&line.place, "an endif without an if");
            }
            0 => outside.push(line),
            _ => made.leave(
                &line.place,
                &format!("{}: write an entry that says its whole condition itself", line.text),
            ),
        }
        if word.eq_ignore_ascii_case("endif") {
            depth = depth.saturating_sub(1);
        }
    }
    outside
}

/// A table of expressions.
fn patterns((of, kind): (Table, &str), path: &str, lines: &[Line], made: &mut Made) {
    let mut entries = Vec::new();
    for line in outside_of_conditions(lines, made) {
        let (pattern, length) = match Pattern::read(&line.text, kind == "pcre") {
            Ok(read) => read,
            Err(why) => {
                made.leave(&line.place, &format!("{}: {why}", line.text));
                continue;
            }
        };
        let (_, action) = parted(line, length, made);
        let Pattern { negated, expression, flags } = pattern;
        // The null reverse-path is looked for as <> there, and is empty here.
        if of == Table::Sender {
            let [there, here] = ["<>", ""].map(|path| expression_matches(&expression, path));
            let [there, here] = [there, here].map(|matches| matches.ok().map(|m| m != negated));
            if there == Some(true) && here == Some(false) {
                entries.push(Entry {
                    order: 0,
                    text: "<>".to_owned(),
                    action: action.clone(),
                    place: line.place.clone(),
                });
            } else if (there, here) == (Some(false), Some(true)) {
                made.leave(
                    &line.place,
                    "matches the null reverse-path, there not: put <> DUNNO in front",
                );
            }
        }
        let not = if negated { "!" } else { "" };
        let plain = match (of, exact_name(&expression)) {
            (Table::Client | Table::Helo, Some(name)) if !negated && flags.is_empty() => name,
            _ => format!("{not}/{expression}/{flags}"),
        };
        entries.push(Entry { order: 0, text: plain, action, place: line.place.clone() });
    }
    if of == Table::Client {
        warn_of_dunno(path, &entries, true, made);
        // An address that is written as an expression has no name to match.
        filter(path, Table::Client.about(), &entries, made);
        entries.retain(|entry| entry.text.contains('/'));
        filter(path, ADDRESS, &entries, made);
    } else {
        filter(path, of.about(), &entries, made);
    }
}

/// The name that an expression is and nothing else.
fn exact_name(expression: &str) -> Option<String> {
    let name = literal(expression.strip_prefix('^')?.strip_suffix('$')?)?;
    let letters = |c: char| c.is_ascii_alphabetic();
    (name.contains('.') && name.contains(letters)).then_some(name)
}
