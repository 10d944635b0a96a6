//! The chain: filters in the order of the configuration, and what they say as
//! a whole.
//!
//! For each recipient the first filter in the file's order that refuses wins,
//! with all that is known at RCPT; a filter that accepts takes those behind it
//! that judge the peer out of it. What is found earlier is kept. It is a refusal
//! of the whole session, to be held, only if nothing that is yet to come can
//! change it: no filter before it may still accept, and it does not depend on
//! the sender or recipient whom it concerns. So `only = ["to:…"]` works for a
//! filter that hit at connect, and an `allow` for HELO names before a filter for
//! addresses does what it says.

use std::borrow::Cow;

use super::link::{Finding, Link};
use super::policy::Policy;
use super::scope::Scope;
use super::{Facts, Filter, Ground, reply, usual};
use crate::activation::Client;
use crate::sandbox::Needs;
use crate::smtp::refusal::Refusal;
use crate::spool::Spool;
use crate::stage::{Stage, Stages};

/// The filters of a session.
#[derive(Default)]
pub struct Chain {
    links: Vec<Link>,
    noted: Noted,
    lifted: Option<&'static str>,
}

/// What the log is to know of the recipient or message asked about last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// What a filter that only observes would have done.
    pub would: Option<Would>,
    /// Why it was accepted.
    pub accepted: Option<Cow<'static, [u8]>>,
}

/// What a filter that only observes would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Would {
    /// The reply code.
    pub code: u16,
    /// The rule.
    pub rule: &'static str,
}

/// What the filters as a whole say.
#[must_use]
#[derive(Debug)]
pub enum Judgement {
    /// Nothing against it.
    Pass,
    /// The client will be refused with this, whatever it says next.
    Held(Refusal),
    /// The recipient or the message is refused.
    Refused(Refusal),
}

/// What one filter has found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its type.
    pub name: &'static str,
    /// It only observes.
    pub observes: bool,
    /// It has been asked; else one before it settled it, or it does not concern the
    /// client, sender or recipient.
    pub asked: bool,
    /// It accepts, for this reason.
    pub accepts: Option<&'a [u8]>,
    /// It refuses.
    pub refusal: Option<&'a Refusal>,
}

/// There is nobody to judge any more.
#[derive(Clone, Copy, Debug)]
pub struct Over;

/// Where DNS gave no answer, a client may be one that is to be spared: it is not
/// refused for good.
fn softly(undecided: bool, refusal: Refusal) -> Refusal {
    if undecided { reply::temporary(refusal) } else { refusal }
}

impl Chain {
    /// An empty one, with room for so many.
    #[must_use]
    pub fn with_capacity(filters: usize) -> Chain {
        Chain { links: Vec::with_capacity(filters), ..Chain::default() }
    }

    /// Adds a filter behind the others.
    pub fn add(&mut self, filter: Box<dyn Filter>, policy: Policy) {
        self.links.push(Link::new(filter, policy));
    }

    /// Adds the filters of a program that has no configuration; they may judge local
    /// addresses too.
    pub fn add_usual(&mut self, local: bool) {
        for (name, filter) in usual(local) {
            self.add(filter, Policy::usual(name));
        }
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The stages at which it must be asked.
    #[must_use]
    pub fn stages(&self) -> Stages {
        let all = self.links.iter().fold(Stages::NONE, |all, link| all.and(link.stages));
        // What is found of the peer is said at RCPT; what is found of a message
        // is forgotten at the next MAIL.
        match (all.meets(Stages::PEER), all.has(Stage::Message)) {
            (true, false) => all.with(Stage::Rcpt),
            (true, true) => all.with(Stage::Rcpt).with(Stage::Mail),
            (false, true) => all.with(Stage::Mail),
            (false, false) => all,
        }
    }

    /// What the filters that have something to say at this stage have found, in
    /// their order; those that were not asked have found nothing.
    pub fn found(&self, stage: Stage) -> impl Iterator<Item = Found<'_>> {
        self.links.iter().filter(move |link| link.stages.has(stage)).map(move |l| l.found(stage))
    }

    /// The filters that want to know what the client says, and not only who it is.
    pub fn inside(&self) -> impl Iterator<Item = &'static str> {
        let inside = self.links.iter().filter(|link| link.stages.has_after(Stage::Connect));
        inside.map(|link| link.policy.name)
    }

    /// Is there one?
    #[must_use]
    pub fn looks_inside(&self) -> bool {
        self.inside().next().is_some()
    }

    /// May the client's host names be needed?
    #[must_use]
    pub fn needs_host(&self, client: &Client) -> bool {
        self.links.iter().any(|link| link.needs_host(client))
    }

    /// What the filters need, beside what relaying takes.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::NOTHING;
        for link in &self.links {
            needs |= link.needs();
            if link.stages.has(Stage::Message) {
                needs |= Needs::SPOOL;
            }
        }
        needs
    }

    /// Does a filter keep strangers from using the MTA as a relay?
    #[must_use]
    pub fn guards_mta(&self) -> bool {
        self.links.iter().any(Link::guards_mta)
    }

    /// The rule of what was found of the peer, for a session that ends before
    /// it is said.
    #[must_use]
    pub fn suspicion(&self) -> Option<&'static str> {
        self.links.iter().find_map(Link::suspicion)
    }

    /// The MTA knows who the client is, and that lifts what was found of the peer.
    #[cold]
    pub fn lift(&mut self) {
        self.lifted = self.lifted.or(self.suspicion());
        self.links.iter_mut().filter(|link| link.judges_peer).for_each(Link::lift);
    }

    /// The rule of the first refusal that was lifted.
    #[must_use]
    pub fn lifted(&self) -> Option<&'static str> {
        self.lifted
    }

    /// What the log is to know of the recipient or message asked about last.
    pub fn take_noted(&mut self) -> Noted {
        std::mem::take(&mut self.noted)
    }

    /// The message that filters were shown is gone, judged or not; the next one is
    /// another.
    pub fn forget_message(&mut self) {
        self.links.iter_mut().for_each(Link::forget_message);
    }

    /// What was found is forgotten: whoever is asked about next is another client.
    pub fn renew(&mut self) {
        (self.noted, self.lifted) = (Noted::default(), None);
        self.links.iter_mut().for_each(|link| link.forget(Stage::Connect));
    }

    /// Puts others in the places of the filters; they are asked at the same stages.
    pub(crate) fn replace(
        &mut self,
        mut by: impl FnMut(&'static str, Box<dyn Filter>) -> Box<dyn Filter>,
    ) {
        let links = std::mem::take(&mut self.links).into_iter();
        self.links = links.map(|link| link.replaced(&mut by)).collect();
    }

    /// Ends what filters have left running.
    pub fn finish(&mut self) {
        self.links.iter_mut().for_each(Link::finish);
    }

    /// Judges the peer at connect, helo or mail.
    ///
    /// # Errors
    /// [`Over`].
    pub fn judge_peer(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Judgement, Over> {
        let (mut accepted, mut may_be_accepted, mut undecided) = (false, false, false);
        for link in &mut self.links {
            link.forget(stage);
            link.learn_scope(facts, ground)?;
            let scope = link.scope(stage, facts);
            if scope == Scope::Outside || ((accepted || facts.lifted) && link.judges_peer) {
                continue;
            }
            link.look(stage, facts, ground)?;
            undecided |= link.is_undecided(facts);
            match link.finding() {
                _ if link.observes() => {}
                Finding::Accept(_) if scope == Scope::Inside => accepted = true,
                Finding::Accept(_) => may_be_accepted = true,
                Finding::Nothing => may_be_accepted |= link.may_accept_after(stage),
                Finding::Refuse(_) if scope == Scope::Open => {}
                // The first refusal wins, unless something before it accepts yet.
                Finding::Refuse(_) if may_be_accepted => break,
                Finding::Refuse(_) => {
                    if let Some(refusal) = link.serve(stage, facts, ground)? {
                        return Ok(Judgement::Held(softly(undecided, refusal)));
                    }
                }
            }
        }
        Ok(Judgement::Pass)
    }

    /// Judges a recipient. With `spare`, what was found of the peer does not
    /// count: postmaster is to be reached (RFC 5321 4.5.1).
    ///
    /// # Errors
    /// [`Over`].
    pub fn judge_recipient(
        &mut self,
        spare: bool,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Judgement, Over> {
        self.noted = Noted::default();
        let (mut accepted, mut undecided) = (false, false);
        for link in &mut self.links {
            link.learn_scope(facts, ground)?;
            if (accepted && link.judges_peer) || link.scope(Stage::Rcpt, facts) != Scope::Inside {
                continue;
            }
            let known = !matches!(link.finding(), Finding::Nothing);
            if !known {
                link.look(Stage::Rcpt, facts, ground)?;
            }
            undecided |= link.is_undecided(facts);
            match link.finding_of_recipient() {
                Finding::Nothing => {}
                Finding::Accept(_) if link.observes() => {}
                Finding::Accept(why) => {
                    accepted = true;
                    self.noted.accepted.get_or_insert_with(|| why.clone());
                }
                Finding::Refuse(_) if known && spare => {}
                Finding::Refuse(hit) if link.observes() => {
                    self.noted.would = self.noted.would.or(Some(link.would(hit, facts)));
                }
                Finding::Refuse(_) => {
                    if let Some(refusal) = link.serve(Stage::Rcpt, facts, ground)? {
                        let undecided = undecided && link.judges_peer;
                        return Ok(Judgement::Refused(softly(undecided, refusal)));
                    }
                }
            }
        }
        Ok(Judgement::Pass)
    }

    /// Shows what has come of a message to the first filter that looks at
    /// messages; those behind it see what it makes of it.
    ///
    /// # Errors
    /// [`Over`].
    #[inline(never)] // Not in every session.
    pub fn judge_data(&mut self, facts: &Facts<'_>, ground: &mut dyn Ground) -> Result<(), Over> {
        match self.links.iter_mut().find(|link| link.concerns_message(facts)) {
            Some(link) if matches!(link.finding_of_message(), Finding::Nothing) => {
                link.look(Stage::Data, facts, ground)
            }
            _ => Ok(()),
        }
    }

    /// Judges a complete message, and makes of it what the filters make of it.
    ///
    /// # Errors
    /// [`Over`].
    #[inline(never)] // Not in every session.
    pub fn judge_message(
        &mut self,
        message: &mut Spool,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Judgement, Over> {
        self.noted = Noted::default();
        for link in self.links.iter_mut().filter(|link| link.concerns_message(facts)) {
            if matches!(link.finding_of_message(), Finding::Nothing) {
                let facts = Facts { message: Some(message), ..*facts };
                if let Some(rewritten) = link.look_at_message(&facts, ground)? {
                    *message = rewritten;
                }
            }
            match link.finding_of_message() {
                Finding::Nothing | Finding::Accept(_) => {}
                Finding::Refuse(hit) if link.observes() => {
                    self.noted.would = self.noted.would.or(Some(link.would(hit, facts)));
                }
                Finding::Refuse(_) => {
                    if let Some(refusal) = link.serve(Stage::Message, facts, ground)? {
                        return Ok(Judgement::Refused(refusal));
                    }
                }
            }
        }
        Ok(Judgement::Pass)
    }
}
