//! A configuration as it is written: tables of keys, each with its line.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(&'static str),
    /// An integer.
    Integer(i64),
    /// A truth value.
    Bool(bool),
    /// An array.
    List(Vec<Value>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// The line it stands on.
    pub line: u32,
}

/// A table: the file's head (its name is empty), `[name]` or one of `[[name]]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Whether it is one of several, `[[name]]`.
    pub repeated: bool,
    /// The line it begins on.
    pub line: u32,
    /// Its keys.
    pub entries: Vec<Entry>,
}

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Its tables, in the order of the file.
    pub tables: Vec<Table>,
}
