//! `smtp-wrapper replay LOG…`: what the configuration would have made of the recipients
//! that a log has, and what of that is another verdict.
//!
//! Each recipient is a session of its own ([`super::play`]): a session's own dialogue
//! and filters, on what the log has of the client. What a log cannot bring again is
//! taken from it: the MTA's word, that of programs, and of filters that go by time
//! (`stand_in`). Where it has not enough, nothing is known.

mod logged;
mod stand_in;
mod tally;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use anyhow::{Context, bail};

use super::logs::{Input, Logs, Progress};
use super::play::{Audience, Room, Script, StateCopy};
use crate::activation::Client;
use crate::cli::Invocation;
use crate::config::{Loaded, Settings};
use crate::dialogue::{Record, Summary};
use crate::filter::chain::{Chain, Noted, Would};
use crate::host::{Host, Iprev};
use crate::smtp::refusal::Refusal;
use crate::smtp::standing;
use crate::stage::{Ruling, Stage};
use crate::sys::Waiter;
use crate::{exit, filter, terminal};
use logged::{Line, Logged};
use stand_in::{NOT_ASKED, Said, says, stand_in};
use tally::{Change, Decided, Tally};

/// Clients whose names are remembered, where DNS is asked.
const NAMES: usize = 100_000;

/// Why nothing is known of a recipient.
const NOT_PLAYED: &str = "dialogues that cannot be played again";

/// The changes that the exit status tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailOn {
    /// Something is newly refused.
    Refused,
    /// Something is newly passed.
    Passed,
    /// Some verdict is another.
    #[default]
    Any,
    /// None.
    Nothing,
}

/// The words for it.
pub(crate) const FAIL_ON: &[(&str, FailOn)] = &[
    ("refused", FailOn::Refused),
    ("passed", FailOn::Passed),
    ("any", FailOn::Any),
    ("none", FailOn::Nothing),
];

/// Replays logs and tells what came of it.
///
/// # Errors
/// The configuration's, and those of reading the logs.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    if asked.files.is_empty() {
        bail!("which log? smtp-wrapper replay LOG… (- is standard input)");
    }
    let desk = asked.desk();
    let loaded = asked.load()?;
    let state = StateCopy::of(loaded.settings.state)?;
    let mut player = Player::new(loaded, asked, desk.live_dns, &state)?;
    let tally = read(&asked.files, &mut player)?;
    let text = tally.text(&player.not_asked, player.keeps_messages);
    terminal::write(&text).context("standard output")?;
    Ok(match tally.has(desk.fail_on) {
        true => exit::CHANGED,
        false => exit::OK,
    })
}

/// Replays all that is in the logs.
fn read(files: &[&str], player: &mut Player<'_>) -> anyhow::Result<Tally> {
    // All are opened before one is read: a mistake is told at once.
    let inputs = files.iter().map(|file| Input::open(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut progress = Progress::of(&inputs);
    let (mut logs, mut tally) = (Logs::default(), Tally::default());
    for input in inputs {
        let (name, part) = (input.name.clone(), input.read.clone());
        let outcome =
            logs.read(
                input,
                &mut |octets| progress.tell(&part, octets),
                &mut |entry| match Line::of(entry) {
                    Line::Recipient(logged) => player.replay(&logged, entry.line, &mut tally),
                    Line::RefusedSession => tally.refused_sessions += 1,
                    Line::Other => {}
                    Line::Damaged => tally.damaged += 1,
                    Line::Factless => tally.factless += 1,
                },
            );
        outcome.with_context(|| format!("{name}: cannot be read to its end"))?;
        progress.next(&part, logs.counts.octets);
    }
    match (tally.recipients(), tally.factless) {
        (0, 0) => {
            let lines = logs.counts.lines;
            let foreign = lines - logs.counts.known();
            bail!("{lines} lines, {foreign} of them not known: none is about a recipient");
        }
        (0, factless) => bail!(
            "{factless} lines about a recipient, all in a style that has not the facts: \
             native and json have them"
        ),
        _ => Ok(tally),
    }
}

/// What sessions are played with.
struct Player<'a> {
    settings: Settings,
    chain: Chain,
    /// That of a program without a configuration, for the clients whom it judges.
    usual: Option<Chain>,
    said: Rc<RefCell<Said>>,
    /// The types of filters in it that are not asked.
    not_asked: Vec<&'static str>,
    /// Filters look at messages, and refuse some.
    keeps_messages: bool,
    names: HashMap<IpAddr, Host>,
    asks: bool,
    waiter: Waiter,
    state: &'a StateCopy,
}

impl<'a> Player<'a> {
    fn new(
        loaded: Loaded,
        asked: &Invocation,
        asks: bool,
        state: &'a StateCopy,
    ) -> anyhow::Result<Player<'a>> {
        let Loaded { settings, mut chain, usual, .. } = loaded;
        let said = Rc::new(RefCell::new(Said::default()));
        let mut not_asked = Vec::new();
        let mut replace = |chain: &mut Chain| {
            chain.replace(|kind, filter| {
                if NOT_ASKED.contains(&kind) && !not_asked.contains(&kind) {
                    not_asked.push(kind);
                }
                stand_in(kind, filter, &said)
            });
        };
        replace(&mut chain);
        let usual = match usual {
            true => {
                let mut chain = asked.load()?.chain;
                chain.add_usual(settings.judge_local);
                replace(&mut chain);
                Some(chain)
            }
            false => None,
        };
        let keeps_messages = chain.found(Stage::Message).any(|found| !found.observes);
        Ok(Player {
            settings,
            chain,
            usual,
            said,
            not_asked,
            keeps_messages,
            names: HashMap::new(),
            asks,
            waiter: Waiter::new(None),
            state,
        })
    }

    /// Replays one recipient, and counts what comes of it.
    fn replay(&mut self, logged: &Logged, line: &[u8], tally: &mut Tally) {
        let Some(ip) = logged.ip else { return tally.damaged += 1 };
        if logged.cut {
            return tally.unknown("texts that the log has only the beginning of");
        }
        if logged.rule == standing::NEED_MAIL.rule {
            return tally.unknown("recipients named without MAIL, or after one that was refused");
        }
        self.said.replace(Said { refusal: said(logged), again: None });
        let client = Client { ip, port: logged.port, is_socket: true };
        let remembered = self.names.get(&ip).filter(|_| logged.host.is_none());
        // Who did not answer is not asked again: that takes the whole time each time.
        let silent = remembered.is_some_and(is_undecided);
        let host = logged.host.clone().or_else(|| remembered.filter(|_| !silent).cloned());
        let script = Script {
            client,
            helo: logged.helo.clone(),
            authenticates: logged.authenticated,
            from: logged.from.clone(),
            to: vec![logged.to.clone()],
            host,
        };
        if !script.can_be_heard() {
            return tally.unknown(NOT_PLAYED);
        }
        let usual = self.settings.judge_local || filter::usual_judge(&client);
        let mut room = Room {
            settings: &self.settings,
            chain: self.usual.as_mut().filter(|_| usual).unwrap_or(&mut self.chain),
            state: self.state.path(),
            waiter: &self.waiter,
            session: "replay",
            asks: self.asks && script.host.is_none() && !silent,
        };
        let mut watcher = Watcher::default();
        let played = room.play(&script, &mut watcher);
        if script.host.is_none() && self.names.len() < NAMES {
            self.names.extend(played.host.get().map(|host| (ip, host.clone())));
        }
        let asked = played.host.get().filter(|_| script.host.is_none());
        if silent && played.unnamed || asked.is_some_and(is_undecided) {
            return tally.unknown("host names that no name server tells now");
        }
        if played.unnamed {
            return tally.unknown("host names that were not looked up (--live-dns asks for them)");
        }
        let Some(outcome) = watcher.outcome else {
            return tally.unknown(NOT_PLAYED);
        };
        let now = self.decided(logged, outcome, tally);
        let was = Decided::new(&logged.rule, logged.code);
        let change = Change::between(&was, &now);
        if change != Change::Nothing && logged.has_more_names() {
            return tally.unknown("clients with several host names, of which the log has one");
        }
        tally.count(change, (&was, &now), logged, line);
        if let Some(would) = watcher.would {
            tally.would(would);
        }
    }

    /// What becomes of the recipient, with what is taken from the log.
    fn decided(&self, logged: &Logged, outcome: Outcome, tally: &mut Tally) -> Decided {
        if let Outcome::Refused(rule, code) = outcome {
            let again = self.said.borrow().again.filter(|kind| says(kind, rule));
            again.into_iter().for_each(|kind| tally.taken(kind));
            return Decided::new(rule, Some(code));
        }
        let refused = logged.code.is_some_and(|code| code >= 400);
        if logged.by_filter() && refused {
            // By a filter that has seen the message, if there is one yet.
            return match logged.at_message && self.keeps_messages {
                true => {
                    tally.taken("program");
                    Decided::new(&logged.rule, logged.code)
                }
                false => Decided::new("mta", Some(250)),
            };
        }
        if let Some((code, rule)) = &logged.would
            && logged.at_message
            && self.keeps_messages
            && rule.starts_with("program.")
        {
            tally.taken("program");
            return Decided::new(rule, Some(*code));
        }
        if logged.verdict != "pass" {
            tally.taken("the MTA, the client or the session");
        }
        Decided::new(&logged.rule, logged.code)
    }
}

/// Is there no telling what DNS has of it?
fn is_undecided(host: &Host) -> bool {
    host.iprev == Iprev::TempError
}

/// What a filter in whose place the log speaks said of the recipient, or would have said.
fn said(logged: &Logged) -> Option<Refusal> {
    let refused = || Said::refusal(&logged.rule, logged.code?, &logged.reply, &logged.why);
    let would = || {
        let (code, rule) = logged.would.as_ref()?;
        Said::refusal(rule, *code, b"", b"")
    };
    refused().filter(|_| !logged.at_message).or_else(would)
}

/// What came of a session with one recipient.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Passes,
    Refused(&'static str, u16),
}

/// Sees what comes of it.
#[derive(Default)]
struct Watcher {
    outcome: Option<Outcome>,
    would: Option<Would>,
}

impl Audience for Watcher {
    fn asked(
        &mut self,
        _stage: Stage,
        _recipient: Option<&[u8]>,
        _chain: &Chain,
        ruling: &Ruling,
        _remarks: Vec<String>,
    ) {
        if let Ruling::Refuse(refusal) = ruling {
            self.outcome.get_or_insert(Outcome::Refused(refusal.rule, refusal.code.get()));
        }
    }

    fn logged(
        &mut self,
        record: &Record,
        _to: &[u8],
        noted: &Noted,
        _summary: &Summary,
        _host: Option<&Host>,
    ) {
        self.would = noted.would;
        if record.outcome.at != Stage::Rcpt {
            self.outcome.get_or_insert(Outcome::Passes);
        }
    }
}
