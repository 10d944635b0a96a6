//! The compiled form beside the text: they find the same, and damage is noticed.

use std::fs;
use std::net::IpAddr;

use super::super::*;
use super::{Folder, both, compile};

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }

    fn name(&mut self) -> String {
        let labels = ["a", "b", "mail", "mx1", "ab-12", "example", "org", "x9"];
        (0..2 + self.below(3)).map(|_| self.of(&labels)).collect::<Vec<_>>().join(".")
    }

    fn address(&mut self) -> String {
        match self.below(3) {
            0 => format!("2001:db8::{:x}", self.below(64)),
            1 => format!("10.0.{}.{}", self.below(4), self.below(8)),
            _ => format!("{}.{}.0.0", 10 + self.below(3), self.below(4)),
        }
    }

    fn path(&mut self) -> String {
        let local = self.of(&["a", "b", "postmaster", "x@y"]).to_owned();
        match self.below(8) {
            0 => String::new(),
            1 => local,
            _ => format!("{local}@{}", self.name()),
        }
    }

    fn network(&mut self) -> String {
        let ip: IpAddr = self.address().parse().unwrap();
        match ip {
            IpAddr::V4(ip) => {
                let bits = 8 + self.below(25) as u32;
                let mask = u32::MAX << (32 - bits);
                format!("{}/{bits}", std::net::Ipv4Addr::from_bits(ip.to_bits() & mask))
            }
            IpAddr::V6(ip) => {
                let bits = 100 + self.below(29) as u32;
                let mask = u128::MAX << (128 - bits);
                format!("{}/{bits}", std::net::Ipv6Addr::from_bits(ip.to_bits() & mask))
            }
        }
    }

    fn expression(&mut self) -> String {
        let name = self.name().replace('.', "\\.");
        let whole = [
            format!("^{name}$"),
            format!("\\.{name}$"),
            format!("(mail|mx1)\\.{name}"),
            "[0-9]-?[0-9]+\\.".to_owned(),
            "^10\\.0\\.[0-2]\\.".to_owned(),
            "(x9|ab-12)+$".to_owned(),
            "^[^.]*\\.[^.]*$".to_owned(),
        ];
        let expression = &whole[self.below(whole.len() as u64) as usize];
        let negated = if self.below(8) == 0 { "!" } else { "" };
        format!("{negated}/{expression}/{}", self.of(&["", "", "", "i"]))
    }

    fn entry(&mut self) -> String {
        let dot = self.of(&["", ".", "."]);
        let name = self.name();
        let prefix = self.of(&["", "", "helo:", "from:", "to:"]);
        match self.below(8) {
            0 | 1 => self.network(),
            2 => self.address(),
            3 => format!("{prefix}{}", self.expression()),
            4 => format!("helo:{dot}{name}"),
            5 => format!("from:{}", self.of(&["<>", "a@", "postmaster@", "@example.org"])),
            6 => format!("{}a@{dot}{name}", self.of(&["from:", "to:"])),
            _ => format!("{prefix}{dot}{name}"),
        }
    }
}

/// Whatever the list and whoever is looked for: both forms find the same entry.
#[test]
fn the_compiled_form_finds_what_the_text_finds() {
    let mut dice = Dice(1);
    let mut hits = 0;
    for round in 0..40 {
        let lines = 1 + dice.below(if round % 10 == 0 { 600 } else { 40 });
        let text: String = (0..lines)
            .map(|_| {
                let action = dice.of(&["", "", "OK", "DUNNO", "REJECT", "450 4.7.1 wait"]);
                format!("{} {action}\n", dice.entry())
            })
            .collect();
        let (of_text, compiled) = both(&text, Syntax::Usual, Topic::Client);
        for _ in 0..200 {
            let names = [dice.name().into_bytes(), dice.name().to_uppercase().into_bytes()];
            let (helo, from, to) = (dice.name(), dice.path(), dice.path());
            for subject in [
                Subject::Address(dice.address().parse().unwrap()),
                Subject::Host(&names),
                Subject::Helo(helo.as_bytes()),
                Subject::Sender(from.as_bytes()),
                Subject::Recipient(to.as_bytes()),
            ] {
                let (one, other) = (of_text.find(subject), compiled.find(subject));
                assert_eq!(one, other, "{subject:?} in\n{text}");
                hits += usize::from(one.is_some());
            }
        }
        assert!(compiled.take_note().is_none());
    }
    assert!((7_000..33_000).contains(&hits), "{hits} of 40 000: the test tests nothing");
}

/// Each octet changed, and each length: it is noticed, and the text is read instead.
#[test]
fn a_damaged_form_is_noticed_and_the_text_read() {
    let folder = Folder::fresh();
    let text =
        "192.0.2.0/24 OK\nmail.example.org\n/^mx[0-9]\\./ 450 4.7.1 wait\n/^[0-9]+$/\nto:a@b.c\n";
    let place = folder.list(text, Syntax::Usual, Topic::Client);
    let (form, _) = compile(place);
    let sound = fs::read(&form).unwrap();
    let expected = place.open(false).unwrap();
    let names = [b"mx1.example".to_vec()];
    let subjects = [
        Subject::Address("192.0.2.7".parse().unwrap()),
        Subject::Host(&names),
        Subject::Recipient(b"a@b.c"),
        Subject::Helo(b"x"),
    ];
    let mut noticed = 0;
    let mut try_with = |octets: &[u8]| {
        // In place, as no good program does it.
        fs::write(&form, octets).unwrap();
        let file = place.open(true).unwrap();
        for subject in subjects {
            assert_eq!(file.find(subject), expected.find(subject));
        }
        noticed += usize::from(file.take_note().is_some());
    };
    let flips = (0..sound.len()).step_by(if cfg!(debug_assertions) { 7 } else { 1 });
    for at in flips.clone() {
        let mut octets = sound.clone();
        octets[at] ^= 1 << (at % 8);
        try_with(&octets);
    }
    let count = flips.len();
    let lengths = (0..sound.len()).step_by(97);
    let cut = lengths.len();
    lengths.for_each(|length| try_with(&sound[..length]));
    // Every cut is noticed, and damage wherever it was looked at.
    assert!(noticed > cut + count / 2, "{noticed} of {count} and {cut}");

    // Of another text, of another program, of other readers.
    fs::write(&form, &sound).unwrap();
    for (other, why) in [
        (Place { syntax: Syntax::Egrep, ..place }, "another syntax"),
        (Place { topic: Topic::Host, ..place }, "another syntax or match"),
    ] {
        let note = other.open(true).ok().and_then(|file| file.take_note());
        assert!(note.is_none_or(|note| note.contains(why)), "{why}");
    }
    fs::write(place.path, text.replace("OK", "OK ")).unwrap();
    let note = place.open(true).unwrap().take_note().unwrap();
    assert!(
        note.contains("is not of this text") && note.contains("run smtp-wrapper compile"),
        "{note}"
    );
}
