//! `type = "relay"`: which recipients strangers may write to. The MTA sees our
//! address in place of the client's, and may take everybody for a neighbour.
//!
//! A path is refused if any program behind us could read a foreign domain out of
//! it: a source route, `user%other@ours`, `other!user@ours`, two `@`, or a
//! quoted local part with one of these in it. Rejected: leaving such forms to
//! the MTA, which is what open relays of the 1990s did.

use std::net::Ipv4Addr;

use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::config::keys::{BadKey, Keys};
use crate::list::{List, Topic, mailbox};
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

/// Addresses that have nothing in common (RFC 5737), and a mailbox in a domain that is
/// nobody's (RFC 2606 2).
const STRANGERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(203, 0, 113, 1)];
const ELSEWHERE: &[u8] = b"probe@relay-test.invalid";

struct Relay {
    domains: List,
    clients: Option<List>,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let Some(domains) = keys.list("domains", Topic::Recipient)? else {
        return Err(keys.missing("domains", "a list as in [\"example.org\", \".example.net\"]"));
    };
    if domains.is_empty() {
        return Err(keys.wrong("domains", "is empty: nobody could be written to"));
    }
    if !Stages::only(Stage::Rcpt).holds(domains.stages()) {
        return Err(keys.wrong("domains", "must be domains and addresses of recipients"));
    }
    let clients = keys.list("clients", Topic::Client)?;
    let only_addresses =
        |c: &List| !c.has_hosts() && Stages::only(Stage::Connect).holds(c.stages());
    if clients.as_ref().is_some_and(|clients| !only_addresses(clients)) {
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

    /// Not if strangers wherever they are may write to anybody, or all domains are ours.
    fn guards_mta(&self) -> bool {
        let all = |clients: &List| STRANGERS.iter().all(|ip| clients.has_address((*ip).into()));
        !self.clients.as_ref().is_some_and(all) && !self.domains.has_recipient(ELSEWHERE)
    }

    fn judge(
        &mut self,
        _stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        let named = |list: &List, stage| list.find_at(stage, facts).is_some_and(|hit| hit.counts());
        // The MTA knows who it is; whom it may write to then is the MTA's affair.
        if facts.lifted {
            return Ok(Verdict::Continue);
        }
        let known = |clients: &List| named(clients, Stage::Connect);
        if self.clients.as_ref().is_some_and(known) {
            return Ok(Verdict::Continue);
        }
        let path = facts.recipient.unwrap_or_default();
        let (local, domain) = mailbox::split(path);
        // Without a domain it is a mailbox here (RFC 5321 4.1.1.3: postmaster).
        let ours = domain.is_none() || named(&self.domains, Stage::Rcpt);
        for list in [Some(&self.domains), self.clients.as_ref()].into_iter().flatten() {
            let note = list.take_note();
            if list.is_broken() {
                return Err(Stop::Trouble(note.unwrap_or_default()));
            }
            note.iter().for_each(|note| ground.note(note));
        }
        let odd = path.starts_with(b"@") || path.ends_with(b"..") || is_route(local);
        Ok(match ours && !odd {
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
            domains: List::parse(
                &["ours.example", ".sub.example", "a@one.example"],
                Topic::Recipient,
            )
            .unwrap(),
            clients: Some(List::parse(&["192.0.2.0/24"], Topic::Address).unwrap()),
        };
        let client = Client { ip: ip.parse().unwrap(), port: 1, is_socket: true };
        let facts = Facts {
            client: &client,
            host: &std::cell::OnceCell::new(),
            encryption: None,
            session: "",
            hello: b"",
            helo: b"",
            from: Some(b""),
            recipient: Some(to.as_bytes()),
            to: &[],
            envelope: b"",
            auth: None,
            lifted: false,
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
            "user@ours.example..",
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
