//! The PROXY protocol, versions 1 and 2 (proxy-protocol.txt of HAProxy): a
//! header in front of everything on a connection, which says whose connection
//! it stands for. Written for the MTA (`identity`), read from balancers
//! (`proxy_from`); pure functions.
//!
//! What is read is read exactly: [`decode`] says how many octets a header has
//! at least left, so that nothing of what follows it is ever taken.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits;

/// What a header of version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// And one of version 1.
const WORD: &[u8] = b"PROXY ";
/// The shortest header of version 1, `PROXY UNKNOWN` and CRLF; one of version 2
/// is longer.
const SHORTEST: usize = 15;
/// The longest header of version 1, CRLF included.
const LONGEST_LINE: usize = 107;
/// Signature, version and command, family, length.
const FIXED: usize = 16;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    One,
    /// Binary.
    Two,
}

/// Writes the header of a connection from `source` to `destination`. A
/// destination of the other family, or none, is the unspecified address: the
/// MTA is to know the source whatever we know of ourselves.
pub fn encode(
    version: Version,
    source: SocketAddr,
    destination: Option<SocketAddr>,
    out: &mut Vec<u8>,
) {
    let destination = destination.filter(|to| to.is_ipv4() == source.is_ipv4());
    let destination = destination.unwrap_or(match source {
        SocketAddr::V4(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        SocketAddr::V6(_) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
    });
    match version {
        Version::One => encode_line(source, destination, out),
        Version::Two => encode_binary(source, destination, out),
    }
}

fn encode_line(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    out.reserve(LONGEST_LINE);
    out.extend_from_slice(if source.is_ipv4() { b"PROXY TCP4" } else { b"PROXY TCP6" });
    for ip in [source.ip(), destination.ip()] {
        out.push(b' ');
        match ip {
            // By hand, as in the log: it is on the path of every session.
            IpAddr::V4(ip) => {
                for (n, octet) in ip.octets().into_iter().enumerate() {
                    out.extend((n > 0).then_some(b'.'));
                    decimal(octet.into(), out);
                }
            }
            // In its short form, which Exim takes over into its log and lookups as it stands.
            IpAddr::V6(ip) => drop(write!(out, "{ip}")),
        }
    }
    for port in [source.port(), destination.port()] {
        out.push(b' ');
        decimal(port, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Ten of these are in a header: the log's way costs twice as much.
fn decimal(n: u16, out: &mut Vec<u8>) {
    let mut unit = 1;
    while n / unit >= 10 {
        unit *= 10;
    }
    while unit > 0 {
        out.push(b'0' + (n / unit % 10) as u8);
        unit /= 10;
    }
}

fn encode_binary(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(&SIGNATURE);
    // Version 2, command PROXY; family and TCP; length of what follows.
    out.extend_from_slice(if source.is_ipv4() {
        &[0x21, 0x11, 0, 12]
    } else {
        &[0x21, 0x21, 0, 36]
    });
    for ip in [source.ip(), destination.ip()] {
        match ip {
            IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// The connection is this one.
    Connection {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// It stands for nobody but the sender itself: a health check, say.
    Own,
}

/// How far the reading of a header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The header has at least so many more octets.
    Needs(usize),
    /// It is complete.
    Complete(Says),
}

/// Reads what there is of a header.
///
/// # Errors
/// Why it is none.
pub fn decode(octets: &[u8]) -> Result<Progress, &'static str> {
    let begins = |with: &[u8]| octets.iter().zip(with).all(|(octet, wanted)| octet == wanted);
    if begins(&SIGNATURE) && !octets.is_empty() {
        if octets.len() < SHORTEST {
            return Ok(Progress::Needs(SHORTEST - octets.len()));
        }
        return decode_binary(octets);
    }
    if !begins(WORD) {
        return Err("it does not begin with a PROXY header");
    }
    if octets.len() < SHORTEST {
        return Ok(Progress::Needs(SHORTEST - octets.len()));
    }
    decode_line(octets)
}

fn decode_line(octets: &[u8]) -> Result<Progress, &'static str> {
    let Some(end) = octets.iter().position(|&b| b == b'\n') else {
        let needed = if octets.ends_with(b"\r") { 1 } else { 2 };
        return match octets.len() + needed <= LONGEST_LINE {
            true => Ok(Progress::Needs(needed)),
            false => Err("its PROXY line is too long"),
        };
    };
    let line = octets.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.filter(|line| !line.contains(&b'\r') && octets.len() == end + 1);
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    read_line(line.ok_or(MALFORMED_LINE)?).map(Progress::Complete).ok_or(MALFORMED_LINE)
}

const MALFORMED_LINE: &str = "its PROXY line is malformed";

fn read_line(line: &str) -> Option<Says> {
    let mut words = line.split(' ').skip(1);
    let ip: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |text| text.parse().ok().map(IpAddr::V4),
        "TCP6" => |text| text.parse().ok().map(IpAddr::V6),
        // Whatever follows is to be passed over.
        "UNKNOWN" => return Some(Says::Own),
        _ => return None,
    };
    let mut next = || words.next();
    let (from, to) = (ip(next()?)?, ip(next()?)?);
    let (from_port, to_port) = (port(next()?)?, port(next()?)?);
    next().is_none().then_some(Says::Connection {
        source: SocketAddr::new(from.to_canonical(), from_port),
        destination: SocketAddr::new(to.to_canonical(), to_port),
    })
}

/// Digits only: the library's parser takes a sign.
fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

const MALFORMED_BINARY: &str = "its binary PROXY header is malformed";

fn decode_binary(octets: &[u8]) -> Result<Progress, &'static str> {
    let Some((fixed, rest)) = octets.split_at_checked(FIXED) else {
        return Ok(Progress::Needs(FIXED - octets.len()));
    };
    let [.., command, family, high, low] = *fixed else { return Err(MALFORMED_BINARY) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > limits::PROXY_HEADER {
        return Err("its binary PROXY header is too long");
    }
    if !matches!(command, 0x20 | 0x21) {
        return Err(MALFORMED_BINARY);
    }
    if rest.len() != length {
        let missing = length.checked_sub(rest.len()).ok_or(MALFORMED_BINARY)?;
        return Ok(Progress::Needs(missing));
    }
    // LOCAL: what else it says is to be passed over.
    let says = if command == 0x20 { Some(Says::Own) } else { read_binary(family, rest) };
    says.map(Progress::Complete).ok_or(MALFORMED_BINARY)
}

/// What follows the addresses, if anything, is TLVs, which tell nothing here.
fn read_binary(family: u8, rest: &[u8]) -> Option<Says> {
    let (source, destination): (IpAddr, IpAddr);
    let ports = match family {
        0x11 => {
            let (from, rest) = rest.split_first_chunk::<4>()?;
            let (to, rest) = rest.split_first_chunk::<4>()?;
            (source, destination) = ((*from).into(), (*to).into());
            rest
        }
        0x21 => {
            let (from, rest) = rest.split_first_chunk::<16>()?;
            let (to, rest) = rest.split_first_chunk::<16>()?;
            (source, destination) = ((*from).into(), (*to).into());
            rest
        }
        // No address, or that of a Unix socket: there is none to tell.
        0x00 | 0x31 => return Some(Says::Own),
        _ => return None,
    };
    let (from, rest) = ports.split_first_chunk::<2>()?;
    let (to, _) = rest.split_first_chunk::<2>()?;
    Some(Says::Connection {
        source: SocketAddr::new(source.to_canonical(), u16::from_be_bytes(*from)),
        destination: SocketAddr::new(destination.to_canonical(), u16::from_be_bytes(*to)),
    })
}

#[cfg(test)]
mod tests;
