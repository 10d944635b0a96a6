//! The configuration's text, which is TOML.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, Entry, Table, Value};

/// A mistake in the text: its line, and what it is.
#[derive(Debug)]
pub(super) struct BadText {
    pub(super) line: u32,
    pub(super) what: String,
}

/// Reads the text.
pub(super) fn parse(text: &'static str) -> Result<Document, BadText> {
    let lines = Lines::new(text);
    let file = DeTable::parse(text).map_err(|error| BadText {
        line: error.span().map_or(1, |span| lines.at(span.start)),
        what: error.message().replace('\n', " "),
    })?;
    let mut head = Table { line: 1, ..Table::default() };
    let mut tables = Vec::new();
    for (key, value) in file.into_inner() {
        let line = lines.at(key.span().start);
        let name = keep(key.into_inner());
        let start = value.span().start;
        match value.into_inner() {
            DeValue::Table(table) => {
                tables.push((start, section(name, false, line, table, &lines)?))
            }
            DeValue::Array(list) if name == "filter" => {
                for element in list {
                    let start = element.span().start;
                    let line = lines.at(start);
                    let DeValue::Table(table) = element.into_inner() else {
                        let what =
                            "\"filter\" is a row of tables, each under [[filter]]".to_owned();
                        return Err(BadText { line, what });
                    };
                    tables.push((start, section(name, true, line, table, &lines)?));
                }
            }
            value => {
                let value = plain(name, line, value)?;
                head.entries.push(Entry { key: name, value, line });
            }
        }
    }
    tables.sort_by_key(|(start, _)| *start);
    head.entries.sort_by_key(|entry| entry.line);
    let tables = tables.into_iter().map(|(_, table)| table);
    Ok(Document { tables: std::iter::once(head).chain(tables).collect() })
}

fn section(
    name: &'static str,
    repeated: bool,
    line: u32,
    table: DeTable<'static>,
    lines: &Lines,
) -> Result<Table, BadText> {
    let mut entries = Vec::new();
    for (key, value) in table {
        let line = lines.at(key.span().start);
        let key = keep(key.into_inner());
        entries.push(Entry { key, value: plain(key, line, value.into_inner())?, line });
    }
    entries.sort_by_key(|entry| entry.line);
    Ok(Table { name, repeated, line, entries })
}

/// A value that is no table.
fn plain(key: &str, line: u32, value: DeValue<'static>) -> Result<Value, BadText> {
    let wrong = |what: &str| BadText { line, what: format!("key {key:?}: {what}") };
    Ok(match value {
        DeValue::String(text) => Value::Text(keep(text)),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Integer(value) => {
            let number = i64::from_str_radix(value.as_str(), value.radix());
            Value::Integer(number.map_err(|_| wrong("the number is too large"))?)
        }
        DeValue::Array(list) => {
            let plain = |element: Spanned<DeValue<'static>>| match element.into_inner() {
                DeValue::Array(_) => Err(wrong("a list in a list")),
                element => plain(key, line, element),
            };
            Value::List(list.into_iter().map(plain).collect::<Result<_, _>>()?)
        }
        DeValue::Float(_) if key == "min_version" => {
            return Err(wrong("must be \"1.2\" or \"1.3\", in quotes"));
        }
        DeValue::Float(_) => return Err(wrong("a fraction: write a time as in \"1.5s\"")),
        DeValue::Datetime(_) => return Err(wrong("a date")),
        DeValue::Table(_) => return Err(wrong("a table does not belong here")),
    })
}

/// The texts live as long as the process, which is one session.
fn keep(text: Cow<'static, str>) -> &'static str {
    match text {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => text.leak(),
    }
}

/// Where the lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Lines {
        Lines(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect())
    }

    /// The line that this octet is on, counted from 1.
    fn at(&self, offset: usize) -> u32 {
        let before = self.0.partition_point(|end| *end < offset);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }
}
