//! What allow and deny have in common: a list, whose entries may say themselves what
//! shall happen, as those of Postfix's access tables do.

use super::{Facts, Ground, Key, Stop, Verdict};
use crate::list::{Action, Hit, List};
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::Stage;

/// The keys.
pub(super) const ENTRIES: Key = Key { name: "entries", value: "list", help: "whom" };
pub(super) const LISTS: Key = Key {
    name: "lists",
    value: "list",
    help: "files of entries, one a line; relative to the configuration",
};
pub(super) const SYNTAX: Key = Key {
    name: "syntax",
    value: "usual or egrep",
    help: "how the files are written; egrep: the original's, one expression a line (usual)",
};
pub(super) const MATCH: Key = Key {
    name: "match",
    value: "client, address, host, helo, sender or recipient",
    help: "what entries are about that do not say so themselves (client)",
};

/// What an entry that refuses says, if it has no text of its own.
pub(super) const DENIED: Refusal =
    Refusal::new(RefusalCode::TRANSACTION_FAILED, "deny", "5.7.1 Refused by local policy [deny]");

/// Looks for what this stage brings; `None` if it is not on the list.
///
/// # Errors
/// [`Stop::Trouble`] when a file of it cannot be read any more.
pub(super) fn look_up(
    list: &List,
    stage: Stage,
    facts: &Facts<'_>,
    ground: &mut dyn Ground,
) -> Result<Option<Hit>, Stop> {
    let hit = list.find_at(stage, facts);
    let note = list.take_note();
    if list.is_broken() {
        return Err(Stop::Trouble(note.unwrap_or("a list cannot be read any more".to_owned())));
    }
    if let Some(note) = note {
        ground.note(&note);
    }
    Ok(hit)
}

/// What an entry says; `usual` is for those that say nothing.
pub(super) fn verdict(hit: Hit, usual: Action<'static>) -> Verdict {
    match hit.action.unwrap_or(usual) {
        Action::Accept => Verdict::Accept(hit.entry),
        Action::Pass => Verdict::Continue,
        Action::Refuse(code, Some(text)) => {
            Verdict::Refuse(Refusal { code, text, ..DENIED.because(hit.entry) })
        }
        Action::Refuse(code, None) => {
            let denied = DENIED.because(hit.entry);
            Verdict::Refuse(match code.is_temporary() {
                true => super::reply::temporary(denied),
                false => denied,
            })
        }
    }
}
