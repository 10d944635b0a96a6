//! The lists in files, and the list of providers.

use std::time::SystemTime;

use crate::list::{Compiling, Place};
use crate::tool::compile::OLD;
use crate::{dates, providers};

use super::configuration::Seen;
use super::files;
use super::findings::{Findings, placed};
use super::users::User;

/// Warnings about one list that are shown.
const WARNINGS: usize = 10;

/// A text with more entries costs a session more than all else that it does.
const LARGE: usize = 300;

/// Looks at each list that the configuration names.
pub(super) fn check(seen: &Seen, findings: &mut Findings) {
    let mut done: Vec<Place> = Vec::new();
    // They are read before a session becomes another user.
    let users: Vec<_> = seen.starters.iter().filter_map(|starter| starter.user.clone()).collect();
    for &place in &seen.loaded.lists {
        if !done.contains(&place) {
            done.push(place);
            list(place, &users, findings);
        }
    }
    let knows_providers = |(_, table): &&(String, crate::config::document::Table)| {
        table.entries.iter().any(|entry| entry.key == "providers")
    };
    if seen.loaded.usual || seen.of_type("allow").any(|filter| knows_providers(&filter)) {
        let dated = providers::DATED;
        match dates::age(dated, SystemTime::now()) {
            Some(days) if days > OLD => findings.warning(
                "",
                format_args!("the list of providers in this program is of {dated}"),
                "update smtp-wrapper",
            ),
            _ => findings.ok("", format_args!("the list of providers is of {dated}")),
        }
    }
}

fn list(place: Place, users: &[User], findings: &mut Findings) {
    let name = place.path.display().to_string();
    if let Some(how) = files::open_to_others(place.path) {
        findings.warning(
            &name,
            format_args!("{how}: who may write it decides on clients"),
            format_args!("chown root {name}; chmod 644 {name}"),
        );
    }
    if let Some(user) = files::not_for(users, place.path) {
        let what = format_args!("sessions cannot read it: they run as {}", user.name);
        findings.error(&name, what, format_args!("chmod 644 {name}"));
    }
    let read = place.open(true).and_then(|file| Ok((file, Compiling::read(place, &mut |_| {})?)));
    let (file, compiling) = match read {
        Ok(read) => read,
        Err(error) => {
            let (place, what) = placed(&error);
            return findings.error(place, what, "mend it: until then every client gets 421 4.3.5");
        }
    };
    let (entries, _) = compiling.counts();
    let compile = format_args!("smtp-wrapper compile");
    match (file.is_compiled(), file.take_note()) {
        (true, _) => {}
        (false, Some(note)) => {
            let what = note.split(';').next().unwrap_or_default();
            findings.warning(&name, format_args!("{what}: sessions read the text"), compile);
        }
        (false, None) if entries > LARGE => findings.warning(
            &name,
            format_args!("{entries} entries, and no compiled form: sessions read the text"),
            compile,
        ),
        (false, None) => {}
    }
    if let Some(days) = compiling.age(SystemTime::now()).filter(|days| *days > OLD) {
        let what = format_args!("is {days} days old by its own word");
        findings.warning(&name, what, "go through it, and write the new date into its head");
    }
    match compiling.warnings() {
        Ok(warnings) => {
            for warning in warnings.iter().take(WARNINGS) {
                let (place, what) = placed(warning);
                findings.warning(place, what, "take it out, or say what is meant");
            }
            if warnings.len() > WARNINGS {
                let more = warnings.len() - WARNINGS;
                let what = format_args!("{more} more entries like these");
                findings.warning(&name, what, "smtp-wrapper compile shows more of them");
            }
        }
        Err(error) => {
            let (place, what) = placed(&error);
            findings.warning(place, what, "it cannot be compiled; make the expression smaller");
        }
    }
    findings.ok(&name, format_args!("the list is read: {entries} entries"));
}
