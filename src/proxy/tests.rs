//! Headers, written and read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn encoded(version: Version, source: &str, destination: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(version, at(source), destination.map(at), &mut out);
    out
}

#[test]
fn headers_are_written() {
    use Version::{One, Two};
    let signature = |rest: &[u8]| [&SIGNATURE[..], rest].concat();
    let one: &[u8] = &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (version, source, destination, wire) in [
        (
            One,
            "192.0.2.1:4000",
            Some("198.51.100.7:25"),
            b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 25\r\n".to_vec(),
        ),
        (One, "192.0.2.1:0", None, b"PROXY TCP4 192.0.2.1 0.0.0.0 0 0\r\n".to_vec()),
        // Of the other family: as if there were none.
        (One, "192.0.2.1:1", Some("[::1]:25"), b"PROXY TCP4 192.0.2.1 0.0.0.0 1 0\r\n".to_vec()),
        (
            One,
            "[2001:db8::1]:65535",
            Some("[::1]:25"),
            b"PROXY TCP6 2001:db8::1 ::1 65535 25\r\n".to_vec(),
        ),
        (
            Two,
            "192.0.2.1:4000",
            Some("198.51.100.7:25"),
            signature(b"\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x0f\xa0\0\x19"),
        ),
        (
            Two,
            "[2001:db8::1]:4000",
            None,
            signature(&[b"\x21\x21\0\x24", one, &[0; 16], b"\x0f\xa0\0\0"].concat()),
        ),
    ] {
        assert_eq!(encoded(version, source, destination), wire, "{version:?} {source}");
    }
}

/// Reads a header as it would come from a socket, never more than is asked
/// for; gives what it says and how much was read.
fn read(wire: &[u8]) -> Result<(Says, usize), &'static str> {
    let mut have = 0;
    loop {
        match decode(&wire[..have])? {
            Progress::Complete(says) => return Ok((says, have)),
            Progress::Needs(0) => return Err("nothing is needed, and it is not complete"),
            Progress::Needs(_) if have == wire.len() => return Err("it is cut off"),
            Progress::Needs(more) => have = wire.len().min(have + more),
        }
    }
}

#[test]
fn headers_are_read_and_nothing_behind_them() {
    let from = |source: &str, destination: &str| Says::Connection {
        source: at(source),
        destination: at(destination),
    };
    let v2 = |rest: &[u8]| [&SIGNATURE[..], rest].concat();
    let mapped = |last: u8| [[0; 10].as_slice(), &[0xff, 0xff, 192, 0, 2, last]].concat();
    for (wire, says) in [
        (
            b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 25\r\n".to_vec(),
            from("192.0.2.1:4000", "192.0.2.2:25"),
        ),
        (
            b"PROXY TCP6 ::1 2001:db8::1 1 65535\r\n".to_vec(),
            from("[::1]:1", "[2001:db8::1]:65535"),
        ),
        // IPv4 in the form of IPv6 is IPv4.
        (
            b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n".to_vec(),
            from("192.0.2.1:1", "192.0.2.2:2"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), Says::Own),
        (b"PROXY UNKNOWN a b  c\r\n".to_vec(), Says::Own),
        ([b"PROXY UNKNOWN ".as_slice(), &[b'x'; 91], b"\r\n"].concat(), Says::Own),
        (
            v2(b"\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19"),
            from("192.0.2.1:4000", "192.0.2.2:25"),
        ),
        // With TLVs.
        (
            v2(b"\x21\x11\0\x10\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19\x04\0\x01x"),
            from("192.0.2.1:4000", "192.0.2.2:25"),
        ),
        (
            v2(&[b"\x21\x21\0\x24", &mapped(1)[..], &mapped(2), b"\0\x01\0\x02"].concat()),
            from("192.0.2.1:1", "192.0.2.2:2"),
        ),
        (v2(b"\x20\0\0\0"), Says::Own),
        (v2(b"\x20\x11\0\x03abc"), Says::Own),
        (v2(b"\x21\0\0\x01a"), Says::Own),
        (v2(b"\x21\x31\0\0"), Says::Own),
    ] {
        let whole = [&wire[..], b"EHLO x\r\n"].concat();
        assert_eq!(read(&whole), Ok((says, wire.len())), "{}", wire.escape_ascii());
        // Cut short it is never taken for complete.
        for end in 0..wire.len() {
            assert!(read(&wire[..end]).is_err(), "{} at {end}", wire.escape_ascii());
        }
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let v2 = |rest: &[u8]| [&SIGNATURE[..], rest].concat();
    for wire in [
        b"EHLO x\r\n".to_vec(),
        b"\r\nEHLO x\r\n\r\n\r\n\r\n".to_vec(),
        b"proxy TCP4 192.0.2.1 192.0.2.2 4000 25\r\n".to_vec(),
        b"PROXY  TCP4 192.0.2.1 192.0.2.2 4000 25\r\n".to_vec(),
        b"PROXY TCP5 192.0.2.1 192.0.2.2 4000 25\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 25\n\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 25\r\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 25 \r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 4000\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 +400 25\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.256 1 25\r\n".to_vec(),
        b"PROXY TCP4 ::1 ::1 1 25\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 25\r\n".to_vec(),
        b"PROXY TCP4 \xff 192.0.2.2 4000 25\r\n".to_vec(),
        // Too long.
        [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 92], b"\r\n"].concat(),
        [b"PROXY TCP4 ".as_slice(), &[b'1'; 1000]].concat(),
        v2(b"\x11\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19"), // version 1
        v2(b"\x22\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19"), // no such command
        v2(b"\x21\x12\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19"), // UDP
        v2(b"\x21\x41\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19"), // no such family
        v2(b"\x21\x11\0\x0b\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0"),     // too short
        v2(b"\x21\x21\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19"),
        v2(b"\x21\x11\xff\xff\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19"), // too long
    ] {
        let shown = wire.escape_ascii().to_string();
        assert!(matches!(read(&wire), Err(why) if why != "it is cut off"), "{shown}");
    }
}
