//! A name server that gives each address one name, and that name one address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

/// Octets of a DNS header, and what a PTR question asks for.
const HEADER: usize = 12;
const PTR: u8 = 12;

/// Starts one on loopback; it runs as long as the bench does.
pub fn start() -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((count, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..count]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Ok(address)
}

/// The answer: mail.example.org, or 127.0.0.1.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let end = HEADER + query.get(HEADER..)?.iter().position(|&octet| octet == 0)? + 5;
    let mut answer = query.get(..end)?.to_vec();
    let kind = answer[end - 3];
    answer[2..HEADER].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    let data: &[u8] = if kind == PTR { b"\x04mail\x07example\x03org\0" } else { &[127, 0, 0, 1] };
    answer.extend([0xc0, HEADER as u8, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
    answer.extend(data);
    Some(answer)
}
