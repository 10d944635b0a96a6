//! A filter in its place in the chain: what the configuration says of it, and
//! what it has found.

use std::borrow::Cow;
use std::time::Instant;

use super::chain::{Found, Over, Would};
use super::policy::{OnError, OnHit, Policy};
use super::scope::{Scope, name_client};
use super::{Facts, Filter, Ground, Stop, Verdict, Woken, reply};
use crate::activation::Client;
use crate::limits;
use crate::sandbox::Needs;
use crate::smtp::refusal::Refusal;
use crate::spool::Spool;
use crate::stage::{Stage, Stages};
use crate::state::places;

/// What a filter has found at one stage.
#[derive(Clone, Debug, Default)]
pub(super) enum Finding {
    #[default]
    Nothing,
    /// With why.
    Accept(Cow<'static, [u8]>),
    Refuse(Box<Hit>),
}

/// A refusal that was found.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    refusal: Refusal,
    /// `on_hit` is done with: the client was held for it, or it is no hit but a
    /// filter that does not work.
    served: bool,
}

/// The filter does not work, and that refuses.
fn broken(what: String) -> Finding {
    let refusal = reply::BROKEN.because(what.into_bytes());
    Finding::Refuse(Box::new(Hit { refusal, served: true }))
}

/// A filter in the chain.
pub(super) struct Link {
    pub(super) filter: Box<dyn Filter>,
    pub(super) policy: Policy,
    pub(super) stages: Stages,
    pub(super) judges_peer: bool,
    /// The stages at which it has been asked.
    asked: Stages,
    /// What it found at connect, helo and mail; of this recipient; and of the
    /// message.
    found: [Finding; 5],
}

/// Where the findings are that are of the peer.
const OF_PEER: usize = 3;
const OF_RECIPIENT: usize = 3;
const OF_MESSAGE: usize = 4;

/// Where a stage's finding is.
fn slot(stage: Stage) -> usize {
    match stage {
        Stage::Connect => 0,
        Stage::Helo => 1,
        Stage::Mail => 2,
        Stage::Rcpt => OF_RECIPIENT,
        Stage::Data | Stage::Message => OF_MESSAGE,
    }
}

impl Link {
    pub(super) fn new(filter: Box<dyn Filter>, policy: Policy) -> Link {
        Link {
            stages: filter.stages(),
            judges_peer: filter.judges_peer(),
            filter,
            policy,
            asked: Stages::NONE,
            found: Default::default(),
        }
    }

    /// The same with another filter.
    pub(super) fn replaced(
        self,
        by: &mut impl FnMut(&'static str, Box<dyn Filter>) -> Box<dyn Filter>,
    ) -> Link {
        Link { filter: by(self.policy.name, self.filter), ..self }
    }

    /// The message is gone; so is what was found of it.
    pub(super) fn forget_message(&mut self) {
        self.filter.forget_message();
        // What is found at DATA is found of the message.
        self.forget(Stage::Data);
    }

    pub(super) fn finish(&mut self) {
        self.filter.finish();
    }

    pub(super) fn observes(&self) -> bool {
        self.policy.observe
    }

    /// Does it keep strangers from using the MTA as a relay, whoever they are?
    pub(super) fn guards_mta(&self) -> bool {
        let passes = self.policy.on_hit == OnHit::Tarpit && self.policy.then_pass;
        self.filter.guards_mta() && !self.policy.observe && self.policy.only.is_none() && !passes
    }

    /// May it accept at a stage that is yet to come?
    pub(super) fn may_accept_after(&self, stage: Stage) -> bool {
        self.filter.may_accept() && self.stages.has_after(stage)
    }

    fn at(&self, slot: usize) -> &Finding {
        self.found.get(slot).unwrap_or(&Finding::Nothing)
    }

    /// What it has found of the peer.
    pub(super) fn finding(&self) -> &Finding {
        let peer = self.found.iter().take(OF_PEER);
        peer.into_iter().find(|f| !matches!(f, Finding::Nothing)).unwrap_or(&Finding::Nothing)
    }

    /// What it has found of the peer or of the recipient.
    pub(super) fn finding_of_recipient(&self) -> &Finding {
        match self.finding() {
            Finding::Nothing => self.at(OF_RECIPIENT),
            found => found,
        }
    }

    /// What it has found of the message.
    pub(super) fn finding_of_message(&self) -> &Finding {
        self.at(OF_MESSAGE)
    }

    /// What it has found at this stage, for people.
    pub(super) fn found(&self, stage: Stage) -> Found<'_> {
        let finding = self.at(slot(stage));
        Found {
            name: self.policy.name,
            observes: self.policy.observe,
            asked: self.asked.has(stage),
            accepts: match finding {
                Finding::Accept(why) => Some(why),
                Finding::Nothing | Finding::Refuse(_) => None,
            },
            refusal: match finding {
                Finding::Refuse(hit) => Some(&hit.refusal),
                Finding::Nothing | Finding::Accept(_) => None,
            },
        }
    }

    /// The rule of what it has found of the peer.
    pub(super) fn suspicion(&self) -> Option<&'static str> {
        match self.finding() {
            Finding::Refuse(hit) if !self.policy.observe => Some(hit.refusal.rule),
            _ => None,
        }
    }

    /// What was found at this stage before, and at those behind it, was about
    /// another name, sender or message.
    #[inline(always)] // Most filters have nothing to forget, most of the time.
    pub(super) fn forget(&mut self, stage: Stage) {
        if self.asked.has(stage) || self.asked.has_after(stage) {
            self.asked = self.asked.before(stage);
            self.found.iter_mut().skip(slot(stage)).for_each(|found| *found = Finding::Nothing);
        }
    }

    /// Its refusals of the peer do not count any more.
    pub(super) fn lift(&mut self) {
        let peer = self.found.iter_mut().take(OF_PEER);
        peer.filter(|found| matches!(found, Finding::Refuse(_)))
            .for_each(|found| *found = Finding::Nothing);
    }

    /// Does it need the client's host names?
    pub(super) fn needs_host(&self, client: &Client) -> bool {
        self.scope_needs_host(client) || self.filter.needs_host(client)
    }

    /// What it needs, beside what relaying takes.
    pub(super) fn needs(&self) -> Needs {
        let held = match self.policy.on_hit {
            OnHit::Tarpit => Needs::STATE,
            _ => Needs::NOTHING,
        };
        self.filter.needs() | held
    }

    /// Does it look at messages, and concern a recipient of this one?
    pub(super) fn concerns_message(&self, facts: &Facts<'_>) -> bool {
        let everybody = self.policy.only.is_none() && self.policy.except.is_none();
        let concerns = |to: &Vec<u8>| {
            let facts = Facts { recipient: Some(to), ..*facts };
            self.scope(Stage::Rcpt, &facts) == Scope::Inside
        };
        self.stages.has(Stage::Message) && (everybody || facts.to.iter().any(concerns))
    }

    /// Asks the filter at this stage, if it wants to be asked and has found
    /// nothing of the peer.
    pub(super) fn look(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<(), Over> {
        let known = stage <= Stage::Mail && !matches!(self.finding(), Finding::Nothing);
        if self.stages.has(stage) && !known {
            self.ask(stage, facts, ground)?;
        } else if stage == Stage::Rcpt {
            self.forget(Stage::Rcpt);
        }
        Ok(())
    }

    /// Asks the filter about a whole message; gives what it makes of it.
    pub(super) fn look_at_message(
        &mut self,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Option<Spool>, Over> {
        let rewritten = self.ask(Stage::Message, facts, ground)?;
        Ok(rewritten.filter(|_| !self.policy.observe))
    }

    fn ask(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Option<Spool>, Over> {
        let limit = self.policy.time_limit.unwrap_or(limits::FILTER);
        ground.begin(self.policy.name, limit);
        self.asked = self.asked.with(stage);
        if facts.host.get().is_none() && self.filter.needs_host(facts.client) {
            name_client(ground)?;
        }
        let mut rewritten = None;
        let finding = match self.filter.judge(stage, facts, ground) {
            Ok(Verdict::Continue) => Finding::Nothing,
            Ok(Verdict::Accept(why)) => Finding::Accept(why),
            Ok(Verdict::Refuse(refusal)) => {
                Finding::Refuse(Box::new(Hit { refusal, served: false }))
            }
            Ok(Verdict::Rewrite(message)) => {
                rewritten = Some(message);
                Finding::Nothing
            }
            Err(Stop::Over) => return Err(Over),
            // The answers are in every log line.
            Err(Stop::Unanswered(trouble)) => match self.policy.on_error {
                Some(OnError::Tempfail) => broken(trouble.name().to_owned()),
                Some(OnError::Pass) | None => Finding::Nothing,
            },
            Err(Stop::Trouble(what)) => {
                ground.trouble(stage, &what);
                match self.policy.on_error {
                    // It is not asked again about this message.
                    Some(OnError::Pass) if stage == Stage::Data => {
                        Finding::Accept(Cow::Borrowed(b""))
                    }
                    Some(OnError::Pass) => Finding::Nothing,
                    Some(OnError::Tempfail) | None => broken(what),
                }
            }
        };
        if let Some(found) = self.found.get_mut(slot(stage)) {
            *found = finding;
        }
        Ok(rewritten)
    }

    /// What a filter that only observes would have done.
    pub(super) fn would(&self, hit: &Hit, facts: &Facts<'_>) -> Would {
        let refusal = self.spoken(hit, facts);
        Would { code: refusal.code.get(), rule: refusal.rule }
    }

    /// The refusal that was found by this stage, as `on_hit` has it; a client that is to
    /// be held in the tarpit has been held. `None` if it passes then.
    pub(super) fn serve(
        &mut self,
        stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Option<Refusal>, Over> {
        let is_hit = |&at: &usize| matches!(self.at(at), Finding::Refuse(_));
        let mut places =
            if slot(stage) == OF_MESSAGE { OF_MESSAGE..=OF_MESSAGE } else { 0..=OF_RECIPIENT };
        let Some(at) = places.find(is_hit) else { return Ok(None) };
        let Finding::Refuse(hit) = self.at(at) else { return Ok(None) };
        // It stays noted while the client is held: most leave before the end.
        let held = match !hit.served && self.policy.on_hit == OnHit::Tarpit {
            true => Some(self.tarpit(ground)?),
            false => None,
        };
        let Some(Finding::Refuse(hit)) = self.found.get_mut(at) else { return Ok(None) };
        match held {
            Some(true) if self.policy.then_pass => {
                self.found.get_mut(at).map(std::mem::take);
                return Ok(None);
            }
            // A client that would have waited is not to suffer more.
            Some(false) => hit.refusal = reply::temporary(hit.refusal.clone()),
            Some(true) | None => {}
        }
        hit.served |= held.is_some();
        match self.at(at) {
            Finding::Refuse(hit) => Ok(Some(self.spoken(hit, facts))),
            _ => Ok(None),
        }
    }

    /// Holds the client; false if too many are held already.
    fn tarpit(&self, ground: &mut dyn Ground) -> Result<bool, Over> {
        let place = match places::take(ground.state(), ground.tarpit_places()) {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(false),
            Err(error) => {
                ground.note(&format!("the tarpit has no places: {error}"));
                return Ok(false);
            }
        };
        let end = Instant::now() + self.policy.tarpit;
        ground.begin(self.policy.name, self.policy.tarpit);
        let held = loop {
            match ground.wait(&mut [], Some(end), false) {
                Ok(Woken::TimeUp) => break true,
                Ok(_) => {}
                Err(Stop::Over) => return Err(Over),
                Err(Stop::Trouble(_) | Stop::Unanswered(_)) => break false,
            }
        };
        drop(place);
        Ok(held)
    }

    fn spoken(&self, hit: &Hit, facts: &Facts<'_>) -> Refusal {
        let refusal = hit.refusal.clone();
        if hit.served && self.policy.on_hit != OnHit::Tarpit {
            return refusal;
        }
        match self.policy.on_hit {
            OnHit::AsTheFilterSays | OnHit::Tarpit => refusal,
            OnHit::Refuse => reply::permanent(refusal),
            OnHit::Tempfail => reply::temporary(refusal),
            OnHit::Say(own) => own.fill(refusal, facts),
        }
    }
}
