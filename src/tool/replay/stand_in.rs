//! What stands in the place of filters whose word is not to be had from a log again:
//! programs, intervals, early talkers. It says what the log says such a filter said.

use std::cell::RefCell;
use std::rc::Rc;

use crate::activation::Client;
use crate::filter::{Facts, Filter, Ground, KINDS, Stop, Verdict, reply};
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::{Stage, Stages};

/// The types of filters that are not asked.
pub(super) const NOT_ASKED: [&str; 3] = ["early", "interval", "program"];

/// The rule that depends on which of our addresses the client called.
const OURS: &str = "helo.ours";

/// What the log has a filter say of the recipient.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// It refused, or would have.
    pub(super) refusal: Option<Refusal>,
    /// A filter of this type has said so again.
    pub(super) again: Option<&'static str>,
}

impl Said {
    /// A refusal by this rule, if it is one that filters have.
    pub(super) fn refusal(rule: &str, code: u16, text: &[u8], why: &[u8]) -> Option<Refusal> {
        const BROKEN: &Refusal = &reply::BROKEN;
        let mut all = KINDS.iter().flat_map(|kind| kind.rules).chain([BROKEN]);
        let known = all.find(|refusal| refusal.rule == rule)?;
        let code = RefusalCode::new(code)?;
        let text = std::str::from_utf8(text).ok().filter(|text| {
            !text.is_empty() && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        });
        let text = text.map_or(known.text.clone(), |text| text.to_owned().into());
        Some(Refusal { code, text, ..known.clone().because(why.to_vec()) })
    }
}

/// A filter in whose place the log speaks.
pub(super) struct StandIn {
    kind: &'static str,
    filter: Box<dyn Filter>,
    said: Rc<RefCell<Said>>,
}

/// Puts one in the place of a filter that needs it.
pub(super) fn stand_in(
    kind: &'static str,
    filter: Box<dyn Filter>,
    said: &Rc<RefCell<Said>>,
) -> Box<dyn Filter> {
    match NOT_ASKED.contains(&kind) || kind == "helo" {
        true => Box::new(StandIn { kind, filter, said: said.clone() }),
        false => filter,
    }
}

impl StandIn {
    /// What the log has it say.
    fn logged(&self) -> Option<Result<Verdict, Stop>> {
        let mut said = self.said.borrow_mut();
        let refusal = said.refusal.clone()?;
        let of = refusal.rule.split('.').next().unwrap_or_default();
        let broken = refusal.rule == reply::BROKEN.rule && self.kind == "program";
        let ours = self.kind != "helo" || refusal.rule == OURS;
        if !(of == self.kind && ours || broken) {
            return None;
        }
        said.again = Some(self.kind);
        Some(match broken {
            true => Err(Stop::Trouble(String::from_utf8_lossy(&refusal.why).into_owned())),
            false => Ok(Verdict::Refuse(refusal)),
        })
    }
}

impl Filter for StandIn {
    fn stages(&self) -> Stages {
        self.filter.stages()
    }

    fn judges_peer(&self) -> bool {
        self.filter.judges_peer()
    }

    fn may_accept(&self) -> bool {
        self.filter.may_accept()
    }

    fn needs_host(&self, client: &Client) -> bool {
        self.filter.needs_host(client)
    }

    fn guards_mta(&self) -> bool {
        self.filter.guards_mta()
    }

    fn judge(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        if self.kind != "helo" {
            return self.logged().unwrap_or(Ok(Verdict::Continue));
        }
        match self.filter.judge(stage, facts, ground)? {
            Verdict::Refuse(refusal) if refusal.rule == OURS => Ok(Verdict::Refuse(refusal)),
            verdict => self.logged().unwrap_or(Ok(verdict)),
        }
    }
}
