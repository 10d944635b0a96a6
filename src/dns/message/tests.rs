//! Questions and answers, sound and damaged.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

fn asked(name: &str, kind: Kind) -> Asked {
    Asked::new(0x1234, name.as_bytes(), kind).unwrap()
}

/// An answer with these records: owner (empty: the question's), type, data.
fn answer(asked: &Asked, records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
    let mut message = asked.octets.clone();
    message[2] = 0x81;
    message[3] = 0x80;
    message[7] = records.len() as u8;
    for (owner, kind, data) in records {
        message.extend(if owner.is_empty() { &[0xc0, 12][..] } else { *owner });
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(*data);
    }
    message
}

fn said(asked: &Asked, mut message: Vec<u8>) -> String {
    match asked.read(&mut message) {
        Said::Nothing => "nothing".to_owned(),
        Said::Truncated => "truncated".to_owned(),
        Said::Failed(trouble) => trouble.name().to_owned(),
        Said::Alias(name) => format!("alias {}", String::from_utf8(name).unwrap()),
        Said::Answer(Answer::NoName) => "no name".to_owned(),
        Said::Answer(Answer::NoData) => "no data".to_owned(),
        Said::Answer(Answer::Trouble(_)) => "trouble".to_owned(),
        Said::Answer(Answer::Records(records)) => {
            let show = |record: &Record| match record {
                Record::Ip(ip) => ip.to_string(),
                Record::Name(name) => String::from_utf8(name.clone()).unwrap(),
            };
            records.iter().map(show).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn what_answers_say() {
    let a = asked("host.example", Kind::A);
    let ptr = asked("7.2.0.192.in-addr.arpa", Kind::Ptr);
    let ip: &[u8] = &[192, 0, 2, 7];
    let with = |at: usize, octet: u8, message: &[u8]| {
        let mut message = message.to_vec();
        message[at] = octet;
        message
    };
    let good = answer(&a, &[(b"", 1, ip)]);
    assert_eq!(said(&a, good.clone()), "192.0.2.7");
    assert_eq!(said(&a, answer(&a, &[])), "no data");
    assert_eq!(said(&a, answer(&a, &[(b"", 28, &[0; 16])])), "no data"); // another type
    assert_eq!(said(&a, answer(&a, &[(b"\x05other\0", 1, ip)])), "no data"); // another owner
    assert_eq!(said(&a, answer(&a, &[(b"\x04HOST\x07Example\0", 1, ip)])), "192.0.2.7");
    for (at, octet, expected) in [
        (0, 0xff, "nothing"),    // another number
        (2, 0x01, "nothing"),    // a question
        (2, 0xa9, "nothing"),    // another operation
        (5, 0, "nothing"),       // no question
        (13, b'x', "nothing"),   // another question
        (13, b'H', "192.0.2.7"), // the same in other letters
        (2, 0x83, "truncated"),
        (3, 0x83, "no name"),
        (3, 0x82, "servfail"),
        (3, 0x85, "refused"),
        (3, 0x81, "refused"),
        (6, 0xff, "malformed"), // very many records
        (7, 2, "malformed"),    // more records than there are
    ] {
        assert_eq!(said(&a, with(at, octet, &good)), expected, "{at} {octet:#x}");
    }
    // Counts of what is not looked at do not count.
    assert_eq!(said(&a, with(9, 200, &good)), "192.0.2.7");
    assert_eq!(said(&a, good[..good.len() - 1].to_vec()), "malformed");
    let mut short = a.octets[..12].to_vec();
    (short[2], short[3], short[5]) = (0x81, 0x85, 0);
    assert_eq!(said(&a, short.clone()), "refused");
    short[3] = 0x80;
    assert_eq!(said(&a, short), "nothing");
    assert_eq!(said(&a, vec![0x12]), "nothing");

    let cname = answer(&a, &[(b"", 5, b"\x01b\xc0\x11"), (b"\x01b\xc0\x11", 1, ip)]);
    assert_eq!(said(&a, cname), "192.0.2.7");
    let no_target = answer(&a, &[(b"", 5, b"\x01b\x01c\0")]);
    assert_eq!(said(&a, no_target), "alias b.c");
    let round = answer(&a, &[(b"", 5, b"\x01b\0"), (b"\x01b\0", 5, b"\xc0\x0c")]);
    assert_eq!(said(&a, round), "malformed");

    let names = answer(&ptr, &[(b"", 12, b"\x01B\x02cd\0"), (b"", 12, b"\x03a.b\x02\0\\\0")]);
    assert_eq!(said(&ptr, names), r"B.cd a\046b.\000\092");
    let forty: Vec<(&[u8], u16, &[u8])> = vec![(b"", 12, b"\x01x\0"); 40];
    assert_eq!(said(&ptr, answer(&ptr, &forty)).split(' ').count(), KEPT);
    // A name that points at itself.
    assert_eq!(said(&ptr, answer(&ptr, &[(b"", 12, b"\xc0\x34")])), "malformed");
}

#[test]
fn damaged_answers_do_no_harm() {
    let a = asked("host.example", Kind::A);
    let whole = answer(
        &a,
        &[(b"", 5, b"\x01b\xc0\x11"), (b"\x01b\xc0\x11", 1, &[192, 0, 2, 7]), (b"", 46, &[7; 30])],
    );
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..20_000_usize {
        let mut message = whole.clone();
        for _ in 0..=round % 4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = 12 + (state >> 33) as usize % (message.len() - 12);
            message[at] = (state >> 20) as u8;
        }
        message.truncate(message.len() - round % 7);
        let _ = a.read(&mut message);
    }
}

#[test]
fn the_usual_answer_says_what_the_library_says_of_it() {
    let of_library = |asked: &Asked, message: &[u8]| {
        let said = Packet::parse(message).map(|packet| asked.follow(&packet));
        match said {
            Ok(Said::Answer(Answer::Records(records))) => Some(records),
            _ => None,
        }
    };
    let a = asked("host.example", Kind::A);
    let aaaa = asked("host.example", Kind::Aaaa);
    let ptr = asked("7.2.0.192.in-addr.arpa", Kind::Ptr);
    let long = [&[63_u8][..], &[b'x'; 63]].concat().repeat(4);
    let mut cases = vec![
        (&a, answer(&a, &[(b"", 1, &[192, 0, 2, 7]), (b"", 1, &[192, 0, 2, 8])]), true),
        (&a, answer(&a, &[(b"", 1, &[192, 0, 2])]), false),
        (&a, answer(&a, &[(b"", 5, b"\x01b\0"), (b"\x01b\0", 1, &[1; 4])]), false),
        (&aaaa, answer(&aaaa, &[(b"", 28, &[7; 16])]), true),
        (&aaaa, answer(&aaaa, &[(b"", 1, &[7; 16])]), false),
        (&ptr, answer(&ptr, &[(b"", 12, b"\x03a.b\x02\0\\\0"), (b"", 12, b"\x01x\0")]), true),
        (&ptr, answer(&ptr, &[(b"", 12, b"\x01x\xc0\x0c")]), false),
        (&ptr, answer(&ptr, &[(b"", 12, b"\x01x\0\0")]), false),
        (&ptr, answer(&ptr, &[(b"", 12, b"\0")]), false),
        (&ptr, answer(&ptr, &[(b"", 12, b"")]), false),
        (&ptr, answer(&ptr, &[(b"", 12, &[&long[..], b"\0"].concat())]), false),
        (&ptr, answer(&ptr, &[(b"", 12, &[&long[3..], b"\0"].concat())]), false),
        (&ptr, answer(&ptr, &vec![(&b""[..], 12, &b"\x01x\0"[..]); KEPT]), true),
        (&ptr, answer(&ptr, &vec![(&b""[..], 12, &b"\x01x\0"[..]); KEPT + 1]), false),
    ];
    for (asked, message, usual) in &cases {
        assert_eq!(asked.usual(message).is_some(), *usual, "{message:?}");
    }
    // And with each octet damaged in many ways, behind the question.
    for (asked, message, _) in &mut cases {
        for at in asked.octets.len()..message.len().min(asked.octets.len() + 80) {
            let sound = message[at];
            for damage in (0..=255).step_by(5).chain([1, 12, 63, 64, 0xc0]) {
                message[at] = damage;
                if let Some(records) = asked.usual(message) {
                    assert_eq!(of_library(asked, message), Some(records), "{message:?}");
                }
            }
            message[at] = sound;
        }
        for end in 0..message.len() {
            if let Some(records) = asked.usual(&message[..end]) {
                assert_eq!(of_library(asked, &message[..end]), Some(records), "{end}");
            }
        }
    }
}

#[test]
fn plain_names_are_asked_as_the_library_does_it() {
    let full = format!("{}.{}", "a".repeat(63), "b.".repeat(94) + "c");
    for name in ["a", "mail.example.org", "4.3.2.1.in-addr.arpa", "_x.y-z", &full] {
        for kind in [Kind::A, Kind::Aaaa, Kind::Ptr] {
            let octets = plain(0x1234, name.as_bytes(), kind).unwrap();
            let library = Asked::escaped(0x1234, name.as_bytes(), kind).unwrap();
            assert_eq!(octets, library.octets, "{name}");
        }
    }
    let long = "a".repeat(64);
    for name in ["", ".", "a.", ".a", "a..b", "a b", r"a\.b", "\u{e9}", &long, &"a.".repeat(127)] {
        assert_eq!(plain(1, name.as_bytes(), Kind::A), None, "{name}");
    }
}

#[test]
fn what_cannot_be_asked() {
    let long = "a".repeat(64);
    for name in [long.as_str(), &"abc.".repeat(64), r"a\9", "\u{e9}.example"] {
        let asked = Asked::new(1, name.as_bytes(), Kind::A);
        assert!(asked.is_none() || name.contains('\u{e9}'), "{name}");
    }
    assert!(Asked::new(1, b"\xff", Kind::A).is_none());
}
