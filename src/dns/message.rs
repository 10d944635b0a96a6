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

/// The flag TC, in the header's third octet: the answer does not fit into a datagram.
const TRUNCATED: u8 = 0x02;

/// Makes of what came of a longer message one whose sender says that it does not fit.
#[cold]
pub(super) fn mark_as_cut(message: &mut [u8]) {
    if let Some(flags) = message.get_mut(2) {
        *flags |= TRUNCATED;
    }
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
        match (code, message.get(2).is_some_and(|flags| flags & TRUNCATED != 0)) {
            (Code::NoError | Code::NoName, true) => return Said::Truncated,
            (Code::NoName, false) => return Said::Answer(Answer::NoName),
            (Code::Failed(trouble), _) => return Said::Failed(trouble),
            (Code::NoError, false) => {}
        }
        if let Some(records) = self.usual(message) {
            return Said::Answer(Answer::Records(records));
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

    /// What an answer of the usual form says: few records, all of them of the name and kind that
    /// were asked for, and none of which says its name by pointing elsewhere. The library takes five times as
    /// long, and has all others.
    fn usual(&self, message: &[u8]) -> Option<Vec<Record>> {
        let count = usize::from(number(message.get(6..8)?));
        // The question is the one that was asked.
        let mut rest = message.get(self.octets.len()..)?;
        let [kind1, kind2] = u16::from(self.kind.on_the_wire()).to_be_bytes();
        let mut records = Vec::with_capacity(count.min(KEPT));
        if !(1..=KEPT).contains(&count) {
            return None;
        }
        for _ in 0..count {
            let (head, behind) = rest.split_at_checked(12)?;
            let [0xc0, 12, k1, k2, 0, 1, _, _, _, _, length1, length2] = *head else { return None };
            if [k1, k2] != [kind1, kind2] {
                return None;
            }
            let (data, behind) = behind.split_at_checked(number(&[length1, length2]).into())?;
            records.push(match self.kind {
                Kind::A => Record::Ip(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
                Kind::Aaaa => {
                    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?);
                    Record::Ip(IpAddr::from(ip).to_canonical())
                }
                Kind::Ptr => Record::Name(whole(data)?),
            });
            rest = behind;
        }
        Some(records)
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

/// A name that stands here from its first label to its last, as it is written.
fn whole(data: &[u8]) -> Option<Vec<u8>> {
    let (mut text, mut rest) = (Vec::with_capacity(64), data);
    if data.len() > LONGEST + 2 {
        return None;
    }
    loop {
        let (&length, behind) = rest.split_first()?;
        match usize::from(length) {
            0 => return (behind.is_empty() && !text.is_empty()).then_some(text),
            length @ 1..=LABEL => {
                let (label, behind) = behind.split_at_checked(length)?;
                show(label, &mut text);
                rest = behind;
            }
            _ => return None,
        }
    }
}

/// A name as it is written, without the final dot (RFC 1035 5.1).
fn shown(name: &Name<'_>) -> Vec<u8> {
    let mut text = Vec::with_capacity(64);
    name.as_bytes().for_each(|label| show(label, &mut text));
    text
}

/// One more label of it: what is not printable, and what would part labels or begin an escape, is
/// `\DDD`.
fn show(label: &[u8], text: &mut Vec<u8>) {
    text.extend((!text.is_empty()).then_some(b'.'));
    for &octet in label {
        if octet.is_ascii_graphic() && !matches!(octet, b'.' | b'\\') {
            text.push(octet);
        } else {
            let digit = |value: u8| b'0' + value % 10;
            text.extend([b'\\', digit(octet / 100), digit(octet / 10), digit(octet)]);
        }
    }
}

#[cfg(test)]
mod tests;
