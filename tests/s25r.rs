//! The S25R rules against the `regex` crate, and over a corpus of host names.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use regex::bytes::{Regex, RegexBuilder};
use smtp_wrapper::providers;
use smtp_wrapper::s25r::{Rules, first_hit};

const CORPUS: &str = include_str!("corpus/hosts.txt");

struct Expressions {
    rules: Rules,
    compiled: Vec<Regex>,
}

impl Expressions {
    fn of(rules: Rules) -> Expressions {
        let compile = |text: &&str| {
            let mut builder = RegexBuilder::new(text);
            let builder = builder.case_insensitive(true).unicode(false);
            builder.dot_matches_new_line(true).build().unwrap()
        };
        Expressions { rules, compiled: rules.expressions().iter().map(compile).collect() }
    }

    fn first_hit(&self, host: &[u8]) -> Option<u8> {
        let hit = self.compiled.iter().position(|expression| expression.is_match(host));
        hit.map(|at| at as u8 + 1)
    }

    #[track_caller]
    fn agree(&self, host: &[u8]) {
        let (ours, theirs) = (first_hit(self.rules, host), self.first_hit(host));
        assert_eq!(ours, theirs, "{:?} {}", self.rules, host.escape_ascii());
    }
}

fn both() -> [Expressions; 2] {
    [Expressions::of(Rules::Published), Expressions::of(Rules::Original)]
}

/// Host, and its class.
fn corpus() -> Vec<(&'static str, &'static str)> {
    let lines = CORPUS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once('\t').unwrap()).collect()
}

#[test]
fn every_short_name_is_judged_as_the_expressions_judge_it() {
    for expressions in both() {
        // What the rules tell apart: a letter, a digit, the dash, the dot.
        let mut names = vec![Vec::new()];
        for _ in 0..8 {
            names.iter().for_each(|name: &Vec<u8>| expressions.agree(name));
            let longer = |name: &Vec<u8>| b"a1-.".map(|b| [name.as_slice(), &[b]].concat());
            names = names.iter().flat_map(longer).collect();
        }
    }
}

#[test]
fn random_and_damaged_names_are_judged_as_the_expressions_judge_them() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    const LETTERS: &[u8] = b"aAxXdDsSlLpPhHcCuUiI12333-..._\n\0\xff";
    let starts = ["", "dsl", "xdsl", "ADSL", "dhcp", "dialup", "ppp", "bdsl", "1.2.", "a1.b2-3."];
    let hosts = corpus();
    for expressions in both() {
        for _ in 0..40_000 {
            let mut name = starts[random(starts.len())].as_bytes().to_vec();
            let length = random(24);
            name.extend((0..length).map(|_| LETTERS[random(LETTERS.len())]));
            expressions.agree(&name);
            let mut name = hosts[random(hosts.len())].0.as_bytes().to_vec();
            let at = random(name.len());
            match random(3) {
                0 => name[at] = LETTERS[random(LETTERS.len())],
                1 => drop(name.remove(at)),
                _ => name.insert(at, LETTERS[random(LETTERS.len())]),
            }
            expressions.agree(&name);
        }
    }
}

#[test]
fn the_corpus_is_judged_as_its_classes_say() {
    let (mut hit, mut hosts) = (0, 0);
    for (host, class) in corpus() {
        both().iter().for_each(|expressions| expressions.agree(host.as_bytes()));
        let rule = first_hit(Rules::Published, host.as_bytes());
        let provider = providers::of(host.as_bytes());
        match class {
            "provider" => assert!(provider.is_some(), "{host}: no provider"),
            "mail" => assert!(rule.is_none(), "{host}: rule {rule:?}"),
            "dynamic" => {
                assert!(rule.is_some(), "{host}: no rule hits");
                assert!(provider.is_none(), "{host}: {:?}", provider.unwrap().name);
            }
            _ => panic!("{host}: unknown class {class}"),
        }
        hosts += usize::from(class == "provider");
        hit += usize::from(class == "provider" && rule.is_some());
    }
    // Without the list of providers the rules would hit many of them.
    assert!(hosts >= 60 && hit * 2 > hosts, "{hit} of {hosts}");
}
