//! Host names: which are those of customers of a provider, and how much of one somebody
//! has registered.
//!
//! Whatever could be a public suffix is never taken for what somebody has registered.

use std::net::IpAddr;

use super::suffixes::is_shared;

/// What is in the names of lines and machines that are let to customers. An entry for all
/// of them would let in whoever is next.
pub(super) const CUSTOMERS: [&str; 46] = [
    "adsl",
    "vdsl",
    "xdsl",
    "sdsl",
    "hdsl",
    "dsl",
    "dyn",
    "dynamic",
    "dynip",
    "dhcp",
    "ppp",
    "pppoe",
    "dial",
    "dialup",
    "dialin",
    "pool",
    "pools",
    "cable",
    "catv",
    "cust",
    "customer",
    "customers",
    "client",
    "clients",
    "broadband",
    "bb",
    "ftth",
    "fttx",
    "fiber",
    "fibre",
    "user",
    "users",
    "home",
    "res",
    "residential",
    "mobile",
    "wifi",
    "wimax",
    "lte",
    "gprs",
    "nat",
    "static",
    "ip",
    "vps",
    "compute",
    "isdn",
];

/// Second levels below which anybody can have a domain, below a country's.
const SECOND_LEVELS: [&str; 32] = [
    "com",
    "net",
    "org",
    "edu",
    "gov",
    "mil",
    "info",
    "biz",
    "web",
    "nom",
    "gob",
    "asso",
    "school",
    "geek",
    "kiwi",
    "maori",
    "health",
    "parliament",
    "firm",
    "store",
    "name",
    "asn",
    "csiro",
    "conf",
    "police",
    "muni",
    "game",
    "club",
    "blog",
    "govt",
    "coop",
    "aero",
];

/// Longest host name (RFC 1035 2.3.4).
const LONGEST: usize = 253;

/// A name as an entry of a list, if it can be one.
pub(super) fn entry(name: &[u8]) -> Option<String> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let label = |label: &[u8]| {
        !label.is_empty()
            && label.len() < 64
            && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && label.first() != Some(&b'-')
    };
    let mut labels = name.split(|&b| b == b'.');
    let top = labels.next_back()?;
    let sound = name.len() <= LONGEST
        && label(top)
        && top.iter().any(u8::is_ascii_alphabetic)
        && name.contains(&b'.')
        && labels.all(label);
    sound.then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

/// Is it the name of a customer's line or machine, or made of the address?
pub(super) fn of_customer(name: &[u8], ip: IpAddr) -> bool {
    let inside = name.len() - registrable(name).map_or(0, <[u8]>::len);
    let own = name.get(..inside).unwrap_or_default();
    let mut words = own.split(|b| !b.is_ascii_alphabetic());
    let customers = words.any(|word| {
        word.len() > 1 && CUSTOMERS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    });
    customers || is_shared(name) || shows_address(name, ip)
}

/// Three octets of the address stand in the name, or all of it as one number.
fn shows_address(name: &[u8], ip: IpAddr) -> bool {
    let IpAddr::V4(ip) = ip else {
        // The last 64 bits of an IPv6 address without its colons.
        let digits = name.split(|&b| b == b'.').map(|l| l.iter().filter(|b| **b != b'-'));
        return digits.into_iter().any(|label| {
            let label: Vec<&u8> = label.collect();
            label.len() >= 16 && label.iter().all(|b| b.is_ascii_hexdigit())
        });
    };
    // Each new client comes by here: nothing is allocated.
    let (mut hex, mut padded) = ([0; 8], [0; 12]);
    for (n, octet) in ip.octets().into_iter().enumerate() {
        for (at, digit) in [octet >> 4, octet & 15].into_iter().enumerate() {
            let digit = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            hex.get_mut(2 * n + at).into_iter().for_each(|place| *place = digit);
        }
        for (at, digit) in [octet / 100, octet / 10 % 10, octet % 10].into_iter().enumerate() {
            padded.get_mut(3 * n + at).into_iter().for_each(|place| *place = b'0' + digit);
        }
    }
    let has = |what: &[u8]| name.windows(what.len()).any(|part| part.eq_ignore_ascii_case(what));
    if has(&hex) || has(&padded) {
        return true;
    }
    let (mut left, mut found) = (ip.octets().map(Some), 0);
    for run in name.split(|b| !b.is_ascii_digit()).filter(|run| (1..4).contains(&run.len())) {
        let number = run.iter().fold(0_u16, |sum, b| sum * 10 + u16::from(b - b'0'));
        let same = |octet: &&mut Option<u8>| octet.is_some_and(|octet| u16::from(octet) == number);
        if let Some(octet) = left.iter_mut().find(same) {
            *octet = None;
            found += 1;
        }
    }
    found >= 3
}

/// The part of a name that somebody has registered, as far as one can tell.
pub(super) fn registrable(name: &[u8]) -> Option<&[u8]> {
    let mut dots = memchr::memrchr_iter(b'.', name);
    let last = dots.next()?;
    let (second, third) = (dots.next(), dots.next());
    let after = |dot: Option<usize>| name.get(dot.map_or(0, |dot| dot + 1)..);
    let top = name.get(last + 1..)?;
    let level = name.get(second.map_or(0, |dot| dot + 1)..last)?;
    let second_level = top.len() == 2
        && (level.len() <= 3
            || SECOND_LEVELS.iter().any(|known| level.eq_ignore_ascii_case(known.as_bytes())));
    match (second_level, second) {
        (false, _) => after(second),
        (true, Some(_)) => after(third),
        (true, None) => None,
    }
}

/// The longest domain that all names are in, which is never one of a public kind;
/// names in the same form, as of [`entry`].
pub(super) fn common<'a>(names: &[&'a str]) -> Option<&'a str> {
    let first = *names.first()?;
    let least = registrable(first.as_bytes())?.len();
    let mut from = first.find('.')? + 1;
    loop {
        let domain = first.get(from..)?;
        if domain.len() < least {
            return None;
        }
        let within = |name: &&str| {
            name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if names.iter().all(within) {
            return Some(domain);
        }
        from += domain.find('.')? + 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails so")]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_is_never_a_public_suffix() {
        for (name, own) in [
            ("out1.mail.example.com", Some("example.com")),
            ("example.com", Some("example.com")),
            ("com", None),
            ("mail.example.co.jp", Some("example.co.jp")),
            ("co.jp", None),
            ("mx.example.com.au", Some("example.com.au")),
            ("com.au", None),
            ("mx.example.de", Some("example.de")),
        ] {
            let found = registrable(name.as_bytes());
            assert_eq!(found, own.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn customers_are_known() {
        let ip: IpAddr = "203.0.113.45".parse().unwrap();
        for (name, customer) in [
            ("mail.example.com", false),
            ("out12-34.mail.example.com", false),
            ("a113-45.smtp-out.example.com", false),
            ("p113-45.dsl.example.com", true),
            ("203-0-113-45.example.com", true),
            ("host-45.113.0.203.example.com", true),
            ("cb00712d.example.com", true),
            ("ip203000113045.example.com", true),
            ("static.example-provider.com", true),
            ("mail.dsl.net", false),
        ] {
            assert_eq!(of_customer(name.as_bytes(), ip), customer, "{name}");
        }
    }

    #[test]
    fn domains_of_several() {
        let one = ["out1.mail.example.com", "out22.mail.example.com"];
        assert_eq!(common(&one), Some("mail.example.com"));
        assert_eq!(common(&["a.iad.example.com", "b.lax.example.com"]), Some("example.com"));
        assert_eq!(common(&["a.example.com", "b.example.org"]), None);
        assert_eq!(common(&["a.example.co.jp", "b.example2.co.jp"]), None);
        assert_eq!(common(&["a.xample.com", "b.example.com"]), None);
    }

    #[test]
    fn entries_are_names_and_nothing_else() {
        assert_eq!(entry(b"Mail.Example.COM.").as_deref(), Some("mail.example.com"));
        for bad in
            [&b"localhost"[..], b"192.0.2.1", b"a..b", b"a b.c", b"from:a.b", b".a.b", b"a.\xff"]
        {
            assert_eq!(entry(bad), None);
        }
    }
}
