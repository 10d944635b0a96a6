//! The proposals as lines of a list: each with what speaks for it in a comment before.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::fold::{Proposal, Proposals};
use super::show;
use crate::dates;

/// A list that `allow` takes as it is.
pub(super) fn list(proposals: &Proposals) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let today = dates::written(i64::try_from(now / 86_400).unwrap_or(0));
    let mut text =
        format!("# as of {today}: proposed by smtp-wrapper report; read it before use\n");
    for proposal in &proposals.all {
        let _ = write!(text, "# {}\n{}\n", evidence(proposal), proposal.entry);
    }
    text
}

/// What speaks for a proposal, in one line.
pub(super) fn evidence(proposal: &Proposal) -> String {
    format!("{}: {}", proposal.confidence.name(), reasons(proposal))
}

/// The same without how sure it is.
pub(super) fn reasons(proposal: &Proposal) -> String {
    let conduct = &proposal.conduct;
    let mut text = format!(
        "{} of {}",
        show::count(conduct.tries, "try", "tries"),
        show::count(conduct.messages, "message", "messages"),
    );
    if proposal.hosts > 1 {
        let _ = write!(text, " by {} hosts", proposal.hosts);
    }
    let (first, last) = (show::date(proposal.first), show::date(proposal.last));
    match first == last {
        true => text.push_str(&format!(", {first}")),
        false => text.push_str(&format!(", {first} to {last}")),
    }
    let (shortest, longest) = (show::duration(conduct.shortest), show::duration(conduct.longest));
    match shortest == longest {
        true => text.push_str(&format!(", gaps of {shortest}")),
        false => text.push_str(&format!(", gaps of {shortest} to {longest}")),
    }
    if conduct.regular && conduct.most_tries > 2 {
        text.push_str(", regular");
    }
    if conduct.lost > 0 {
        let _ = write!(text, ", {} not tried again", show::number(conduct.lost.into()));
    }
    if conduct.accepted > 0 {
        let _ = write!(text, ", {} accepted later", show::number(conduct.accepted.into()));
    }
    if proposal.entry.starts_with('.') {
        text.push_str("; lets in everybody with a name below it");
    }
    let sender = show::text(&proposal.sender);
    match proposal.senders {
        _ if sender.is_empty() => {}
        ..2 => text.push_str(&format!("; sender {sender}")),
        more => text.push_str(&format!("; {more} or more sender domains, as {sender}")),
    }
    text
}
