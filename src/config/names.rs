//! The names in a configuration: each must be known. Looked at when the text is
//! read; what was compiled has passed.

use super::document::{Document, Table, Value};
use super::keys::BadKey;
use super::settings::SECTIONS;
use super::{kind, shown};
use crate::filter::{KINDS, policy};

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
    keys(table, &section.keys.iter().map(|key| key.name).collect::<Vec<_>>())
}

fn of_filter(table: &Table) -> Result<(), BadKey> {
    let types: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    let Some(entry) = table.entries.iter().find(|entry| entry.key == "type") else {
        let what = format!("is missing: one of {}", types.join(", "));
        return Err(BadKey { line: table.line, key: Some("type"), what });
    };
    let bad = |what| BadKey { line: entry.line, key: Some("type"), what };
    let Value::Text(name) = entry.value else {
        return Err(bad("must be a text in quotes".to_owned()));
    };
    let Some(kind) = kind(name) else {
        return Err(bad(format!("unknown type {name:?}: {}", nearest(name, &types))));
    };
    let known = policy::KEYS.iter().chain(kind.keys);
    keys(table, &known.map(|key| key.name).collect::<Vec<_>>())
}

fn keys(table: &Table, known: &[&str]) -> Result<(), BadKey> {
    match table.entries.iter().find(|entry| !known.contains(&entry.key)) {
        None => Ok(()),
        Some(entry) => {
            let place = match table.name {
                "" => String::new(),
                name => format!(" in {}", shown(name)),
            };
            let what = format!("unknown key {:?}{place}: {}", entry.key, nearest(entry.key, known));
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
