//! The text of a list: one entry a line, with what it says behind it.
//!
//! ```text
//! # a comment
//! 192.0.2.0/24                              # what the filter does
//! .example.org          OK                  # or an action (`action`)
//! /^dsl-[0-9]+\.example\.net$/  450 4.7.1 be patient
//!   with this                               # goes on the line before, as in Postfix's tables
//! ```
//!
//! In the original's lists (`egrep`) each line is one expression, found anywhere.

use std::borrow::Cow;

use super::action::Action;
use super::entry::{Topic, What, parted};
use super::expression::Expression;
use super::patterns::{Mark, Patterns};

/// How a list is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// As above.
    #[default]
    Usual,
    /// One expression a line, as in the original's `*_db` files.
    Egrep,
}

/// The words for it, `syntax = "…"`.
pub(crate) const SYNTAXES: &[(&str, Syntax)] =
    &[("usual", Syntax::Usual), ("egrep", Syntax::Egrep)];

/// Octets of a line are hardly less, and memory is taken for so many lines at most
/// before there are so many.
const LINE: usize = 12;
const AT_ONCE: usize = 128;

/// What is wrong with a list, and on which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) line: u32,
    pub(super) what: String,
}

/// Reads a list; `told` is told now and then how many lines are read.
pub(super) fn read(
    text: &'static str,
    syntax: Syntax,
    topic: Topic,
    told: &mut dyn FnMut(u32),
) -> Result<Patterns, BadLine> {
    let mut patterns = Patterns::default();
    patterns.commands = syntax == Syntax::Egrep;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut whole: Option<(u32, Cow<'static, str>)> = None;
    // Memory is taken once for most lists.
    let most = (text.len() / LINE).min(AT_ONCE);
    let (mut from, mut number) = (0, 0);
    // Lines are found by memchr: for a small list that is a third of all the work.
    while let Some(rest) = text.get(from..) {
        number += 1;
        let length = memchr::memchr(b'\n', rest.as_bytes());
        let line = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        from = length.map_or(usize::MAX, |length| from + length + 1);
        if number & 0xffff == 0 {
            told(number);
        }
        let plain = line.trim_ascii();
        if matches!(plain.as_bytes(), [] | [b'#', ..]) {
            continue;
        }
        let indented = matches!(line.as_bytes(), [b' ' | b'\t', ..]);
        match &mut whole {
            Some((_, before)) if indented && syntax == Syntax::Usual => {
                let before = before.to_mut();
                before.push(' ');
                before.push_str(plain);
            }
            _ => {
                if let Some(line) = whole.replace((number, Cow::Borrowed(plain))) {
                    patterns.line(line, syntax, topic, most)?;
                }
            }
        }
    }
    if let Some(line) = whole {
        patterns.line(line, syntax, topic, most)?;
    }
    Ok(patterns)
}

impl Patterns {
    fn line(
        &mut self,
        (line, text): (u32, Cow<'static, str>),
        syntax: Syntax,
        topic: Topic,
        most: usize,
    ) -> Result<(), BadLine> {
        let bad = |what| BadLine { line, what };
        let (text, goes_on) = match text {
            Cow::Borrowed(text) => (text, false),
            Cow::Owned(text) => (&*text.leak(), true),
        };
        if syntax == Syntax::Egrep {
            let text = text.split('#').next().unwrap_or_default().trim_ascii();
            let expression = Expression::parse(text, false);
            let expression = expression.map_err(|why| bad(format!("{text:?} {why}")))?;
            let expression = Box::new(expression);
            let what = What::Expression { topic, expression, negated: false };
            self.add(what, Mark::new(line, text, text.len()), most);
            return Ok(());
        }
        let (entry, rest) = parted(text);
        if entry.eq_ignore_ascii_case("if") || entry.eq_ignore_ascii_case("endif") {
            return Err(bad(format!("{entry}: an entry has to say its whole condition itself")));
        }
        let what = What::parse(entry, topic).map_err(|why| bad(format!("{entry:?} {why}")))?;
        if !matches!(rest.as_bytes(), [] | [b'#', ..]) {
            match Action::parse(rest) {
                Ok(said) => self.accepts |= said == Some(Action::Accept),
                Err(why) if goes_on => {
                    let what = "a line that begins with a space goes on the one before";
                    return Err(bad(format!("{why}; {what}")));
                }
                Err(why) => return Err(bad(why)),
            }
        }
        self.add(what, Mark::new(line, text, entry.len()), most);
        Ok(())
    }
}
