//! What the author of a list should know: entries that never count, and entries that
//! match far more than anybody means.

use super::compiled::Shadowed;
use super::expression::Expression;
use super::mailbox::Mailbox;
use super::network::Network;
use super::patterns::{Mark, Patterns};
use super::text::BadLine;

/// Networks with fewer bits than this are larger than any one organization's: the
/// largest that were ever given out.
const V4_BITS: u32 = 8;
const V6_BITS: u8 = 16;

/// Names and addresses that have nothing in common: what matches all of them
/// matches everything.
const ANYTHING: [&str; 4] = ["mail.example.org", "192.0.2.1", "x", "2001:db8::f"];

/// The warnings, by line.
pub(super) fn warnings(patterns: &Patterns, shadowed: &[Shadowed]) -> Vec<BadLine> {
    let mut warnings: Vec<BadLine> = Vec::new();
    for Shadowed { line, by } in shadowed {
        let what = format!("never counts: line {by} has it already");
        warnings.push(BadLine { line: *line, what });
    }
    let broad = |mark: &Mark, what: &str| BadLine {
        line: mark.line,
        what: format!("{:?} is very broad: {what}", mark.entry()),
    };
    for (network, mark) in &patterns.networks {
        let bits = match network {
            Network::V4 { mask, .. } => mask.count_ones() < V4_BITS,
            Network::V6 { length, .. } => *length < V6_BITS,
        };
        if bits {
            warnings.push(broad(mark, "no organization has so large a network"));
        }
    }
    let names = patterns.hosts.iter().chain(&patterns.helo).map(|(name, mark)| (*name, mark));
    let domain = |mailbox: &Mailbox| match *mailbox {
        Mailbox::Domain(domain) => domain,
        _ => "",
    };
    let paths = patterns.senders.iter().chain(&patterns.recipients);
    let paths = paths.map(|(mailbox, mark)| (domain(mailbox), mark));
    for (name, mark) in names.chain(paths) {
        if name.strip_prefix('.').is_some_and(|name| !name.contains('.')) {
            warnings.push(broad(mark, "it is everybody below a domain of the highest level"));
        }
    }
    for (listed, mark) in &patterns.expressions {
        if matches_anything(&listed.expression) != listed.negated {
            warnings.push(broad(mark, "it matches everything"));
        }
    }
    warnings.sort_by_key(|warning| warning.line);
    warnings
}

fn matches_anything(expression: &Expression) -> bool {
    let matches = |text: &&str| expression.is_match(text.as_bytes(), text.as_bytes(), false);
    ANYTHING.iter().all(matches)
}
