//! Host names: which are those of a provider's customers, and how far several can be
//! taken together.
//!
//! A stranger can rent some hosts, and choose what he calls them below the provider's
//! domain. So a domain is taken as a whole only if its hosts' names are those of a pool
//! and nothing in it is a sign of customers; whatever could be a public suffix never is.

use std::net::IpAddr;

use super::suffixes::is_shared;

/// What is in the names of lines and machines that are let to customers. An entry for all
/// of them would let in whoever is next.
const CUSTOMERS: [&str; 46] = [
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

/// What else, wherever it stands, says that a domain has customers.
const SIGNS: [&str; 34] = [
    "cloud",
    "server",
    "srv",
    "host",
    "vps",
    "vmi",
    "virtual",
    "static",
    "dyn",
    "pool",
    "cust",
    "client",
    "user",
    "member",
    "tenant",
    "reseller",
    "dedi",
    "node",
    "instance",
    "droplet",
    "compute",
    "colo",
    "rent",
    "lease",
    "datacenter",
    "azure",
    "amazon",
    "linode",
    "dns",
    "home",
    "free",
    "broadband",
    "dsl",
    "cable",
];

/// Letters and digits of a pool's names below its domain, at most.
const LETTERS: usize = 12;
const DIGITS: usize = 3;

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

/// Are these the names of a pool, such as `out1` to `out20`, all right below a domain that
/// has no sign of customers?
pub(super) fn is_pool(names: &[&str], domain: &str) -> bool {
    let mut of_first = None;
    let alike = names.iter().all(|name| {
        let own = name.strip_suffix(domain).and_then(|own| own.strip_suffix('.'));
        let pattern = own.and_then(pattern);
        pattern.is_some() && *of_first.get_or_insert_with(|| pattern.clone()) == pattern
    });
    alike && !is_shared(domain.as_bytes()) && !is_of_customers(domain)
}

/// The pattern of a name of a pool, such as `out#`; `None` if that has much in it or no
/// number.
fn pattern(own: &str) -> Option<String> {
    let digits = own.bytes().filter(u8::is_ascii_digit).count();
    let letters = own.bytes().filter(u8::is_ascii_alphabetic).count();
    if own.contains('.') || letters > LETTERS || !(1..=DIGITS).contains(&digits) {
        return None;
    }
    let mut pattern = String::new();
    for char in own.chars() {
        let char = if char.is_ascii_digit() { '#' } else { char };
        if char != '#' || !pattern.ends_with('#') {
            pattern.push(char);
        }
    }
    Some(pattern).filter(|_| !is_of_customers(own))
}

/// Has it a word or a number that says so?
fn is_of_customers(name: &str) -> bool {
    let word =
        |word: &&str| name.split(|char: char| !char.is_ascii_alphabetic()).any(|w| w == *word);
    let long = |run: &[u8]| run.len() >= DIGITS;
    CUSTOMERS.iter().any(word)
        || SIGNS.iter().any(|sign| name.contains(sign))
        || name.as_bytes().split(|b| !b.is_ascii_digit()).any(long)
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
        assert!(is_pool(&one, "mail.example.com"));
        assert_eq!(common(&["a.iad.example.com", "b.lax.example.com"]), Some("example.com"));
        assert_eq!(common(&["a.example.com", "b.example.org"]), None);
        assert_eq!(common(&["a.example.co.jp", "b.example2.co.jp"]), None);
        assert_eq!(common(&["a.xample.com", "b.example.com"]), None);
    }

    #[test]
    fn what_a_stranger_can_have_names_in_is_no_pool() {
        assert!(!is_pool(&["o1-2.mx.firm.example", "o33.mx.firm.example"], "mx.firm.example"));
        for domain in [
            "westeurope.cloudapp.azure.com",
            "members.linode.com",
            "contaboserver.net",
            "hstgr.cloud",
            "duckdns.org",
            "github.io",
            "eu.org",
            "uk.com",
            "tokyo.jp",
            "chiyoda.tokyo.jp",
            "school.nz",
            "vic.edu.au",
            "k12.ca.us",
            "cloud7.example",
            "r203.example.net",
        ] {
            let names = [1, 2, 3, 4].map(|n| format!("mx{n}.{domain}"));
            let names = names.each_ref().map(String::as_str);
            let proposed = common(&names).filter(|domain| is_pool(&names, domain));
            assert_eq!(proposed, None, "{domain}");
        }
        for own in ["vmi123451", "srv5", "vps1", "abc", "a.b1", "mail-of-somebody1", "1234", "h203"]
        {
            let name = format!("{own}.example.com");
            assert!(!is_pool(&[&name], "example.com"), "{own}");
        }
        assert!(of_customer(b"mx1.DuckDNS.org", IpAddr::from([192, 0, 2, 1])));
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
