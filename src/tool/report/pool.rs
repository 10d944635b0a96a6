//! Which names are those of one pool of servers, whose domain may be proposed.
//!
//! A stranger can rent some hosts, and choose what he calls them below the provider's
//! domain. So a domain is taken as a whole only if its hosts' names are those of a pool
//! and nothing in it is a sign of customers.

use super::names::CUSTOMERS;
use super::suffixes::is_shared;

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
mod tests {
    use super::super::names::{common, of_customer};
    use super::*;

    #[test]
    fn what_a_stranger_can_have_names_in_is_no_pool() {
        assert!(is_pool(&["out1.mail.example.com", "out22.mail.example.com"], "mail.example.com"));
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
        assert!(of_customer(b"mx1.DuckDNS.org", std::net::IpAddr::from([192, 0, 2, 1])));
    }
}
