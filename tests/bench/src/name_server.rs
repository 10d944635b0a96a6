//! A name server that gives each address one name, and that name one address; on no list is anybody.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

/// The name of a mail server, as DNS has it.
pub const MAIL: &[u8] = b"\x04mail\x07example\x03org\0";
/// And one that S25R takes for a dial-up line.
pub const DIAL_UP: &[u8] = b"\x0dppp-192-0-2-7\x07example\x03org\0";

/// Octets of a DNS header, and what is asked for: an address, a name.
const HEADER: usize = 12;
const A: u8 = 1;
const PTR: u8 = 12;

/// Starts one on loopback, on any port if it is 0; it runs as long as the bench does.
pub fn start(port: u16, name: &'static [u8]) -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = socket.local_addr()?;
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((count, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..count], name) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Ok(address)
}

/// The answer: the name, or 127.0.0.1, or that there is no such name.
fn answer(query: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let end = HEADER + query.get(HEADER..)?.iter().position(|&octet| octet == 0)? + 5;
    let mut answer = query.get(..end)?.to_vec();
    let data: &[u8] = match answer[end - 3] {
        PTR => name,
        A => &[127, 0, 0, 1],
        _ => {
            answer[2..HEADER].copy_from_slice(&[0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
            return Some(answer);
        }
    };
    answer[2..HEADER].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    answer.extend([0xc0, HEADER as u8, 0, answer[end - 3], 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
    answer.extend(data);
    Some(answer)
}
