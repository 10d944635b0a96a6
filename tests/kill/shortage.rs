//! A session that is short of something, of descriptors, memory or room in files: it loses and cuts
//! no message, refuses none for good, and ends.

use std::fmt;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::common::{Folder, each};
use super::outcome::Outcome;
use super::setup::{By, Setup, setups};

/// A session that a shell starts with this limit.
struct Case(Setup);

impl fmt::Debug for Case {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}, {}", self.0.name, self.0.before)
    }
}

/// The kinds of session, each with each of these limits.
fn cases(limits: &[String]) -> Vec<Case> {
    let of = |before: &String| -> Vec<Case> {
        setups().into_iter().map(|setup| Case(setup.behind(before))).collect()
    };
    limits.iter().flat_map(of).collect()
}

/// Plays them; gives the limits with which all went well, and those with which something did not.
fn play(limits: &[String]) -> (Vec<String>, Vec<String>) {
    let (well, short) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    each(&cases(limits), |Case(setup)| {
        let folder = Folder::fresh();
        setup.furnishes(&folder);
        let outcome = Outcome::undisturbed(setup, &folder);
        outcome.loses_and_cuts_nothing(setup);
        outcome.refused_nothing_for_good();
        outcome.leaves_no_program(&folder);
        let of = if outcome.went_well(setup) { &well } else { &short };
        of.lock().unwrap().push(setup.before.clone());
    });
    (well.into_inner().unwrap(), short.into_inner().unwrap())
}

/// Of these limits, which become wider, those with which the program starts at all: else it is the
/// loader that complains, wherever its fd 2 leads.
fn from_where_it_starts(limits: impl Iterator<Item = String>, count: usize) -> Vec<String> {
    let starts = |before: &String| {
        let script = format!("{before}; exec \"$0\" --version");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_smtp-wrapper")]);
        let status = shell.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    limits.skip_while(|before| !starts(before)).take(count).collect()
}

#[test]
fn too_few_descriptors() {
    let limits = from_where_it_starts((3..).map(|count| format!("ulimit -n {count}")), 10);
    assert_both(play(&limits), &limits);
}

#[test]
fn too_little_memory() {
    let limits = from_where_it_starts((1..).map(|step| format!("ulimit -v {}", 512 * step)), 8);
    assert_both(play(&limits), &limits);
}

/// With the widest limit all goes well, and with the narrowest not; else these are the wrong ones.
#[track_caller]
fn assert_both((well, short): (Vec<String>, Vec<String>), limits: &[String]) {
    println!("{} of {} sessions had all they need", well.len(), well.len() + short.len());
    let (narrowest, widest) = (limits.first().unwrap(), limits.last().unwrap());
    assert!(short.contains(narrowest) && well.contains(widest), "{narrowest} to {widest}");
}

#[test]
fn files_that_may_not_grow() {
    // In blocks of 512 octets.
    let limits = ["ulimit -f 0", "ulimit -f 1000"].map(str::to_owned);
    each(&cases(&limits), |Case(setup)| {
        let folder = Folder::fresh();
        setup.furnishes(&folder);
        let outcome = Outcome::undisturbed(setup, &folder);
        outcome.loses_and_cuts_nothing(setup);
        outcome.ended_by_itself();
        // What is only remembered costs no mail.
        if setup.by == By::Relay {
            outcome.is_as_usual(setup);
        }
    });
}
