//! What the MTA is told to do.

use std::fmt;
use std::time::Duration;

use super::lines;

/// One thing the MTA does when its moment has come.
#[derive(Clone)]
pub enum Act {
    /// Sends these octets, in one write.
    Say(Vec<u8>),
    /// Sends these octets one by one, with a pause before each.
    Slowly(Duration, Vec<u8>),
    /// Sends the reply when the test says so.
    Held(Vec<u8>),
    /// Repeats these octets until the connection is gone.
    Endless(Vec<u8>),
    /// Reads on and never answers.
    Silence,
    /// Reads nothing more, and says nothing.
    Deaf,
    /// Sends these octets and closes the connection.
    Last(Vec<u8>),
    /// Closes the connection.
    Close,
    /// Closes the connection with a reset.
    Reset,
}

impl fmt::Debug for Act {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(octets) | Self::Slowly(_, octets) | Self::Held(octets) => say(to, octets),
            Self::Endless(octets) => {
                say(to, octets).and_then(|()| to.write_str(" again and again"))
            }
            Self::Last(octets) => say(to, octets).and_then(|()| to.write_str(" and close")),
            Self::Silence => to.write_str("silence"),
            Self::Deaf => to.write_str("deaf"),
            Self::Close => to.write_str("close"),
            Self::Reset => to.write_str("reset"),
        }
    }
}

fn say(to: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    write!(to, "{}", octets.get(..octets.len().min(60)).unwrap_or_default().escape_ascii())
}

/// A reply, as a test writes it: lines, without CRLF.
impl From<&str> for Act {
    fn from(text: &str) -> Self {
        Self::Say(lines(text))
    }
}

/// A moment, what to do then, and how often.
struct Rule {
    at: String,
    act: Act,
    left: usize,
}

/// The MTA's part. A moment is one of `(greeting)`, `(data)` (the first octets of mail data have
/// come), `.` (the end of mail data) or the beginning of a command line, in any case of letters.
pub struct Script {
    rules: Vec<Rule>,
    /// The MTA takes a lone CR or LF for the end of a line, everywhere.
    pub lenient: bool,
    /// Nothing listens at the MTA's address.
    pub absent: bool,
}

/// What the MTA answers if the test says nothing else; the last fitting one counts.
const POLITE: &[(&str, &str)] = &[
    ("", "500 5.5.1 the MTA does not know this command"),
    ("(greeting)", "220 mta.test ESMTP"),
    ("(data)", ""),
    ("HELO", "250 mta.test"),
    (
        "EHLO",
        "250-mta.test\n250-PIPELINING\n250-SIZE 10240000\n250-8BITMIME\n250 ENHANCEDSTATUSCODES",
    ),
    ("MAIL", "250 2.1.0 sender ok"),
    ("RCPT", "250 2.1.5 recipient ok"),
    ("DATA", "354 go ahead"),
    (".", "250 2.0.0 queued"),
    ("RSET", "250 2.0.0 forgotten"),
    ("NOOP", "250 2.0.0 nothing done"),
    ("VRFY", "252 2.5.2 cannot say"),
    ("EXPN", "502 5.5.1 no lists here"),
    ("HELP", "214-2.0.0 you asked\n214 2.0.0 for it"),
];

impl Script {
    /// An MTA that takes everything.
    pub fn polite() -> Self {
        let rules = POLITE.iter().map(|(at, text)| Rule {
            at: (*at).to_owned(),
            act: (*text).into(),
            left: usize::MAX,
        });
        Self { rules: rules.collect(), lenient: false, absent: false }
            .on("QUIT", Act::Last(lines("221 2.0.0 goodbye")))
    }

    /// No MTA at all: its port refuses connections.
    pub fn absent() -> Self {
        Self { absent: true, ..Self::polite() }
    }

    /// An MTA that ends lines, and mail data, at everything that could be meant as one.
    pub fn lenient() -> Self {
        Self { lenient: true, ..Self::polite() }
    }

    /// What the MTA does each time at this moment.
    pub fn on(self, at: &str, act: impl Into<Act>) -> Self {
        self.times(usize::MAX, at, act)
    }

    /// What the MTA does the first time at this moment; later what was said before.
    pub fn once(self, at: &str, act: impl Into<Act>) -> Self {
        self.times(1, at, act)
    }

    fn times(mut self, left: usize, at: &str, act: impl Into<Act>) -> Self {
        self.rules.push(Rule { at: at.to_owned(), act: act.into(), left });
        self
    }

    /// What to do with this command line, or at this moment.
    pub fn act(&mut self, moment: &[u8]) -> Option<Act> {
        let rule = self.rules.iter_mut().rev().find(|rule| {
            let start = moment.get(..rule.at.len());
            rule.left > 0
                && start.is_some_and(|start| start.eq_ignore_ascii_case(rule.at.as_bytes()))
        })?;
        rule.left -= 1;
        Some(rule.act.clone())
    }
}
