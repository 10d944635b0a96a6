//! Questions and answers on the wire (RFC 1035 4). What the name server sends is
//! hostile: it is taken apart by the library, after what would make that dear or
//! is not needed (authority, additional records) has been cut off.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use super::{Answer, Kind, Record, Trouble};

/// Octets of a header.
const HEADER: usize = 12;
/// Octets of a name, as it is written (RFC 1035 2.3.4: 255 with their lengths), and of a label.
const LONGEST: usize = 253;
const LABEL: usize = 63;
/// Records of an answer that are looked at; a message with more is malformed.
const RECORDS: u16 = 256;
/// Records of an answer that are kept.
const KEPT: usize = 16;
/// Aliases that are followed within one answer, and questions for one.
pub(super) const ALIASES: usize = 8;

/// A question ready to be sent.
#[derive(Debug)]
pub(super) struct Asked {
    /// As it is sent.
    pub(super) octets: Vec<u8>,
    kind: Kind,
}

/// What a message from the name server says.
#[derive(Debug)]
pub(super) enum Said {
    /// It is no answer to this question.
    Nothing,
    /// The rest is to be had by TCP (RFC 1035 4.2.1).
    Truncated,
    /// This server does not know.
    Failed(Trouble),
    /// The name is an alias of this one, of which the message says nothing.
    Alias(Vec<u8>),
    Answer(Answer),
}

impl Asked {
    /// The question for a name; `None` if it is none.
    pub(super) fn new(id: u16, name: &[u8], kind: Kind) -> Option<Asked> {
        match plain(id, name, kind) {
            Some(octets) => Some(Asked { octets, kind }),
            None => Asked::escaped(id, name, kind),
        }
    }

    /// The question for a name that is not written plainly, or is none.
    #[cold]
    fn escaped(id: u16, name: &[u8], kind: Kind) -> Option<Asked> {
        let name = Name::new(std::str::from_utf8(name).ok()?).ok()?;
        let kind_of = QTYPE::TYPE(kind.on_the_wire());
        let mut packet = Packet::new_query(id);
        packet.set_flags(simple_dns::PacketFlag::RECURSION_DESIRED);
        packet.questions.push(Question::new(name, kind_of, QCLASS::CLASS(CLASS::IN), false));
        let octets = packet.build_bytes_vec().ok()?;
        Some(Asked { octets, kind })
    }

    /// Reads a message. Whether it is an answer to this question is seen from the
    /// octets; an impostor who does not know number and port is passed over.
    pub(super) fn read(&self, message: &mut [u8]) -> Said {
        let Some(code) = self.answers(message) else { return Said::Nothing };
        const TRUNCATED: u8 = 0x02;
        match (code, message.get(2).is_some_and(|flags| flags & TRUNCATED != 0)) {
            (Code::NoError | Code::NoName, true) => return Said::Truncated,
            (Code::NoName, false) => return Said::Answer(Answer::NoName),
            (Code::Failed(trouble), _) => return Said::Failed(trouble),
            (Code::NoError, false) => {}
        }
        // Authority and additional records: none, as far as the library sees.
        if let Some(counts) = message.get_mut(8..HEADER) {
            counts.fill(0);
        }
        if message.get(6..8).is_none_or(|count| number(count) > RECORDS) {
            return Said::Failed(Trouble::Malformed);
        }
        match Packet::parse(message) {
            Ok(packet) => self.follow(&packet),
            Err(_) => Said::Failed(Trouble::Malformed),
        }
    }

    /// The response code, if this is an answer to the question.
    fn answers(&self, message: &[u8]) -> Option<Code> {
        let (header, rest) = message.split_at_checked(HEADER)?;
        let [id1, id2, flags1, flags2, count1, count2, ..] = *header else { return None };
        let asked = self.octets.get(HEADER..)?;
        // QR is set, the operation is a standard query.
        if !self.octets.starts_with(&[id1, id2]) || flags1 & 0xf8 != 0x80 {
            return None;
        }
        let code = match flags2 & 0x0f {
            0 => Code::NoError,
            3 => Code::NoName,
            2 => Code::Failed(Trouble::ServFail),
            _ => Code::Failed(Trouble::Refused),
        };
        let same = rest.get(..asked.len()).is_some_and(|q| q.eq_ignore_ascii_case(asked));
        match (same && [count1, count2] == [0, 1], code) {
            (true, code) => Some(code),
            // Some servers leave the question out when they cannot answer it.
            (false, Code::Failed(_)) if [count1, count2] == [0, 0] => Some(code),
            (false, _) => None,
        }
    }

    /// Follows the aliases to what was asked for.
    fn follow(&self, packet: &Packet<'_>) -> Said {
        let Some(question) = packet.questions.first() else {
            return Said::Failed(Trouble::Malformed);
        };
        let mut owner = &question.qname;
        for step in 0..=ALIASES {
            let of_owner = || {
                let records = packet.answers.iter().filter(|r| r.class == CLASS::IN);
                records.filter(|record| same(&record.name, owner))
            };
            let found: Vec<_> = of_owner().filter_map(|r| self.record(r)).take(KEPT).collect();
            if !found.is_empty() {
                return Said::Answer(Answer::Records(found));
            }
            let alias = of_owner().find_map(|record| match &record.rdata {
                RData::CNAME(alias) => Some(&alias.0),
                _ => None,
            });
            match alias {
                Some(alias) => owner = alias,
                None if step == 0 => return Said::Answer(Answer::NoData),
                None => return Said::Alias(shown(owner)),
            }
        }
        Said::Failed(Trouble::Malformed)
    }

    /// What a record says, if it is of the kind that was asked for.
    fn record(&self, record: &ResourceRecord<'_>) -> Option<Record> {
        match (&record.rdata, self.kind) {
            (RData::PTR(name), Kind::Ptr) => Some(Record::Name(shown(&name.0))),
            (RData::A(a), Kind::A) => Some(Record::Ip(Ipv4Addr::from(a.address).into())),
            (RData::AAAA(a), Kind::Aaaa) => {
                Some(Record::Ip(IpAddr::from(Ipv6Addr::from(a.address)).to_canonical()))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Code {
    NoError,
    NoName,
    Failed(Trouble),
}

impl Kind {
    fn on_the_wire(self) -> TYPE {
        match self {
            Kind::Ptr => TYPE::PTR,
            Kind::A => TYPE::A,
            Kind::Aaaa => TYPE::AAAA,
        }
    }
}

fn number(octets: &[u8]) -> u16 {
    octets.iter().fold(0, |number, octet| number << 8 | u16::from(*octet))
}

/// Are they the same but for case (RFC 4343)?
fn same(a: &Name<'_>, b: &Name<'_>) -> bool {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// The question for a name of plain letters, as nearly all are: the library takes ten times as
/// long for it. Nothing of it is a stranger's.
fn plain(id: u16, name: &[u8], kind: Kind) -> Option<Vec<u8>> {
    if name.len() > LONGEST {
        return None;
    }
    let mut octets = Vec::with_capacity(HEADER + name.len() + 6);
    octets.extend(id.to_be_bytes());
    // A standard query, recursion desired; one question.
    octets.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split(|&octet| octet == b'.') {
        let plain = !label.is_empty() && label.len() <= LABEL;
        if !plain || !label.iter().all(|octet| octet.is_ascii_graphic() && *octet != b'\\') {
            return None;
        }
        octets.push(label.len() as u8);
        octets.extend_from_slice(label);
    }
    octets.push(0);
    octets.extend(u16::from(kind.on_the_wire()).to_be_bytes());
    octets.extend((CLASS::IN as u16).to_be_bytes());
    Some(octets)
}

/// A name as it is written, without the final dot (RFC 1035 5.1): what is not
/// printable, and what would part labels or begin an escape, is `\DDD`.
fn shown(name: &Name<'_>) -> Vec<u8> {
    let mut text = Vec::with_capacity(64);
    for (at, label) in name.as_bytes().enumerate() {
        text.extend((at > 0).then_some(b'.'));
        for &octet in label {
            if octet.is_ascii_graphic() && !matches!(octet, b'.' | b'\\') {
                text.push(octet);
            } else {
                let digit = |value: u8| b'0' + value % 10;
                text.extend([b'\\', digit(octet / 100), digit(octet / 10), digit(octet)]);
            }
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
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
            &[
                (b"", 5, b"\x01b\xc0\x11"),
                (b"\x01b\xc0\x11", 1, &[192, 0, 2, 7]),
                (b"", 46, &[7; 30]),
            ],
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
        for name in
            ["", ".", "a.", ".a", "a..b", "a b", r"a\.b", "\u{e9}", &long, &"a.".repeat(127)]
        {
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
}
