//! The names in a configuration: each must be known. Looked at when the text is
//! read; what was compiled has passed.

use super::document::{Document, Entry, Table, Value};
use super::keys::BadKey;
use super::sections::SECTIONS;
use super::{kind, shown};
use crate::filter::{KINDS, Key, policy};

/// Is each name known?
///
/// # Errors
/// The first that is not, with the table it is in and the nearest that is.
pub(super) fn check(document: &Document) -> Result<(), (&'static str, BadKey)> {
    for table in &document.tables {
        match table.repeated {
            true => of_filter(table).map_err(|bad| (table.name, bad))?,
            false => of_section(table).map_err(|bad| ("", bad))?,
        }
    }
    Ok(())
}

fn of_section(table: &Table) -> Result<(), BadKey> {
    let Some(section) = SECTIONS.iter().find(|section| section.name == table.name) else {
        let mut names: Vec<_> = SECTIONS.iter().map(|s| s.name).filter(|n| !n.is_empty()).collect();
        names.push("filter");
        let what = match table.name {
            "filter" => "filters stand under [[filter]], in double brackets".to_owned(),
            name => format!("unknown table [{name}]: {}", nearest(name, &names)),
        };
        return Err(BadKey { line: table.line, key: None, what });
    };
    keys(table, section.keys.iter())
}

fn of_filter(table: &Table) -> Result<(), BadKey> {
    let types = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>();
    let Some(entry) = table.entries.iter().find(|entry| entry.key == "type") else {
        let what = format!("is missing: one of {}", types().join(", "));
        return Err(BadKey { line: table.line, key: Some("type"), what });
    };
    let bad = |what| BadKey { line: entry.line, key: Some("type"), what };
    let Value::Text(name) = entry.value else {
        return Err(bad("must be a text in quotes".to_owned()));
    };
    let Some(kind) = kind(name) else {
        return Err(bad(format!("unknown type {name:?}: {}", nearest(name, &types()))));
    };
    keys(table, kind.keys.iter().chain(policy::KEYS))
}

fn keys<'a>(table: &Table, known: impl Iterator<Item = &'a Key> + Clone) -> Result<(), BadKey> {
    let is_known = |entry: &Entry| known.clone().any(|key| key.name == entry.key);
    match table.entries.iter().find(|entry| !is_known(entry)) {
        None => Ok(()),
        Some(entry) => {
            let place = match table.name {
                "" => String::new(),
                name => format!(" in {}", shown(name)),
            };
            let known: Vec<_> = known.map(|key| key.name).collect();
            let what =
                format!("unknown key {:?}{place}: {}", entry.key, nearest(entry.key, &known));
            Err(BadKey { line: entry.line, key: None, what })
        }
    }
}

/// What was meant, or what may stand there.
fn nearest(name: &str, known: &[&str]) -> String {
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    match known.iter().min_by_key(distance) {
        Some(near) if distance(&near) <= 1 + name.len() / 4 => format!("did you mean {near:?}?"),
        _ => format!("there are {}", known.join(", ")),
    }
}
