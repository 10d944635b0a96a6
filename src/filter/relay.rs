//! `type = "relay"`: which recipients strangers may write to. The MTA sees our
//! address in place of the client's, and may take everybody for a neighbour.
//!
//! A path is refused if any program behind us could read a foreign domain out of
//! it: a source route, `user%other@ours`, `other!user@ours`, two `@`, or a
//! quoted local part with one of these in it. Rejected: leaving such forms to
//! the MTA, which is what open relays of the 1990s did.

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::config::keys::{BadKey, Keys};
use crate::list::{Patterns, mailbox};
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "relay",
    help: "refuses recipients elsewhere, except from some clients",
    keys: &[
        Key {
            name: "domains",
            value: "list",
            help: "domains and addresses that anybody may write to (required)",
        },
        Key { name: "clients", value: "list", help: "clients that may write to anybody (none)" },
    ],
    rules: &[DENIED],
    build,
};

const DENIED: Refusal =
    Refusal::new(RefusalCode::TRANSACTION_FAILED, "relay.denied", "5.7.1 Relaying denied");

struct Relay {
    domains: Patterns,
    clients: Option<Patterns>,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let Some(domains) = keys.texts("domains")? else {
        return Err(keys.missing("domains", "a list as in [\"example.org\", \".example.net\"]"));
    };
    if domains.is_empty() {
        return Err(keys.wrong("domains", "is empty: nobody could be written to"));
    }
    let domains = Patterns::of_recipients(&domains).map_err(|what| keys.wrong("domains", what))?;
    let clients = keys.patterns("clients")?;
    if clients.as_ref().is_some_and(|c| c.has_hosts() || c.stages() != Stages::only(Stage::Connect))
    {
        return Err(keys.wrong("clients", "must be addresses and networks: names can be made up"));
    }
    Ok(Box::new(Relay { domains, clients }))
}

impl Filter for Relay {
    fn stages(&self) -> Stages {
        Stages::only(Stage::Rcpt)
    }

    fn judges_peer(&self) -> bool {
        false
    }

    fn judge(
        &mut self,
        _stage: Stage,
        facts: &Facts<'_>,
        _ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        let known = |clients: &Patterns| clients.find_at(Stage::Connect, facts).is_some();
        if self.clients.as_ref().is_some_and(known) {
            return Ok(Verdict::Continue);
        }
        let path = facts.recipient.unwrap_or_default();
        let (local, domain) = mailbox::split(path);
        // Without a domain it is a mailbox here (RFC 5321 4.1.1.3: postmaster).
        let ours = domain.is_none() || self.domains.find_at(Stage::Rcpt, facts).is_some();
        Ok(match ours && !path.starts_with(b"@") && !is_route(local) {
            true => Verdict::Continue,
            false => Verdict::Refuse(DENIED),
        })
    }
}

/// Could a local part name another host?
fn is_route(local: &[u8]) -> bool {
    local.iter().any(|b| b"@%!:".contains(b))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::activation::Client;
    use crate::filter::ground::Nowhere;

    fn refused(ip: &str, to: &str) -> bool {
        let mut relay = Relay {
            domains: Patterns::of_recipients(&["ours.example", ".sub.example", "a@one.example"])
                .unwrap(),
            clients: Some(Patterns::parse(&["192.0.2.0/24"]).unwrap()),
        };
        let client = Client { ip: ip.parse().unwrap(), port: 1, is_socket: true };
        let facts = Facts {
            client: &client,
            host: &std::cell::OnceCell::new(),
            session: "",
            hello: b"",
            helo: b"",
            from: Some(b""),
            recipient: Some(to.as_bytes()),
            to: &[],
            envelope: b"",
            message: None,
        };
        let verdict = relay.judge(Stage::Rcpt, &facts, &mut Nowhere).unwrap();
        matches!(verdict, Verdict::Refuse(refusal) if refusal.rule == "relay.denied")
    }

    #[test]
    fn strangers_write_to_our_domains_only() {
        for to in [
            "user@ours.example",
            "User@OURS.example",
            "user@ours.example.", // a trailing dot
            "user@sub.example",
            "user@a.sub.example",
            "a@one.example",
            "postmaster",
            "\"a b\"@ours.example",
            "user+tag@ours.example",
        ] {
            assert!(!refused("203.0.113.5", to), "{to}");
        }
        for to in [
            "user@other.example",
            "user@badours.example",
            "user@ours.example.other.example",
            "b@one.example",
            "user%other.example@ours.example", // the percent hack
            "user%other.example",
            "other.example!user@ours.example", // a bang path
            "other.example!user",
            "@ours.example:user@other.example", // a source route
            "@other.example:user@ours.example",
            "@other.example,@ours.example:user@ours.example",
            "user@other.example@ours.example",
            "\"user@other.example\"@ours.example", // quoted, and unquoted by the MTA
            "\"user%other.example\"@ours.example",
            "user@[127.0.0.1]",
            "user@other.example%ours.example",
            "user@other.example:ours.example",
            "user@",
            "@ours.example",
        ] {
            assert!(refused("203.0.113.5", to), "{to}");
        }
    }

    #[test]
    fn clients_of_ours_write_to_anybody() {
        for to in ["user@other.example", "user%other.example@ours.example"] {
            assert!(!refused("192.0.2.7", to), "{to}");
        }
    }
}
