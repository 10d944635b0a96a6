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
    let mut patterns = Patterns { commands: syntax == Syntax::Egrep, ..Patterns::default() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut whole: Option<(u32, Cow<'static, str>)> = None;
    for (number, line) in (1..).zip(lines) {
        if number & 0xffff == 0 {
            told(number);
        }
        let plain = line.trim_ascii();
        if plain.is_empty() || plain.starts_with('#') {
            continue;
        }
        match &mut whole {
            Some((_, before)) if syntax == Syntax::Usual && line.starts_with([' ', '\t']) => {
                let before = before.to_mut();
                before.push(' ');
                before.push_str(plain);
            }
            _ => {
                if let Some(line) = whole.replace((number, Cow::Borrowed(plain))) {
                    patterns.line(line, syntax, topic)?;
                }
            }
        }
    }
    if let Some(line) = whole {
        patterns.line(line, syntax, topic)?;
    }
    Ok(patterns)
}

impl Patterns {
    fn line(
        &mut self,
        (line, text): (u32, Cow<'static, str>),
        syntax: Syntax,
        topic: Topic,
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
            self.add(what, Mark { line, action: "", text }, 0);
            return Ok(());
        }
        let (entry, rest) = parted(text);
        if matches!(entry.to_ascii_lowercase().as_str(), "if" | "endif") {
            return Err(bad(format!("{entry}: an entry has to say its whole condition itself")));
        }
        let action = if rest.starts_with('#') { "" } else { rest };
        let what = What::parse(entry, topic).map_err(|why| bad(format!("{entry:?} {why}")))?;
        match Action::parse(action) {
            Ok(said) => self.accepts |= said == Some(Action::Accept),
            Err(why) if goes_on => {
                let why = format!("{why}; a line that begins with a space goes on the one before");
                return Err(bad(why));
            }
            Err(why) => return Err(bad(why)),
        }
        self.add(what, Mark { line, action, text: entry }, 0);
        Ok(())
    }
}
