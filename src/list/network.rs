//! Addresses and networks.

use std::net::{IpAddr, Ipv6Addr};

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    V4 { bits: u32, mask: u32 },
    V6 { address: Ipv6Addr, length: u8 },
}

impl Network {
    /// Reads `192.0.2.1`, `192.0.2.0/24` or the same of IPv6. IPv4 in the form
    /// of IPv6 is IPv4.
    pub(crate) fn parse(text: &str) -> Result<Network, &'static str> {
        let (address, length) = match text.bytes().position(|b| b == b'/') {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else { return Err(NEITHER) };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let length = match length {
            None => width,
            Some(text) => match Some(text).filter(digits).and_then(|text| text.parse().ok()) {
                Some(length) if length <= width => length,
                _ => return Err("needs a number of bits after the slash that fits the address"),
            },
        };
        match (address, address.to_canonical(), length) {
            (IpAddr::V6(_), IpAddr::V4(ip), 96..) => Network::v4(ip.to_bits(), length - 96),
            (IpAddr::V4(ip), ..) => Network::v4(ip.to_bits(), length),
            (IpAddr::V6(ip), ..) => {
                let network = Network::V6 { address: ip, length: length as u8 };
                let behind = ip.to_bits() & !mask(length as u8);
                (behind == 0).then_some(network).ok_or(BITS_BEHIND)
            }
        }
    }

    fn v4(bits: u32, length: u32) -> Result<Network, &'static str> {
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        (bits & !mask == 0).then_some(Network::V4 { bits, mask }).ok_or(BITS_BEHIND)
    }

    /// Is the address, which is in canonical form, in it?
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Network::V4 { bits, mask }, IpAddr::V4(ip)) => ip.to_bits() & mask == *bits,
            (Network::V6 { address, length }, IpAddr::V6(ip)) => {
                ip.to_bits() & mask(*length) == address.to_bits()
            }
            _ => false,
        }
    }
}

/// The mask of so many bits.
pub(super) fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

pub(super) const NEITHER: &str = "is neither an address nor a network; for names and mail \
                                  addresses write helo:, from: or to: in front";

const BITS_BEHIND: &str = "has bits behind the network: is the number after the slash right?";
