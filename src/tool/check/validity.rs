//! Until when a certificate is good (RFC 5280 4.1.2.5). That is all that is read of it
//! here; its names are the library's to read.

/// A tag of DER, and what it tells.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The last day of a certificate, as in `2026-11-24`; `None`: it is not to be understood.
pub(super) fn last_day(certificate: &[u8]) -> Option<String> {
    let (_, certificate, _) = element(certificate)?;
    let (tag, mut rest, _) = element(certificate)?;
    if tag != SEQUENCE {
        return None;
    }
    let (tag, _, behind) = element(rest)?;
    if tag == VERSION {
        rest = behind;
    }
    // Serial number, signature, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, behind) = element(validity)?;
    let (tag, time, _) = element(behind)?;
    let time = std::str::from_utf8(time).ok()?;
    let (century, time) = match tag {
        // RFC 5280 4.1.2.5.1: from 50 on it is the last century.
        UTC_TIME if time.get(..2)? >= "50" => ("19", time),
        UTC_TIME => ("20", time),
        GENERALIZED_TIME => time.split_at_checked(2)?,
        _ => return None,
    };
    Some(format!("{century}{}-{}-{}", time.get(..2)?, time.get(2..4)?, time.get(4..6)?))
}

/// The first element: its tag, its content, and what is behind it.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = octets.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails so")]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn the_day_is_found_and_nonsense_is_none() {
        let text = include_bytes!("../../../tests/tls/mx.crt");
        let certificate = CertificateDer::from_pem_slice(text).unwrap();
        let day = last_day(&certificate).unwrap();
        assert!(day.starts_with("2126-") && day.len() == 10, "{day}");
        for end in 0..200 {
            let _ = last_day(certificate.get(..end).unwrap());
        }
        assert_eq!(last_day(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
