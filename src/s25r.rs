//! The S25R rules (Hideo Asami, "Selective SMTP Rejection"): host names that
//! look like those of dial-up lines and other machines of end users.
//!
//! They are written out by hand as what the expressions say of labels: to
//! compile six expressions costs a session more than all else together, and a
//! finished automaton in the program would have to be trusted or checked, which
//! costs as much. `tests/s25r.rs` holds them equal to the `regex` crate over every
//! short name and a corpus of real ones. They never allocate and take any
//! octets; a final dot is the caller's to take off.

/// Which rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// As their author publishes them.
    Published,
    /// Those of smtp_wrapper of 2006.
    Original,
}

/// The expressions as published, in order; letters of both cases are one.
pub const PUBLISHED: [&str; 6] = [
    r"^[^.]*[0-9][^0-9.]+[0-9].*\.",
    r"^[^.]*[0-9]{5}",
    r"^([^.]+\.)?[0-9][^.]*\.[^.]+\..+\.[a-z]",
    r"^[^.]*[0-9]\.[^.]*[0-9]-[0-9]",
    r"^[^.]*[0-9]\.[^.]*[0-9]\.[^.]+\..+\.",
    r"^(dhcp|dialup|ppp|[achrsvx]?dsl)[^.]*[0-9]",
];

/// Those of smtp_wrapper: rule 1 hits names of one label too, rule 6 knows one
/// kind of DSL.
pub const ORIGINAL: [&str; 6] = [
    r"^[^.]*[0-9][^0-9.]+[0-9]",
    r"^[^.]*[0-9]{5}",
    r"^([^.]+\.)?[0-9][^.]*\.[^.]+\..+\.[a-z]",
    r"^[^.]*[0-9]\.[^.]*[0-9]-[0-9]",
    r"^[^.]*[0-9]\.[^.]*[0-9]\.[^.]+\..+\.",
    r"^(dhcp|dialup|ppp|adsl)[^.]*[0-9]",
];

impl Rules {
    /// The expressions, in order.
    #[must_use]
    pub const fn expressions(self) -> &'static [&'static str; 6] {
        match self {
            Rules::Published => &PUBLISHED,
            Rules::Original => &ORIGINAL,
        }
    }
}

/// The number of the first rule that hits this host name, 1 to 6.
#[must_use]
pub fn first_hit(rules: Rules, host: &[u8]) -> Option<u8> {
    let original = rules == Rules::Original;
    let (first, rest) = label(host);
    if digits_apart(first) && (original || rest.is_some()) {
        return Some(1);
    }
    if five_digits(first) {
        return Some(2);
    }
    let behind_first = rest.filter(|_| !first.is_empty());
    if is_rule_3(host) || behind_first.is_some_and(is_rule_3) {
        return Some(3);
    }
    if let Some(rest) = rest
        && first.last().is_some_and(u8::is_ascii_digit)
    {
        let (second, rest) = label(rest);
        if digit_dash_digit(second) {
            return Some(4);
        }
        if second.last().is_some_and(u8::is_ascii_digit) && rest.is_some_and(|rest| deep(rest, any))
        {
            return Some(5);
        }
    }
    let kinds: &[&[u8]] = if original { &[b"adsl"] } else { &[b"dsl"] };
    is_rule_6(first, kinds, !original).then_some(6)
}

/// The first label, and what follows its dot.
fn label(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    match name.iter().position(|&b| b == b'.') {
        Some(dot) => (name.get(..dot).unwrap_or_default(), name.get(dot + 1..)),
        None => (name, None),
    }
}

/// A digit, something else, and a digit: `[0-9][^0-9.]+[0-9]`.
fn digits_apart(label: &[u8]) -> bool {
    let mut from = label.iter().skip_while(|b| !b.is_ascii_digit());
    from.any(|b| !b.is_ascii_digit()) && from.any(u8::is_ascii_digit)
}

fn five_digits(label: &[u8]) -> bool {
    let mut run = 0;
    label.iter().any(|b| {
        run = if b.is_ascii_digit() { run + 1 } else { 0 };
        run == 5
    })
}

fn digit_dash_digit(label: &[u8]) -> bool {
    label.windows(3).any(|w| matches!(w, [a, b'-', b] if a.is_ascii_digit() && b.is_ascii_digit()))
}

/// `[0-9][^.]*\.[^.]+\..+\.[a-z]`
fn is_rule_3(name: &[u8]) -> bool {
    let (first, rest) = label(name);
    first.first().is_some_and(u8::is_ascii_digit)
        && rest.is_some_and(|rest| deep(rest, |next| next.is_some_and(u8::is_ascii_alphabetic)))
}

/// `[^.]+\..+\.`, and then what `end` wants.
fn deep(name: &[u8], end: impl Fn(Option<&u8>) -> bool) -> bool {
    let (first, rest) = label(name);
    let Some((_, tail)) = rest.and_then(<[u8]>::split_first) else { return false };
    let mut dots = tail.iter().enumerate().filter(|(_, b)| **b == b'.');
    !first.is_empty() && dots.any(|(at, _)| end(tail.get(at + 1)))
}

/// Whatever follows, if anything.
fn any(_next: Option<&u8>) -> bool {
    true
}

/// The kinds of line a name begins with, and a digit in the label behind it.
fn is_rule_6(label: &[u8], kinds: &[&[u8]], lettered: bool) -> bool {
    const KINDS: [&[u8]; 3] = [b"dhcp", b"dialup", b"ppp"];
    let behind = |label: &[u8], kind: &[u8]| {
        let (start, rest) = label.split_at_checked(kind.len())?;
        start.eq_ignore_ascii_case(kind).then(|| rest.iter().any(u8::is_ascii_digit))
    };
    let hits = |label: &[u8], kind: &&[u8]| behind(label, kind) == Some(true);
    let letter = label
        .split_first()
        .filter(|(first, _)| lettered && b"achrsvx".contains(&first.to_ascii_lowercase()));
    KINDS.iter().chain(kinds).any(|kind| hits(label, kind))
        || letter.is_some_and(|(_, rest)| kinds.iter().any(|kind| hits(rest, kind)))
}
