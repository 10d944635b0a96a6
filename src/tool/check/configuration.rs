//! The configuration: is it read, and who may write it?

use std::path::Path;

use crate::cli::Invocation;
use crate::config::document::{Table, Value};
use crate::config::{self, Loaded, Source, compiled};

use super::files;
use super::findings::{Findings, placed};
use super::users::{Starter, User};

/// What sessions would run with.
pub(super) struct Seen {
    /// As a session reads it.
    pub(super) loaded: Loaded,
    /// The tables of its filters, in their order, with their places.
    pub(super) filters: Vec<(String, Table)>,
    /// Whom sessions run as when they meet their client, as far as units, lines of inetd and
    /// `[sandbox]` tell.
    pub(super) users: Vec<User>,
    /// What starts them.
    pub(super) starters: Vec<Starter>,
}

impl Seen {
    /// Where a path leads once a session is in its chroot, if it has one.
    pub(super) fn inside(&self, path: &'static str) -> &'static str {
        let sandbox = self.loaded.settings.sandbox.as_deref();
        match sandbox.and_then(|sandbox| sandbox.chroot?.to_str()) {
            Some(root) if path.starts_with('/') => format!("{root}{path}").leak(),
            _ => path,
        }
    }

    /// The filters of this type.
    pub(super) fn of_type<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a (String, Table)> {
        self.filters.iter().filter(move |(_, table)| text(table, "type") == Some(kind))
    }

    /// Is a program asked about messages?
    pub(super) fn asks_about_messages(&self) -> bool {
        self.of_type("program").any(|(_, table)| text(table, "at") == Some("message"))
    }
}

/// The text of a key.
pub(super) fn text(table: &Table, key: &str) -> Option<&'static str> {
    match table.entries.iter().find(|entry| entry.key == key)?.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Reads the configuration as a session does; `None` if it would not run.
pub(super) fn check(
    asked: &Invocation,
    starters: Vec<Starter>,
    findings: &mut Findings,
) -> Option<Seen> {
    let users: Vec<_> = starters.iter().filter_map(|starter| starter.user.clone()).collect();
    let path = match asked.source {
        Source::Default => Some(config::FILE).filter(|path| Path::new(path).exists()),
        Source::Named(path) => Some(path),
        Source::Nothing | Source::Usual => None,
    };
    if let Some(path) = path {
        if let Some(how) = files::open_to_others(Path::new(path)) {
            findings.error(
                path,
                format_args!("{how}: who may write it may run programs"),
                format_args!("chown root {path}; chmod 644 {path}, and its folder likewise"),
            );
        } else if let Some(whose) = files::owned_by_another(Path::new(path)) {
            findings.warning(path, whose, format_args!("chown root {path}"));
        }
        if let Some(user) = files::not_for(&users, Path::new(path)) {
            let what = format_args!("sessions cannot read it: they run as {}", user.name);
            findings.error(path, what, format_args!("chmod 644 {path}"));
        }
    }
    let read = asked.load().and_then(|loaded| Ok((loaded, config::document(asked.source, true)?)));
    let (mut loaded, document) = match read {
        Ok(read) => read,
        Err(error) => {
            let (place, what) = placed(&error.0);
            let remedy = "mend it: until then every client gets 421 4.3.5";
            findings.error(place, what, remedy);
            return None;
        }
    };
    let place = path.unwrap_or_default().to_owned();
    match path {
        Some(path) => {
            findings.ok(path, "the configuration is read");
            compiled_form(path, loaded.note.take(), findings);
        }
        None if loaded.usual => findings.note(
            config::FILE,
            "there is no configuration: the filters allow (providers) and s25r run",
            "",
        ),
        None => {
            findings.note("", "there is no configuration, and no filters but those of options", "")
        }
    }
    let of_options = config::of_options(&loaded.settings);
    let mut filters: Vec<_> =
        of_options.into_iter().map(|(option, table)| (format!("option {option}"), table)).collect();
    let tables = document.map(|read| read.document.tables).unwrap_or_default();
    let tables = tables.into_iter().filter(|table| table.repeated);
    filters.extend(tables.map(|table| (format!("{place}:{}", table.line), table)));
    Some(Seen { loaded, filters, users, starters })
}

fn compiled_form(path: &str, note: Option<String>, findings: &mut Findings) {
    let compiled = compiled::path_of(Path::new(path));
    match note {
        Some(note) => {
            let what = note.split(';').next().unwrap_or_default();
            findings.note(
                path,
                format_args!("{what}: sessions read the text"),
                "smtp-wrapper compile",
            );
        }
        None if compiled.exists() => {
            findings.ok(&compiled.display().to_string(), "is of the configuration as it is");
        }
        None => findings.note(
            path,
            "has no compiled form: sessions read the text, which costs two and a half times as much",
            "smtp-wrapper compile",
        ),
    }
}
