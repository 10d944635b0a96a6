//! Patterns for clients, HELO names, senders and recipients.
//!
//! ```text
//! 192.0.2.1  192.0.2.0/24  2001:db8::/32    clients
//! mail.example.org  .example.org            clients with this host name, or one below it
//! helo:mail.example.org  helo:.example.org  what the client calls itself
//! from:a@example.org     to:a@example.org   an address
//! from:@example.org      to:example.org     a domain, and nothing below it
//! from:.example.org      to:.example.org    a domain and all below it
//! to:postmaster@         from:<>            a local part anywhere; the null reverse-path
//! ```
//!
//! A client's host name counts only if it leads back to its address
//! ([`crate::host`]): anybody can put any name into his reverse zone.
//!
//! Letters are compared without case, in local parts too: RFC 5321 2.4 would
//! have them exact, but no mailbox in use depends on it, and a list that misses
//! `Postmaster@` does harm.

pub(crate) mod mailbox;
mod network;

use mailbox::Mailbox;
use network::Network;

use crate::activation::Client;
use crate::filter::Facts;
use crate::stage::{Stage, Stages};

/// A list of patterns.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    clients: Vec<(Network, &'static str)>,
    hosts: Vec<(&'static str, &'static str)>,
    helo: Vec<(&'static str, &'static str)>,
    from: Vec<(Mailbox, &'static str)>,
    to: Vec<(Mailbox, &'static str)>,
}

impl Patterns {
    /// Reads patterns, each a text.
    ///
    /// # Errors
    /// Says which one is none, and why.
    pub fn parse(texts: &[&'static str]) -> Result<Patterns, String> {
        let mut patterns = Patterns::default();
        for &text in texts {
            patterns.add(text, texts.len())?;
        }
        Ok(patterns)
    }

    /// Adds a pattern, one of at most so many.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn add(&mut self, text: &'static str, most: usize) -> Result<(), String> {
        self.add_pattern(text, most).map_err(|why| format!("{text:?} {why}"))
    }

    /// Reads patterns of mailboxes, which need no prefix here.
    ///
    /// # Errors
    /// Says which one is none, and why.
    pub fn of_recipients(texts: &[&'static str]) -> Result<Patterns, String> {
        let mut patterns = Patterns::default();
        for &text in texts {
            let mailbox = Mailbox::parse(text).map_err(|why| format!("{text:?} {why}"))?;
            patterns.to.push((mailbox, text));
        }
        Ok(patterns)
    }

    fn add_pattern(&mut self, text: &'static str, most: usize) -> Result<(), &'static str> {
        if let Some(rest) = text.strip_prefix("from:") {
            push(&mut self.from, (Mailbox::parse(rest)?, text), most);
        } else if let Some(rest) = text.strip_prefix("to:") {
            push(&mut self.to, (Mailbox::parse(rest)?, text), most);
        } else if let Some(rest) = text.strip_prefix("helo:") {
            push(&mut self.helo, (host(rest)?, text), most);
        } else {
            let client = text.strip_prefix("client:").unwrap_or(text);
            match Network::parse(client) {
                Ok(network) => push(&mut self.clients, (network, text), most),
                Err(_) if is_host_name(client) => {
                    push(&mut self.hosts, (host(client)?, text), most)
                }
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    /// Does it take this client's host names to say whether it matches?
    #[must_use]
    pub fn needs_host(&self, client: &Client) -> bool {
        !self.hosts.is_empty() && self.find_address(client).is_none()
    }

    /// Are there host names among the patterns?
    #[must_use]
    pub fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    fn find_address(&self, client: &Client) -> Option<&'static str> {
        first(&self.clients, |network| network.has(client.ip))
    }

    fn find_host(&self, facts: &Facts<'_>) -> Option<&'static str> {
        let names = facts.host.get().map(|host| host.confirmed.as_slice()).unwrap_or_default();
        first(&self.hosts, |host| names.iter().any(|name| is_host(host, name)))
    }

    /// The stages that bring what the patterns are about.
    #[must_use]
    pub fn stages(&self) -> Stages {
        let kinds = [
            (Stage::Connect, self.clients.is_empty() && self.hosts.is_empty()),
            (Stage::Helo, self.helo.is_empty()),
            (Stage::Mail, self.from.is_empty()),
            (Stage::Rcpt, self.to.is_empty()),
        ];
        let with = |stages: Stages, (stage, empty)| if empty { stages } else { stages.with(stage) };
        kinds.into_iter().fold(Stages::NONE, with)
    }

    /// The first pattern that matches what is known, as it was written.
    #[must_use]
    pub fn find(&self, facts: &Facts<'_>) -> Option<&'static str> {
        let stages = [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt];
        stages.into_iter().find_map(|stage| self.find_at(stage, facts))
    }

    /// The first pattern that matches what this stage brings.
    #[must_use]
    pub fn find_at(&self, stage: Stage, facts: &Facts<'_>) -> Option<&'static str> {
        match stage {
            Stage::Connect => self.find_address(facts.client).or_else(|| self.find_host(facts)),
            Stage::Helo if facts.helo.is_empty() => None,
            Stage::Helo => first(&self.helo, |host| is_host(host, facts.helo)),
            Stage::Mail => {
                let path = facts.from?;
                first(&self.from, |mailbox| mailbox.is(path))
            }
            Stage::Rcpt => {
                let path = facts.recipient?;
                first(&self.to, |mailbox| mailbox.is(path))
            }
            Stage::Data | Stage::Message => None,
        }
    }
}

/// Adds one of at most so many, for which memory is taken once.
fn push<T>(list: &mut Vec<T>, one: T, most: usize) {
    if list.is_empty() {
        list.reserve_exact(most);
    }
    list.push(one);
}

fn first<T>(patterns: &[(T, &'static str)], matches: impl Fn(&T) -> bool) -> Option<&'static str> {
    patterns.iter().find(|(pattern, _)| matches(pattern)).map(|(_, text)| *text)
}

/// Is it meant for a host name? Only one of the highest level is all digits, and
/// a name without a dot is more likely a mistake.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let top = name.rsplit('.').next().unwrap_or_default();
    name.contains('.')
        && !name.contains(['@', '/', ':'])
        && top.contains(|c: char| !c.is_ascii_digit())
}

/// A host name or address literal, perhaps with a dot in front.
fn host(text: &'static str) -> Result<&'static str, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let literal = name.starts_with('[') && name.ends_with(']');
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b) || b >= 0x80;
    match name.strip_prefix('.').unwrap_or(name) {
        "" => Err("lacks a name"),
        _ if literal || name.bytes().all(sound) => Ok(name),
        _ => Err("is no host name"),
    }
}

/// Is this the host, or, with a dot in front of the pattern, in the domain?
fn is_host(pattern: &str, name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    match pattern.strip_prefix('.') {
        None => name.eq_ignore_ascii_case(pattern.as_bytes()),
        Some(domain) => {
            let tail = name.len().checked_sub(pattern.len()).and_then(|at| name.get(at..));
            name.eq_ignore_ascii_case(domain.as_bytes())
                || tail.is_some_and(|tail| tail.eq_ignore_ascii_case(pattern.as_bytes()))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::OnceCell;
    use std::net::IpAddr;

    use super::*;
    use crate::host::Host;

    fn matches(pattern: &'static str, ip: &str, helo: &str, from: &str, to: &str) -> bool {
        let host =
            OnceCell::from(Host::given(ip.parse::<IpAddr>().is_err().then_some(ip.as_bytes())));
        let ip = ip.parse().unwrap_or(IpAddr::from([192, 0, 2, 9]));
        let client = Client { ip, port: 1, is_socket: true };
        let facts = Facts {
            client: &client,
            host: &host,
            session: "",
            hello: b"",
            helo: helo.as_bytes(),
            from: Some(from.as_bytes()),
            recipient: Some(to.as_bytes()),
            to: &[],
            envelope: b"",
            message: None,
        };
        Patterns::parse(&[pattern]).unwrap().find(&facts) == Some(pattern)
    }

    #[test]
    fn what_matches_and_what_does_not() {
        // What is no address is the client's host name.
        let is = |pattern, what: &str| match pattern {
            p if str::starts_with(p, "helo:") => matches(p, "192.0.2.9", what, "x@x", "x@x"),
            p if p.starts_with("from:") => matches(p, "192.0.2.9", "x", what, "x@x"),
            p if p.starts_with("to:") => matches(p, "192.0.2.9", "x", "x@x", what),
            p => matches(p, what, "x", "x@x", "x@x"),
        };
        for (pattern, yes, no) in [
            ("192.0.2.1", &["192.0.2.1"][..], &["192.0.2.2", "192.0.2.10", "::ffff:c000:202"][..]),
            ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127", "192.0.3.128"]),
            ("0.0.0.0/0", &["255.255.255.255"], &["::1"]), // all of IPv4, none of IPv6
            ("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::", "32.1.13.184"]),
            ("::ffff:192.0.2.0/120", &["192.0.2.7"], &["192.0.3.7"]), // IPv4 in the other form
            ("client:192.0.2.1", &["192.0.2.1"], &["192.0.2.2"]),
            (
                "mx.example.org",
                &["mx.example.org", "MX.Example.ORG."],
                &["x.mx.example.org", "badmx.example.org", "mx.example.org.uk"],
            ),
            (
                "client:.example.org.",
                &["example.org", "a.b.example.org"],
                &["badexample.org", "org"],
            ),
            ("helo:mx.example.org", &["MX.Example.ORG", "mx.example.org."], &["x.mx.example.org"]),
            ("helo:.example.org", &["example.org", "a.b.example.org"], &["badexample.org", "org"]),
            ("helo:[192.0.2.1]", &["[192.0.2.1]"], &["192.0.2.1"]),
            ("from:<>", &[""], &["<>", "a@b"]),
            (
                "from:a@example.org",
                &["a@example.org", "A@EXAMPLE.org."],
                &["b@example.org", "aa@example.org"],
            ),
            (
                "to:@example.org",
                &["x@example.org"],
                &["x@a.example.org", "x@badexample.org", "example.org"],
            ),
            ("to:example.org", &["x@example.org", "\"a@b\"@example.org"], &["example.org@x", "x"]),
            ("to:.example.org", &["x@example.org", "x@a.example.org"], &["x@badexample.org"]),
            (
                "to:postmaster@",
                &["postmaster@a", "Postmaster", "PostMaster@b.c"],
                &["postmaster2@a", "xpostmaster@a"],
            ),
            ("to:a@example.org", &["@relay,@r2:a@example.org"], &["a@example.org@x"]), // a source route
        ] {
            for what in yes {
                assert!(is(pattern, what), "{pattern} {what}");
            }
            for what in no {
                assert!(!is(pattern, what), "{pattern} {what}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern() {
        for (pattern, why) in [
            ("", "neither an address"),
            ("example", "write helo:"),
            ("exam ple.org", "is no host name"),
            ("*.example.org", "is no host name"),
            ("a@example.org", "write helo:"),
            ("192.0.2.1/24", "bits behind"),
            ("192.0.2.0/33", "after the slash"),
            ("192.0.2.0/", "after the slash"),
            ("192.0.2", "write helo:"),
            ("2001:db8::1/32", "bits behind"),
            ("::ffff:192.0.2.0/24", "bits behind"),
            ("helo:", "lacks a name"),
            ("helo:.", "lacks a name"),
            ("helo:a b", "is no host name"),
            ("to:", "lacks an address"),
            ("to:@", "lacks an address"),
            ("from:a b@c", "holds a space"),
            ("from:<a@example.org>", "without < and >"),
            ("from:*@example.org", "holds a *"),
            ("to:*.example.org", "holds a *"),
            ("to:from:a@b", "holds a colon"),
        ] {
            let error = Patterns::parse(&[pattern]).map(drop).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
            assert!(error.starts_with(&format!("{pattern:?}")), "{error}");
        }
    }

    #[test]
    fn the_stages_are_those_of_the_kinds() {
        let stages = Patterns::parse(&["192.0.2.1", "to:a@b"]).unwrap().stages();
        assert_eq!(stages, Stages::only(Stage::Connect).with(Stage::Rcpt));
    }
}
