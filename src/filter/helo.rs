//! `type = "helo"`: what a client calls itself. A client that takes our name or
//! address lies; a name that is none, or the literal of another address, is
//! bad manners that some honest hosts have as well, and refused softly (RFC 5321
//! 4.1.4 would have nobody refused for a name that does not lead to him).

use std::net::IpAddr;

use rustix::net::getsockname;
use rustix::stdio::stdin;

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::config::keys::{BadKey, Keys};
use crate::host;
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "helo",
    help: "refuses clients that call themselves what they are not",
    keys: &[Key {
        name: "own",
        value: "list",
        help: "our names and addresses, beside the system's name and the address called",
    }],
    rules: &[OURS, SYNTAX, LITERAL],
    build,
};

const OURS: Refusal = Refusal::new(
    RefusalCode::TRANSACTION_FAILED,
    "helo.ours",
    "5.7.1 This name or address is ours, not yours",
);

const SYNTAX: Refusal = Refusal::new(
    RefusalCode::MAILBOX_UNAVAILABLE,
    "helo.syntax",
    "4.7.1 What follows HELO is neither a host name nor an address literal",
);

const LITERAL: Refusal = Refusal::new(
    RefusalCode::MAILBOX_UNAVAILABLE,
    "helo.literal",
    "4.7.1 The address literal is not your address",
);

struct Helo {
    own: Vec<&'static str>,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let own = keys.texts("own")?.unwrap_or_default();
    let named = |text: &&str| is_domain(text.as_bytes()) || text.parse::<IpAddr>().is_ok();
    match own.iter().find(|text| !named(text)) {
        Some(text) => {
            let wants = "is no host name and no address (without brackets)";
            Err(keys.wrong("own", format!("{text:?} {wants}")))
        }
        None => Ok(Box::new(Helo { own })),
    }
}

impl Helo {
    /// Is this name ours?
    fn is_our_name(&self, name: &[u8]) -> bool {
        let same = |own: &[u8]| own.eq_ignore_ascii_case(name);
        self.own.iter().any(|own| same(own.as_bytes()))
            || same(rustix::system::uname().nodename().to_bytes())
    }

    /// Is this address ours?
    fn is_our_address(&self, ip: IpAddr) -> bool {
        let called = || {
            let address = getsockname(stdin()).ok()?;
            Some(std::net::SocketAddr::try_from(address).ok()?.ip().to_canonical())
        };
        self.own.iter().any(|own| own.parse() == Ok(ip)) || called() == Some(ip)
    }

    fn refusal(&self, client: IpAddr, helo: &[u8]) -> Option<Refusal> {
        let name = helo.strip_suffix(b".").unwrap_or(helo);
        let inside = name.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
        match address(inside.unwrap_or(name)) {
            Some(ip) if ip == client => inside.is_none().then_some(SYNTAX),
            Some(ip) if self.is_our_address(ip) => Some(OURS),
            Some(_) => Some(if inside.is_some() { LITERAL } else { SYNTAX }),
            None if inside.is_some() || !is_domain(name) => Some(SYNTAX),
            None => self.is_our_name(name).then_some(OURS),
        }
    }
}

/// The address in a literal (RFC 5321 4.1.3).
fn address(text: &[u8]) -> Option<IpAddr> {
    let tag = text.get(..5).filter(|tag| tag.eq_ignore_ascii_case(b"ipv6:"));
    let text = if tag.is_some() { text.get(5..)? } else { text };
    std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Is it a host name? The underscore, which none may have, is let pass: many
/// have one.
fn is_domain(name: &[u8]) -> bool {
    let sound = |label: &[u8]| {
        let letters = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_' || *b >= 0x80;
        !label.is_empty() && label.len() <= 63 && label.iter().all(letters)
    };
    name.len() <= 255 && name.split(|&b| b == b'.').all(sound)
}

impl Filter for Helo {
    fn stages(&self) -> Stages {
        Stages::only(Stage::Helo)
    }

    fn judge(
        &mut self,
        _stage: Stage,
        facts: &Facts<'_>,
        _ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        // Programs of this host and its network call themselves all sorts of things.
        if host::is_local(facts.client.ip) {
            return Ok(Verdict::Continue);
        }
        Ok(match self.refusal(facts.client.ip, facts.helo) {
            Some(refusal) => Verdict::Refuse(refusal),
            None => Verdict::Continue,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_may_call_itself() {
        let filter = Helo { own: vec!["mx.ours.example", "192.0.2.25", "2001:db8::25"] };
        let client = "198.51.100.7".parse().unwrap_or(IpAddr::from([0; 4]));
        for (helo, rule) in [
            ("mail.example.org", None),
            ("mail.example.org.", None),
            ("localhost", None),
            ("under_score.example", None),
            ("[198.51.100.7]", None),
            ("[198.51.100.8]", Some("helo.literal")),
            ("[IPv6:2001:db8::1]", Some("helo.literal")),
            ("198.51.100.7", Some("helo.syntax")), // an address is no name
            ("198.51.100.8", Some("helo.syntax")),
            ("[198.51.100]", Some("helo.syntax")),
            ("", Some("helo.syntax")),
            ("a..b", Some("helo.syntax")),
            ("a b", Some("helo.syntax")),
            ("<x>", Some("helo.syntax")),
            ("MX.ours.example", Some("helo.ours")),
            ("[192.0.2.25]", Some("helo.ours")),
            ("192.0.2.25", Some("helo.ours")),
            ("[ipv6:2001:DB8::25]", Some("helo.ours")),
            ("[::ffff:192.0.2.25]", Some("helo.ours")),
        ] {
            let refusal = filter.refusal(client, helo.as_bytes());
            assert_eq!(refusal.map(|refusal| refusal.rule), rule, "{helo}");
        }
    }
}
