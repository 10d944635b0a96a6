//! Whom a filter concerns (`only`, `except`), and what it takes to know that.

use super::chain::Over;
use super::link::Link;
use super::{Facts, Ground, Stop};
use crate::activation::Client;
use crate::host::{Host, Iprev};
use crate::limits;
use crate::stage::Stage;

/// Does a filter concern this client, sender and recipient?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Inside,
    Outside,
    /// The sender or recipient will tell.
    Open,
}

/// Waits for the client's host names; whatever else goes wrong with that, there
/// are none then.
pub(super) fn name_client(ground: &mut dyn Ground) -> Result<(), Over> {
    match ground.name_client() {
        Err(Stop::Over) => Err(Over),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Link {
    /// Whom it concerns (`only`, `except`), as far as that is known.
    pub(super) fn scope(&self, stage: Stage, facts: &Facts<'_>) -> Scope {
        let mut scope = Scope::Inside;
        if let Some(only) = &self.policy.only
            && !only.has(facts)
        {
            scope = if only.stages().has_after(stage) { Scope::Open } else { Scope::Outside };
        }
        if let Some(except) = &self.policy.except {
            if except.has(facts) {
                return Scope::Outside;
            }
            if scope == Scope::Inside && except.stages().has_after(stage) {
                scope = Scope::Open;
            }
        }
        scope
    }

    pub(super) fn scope_needs_host(&self, client: &Client) -> bool {
        let lists = [&self.policy.only, &self.policy.except];
        lists.into_iter().flatten().any(|list| list.needs_host(client))
    }

    /// Is it open whether it would spare this client, because DNS gave no answer?
    pub(super) fn is_undecided(&self, facts: &Facts<'_>) -> bool {
        let unanswered = |host: &Host| host.iprev == Iprev::TempError;
        facts.host.get().is_some_and(unanswered)
            && (self.scope_needs_host(facts.client)
                || (self.filter.may_accept() && self.filter.needs_host(facts.client)))
    }

    /// Finds out what it takes to say whom it concerns.
    #[inline(always)]
    pub(super) fn learn_scope(
        &self,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<(), Over> {
        match (&self.policy.only, &self.policy.except) {
            (None, None) => Ok(()),
            _ => self.learn_lists(facts, ground),
        }
    }

    fn learn_lists(&self, facts: &Facts<'_>, ground: &mut dyn Ground) -> Result<(), Over> {
        for list in [&self.policy.only, &self.policy.except].into_iter().flatten() {
            if facts.host.get().is_none() && list.needs_host(facts.client) {
                name_client(ground)?;
            }
            if let Some(note) = list.take_note() {
                ground.begin(self.policy.name, limits::FILTER);
                ground.note(&note);
            }
        }
        Ok(())
    }
}
