//! The name server of a trial: the addresses of loopback play the kinds of
//! client that there are on the Internet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use simple_dns::rdata::{A, PTR, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE};

use crate::dns::reverse_name;

/// The hosts that have a name; each leads to the other.
pub(super) const HOSTS: [(Ipv4Addr, &str); 2] = [
    (Ipv4Addr::new(127, 0, 0, 1), "mail.example.org"),
    (Ipv4Addr::new(127, 0, 0, 2), "dsl-127-0-0-2.example.net"),
];

/// One that has none.
pub(super) const NAMELESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A question is no longer than this (RFC 1035 2.3.4).
const DATAGRAM: usize = 512;
/// Seconds that an answer is good for.
const TTL: u32 = 60;

/// Answers from now on, until the process ends.
///
/// # Errors
/// When there is no socket or thread to be had.
pub(super) fn start() -> std::io::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    thread::Builder::new().spawn(move || {
        let mut octets = [0; DATAGRAM];
        while let Ok((count, from)) = socket.recv_from(&mut octets) {
            if let Some(answer) = octets.get(..count).and_then(answer) {
                let _ = socket.send_to(&answer, from);
            }
        }
    })?;
    Ok(address)
}

/// The answer to a question; `None` to what is none.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    let question = query.questions.first()?;
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    let records: Vec<_> = HOSTS.iter().filter_map(|host| record(question, host)).collect();
    let known = HOSTS.iter().any(|(_, name)| is(question, name));
    if records.is_empty() && !known {
        *reply.rcode_mut() = RCODE::NameError;
    }
    reply.questions.push(question.clone());
    reply.answers.extend(records);
    reply.build_bytes_vec().ok()
}

/// What there is of this host for the question.
fn record(
    question: &Question<'_>,
    (ip, name): &'static (Ipv4Addr, &str),
) -> Option<ResourceRecord<'static>> {
    let reverse = String::from_utf8(reverse_name(IpAddr::V4(*ip))).ok()?;
    let name_of = |text: &'static str| Name::new(text).ok();
    let (owner, data) = match question.qtype {
        QTYPE::TYPE(TYPE::A) if is(question, name) => {
            (name_of(name)?, RData::A(A { address: ip.to_bits() }))
        }
        QTYPE::TYPE(TYPE::PTR) if is(question, &reverse) => {
            (Name::new(&reverse).ok()?.into_owned(), RData::PTR(PTR(name_of(name)?)))
        }
        _ => return None,
    };
    Some(ResourceRecord::new(owner, CLASS::IN, TTL, data))
}

/// Is it about this name?
fn is(question: &Question<'_>, name: &str) -> bool {
    question.qname.to_string().eq_ignore_ascii_case(name)
}
