//! The compiled form of a configuration: what was read from the text, so that a
//! session need not read it again. To parse 60 lines takes twice the
//! instructions of all else that a session does.
//!
//! It lies beside the text (`NAME.compiled`) and holds the text's size, times and
//! inode: an edit is noticed at once, and the text is read instead. It is not
//! trusted (`file`), and every length in it is checked.
//!
//! ```text
//! magic 8, version of the program 16, identity of the text 7 × 8, checksum 8; then length 4 of
//! all texts in one piece, the texts, and
//! tables: count 2, of each: name, repeated 1, line 4, keys: count 2, of each: key, line 4, value
//! value: 0 text, 1 integer 8, 2 truth 1, 3 list: count 2, values; a text: its length 4
//! ```

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use super::document::{Document, Entry, Table, Value};
use crate::file::{self, checksum, head, trusted};

const MAGIC: &[u8; 8] = b"SWconf2\n";
const HEAD: usize = MAGIC.len() + file::VERSION + size_of::<file::Identity>() + 8;

/// Where the compiled form of a file lies.
#[must_use]
pub fn path_of(text: &Path) -> PathBuf {
    file::compiled_path(text)
}

/// Writes the compiled form of what was read from the text at this path, whose
/// file is this one.
///
/// # Errors
/// Those of writing it.
pub fn write(document: &Document, text: &Path, stat: &Stat) -> io::Result<PathBuf> {
    let (mut texts, mut tables) = (String::new(), Vec::new());
    encode(document, &mut texts, &mut tables)?;
    let mut body = (texts.len() as u32).to_le_bytes().to_vec();
    body.extend(texts.as_bytes());
    body.extend(tables);
    let path = path_of(text);
    let sum = checksum(0, &body).to_le_bytes();
    file::replace(&path, stat, &[&head(MAGIC, stat), &sum, &body]).map(|()| path)
}

fn encode(document: &Document, texts: &mut String, out: &mut Vec<u8>) -> io::Result<()> {
    count(document.tables.len(), out)?;
    for table in &document.tables {
        text(table.name, texts, out);
        out.push(table.repeated.into());
        out.extend(table.line.to_le_bytes());
        count(table.entries.len(), out)?;
        for entry in &table.entries {
            text(entry.key, texts, out);
            out.extend(entry.line.to_le_bytes());
            value(&entry.value, texts, out)?;
        }
    }
    Ok(())
}

fn count(count: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let count = u16::try_from(count).map_err(|_| io::Error::other("too many entries"))?;
    out.extend(count.to_le_bytes());
    Ok(())
}

fn text(text: &str, texts: &mut String, out: &mut Vec<u8>) {
    out.extend((text.len() as u32).to_le_bytes());
    texts.push_str(text);
}

fn value(of: &Value, texts: &mut String, out: &mut Vec<u8>) -> io::Result<()> {
    match of {
        Value::Text(of) => {
            out.push(0);
            text(of, texts, out);
        }
        Value::Integer(of) => {
            out.push(1);
            out.extend(of.to_le_bytes());
        }
        Value::Bool(of) => out.extend([2, (*of).into()]),
        Value::List(values) => {
            out.push(3);
            count(values.len(), out)?;
            values.iter().try_for_each(|of| value(of, texts, out))?;
        }
    }
    Ok(())
}

/// Reads the compiled form beside the text whose file is this one.
///
/// # Errors
/// Says why it is of no use; `None` if there is none.
pub(super) fn read(text: &Path, stat: &Stat) -> Option<Result<Document, &'static str>> {
    let (file, own) = file::open(&path_of(text)).ok()??;
    Some(trusted(&own, stat).and_then(|()| load(&file, &own, stat)))
}

fn load(file: &OwnedFd, own: &Stat, text: &Stat) -> Result<Document, &'static str> {
    let octets = file::read_all(file, own, super::MOST).map_err(|_| "cannot be read")?;
    let octets: &'static [u8] = octets.leak();
    let Some((start, body)) = octets.split_at_checked(HEAD) else { return Err("is damaged") };
    if !start.starts_with(&head(MAGIC, text)) {
        return Err("is not of this text");
    }
    if !start.ends_with(&checksum(0, body).to_le_bytes()) {
        return Err("is damaged");
    }
    let mut reader = Reader { rest: body, texts: "" };
    let document = reader.all();
    document.filter(|_| reader.rest.is_empty() && reader.texts.is_empty()).ok_or("is damaged")
}

/// Takes the body apart; `None` whenever something is missing.
struct Reader {
    rest: &'static [u8],
    /// The texts that are yet to come.
    texts: &'static str,
}

impl Reader {
    fn take(&mut self, count: usize) -> Option<&'static [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn octet(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    fn count(&mut self) -> Option<usize> {
        self.array().map(|octets| u16::from_le_bytes(octets).into())
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'static str> {
        let length = self.number()?.try_into().ok()?;
        let (text, rest) = self.texts.split_at_checked(length)?;
        self.texts = rest;
        Some(text)
    }

    fn all(&mut self) -> Option<Document> {
        let length = self.number()?.try_into().ok()?;
        self.texts = std::str::from_utf8(self.take(length)?).ok()?;
        self.document()
    }

    fn document(&mut self) -> Option<Document> {
        let count = self.count()?;
        let mut tables = Vec::with_capacity(count.min(self.rest.len()));
        for _ in 0..count {
            let (name, repeated, line) = (self.text()?, self.octet()? != 0, self.number()?);
            let count = self.count()?;
            let mut entries = Vec::with_capacity(count.min(self.rest.len()));
            for _ in 0..count {
                let (key, line) = (self.text()?, self.number()?);
                entries.push(Entry { key, line, value: self.value(true)? });
            }
            tables.push(Table { name, repeated, line, entries });
        }
        Some(Document { tables })
    }

    fn value(&mut self, may_be_list: bool) -> Option<Value> {
        Some(match self.octet()? {
            0 => Value::Text(self.text()?),
            1 => Value::Integer(i64::from_le_bytes(self.array()?)),
            2 => Value::Bool(self.octet()? != 0),
            3 if may_be_list => {
                let count = self.count()?;
                let mut values = Vec::with_capacity(count.min(self.rest.len()));
                for _ in 0..count {
                    values.push(self.value(false)?);
                }
                Value::List(values)
            }
            _ => return None,
        })
    }
}
