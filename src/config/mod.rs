//! The configuration: one file of TOML, every key of it optional, read at each
//! connection, so that an edit takes effect at once. A mistake in it stops the
//! session; it never runs with half of it.

pub mod compiled;
mod dns;
pub mod document;
pub mod keys;
mod names;
pub(crate) mod sandbox;
pub mod sections;
pub mod settings;
mod text;
pub mod time;
pub mod tls;
mod trace;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::Stat;

use crate::file;
use crate::filter::chain::Chain;
use crate::filter::policy::Policy;
use crate::filter::{KINDS, Kind};
use crate::list::Place;
use crate::upstream::Waiting;
use document::{Document, Entry, Table, Value};
use keys::{BadKey, Keys, ListFiles};

pub use dns::{Dns, Resolver};
pub use sandbox::{Cage, SandboxSettings, User};
pub use settings::{Identity, LogTo, Profile, RejectAt, Settings, Style};
pub use trace::Traces;

/// The file that is read if none is named.
pub const FILE: &str = "/etc/smtp-wrapper/smtp-wrapper.toml";

/// A larger file is none of ours, in MiB.
const MOST: u64 = 1;

/// Where the original looked for its filters, if none was named.
const ORIGINAL_IP_FILTER: &str = "/usr/local/smtp_wrapper/smtp_ip_filter";
const ORIGINAL_CONTENTS_FILTER: &str = "/usr/local/smtp_wrapper/smtp_contents_filter";

/// What is wrong with the configuration; the text names file, line and key.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Settings that do not go together, wherever each is from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Discord {
    table: &'static str,
    /// The key that wants the other.
    key: &'static str,
    what: String,
}

impl Discord {
    #[cold]
    #[inline(never)]
    fn new(table: &'static str, key: &'static str, what: &str) -> Box<Discord> {
        Box::new(Discord { table, key, what: what.to_owned() })
    }

    /// It stands on a line of the file, unless an option brought it.
    #[cold]
    #[inline(never)]
    fn error(&self, read: Option<&Read>) -> ConfigError {
        let Discord { table, key, what } = self;
        let entry = read.and_then(|read| {
            let tables = read.document.tables.iter().filter(|of| of.name == *table && !of.repeated);
            let entry = tables.flat_map(|of| &of.entries).find(|entry| entry.key == *key)?;
            Some((read, entry.line))
        });
        match entry {
            Some((read, line)) => {
                read.error(table, &BadKey { line, key: Some(key), what: what.clone() })
            }
            None => ConfigError(what.clone()),
        }
    }
}

/// Which file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// [`FILE`], if it is there.
    #[default]
    Default,
    /// This one, which must be there.
    Named(&'static str),
    /// None, and no filters.
    Nothing,
    /// None, and the filters that run without one.
    Usual,
}

/// A configuration that was read.
#[derive(Default)]
pub struct Loaded {
    /// What a session is run with, filters aside.
    pub settings: Settings,
    /// The filters.
    pub chain: Chain,
    /// There is no configuration: the usual filters are to judge clients they are for.
    pub usual: bool,
    /// What the log is to know, though all is well.
    pub note: Option<String>,
    /// The files of lists that were opened for it.
    pub lists: Vec<Place>,
    /// What changes with its text.
    pub edition: [u64; 7],
    /// Nothing that is known keeps the MTA from relaying for strangers, and the log has not been
    /// told so of this edition.
    pub unguarded: Option<u64>,
    /// The MTAs that are programs, ready to be started.
    pub(crate) programs: Vec<(usize, io::Result<Waiting>)>,
}

/// Reads the configuration; `overrides` is what overrides the file. Compiled forms,
/// if `compiled`.
///
/// # Errors
/// The first mistake, or what `overrides` objects to.
pub fn load(
    source: Source,
    compiled: bool,
    overrides: impl FnOnce(&mut Settings) -> Result<(), ConfigError>,
) -> Result<Loaded, ConfigError> {
    let mut loaded = Loaded::default();
    let read = document(source, compiled)?;
    let files = ListFiles::of(read.as_ref().map_or(FILE, |read| read.path), compiled);
    if let Some(read) = &read {
        let settings = loaded.settings.read(&read.document, &files);
        settings.map_err(|(table, bad)| read.error(table, &bad))?;
    }
    overrides(&mut loaded.settings)?;
    loaded.settings.agree().map_err(|discord| discord.error(read.as_ref()))?;
    loaded.chain = chain(&loaded.settings, read.as_ref(), &files)?;
    loaded.lists = files.opened();
    let nothing = source != Source::Nothing && read.is_none();
    loaded.usual = nothing && loaded.settings.has_usual_filters();
    if let Some(read) = read {
        loaded.note = read.note;
        loaded.edition = file::identity(&read.stat);
        // The process is a session, and ends before it would be of use to free it.
        std::mem::forget(read.document);
    }
    Ok(loaded)
}

impl Settings {
    /// The name under which we speak.
    pub(crate) fn our_name(&self) -> String {
        let system = rustix::system::uname();
        let name = self.hostname.or_else(|| system.nodename().to_str().ok());
        let sound = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
        name.filter(sound).unwrap_or("localhost").to_owned()
    }
}

/// A file that was read, and whose names are all known.
pub(crate) struct Read {
    pub(crate) path: &'static str,
    pub(crate) document: Document,
    pub(crate) stat: Stat,
    note: Option<String>,
}

impl Read {
    fn error(&self, table: &str, bad: &BadKey) -> ConfigError {
        let place = if table.is_empty() { String::new() } else { format!(" in {}", shown(table)) };
        let key = bad.key.map(|key| format!("key {key:?}{place}: ")).unwrap_or_default();
        ConfigError(format!("{}:{}: {key}{}", self.path, bad.line, bad.what))
    }
}

/// A table as it is written.
fn shown(table: &str) -> String {
    if table == "filter" { "[[filter]]".to_owned() } else { format!("[{table}]") }
}

/// Reads the file; its compiled form, if that may be.
pub(crate) fn document(source: Source, compiled: bool) -> Result<Option<Read>, ConfigError> {
    let path = match source {
        Source::Default => FILE,
        Source::Named(path) => path,
        Source::Nothing | Source::Usual => return Ok(None),
    };
    let cannot = |error: io::Error| ConfigError(format!("{path}: cannot be read: {error}"));
    let missing = || match source {
        Source::Default => Ok(None),
        _ => Err(ConfigError(format!("{path}: there is no such file"))),
    };
    let mut note = None;
    if compiled {
        // The text itself is not opened if what was made of it is there.
        let Some(stat) = file::stat(Path::new(path)).map_err(cannot)? else { return missing() };
        match compiled::read(Path::new(path), &stat) {
            Some(Ok(document)) => return Ok(Some(Read { path, document, stat, note })),
            Some(Err(why)) => {
                note = Some(format!("{path}.compiled {why}; run smtp-wrapper compile"));
            }
            None => {}
        }
    }
    let Some((file, stat)) = file::open(Path::new(path)).map_err(cannot)? else {
        return missing();
    };
    let octets = file::read_all(&file, &stat, MOST).map_err(cannot)?;
    text_of(path, octets, stat, note).map(Some)
}

/// What the text of the file says.
#[cold]
#[inline(never)]
fn text_of(
    path: &'static str,
    octets: Vec<u8>,
    stat: Stat,
    note: Option<String>,
) -> Result<Read, ConfigError> {
    let text = std::str::from_utf8(octets.leak())
        .map_err(|_| ConfigError(format!("{path}: is not UTF-8")))?;
    let document = text::parse(text)
        .map_err(|bad| ConfigError(format!("{path}:{}: {}", bad.line, bad.what)))?;
    let read = Read { path, document, stat, note };
    names::check(&read.document).map_err(|(table, bad)| read.error(table, &bad))?;
    Ok(read)
}

/// The filters that options ask for, then those of the file.
fn chain(
    settings: &Settings,
    read: Option<&Read>,
    files: &ListFiles,
) -> Result<Chain, ConfigError> {
    let tables = read.map_or(&[][..], |read| &read.document.tables);
    let filters = tables.iter().filter(|table| table.repeated).count();
    let of_options = of_options(settings);
    let delayed = usize::from(!settings.greet_delay.is_zero());
    let mut chain = Chain::with_capacity(of_options.len() + filters + delayed);
    let mut early = false;
    for (option, table) in of_options {
        early |= is_early(&table);
        add(&mut chain, &table, files)
            .map_err(|bad| ConfigError(format!("option {option}: {}", bad.what)))?;
    }
    let delay = Value::Text(milliseconds(settings.greet_delay));
    if let Some(read) = read {
        for table in read.document.tables.iter().filter(|table| table.repeated) {
            let delayed = is_early(table) && !settings.greet_delay.is_zero();
            early |= is_early(table);
            let added = if delayed && !table.entries.iter().any(|entry| entry.key == "delay") {
                let mut table = table.clone();
                let line = table.line;
                table.entries.push(Entry { key: "delay", value: delay.clone(), line });
                add(&mut chain, &table, files)
            } else {
                add(&mut chain, table, files)
            };
            added.map_err(|bad| read.error(table.name, &bad))?;
        }
    }
    if !early && !settings.greet_delay.is_zero() {
        let table = made("early", vec![("delay", delay), ("wait_only", Value::Bool(true))]);
        add(&mut chain, &table, files).map_err(|bad| ConfigError(bad.what))?;
    }
    Ok(chain)
}

fn is_early(table: &Table) -> bool {
    let early = |entry: &Entry| entry.key == "type" && entry.value == Value::Text("early");
    table.entries.iter().any(early)
}

/// A time as it would be written.
fn milliseconds(time: Duration) -> &'static str {
    match time.is_zero() {
        true => "0",
        false => format!("{}ms", time.as_millis()).leak(),
    }
}

/// A filter's table as it would be written.
fn made(kind: &'static str, keys: Vec<(&'static str, Value)>) -> Table {
    let entry = |(key, value)| Entry { key, value, line: 0 };
    let keys = std::iter::once(("type", Value::Text(kind))).chain(keys);
    Table { name: "filter", repeated: true, line: 0, entries: keys.map(entry).collect() }
}

/// The tables of the filters that options of the original ask for.
pub(crate) fn of_options(settings: &Settings) -> Vec<(&'static str, Table)> {
    let asked = &settings.original;
    let original = settings.profile == Profile::Original;
    let usual = |path: &'static str| Some(path).filter(|path| original && Path::new(path).exists());
    let program = |at, path| {
        let run = Value::List(vec![Value::Text(path)]);
        let contract = Value::Text("original");
        made("program", vec![("at", Value::Text(at)), ("contract", contract), ("run", run)])
    };
    let mut tables = Vec::new();
    if asked.delay && !asked.talkers_pass {
        let delay = Value::Text(milliseconds(settings.greet_delay));
        tables.push(("-d", made("early", vec![("delay", delay)])));
    }
    if let Some(least) = asked.interval {
        let least = Value::Text(milliseconds(least));
        tables.push(("-i", made("interval", vec![("least", least)])));
    }
    if let Some(path) = asked.ip_filter.or_else(|| usual(ORIGINAL_IP_FILTER)) {
        tables.push(("-if", program("connect", path)));
    }
    if let Some(path) = asked.contents_filter.or_else(|| usual(ORIGINAL_CONTENTS_FILTER)) {
        tables.push(("-f", program("message", path)));
    }
    tables
}

/// Makes a filter and adds it.
fn add(chain: &mut Chain, table: &Table, files: &ListFiles) -> Result<(), BadKey> {
    let keys = Keys::new(table, files);
    let kind = keys.text("type")?.and_then(kind);
    let kind = kind.ok_or_else(|| keys.missing("type", "the type of the filter"))?;
    chain.add((kind.build)(&keys)?, Policy::new(&keys)?);
    Ok(())
}

/// The type of filter with this name.
fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
