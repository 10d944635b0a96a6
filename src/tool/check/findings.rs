//! What was found, for people and for programs.

use std::fmt::{Display, Write as _};

use crate::{exit, limits, terminal};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// It does not work, or is a danger.
    Error,
    /// It works, and will hardly be meant so.
    Warning,
    /// Worth to be known.
    Note,
    /// As it should be.
    Ok,
}

impl Severity {
    const ALL: [(Severity, &'static str); 4] = [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Note, "note"),
        (Severity::Ok, "ok"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(of, _)| *of == self).map_or("", |(_, name)| name)
    }
}

struct Finding {
    severity: Severity,
    place: String,
    what: String,
    remedy: String,
}

/// All that was found.
pub(super) struct Findings {
    json: bool,
    all: Vec<Finding>,
}

impl Findings {
    /// None yet; they are for a program (`json`) or for people, who see each at once.
    pub(super) fn new(json: bool) -> Findings {
        Findings { json, all: Vec::new() }
    }

    /// It does not work, or is a danger.
    pub(super) fn error(&mut self, place: &str, what: impl Display, remedy: impl Display) {
        self.add(Severity::Error, place, &what, &remedy);
    }

    /// It works, and will hardly be meant so.
    pub(super) fn warning(&mut self, place: &str, what: impl Display, remedy: impl Display) {
        self.add(Severity::Warning, place, &what, &remedy);
    }

    /// Worth to be known.
    pub(super) fn note(&mut self, place: &str, what: impl Display, remedy: impl Display) {
        self.add(Severity::Note, place, &what, &remedy);
    }

    /// As it should be.
    pub(super) fn ok(&mut self, place: &str, what: impl Display) {
        self.add(Severity::Ok, place, &what, &"");
    }

    fn add(&mut self, severity: Severity, place: &str, what: &dyn Display, remedy: &dyn Display) {
        let printable = |text: String| text.chars().map(shown).collect::<String>();
        let finding = Finding {
            severity,
            place: printable(place.to_owned()),
            what: printable(what.to_string()),
            remedy: printable(remedy.to_string()),
        };
        if !self.json {
            let _ = terminal::print(&finding.text());
        }
        self.all.push(finding);
    }

    /// Prints what is left to be printed; the exit status.
    pub(super) fn end(self) -> exit::Code {
        let count = |severity| self.all.iter().filter(|f| f.severity == severity).count();
        if self.json {
            let _ = terminal::print(&json(&self.all));
        } else {
            let counts = Severity::ALL.map(|(of, name)| match (count(of), of) {
                (n, Severity::Ok) => format!("{n} ok"),
                (1, _) => format!("1 {name}"),
                (n, _) => format!("{n} {name}s"),
            });
            let _ = terminal::print(&format!("{}\n", counts.join(", ")));
        }
        if count(Severity::Error) > 0 { exit::FOUND } else { exit::OK }
    }
}

impl Finding {
    fn text(&self) -> String {
        let mut text = format!("{:<8} ", self.severity.name());
        if !self.place.is_empty() {
            let _ = write!(text, "{}: ", self.place);
        }
        let _ = writeln!(text, "{}", self.what);
        if !self.remedy.is_empty() {
            let _ = writeln!(text, "{:<8} -> {}", "", self.remedy);
        }
        text
    }
}

/// A character as it is shown: none moves the cursor or turns the direction of
/// writing.
fn shown(c: char) -> String {
    let turns = matches!(
        c,
        '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    );
    match c.is_control() || turns {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    }
}

/// Octets from outside, in printable ASCII, cut where a log line would be.
pub(super) fn outside(octets: &[u8]) -> String {
    let mut text = String::new();
    for &b in octets.iter().take(limits::LOGGED_TEXT) {
        match b {
            b'\\' => text.push_str("\\x5c"),
            b' '..=b'~' => text.push(b.into()),
            _ => drop(write!(text, "\\x{b:02x}")),
        }
    }
    if octets.len() > limits::LOGGED_TEXT {
        text.push_str("...");
    }
    text
}

/// An array of objects, as RFC 8259 has them.
fn json(findings: &[Finding]) -> String {
    let objects = findings.iter().map(|f| {
        let keys = [
            ("severity", f.severity.name()),
            ("place", &f.place),
            ("what", &f.what),
            ("remedy", &f.remedy),
        ];
        let pairs = keys.map(|(key, value)| format!("\"{key}\": {}", quoted(value)));
        format!("  {{{}}}", pairs.join(", "))
    });
    format!("[\n{}\n]\n", objects.collect::<Vec<_>>().join(",\n"))
}

/// A string of JSON (RFC 8259 7).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\x1f' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Takes a mistake apart that begins with its place, as those of the
/// configuration and of lists do: `/path:line: what`.
pub(super) fn placed(text: &str) -> (&str, &str) {
    match text.split_once(": ") {
        Some((place, what)) if place.starts_with('/') || place.contains(".toml") => (place, what),
        _ => ("", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped() {
        for (text, json) in [
            ("", "\"\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("\n\t\0\x1f\x7f", "\"\\u000a\\u0009\\u0000\\u001f\x7f\""),
            ("é\u{2028}", "\"é\u{2028}\""),
        ] {
            assert_eq!(quoted(text), json);
        }
    }

    #[test]
    fn what_comes_from_outside_is_printable() {
        for (octets, text) in [
            (&b"250 ok"[..], "250 ok"),
            (b"a\x1b[31m\r\n\0\x7f", "a\\x1b[31m\\x0d\\x0a\\x00\\x7f"),
            ("é\\".as_bytes(), "\\xc3\\xa9\\x5c"),
        ] {
            assert_eq!(outside(octets), text);
        }
        assert_eq!(outside(&[b'x'; 1000]).len(), limits::LOGGED_TEXT + 3);
        let all: String = "a\u{1b}\u{202e}é\n".chars().map(shown).collect();
        assert_eq!(all, "a\\u{1b}\\u{202e}é\\n");
    }

    #[test]
    fn places_are_found() {
        for (text, place, what) in [
            ("/c.toml:3: key \"x\": y", "/c.toml:3", "key \"x\": y"),
            ("c.toml: cannot be read", "c.toml", "cannot be read"),
            ("option -if: x", "", "option -if: x"),
            ("nothing", "", "nothing"),
        ] {
            assert_eq!(placed(text), (place, what));
        }
    }
}
