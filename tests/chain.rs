//! The chain: every verdict at every stage, with what the configuration can
//! say of a filter.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::expect_used)]

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smtp_wrapper::activation::Client;
use smtp_wrapper::config::document::{Entry, Table, Value};
use smtp_wrapper::config::keys::{Keys, ListFiles};
use smtp_wrapper::filter::chain::{Chain, Judgement, Would};
use smtp_wrapper::filter::policy::Policy;
use smtp_wrapper::filter::{Facts, Filter, Ground, Stop, Verdict, Woken};
use smtp_wrapper::smtp::refusal::{Refusal, RefusalCode};
use smtp_wrapper::spool::Spool;
use smtp_wrapper::stage::{Stage, Stages};

const STAGES: [Stage; 4] = [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt];

/// What a filter says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Nothing,
    Accept,
    Refuse,
    Trouble,
}

/// A filter that says one thing at one stage.
struct Fixed {
    stage: Stage,
    says: Says,
    rule: &'static str,
    guards: bool,
    asked: Rc<RefCell<Vec<&'static str>>>,
}

impl Filter for Fixed {
    fn stages(&self) -> Stages {
        Stages::only(self.stage)
    }

    fn judges_peer(&self) -> bool {
        !self.guards
    }

    fn may_accept(&self) -> bool {
        self.says == Says::Accept
    }

    fn judge(
        &mut self,
        stage: Stage,
        _facts: &Facts<'_>,
        _ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        assert_eq!(stage, self.stage, "asked where it has nothing to say");
        self.asked.borrow_mut().push(self.rule);
        match self.says {
            Says::Nothing => Ok(Verdict::Continue),
            Says::Accept => Ok(Verdict::Accept(b"".as_slice().into())),
            Says::Refuse => Ok(Verdict::Refuse(refusal(self.rule))),
            Says::Trouble => Err(Stop::Trouble("it is broken".to_owned())),
        }
    }
}

fn refusal(rule: &'static str) -> Refusal {
    Refusal::new(RefusalCode::TRANSACTION_FAILED, rule, "5.7.1 No").because(&b"a reason"[..])
}

/// The ground that never waits.
#[derive(Default)]
struct Still {
    troubles: Vec<String>,
    waited: Duration,
    began: Option<Instant>,
}

impl Ground for Still {
    fn wait(
        &mut self,
        _fds: &mut [libc::pollfd],
        until: Option<Instant>,
        _for_client: bool,
    ) -> Result<Woken, Stop> {
        self.waited += until.unwrap() - Instant::now();
        Ok(Woken::TimeUp)
    }

    fn client_has_spoken(&mut self) -> Result<bool, Stop> {
        Ok(false)
    }

    fn has_time(&mut self) -> Result<bool, Stop> {
        Ok(true)
    }

    fn began(&self) -> Instant {
        self.began.unwrap_or_else(Instant::now)
    }

    fn begin(&mut self, _filter: &'static str, _time_limit: Duration) {}

    fn time_limit(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn state(&self) -> &'static Path {
        Box::leak(std::env::temp_dir().into_boxed_path())
    }

    fn tarpit_places(&self) -> u32 {
        3
    }

    fn name_client(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn note(&mut self, what: &str) {
        self.troubles.push(what.to_owned());
    }

    fn trouble(&mut self, stage: Stage, what: &str) {
        self.troubles.push(format!("{}: {what}", stage.name()));
    }
}

fn policy(keys: &[(&'static str, Value)]) -> Policy {
    let entries =
        keys.iter().map(|(key, value)| Entry { key, value: value.clone(), line: 7 }).collect();
    let table = Table { name: "filter", repeated: true, line: 6, entries };
    Policy::new(&Keys::new(&table, &ListFiles::of("/x", true))).unwrap()
}

fn list(texts: &[&'static str]) -> Value {
    Value::List(texts.iter().map(|text| Value::Text(text)).collect())
}

/// A session with the chain: what became of each stage, up to the first that is
/// not passed.
struct Play {
    chain: Chain,
    ground: Still,
    asked: Rc<RefCell<Vec<&'static str>>>,
}

impl Play {
    fn new() -> Play {
        Play { chain: Chain::default(), ground: Still::default(), asked: Rc::default() }
    }

    fn with(
        mut self,
        rule: &'static str,
        stage: Stage,
        says: Says,
        keys: &[(&'static str, Value)],
    ) -> Play {
        let asked = self.asked.clone();
        let filter = Fixed { stage, says, rule, guards: rule == "guard", asked };
        self.chain.add(Box::new(filter), policy(keys));
        self
    }

    fn judge(&mut self, stage: Stage, to: &[u8]) -> String {
        let client = Client { ip: [192, 0, 2, 1].into(), port: 4000, is_socket: true };
        let facts = Facts {
            client: &client,
            host: &std::cell::OnceCell::new(),
            encryption: None,
            session: "1.2",
            hello: b"EHLO x",
            helo: b"x",
            from: (stage >= Stage::Mail).then_some(&b"a@example.org"[..]),
            recipient: (stage >= Stage::Rcpt).then_some(to),
            to: &[],
            envelope: b"",
            auth: None,
            lifted: false,
            message: None,
        };
        let spare = to.starts_with(b"postmaster");
        let judgement = match stage {
            Stage::Rcpt => self.chain.judge_recipient(spare, &facts, &mut self.ground),
            Stage::Message => {
                let mut message = Spool::new(Path::new("/nonexistent"));
                self.chain.judge_message(&mut message, &facts, &mut self.ground)
            }
            _ => self.chain.judge_peer(stage, &facts, &mut self.ground),
        };
        let show = |r: Refusal| format!("{} {} {}", r.code.get(), r.rule, r.text);
        match judgement.unwrap() {
            Judgement::Pass => "pass".to_owned(),
            Judgement::Held(refusal) => format!("held {}", show(refusal)),
            Judgement::Refused(refusal) => format!("refused {}", show(refusal)),
        }
    }

    /// All stages, whatever comes of them, for this recipient.
    fn all(&mut self, to: &str) -> Vec<String> {
        STAGES.iter().map(|stage| self.judge(*stage, to.as_bytes())).collect()
    }
}

#[test]
fn what_is_found_of_the_peer_is_held_and_said_to_every_recipient() {
    for (n, stage) in STAGES.into_iter().enumerate() {
        let mut play = Play::new().with("deny", stage, Says::Refuse, &[]);
        let all = play.all("b@example.org");
        for (m, said) in all.iter().enumerate() {
            let expected = match (m < n, STAGES[m]) {
                (true, _) => "pass",
                (false, Stage::Rcpt) => "refused 554 deny 5.7.1 No",
                (false, _) => "held 554 deny 5.7.1 No",
            };
            assert_eq!(said, expected, "found at {stage:?}, asked at {:?}", STAGES[m]);
        }
        assert_eq!(play.judge(Stage::Rcpt, b"c@example.org"), "refused 554 deny 5.7.1 No");
        // It was asked once for the session, or once for each recipient.
        let times = if stage == Stage::Rcpt { 2 } else { 1 };
        assert_eq!(play.asked.borrow().len(), times, "{stage:?}");
    }
}

#[test]
fn the_first_refusal_wins_in_the_order_of_the_file() {
    let mut play = Play::new().with("first", Stage::Mail, Says::Refuse, &[]).with(
        "second",
        Stage::Connect,
        Says::Refuse,
        &[],
    );
    let all = play.all("b@example.org");
    assert_eq!(all[0], "held 554 second 5.7.1 No");
    assert_eq!(all[3], "refused 554 first 5.7.1 No");
    // Behind a refusal nobody is asked.
    let mut play = Play::new().with("first", Stage::Connect, Says::Refuse, &[]).with(
        "second",
        Stage::Mail,
        Says::Refuse,
        &[],
    );
    play.all("b@example.org");
    assert_eq!(*play.asked.borrow(), ["first"]);
}

#[test]
fn accept_skips_those_behind_it_that_judge_the_peer_and_no_others() {
    for (n, stage) in STAGES.into_iter().enumerate() {
        let mut play = Play::new()
            .with("allow", stage, Says::Accept, &[])
            .with("deny", Stage::Connect, Says::Refuse, &[])
            .with("guard", Stage::Rcpt, Says::Refuse, &[]);
        let all = play.all("b@example.org");
        // What may yet be accepted is not held.
        assert_eq!(all[..3], ["pass", "pass", "pass"], "accepted at {stage:?} ({n})");
        assert_eq!(all[3], "refused 554 guard 5.7.1 No");
    }
    // Before it, an accept changes nothing.
    let mut play = Play::new().with("deny", Stage::Connect, Says::Refuse, &[]).with(
        "allow",
        Stage::Connect,
        Says::Accept,
        &[],
    );
    assert_eq!(play.all("b@example.org")[0], "held 554 deny 5.7.1 No");
}

#[test]
fn postmaster_is_spared_what_is_held_and_nothing_else() {
    let mut play = Play::new().with("deny", Stage::Connect, Says::Refuse, &[]);
    assert_eq!(play.all("postmaster@example.org")[3], "pass");
    assert_eq!(play.judge(Stage::Rcpt, b"b@example.org"), "refused 554 deny 5.7.1 No");
    let mut play = Play::new().with("guard", Stage::Rcpt, Says::Refuse, &[]);
    assert_eq!(play.all("postmaster@example.org")[3], "refused 554 guard 5.7.1 No");
}

#[test]
fn observing_changes_nothing_and_is_told() {
    for stage in STAGES {
        for says in [Says::Refuse, Says::Accept, Says::Trouble] {
            let observe = [("observe", Value::Bool(true))];
            let mut play = Play::new().with("watch", stage, says, &observe).with(
                "deny",
                Stage::Rcpt,
                Says::Refuse,
                &[],
            );
            let all = play.all("b@example.org");
            assert_eq!(all[..3], ["pass", "pass", "pass"], "{stage:?} {says:?}");
            assert_eq!(all[3], "refused 554 deny 5.7.1 No", "{stage:?} {says:?}");
            let would = match says {
                Says::Refuse => Some(Would { code: 554, rule: "watch" }),
                Says::Trouble => Some(Would { code: 451, rule: "filter.broken" }),
                _ => None,
            };
            assert_eq!(play.chain.take_noted().would, would, "{stage:?} {says:?}");
            assert_eq!(play.chain.suspicion(), None);
        }
    }
}

#[test]
fn a_filter_that_does_not_work_refuses_for_now_or_passes() {
    for stage in STAGES {
        let mut play = Play::new().with("x", stage, Says::Trouble, &[]);
        let last = play.all("b@example.org").pop().unwrap();
        assert!(last.starts_with("refused 451 filter.broken 4.3.0 "), "{last}");
        assert!(play.ground.troubles[0].starts_with(&format!("{}: it is", stage.name())));
        let pass = [("on_error", Value::Text("pass")), ("on_hit", Value::Text("refuse"))];
        let mut play = Play::new().with("x", stage, Says::Trouble, &pass);
        assert_eq!(play.all("b@example.org"), ["pass"; 4]);
        // Trouble is no hit: what a hit becomes is not for it.
        let hit = [("on_hit", Value::Text("refuse"))];
        let mut play = Play::new().with("x", stage, Says::Trouble, &hit);
        assert!(play.all("b@example.org")[3].starts_with("refused 451"));
    }
}

#[test]
fn what_a_hit_becomes() {
    for (on_hit, said) in [
        ("refuse", "refused 554 deny 5.7.1 No"),
        ("tempfail", "refused 450 deny 4.7.1 No"),
        ("450 4.7.1 wait [{rule}]", "refused 450 deny 4.7.1 wait [deny]"),
        ("451 wait {ip} {to}", "refused 451 deny 4.7.1 wait 192.0.2.1 b?@example.org"),
        ("550 5.1.1 {why} {helo} {from}", "refused 550 deny 5.1.1 a reason x a@example.org"),
    ] {
        for stage in STAGES {
            let keys = [("on_hit", Value::Text(on_hit))];
            let mut play = Play::new().with("deny", stage, Says::Refuse, &keys);
            assert_eq!(play.all("b\u{7f}@example.org")[3], said, "{stage:?}");
        }
    }
}

#[test]
fn what_a_hit_cannot_become() {
    for (on_hit, what) in [
        ("250 2.0.0 come in", "the code must be"),
        ("354 go", "the code must be"),
        ("421", "a text of one line"),
        ("455 4.7.1 odd", "the code must be"),
        ("450 5.7.1 x", "does not fit 450"),
        ("450 4.7.1 {secret}", "in braces may stand"),
        ("450 4.7.1 {ip", "in braces may stand"),
        ("450 4.7.1 a\r\nb", "a text of one line"),
        ("teergrube", "must be \"refuse\""),
    ] {
        let entries = vec![Entry { key: "on_hit", value: Value::Text(on_hit), line: 3 }];
        let table = Table { name: "filter", repeated: true, line: 1, entries };
        let error =
            Policy::new(&Keys::new(&table, &ListFiles::of("/x", true))).map(drop).unwrap_err();
        assert!(error.what.contains(what), "{on_hit}: {error:?}");
        assert_eq!((error.line, error.key), (3, Some("on_hit")));
    }
}

#[test]
fn the_tarpit_holds_once_and_then_refuses_or_passes() {
    for stage in STAGES {
        let keys = |then| {
            [
                ("on_hit", Value::Text("tarpit")),
                ("tarpit", Value::Text("30s")),
                ("then", Value::Text(then)),
            ]
        };
        let mut play = Play::new().with("deny", stage, Says::Refuse, &keys("refuse"));
        assert_eq!(play.all("b@example.org")[3], "refused 554 deny 5.7.1 No");
        assert!(play.ground.waited > Duration::from_secs(29), "{stage:?}");
        assert!(play.ground.waited < Duration::from_secs(31), "{stage:?}: held twice");
        let mut play = Play::new().with("deny", stage, Says::Refuse, &keys("pass"));
        assert_eq!(play.all("b@example.org"), ["pass"; 4], "{stage:?}");
        assert!(play.ground.waited > Duration::from_secs(29), "{stage:?}");
    }
}

#[test]
fn a_filter_concerns_whom_it_is_to() {
    // Found at connect, but only for some recipients: not held, and each is judged.
    let only = [("only", list(&["to:b@example.org"]))];
    let mut play = Play::new().with("deny", Stage::Connect, Says::Refuse, &only);
    let all = play.all("b@example.org");
    assert_eq!(all, ["pass", "pass", "pass", "refused 554 deny 5.7.1 No"]);
    assert_eq!(play.judge(Stage::Rcpt, b"c@example.org"), "pass");
    // All but some.
    let except = [("except", list(&["to:b@example.org", "from:x@example.org"]))];
    let mut play = Play::new().with("deny", Stage::Connect, Says::Refuse, &except);
    assert_eq!(play.all("b@example.org")[3], "pass");
    assert_eq!(play.judge(Stage::Rcpt, b"c@example.org"), "refused 554 deny 5.7.1 No");
    // Whom it does not concern for certain, it is not asked about.
    for keys in [[("only", list(&["198.51.100.0/24"]))], [("except", list(&["192.0.2.0/24"]))]] {
        let mut play = Play::new().with("deny", Stage::Connect, Says::Refuse, &keys);
        assert_eq!(play.all("b@example.org"), ["pass"; 4]);
        assert!(play.asked.borrow().is_empty());
    }
    // Whom it concerns for certain is held.
    let only = [("only", list(&["192.0.2.1"]))];
    let mut play = Play::new().with("deny", Stage::Connect, Says::Refuse, &only);
    assert_eq!(play.all("b@example.org")[0], "held 554 deny 5.7.1 No");
}

#[test]
fn a_new_transaction_and_a_new_name_are_judged_anew() {
    let mut play = Play::new().with("deny", Stage::Mail, Says::Refuse, &[]);
    play.all("b@example.org");
    play.judge(Stage::Mail, b"");
    assert_eq!(play.asked.borrow().len(), 2);
    let mut play = Play::new().with("deny", Stage::Helo, Says::Refuse, &[]);
    play.all("b@example.org");
    play.judge(Stage::Helo, b"");
    assert_eq!(play.asked.borrow().len(), 2);
}

#[test]
fn messages() {
    for (says, on_hit, said) in [
        (Says::Nothing, None, "pass"),
        (Says::Accept, None, "pass"),
        (Says::Refuse, None, "refused 554 scan 5.7.1 No"),
        (Says::Refuse, Some("tempfail"), "refused 450 scan 4.7.1 No"),
    ] {
        let keys: Vec<_> = on_hit.map(|hit| ("on_hit", Value::Text(hit))).into_iter().collect();
        let mut play = Play::new().with("scan", Stage::Message, says, &keys);
        assert_eq!(play.judge(Stage::Mail, b""), "pass");
        assert_eq!(play.judge(Stage::Message, b""), said);
    }
    let mut play =
        Play::new().with("scan", Stage::Message, Says::Refuse, &[("observe", Value::Bool(true))]);
    assert_eq!(play.judge(Stage::Message, b""), "pass");
    assert_eq!(play.chain.take_noted().would, Some(Would { code: 554, rule: "scan" }));
}
