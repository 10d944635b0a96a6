//! A name server on loopback that answers as a test wants it, faults included.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What it does when it is asked for a name.
#[derive(Clone, Debug)]
pub enum Does {
    /// Sends these records; an empty owner is the name asked for.
    Records(Vec<Entry>),
    /// Sends this response code.
    Code(u8),
    /// Says nothing.
    Silence,
    /// Waits first.
    Late(Duration, Box<Does>),
    /// Says by UDP that the answer is cut, and does this by TCP.
    Truncated(Box<Does>),
    /// Sends octets that are no message behind a right header and question.
    Garbage,
    /// Sends answers with another number and for another question before this.
    Spoofed(Box<Does>),
    /// Is silent the first time.
    SecondTime(Box<Does>),
    /// By TCP: closes after half of the answer.
    Half(Box<Does>),
}

/// A record: owner, type, data.
#[derive(Clone, Debug)]
pub struct Entry(pub String, pub u16, pub Vec<u8>);

/// A name as it goes over the wire.
pub fn wire(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}

/// Names for an address.
pub fn ptr(names: &[&str]) -> Does {
    Does::Records(names.iter().map(|name| Entry(String::new(), 12, wire(name))).collect())
}

/// Addresses of a name.
pub fn a(addresses: &[&str]) -> Does {
    let entry = |ip: &&str| {
        let ip: std::net::IpAddr = ip.parse().expect("an address");
        match ip {
            std::net::IpAddr::V4(ip) => Entry(String::new(), 1, ip.octets().to_vec()),
            std::net::IpAddr::V6(ip) => Entry(String::new(), 28, ip.octets().to_vec()),
        }
    };
    Does::Records(addresses.iter().map(entry).collect())
}

/// An alias of this name, and records of others.
pub fn alias(of: &str, others: Vec<Entry>) -> Does {
    let alias = Entry(String::new(), 5, wire(of));
    Does::Records(std::iter::once(alias).chain(others).collect())
}

type Zone = Arc<Mutex<HashMap<String, Does>>>;

/// The server; it runs until the test ends.
pub struct NameServer {
    address: SocketAddr,
    zone: Zone,
    asked: Arc<AtomicUsize>,
}

impl NameServer {
    /// One that knows no name.
    pub fn new() -> NameServer {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().expect("an address");
        let server =
            NameServer { address, zone: Zone::default(), asked: Arc::new(AtomicUsize::new(0)) };
        let (zone, asked) = (server.zone.clone(), server.asked.clone());
        thread::spawn(move || {
            let mut octets = [0; 1500];
            while let Ok((count, from)) = udp.recv_from(&mut octets) {
                asked.fetch_add(1, Ordering::Relaxed);
                let query = octets.get(..count).unwrap_or_default().to_vec();
                let does = does(&zone, &query);
                let back = udp.try_clone().expect("a copy");
                thread::spawn(move || {
                    for message in messages(&query, &does, false) {
                        let _ = back.send_to(&message, from);
                    }
                });
            }
        });
        let zone = server.zone.clone();
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let zone = zone.clone();
                thread::spawn(move || by_tcp(stream, &zone));
            }
        });
        server
    }

    /// From now on it does this when it is asked for the name.
    pub fn knows(self, name: &str, does: Does) -> NameServer {
        self.zone.lock().expect("a zone").insert(name.to_ascii_lowercase(), does);
        self
    }

    /// The address of a host, and its name, each leading to the other.
    pub fn host(self, ip: &str, name: &str) -> NameServer {
        let reverse = smtp_wrapper::dns::reverse_name(ip.parse().expect("an address"));
        let reverse = String::from_utf8(reverse).expect("a name");
        self.knows(&reverse, ptr(&[name])).knows(name, a(&[ip]))
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many questions it has got by UDP.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The same port for both.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn by_tcp(mut stream: std::net::TcpStream, zone: &Zone) {
    let mut length = [0; 2];
    if stream.read_exact(&mut length).is_err() {
        return;
    }
    let mut query = vec![0; u16::from_be_bytes(length).into()];
    if stream.read_exact(&mut query).is_err() {
        return;
    }
    let does = does(zone, &query);
    for message in messages(&query, &does, true) {
        let mut octets = (message.len() as u16).to_be_bytes().to_vec();
        octets.extend(&message);
        if matches!(&does, Does::Truncated(inner) if matches!(**inner, Does::Half(_))) {
            octets.truncate(octets.len() / 2);
        }
        // In pieces, as a network may deliver it.
        for piece in octets.chunks(7.max(octets.len() / 50)) {
            if stream.write_all(piece).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn does(zone: &Zone, query: &[u8]) -> Does {
    let name = question(query);
    let mut zone = zone.lock().expect("a zone");
    match zone.get(&name).cloned() {
        Some(Does::SecondTime(then)) => {
            zone.insert(name, *then);
            Does::Silence
        }
        Some(does) => does,
        None => Does::Code(3),
    }
}

/// The name that is asked for.
fn question(query: &[u8]) -> String {
    let (mut name, mut at) = (Vec::new(), 12);
    while let Some(&length) = query.get(at).filter(|length| **length != 0) {
        let end = at + 1 + usize::from(length);
        let label = query.get(at + 1..end).unwrap_or_default();
        name.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at = end;
    }
    name.join(".")
}

/// What is sent, one message after the other.
fn messages(query: &[u8], does: &Does, tcp: bool) -> Vec<Vec<u8>> {
    let mut message = query.to_vec();
    let mut set = |at: usize, value: u8| {
        if let Some(octet) = message.get_mut(at) {
            *octet = value;
        }
    };
    set(2, 0x81);
    set(3, 0x80);
    match does {
        Does::Silence | Does::SecondTime(_) => Vec::new(),
        Does::Code(code) => {
            set(3, 0x80 | code);
            vec![message]
        }
        Does::Late(time, then) => {
            thread::sleep(*time);
            messages(query, then, tcp)
        }
        Does::Truncated(then) | Does::Half(then) if tcp => messages(query, then, tcp),
        Does::Truncated(_) | Does::Half(_) => {
            set(2, 0x83);
            vec![message]
        }
        Does::Garbage => {
            set(7, 3);
            message.extend([0xc0, 0xff, 0xff, 0xff]);
            vec![message]
        }
        Does::Spoofed(then) => {
            let mut good = messages(query, then, tcp);
            let (mut number, mut other) = (message.clone(), message);
            number.iter_mut().take(1).for_each(|octet| *octet ^= 0xff);
            other.iter_mut().skip(13).take(1).for_each(|octet| *octet ^= 0x01);
            good.splice(0..0, [number, other, b"x".to_vec()]);
            good
        }
        Does::Records(entries) => {
            set(7, entries.len() as u8);
            // What was asked for is of one type; others are sent if they are aliases or have an owner.
            for Entry(owner, kind, data) in entries {
                message.extend(if owner.is_empty() { vec![0xc0, 12] } else { wire(owner) });
                message.extend(kind.to_be_bytes());
                message.extend([0, 1, 0, 0, 0, 60]);
                message.extend((data.len() as u16).to_be_bytes());
                message.extend(data);
            }
            vec![message]
        }
    }
}
