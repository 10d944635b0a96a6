//! Expressions that are no more than an address, a network, a host name or a domain, and
//! what they are as such. Only what matches exactly the same is one.

/// What may follow the dots of a network of three octets and say nothing.
const ANY_OCTET: [&str; 11] = [
    "",
    ".*",
    ".*$",
    ".+",
    ".+$",
    "[0-9]",
    "[0-9]+",
    "[0-9]*",
    "[0-9]+$",
    "[0-9]*$",
    "[0-9]{1,3}$",
];
/// The same of one or two.
const ANY_OCTETS: [&str; 8] = ["", ".*", ".*$", ".+", ".+$", "[0-9]", "[0-9]+", "[0-9]*"];

/// A dot that is one, and what stands behind it.
fn dot(text: &str) -> Option<&str> {
    text.strip_prefix("\\.").or_else(|| text.strip_prefix("[.]"))
}

/// The address or network that the expression matches, among the texts of addresses.
pub(super) fn network(expression: &str) -> Option<String> {
    let (anchored, mut rest) = match expression.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, expression),
    };
    let (mut octets, mut loose, mut open): (Vec<u8>, bool, bool) = (Vec::new(), false, false);
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at_checked(end)?;
        let octet: u8 = digits.parse().ok()?;
        (octet.to_string() == digits && octets.len() < 4).then(|| octets.push(octet))?;
        (rest, open) = (after, false);
        if let Some(after) = dot(rest) {
            (rest, open) = (after, true);
        } else if let Some(after) = rest.strip_prefix('.')
            && after.starts_with(|c: char| c.is_ascii_digit())
        {
            (rest, loose) = (after, true);
        }
    }
    let [first, ..] = octets.as_slice() else { return None };
    // Three dots are all that an address has, and a digit more makes 1100 of 100: nothing
    // can stand in front.
    let anchored = anchored || (*first >= 100 && !loose);
    let text: Vec<String> = octets.iter().map(u8::to_string).collect();
    let text = text.join(".");
    match (octets.len(), open) {
        // A dot that stands for anything must be a dot, in a text as long as this.
        (4, false) if anchored && rest == "$" => Some(text),
        (3, true) if anchored && !loose && ANY_OCTET.contains(&rest) => Some(text + ".0/24"),
        (n @ 1..=2, true)
            if expression.starts_with('^') && !loose && ANY_OCTETS.contains(&rest) =>
        {
            Some(if n == 1 { text + ".0.0.0/8" } else { text + ".0.0/16" })
        }
        _ => None,
    }
}

/// What an expression over host names is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// One name.
    Host(String),
    /// A domain, and all below it.
    Domain(String),
    /// All below a domain, but not itself, for which no entry is.
    Below(String),
}

/// The name or names that the expression matches.
pub(super) fn name(expression: &str) -> Option<Name> {
    let rest = expression.strip_suffix('$')?;
    if let Some(rest) = rest.strip_prefix("(^|\\.)").or_else(|| rest.strip_prefix("(\\.|^)")) {
        // A client without a name is called so.
        return literal(rest).filter(|name| name != "unknown").map(Name::Domain);
    }
    if let Some(rest) = rest.strip_prefix('^') {
        return literal(rest).filter(|name| name.contains('.')).map(Name::Host);
    }
    literal(dot(rest)?).map(Name::Below)
}

/// The host name that stands there and nothing else, in lower case.
pub(super) fn literal(mut rest: &str) -> Option<String> {
    let mut name = String::new();
    while let Some(first) = rest.chars().next() {
        rest = match dot(rest).or_else(|| rest.strip_prefix("\\-")) {
            Some(after) => {
                name.push(if rest.starts_with("\\-") { '-' } else { '.' });
                after
            }
            None if first.is_ascii_alphanumeric() || first == '-' || first == '_' => {
                name.push(first.to_ascii_lowercase());
                rest.get(1..)?
            }
            None => return None,
        };
    }
    let sound = !name.is_empty() && name.split('.').all(|label| !label.is_empty());
    sound.then_some(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NETWORKS: &[(&str, Option<&str>)] = &[
        (r"^192\.0\.2\.", Some("192.0.2.0/24")),
        (r"^192\.0\.2\.[0-9]+$", Some("192.0.2.0/24")),
        (r"^192[.]0[.]2[.]", Some("192.0.2.0/24")),
        (r"192\.0\.2\.", Some("192.0.2.0/24")), // nothing can stand in front
        (r"10\.0\.2\.", None),                  // 110.0.2.
        (r"^10\.", Some("10.0.0.0/8")),
        (r"^172\.16\.", Some("172.16.0.0/16")),
        (r"172\.16\.", None), // 10.172.16.1
        (r"^172\.16\.[0-9]+$", None),
        (r"^192\.0\.2\.1$", Some("192.0.2.1")),
        (r"^192.0.2.1$", Some("192.0.2.1")),
        (r"192.0.2.1$", None),    // 5.192.0.211
        (r"^192.0.2.", None),     // 192.0.20.1
        (r"^192\.0\.2\.1", None), // 192.0.2.10
        (r"192\.0\.2\.1$", Some("192.0.2.1")),
        (r"^192\.0\.2$", None),
        (r"^192\.0\.2", None), // 192.0.20.
        (r"^192\.0\.256\.", None),
        (r"^192\.00\.2\.", None),
        (r"^192\.0\.2\.1\.", None),
        (r"^2001:db8:", None),
        ("", None),
        (r"^", None),
        (r"^1$", None),
        (r"^192\.0\.2\.(1|2)$", None),
    ];

    #[test]
    fn networks() {
        for (expression, plain) in NETWORKS {
            assert_eq!(network(expression).as_deref(), *plain, "{expression}");
        }
    }

    #[test]
    fn what_is_plain_matches_the_same_addresses() {
        use crate::list::{List, Topic};
        let parse = |text: String| List::parse(&[text.leak()], Topic::Address).unwrap();
        let parts = [0, 1, 2, 10, 16, 20, 19, 100, 110, 172, 192, 193, 211, 255u8];
        let v6 = ["::", "2001:db8::1", "192:0:2:1::", "1:9:2:0::192", "::1"];
        let v6 = v6.map(|ip| ip.parse::<std::net::IpAddr>().unwrap());
        for (expression, plain) in NETWORKS {
            let Some(plain) = plain else { continue };
            let [plain, expression] = [(*plain).to_owned(), format!("/{expression}/")].map(parse);
            for a in parts {
                for b in parts {
                    for c in parts {
                        for d in parts {
                            let ip = [a, b, c, d].into();
                            assert_eq!(plain.has_address(ip), expression.has_address(ip), "{ip}");
                        }
                    }
                }
            }
            v6.iter()
                .for_each(|ip| assert!(!plain.has_address(*ip) && !expression.has_address(*ip)));
        }
    }

    #[test]
    fn names() {
        let host = |name: &str| Some(Name::Host(name.to_owned()));
        let domain = |name: &str| Some(Name::Domain(name.to_owned()));
        let below = |name: &str| Some(Name::Below(name.to_owned()));
        for (expression, plain) in [
            (r"^mail\.example\.org$", host("mail.example.org")),
            (r"^MAIL\.example[.]org$", host("mail.example.org")),
            (r"^mail\.example\.org", None),
            (r"^mail.example.org$", None), // mailxexample.org
            (r"mail\.example\.org$", None),
            (r"(^|\.)example\.org$", domain("example.org")),
            (r"(\.|^)example\.org$", domain("example.org")),
            (r"\.example\.org$", below("example.org")),
            (r"example\.org$", None),
            (r"\.jp$", below("jp")),
            (r"(^|\.)unknown$", None),
            (r"^unknown$", None),
            (r"^a\.\.b$", None),
            (r"^mail[0-9]\.example\.org$", None),
            (r"$", None),
        ] {
            assert_eq!(name(expression), plain, "{expression}");
        }
    }
}
