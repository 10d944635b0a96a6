//! A session that ends in the middle of a message, at random points: by kill -9, by SIGTERM, or
//! because its program was killed.
//!
//! In every case: the client has 250 for a message only if the MTA said so; the MTA never sees an end
//! of mail data that the client did not send; what the MTA took is what the client sent, octet for
//! octet; both connections are closed, no program is left, and the next session works.
//!
//! `KILL_SEED` sets the seed, which a failure tells, and `KILL_POINTS` how many points are tried.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails so, and each file is part of this one"
)]

#[path = "kill/client.rs"]
mod client;
mod common;
#[path = "kill/dice.rs"]
mod dice;
#[path = "kill/left.rs"]
mod left;
#[path = "kill/mta.rs"]
mod mta;
#[path = "kill/outcome.rs"]
mod outcome;
#[path = "kill/setup.rs"]
mod setup;
#[path = "kill/shortage.rs"]
mod shortage;
#[path = "kill/shot.rs"]
mod shot;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Folder, each};
use dice::{Dice, points};
use outcome::{Baseline, Outcome};
use setup::{By, Setup, setups};
use shot::{Moment, Target, WAYS, Way};

/// One point of one kind of session.
struct Case<'a> {
    setup: &'a Setup,
    moment: Moment,
    /// How long the MTA thinks about each message.
    thinks: Duration,
    /// How long before it reads on.
    dawdles: Duration,
    client_goes_on: bool,
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { setup, moment, thinks, dawdles, client_goes_on } = self;
        let mta = format!("the MTA thinks {thinks:?} and dawdles {dawdles:?}");
        write!(to, "{}, {moment:?}, {mta}, client goes on: {client_goes_on}", setup.name)
    }
}

/// Points over the whole of a session: at an octet of any way, near the end of a message, and in the
/// time between the final dot, the MTA's 250 and the client's.
fn moment(dice: &mut Dice, baseline: &Baseline) -> Moment {
    let message = dice.below(baseline.messages() as u64) as usize;
    match dice.below(10) {
        0..=2 => {
            let way = *dice.one_of(&WAYS);
            Moment::Octet(way, 1 + dice.below(baseline.octets(way)), dice.pause(1000))
        }
        3..=4 => {
            let end = baseline.end(message);
            Moment::Octet(Way::MtaGets, end.saturating_sub(dice.below(40)), dice.pause(500))
        }
        5..=6 => Moment::Sent(message, dice.pause(4000)),
        7..=8 => Moment::Answered(message, dice.pause(300)),
        _ => Moment::Unaware(message),
    }
}

/// Points for each of these sessions in turn.
fn cases<'a>(setups: &'a [Setup], count: usize) -> Vec<Case<'a>> {
    let mut dice = Dice::seeded(count);
    let baselines: Vec<_> = setups.iter().map(Baseline::of).collect();
    let all = setups.iter().zip(&baselines).cycle().take(points(count));
    let case = all.map(|(setup, baseline)| Case {
        setup,
        moment: moment(&mut dice, baseline),
        thinks: dice.pause(3000),
        dawdles: dice.pause(300),
        client_goes_on: dice.below(2) == 0,
    });
    case.collect()
}

/// Plays a case in a fresh place, and a session after it.
fn played(case: &Case<'_>, target: impl FnOnce(&Folder) -> Target) -> Outcome {
    let folder = Folder::fresh();
    case.setup.furnishes(&folder);
    let outcome =
        Outcome::of(case.setup, &folder, case.moment, target(&folder), (case.thinks, case.dawdles));
    outcome.loses_and_cuts_nothing(case.setup);
    outcome.leaves_no_program(&folder);
    outcome.leaves_nothing_in_the_state_directory(&folder);
    let next = Outcome::undisturbed(case.setup, &folder);
    next.is_as_usual(case.setup);
    next.leaves_no_program(&folder);
    outcome
}

#[test]
fn a_killed_session_loses_and_cuts_no_message() {
    let (setups, hits) = (setups(), AtomicUsize::new(0));
    let cases = cases(&setups, 200);
    each(&cases, |case| {
        let outcome = played(case, |_| Target::Killed);
        if outcome.was_killed() {
            hits.fetch_add(1, Ordering::Relaxed);
        } else {
            // It was over before the moment came.
            outcome.is_as_usual(case.setup);
        }
        if let Moment::Unaware(message) = case.moment {
            outcome.was_taken_without_a_word(message);
        }
    });
    hit_most(hits, &cases);
}

#[test]
fn a_terminated_session_says_what_became_of_its_message() {
    let (setups, hits) = (setups(), AtomicUsize::new(0));
    let cases = cases(&setups, 100);
    each(&cases, |case| {
        let client_goes_on = case.client_goes_on;
        let outcome = played(case, |_| Target::Terminated { client_goes_on });
        outcome.ended_properly();
        outcome.told_all_that_was_taken();
        if outcome.was_called_off() {
            hits.fetch_add(1, Ordering::Relaxed);
        } else {
            outcome.is_as_usual(case.setup);
        }
    });
    hit_most(hits, &cases);
}

#[test]
fn a_session_whose_program_is_killed_goes_on() {
    let (mut setups, hits) = (setups(), AtomicUsize::new(0));
    setups.retain(|setup| setup.by == By::Program);
    let mut cases = cases(&setups, 60);
    for case in &mut cases {
        // While it has its program; the session is not to be stopped.
        case.moment = match case.moment {
            Moment::Unaware(message) | Moment::Answered(message, _) | Moment::Sent(message, _) => {
                Moment::Sent(message, 12 * case.thinks)
            }
            Moment::Octet(Way::MtaSends | Way::ClientGets, octet, pause) => {
                Moment::Octet(Way::ClientSends, 100 + octet * octet, pause)
            }
            other => other,
        };
    }
    each(&cases, |case| {
        let outcome = played(case, |folder| Target::Program(folder.file("pids")));
        outcome.ended_properly();
        outcome.told_all_that_was_taken();
        if outcome.answered_all(case.setup) {
            hits.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!("{} of {} refused", hits.into_inner(), cases.len());
}

/// Else the test would show less than it says.
#[track_caller]
fn hit_most(hits: AtomicUsize, cases: &[Case<'_>]) {
    let hits = hits.into_inner();
    println!("{hits} of {} hit", cases.len());
    assert!(hits * 10 >= cases.len() * 7, "only {hits} of {} hit", cases.len());
}
