//! `type = "s25r"`: clients whose host name looks like a dial-up line
//! ([`crate::s25r`] has the rules), and those without a name that leads back
//! (rule 0). The refusal is temporary: a mail server tries again, is seen in the
//! log, and gets on the list of an `allow` filter; a robot does not.
//!
//! The rules were made of IPv4 host names, so IPv6 clients are judged only if
//! that is asked for. Of a client with several names that lead back, one that
//! looks like a server's is enough. Rules of one's own are entries of a list, and
//! come first.

use super::fcrdns::{LOCAL, known};
use super::listed::look_up;
use super::{Facts, Filter, Ground, Key, Kind, Stop, Verdict};
use crate::activation::Client;
use crate::config::keys::{BadKey, Keys};
use crate::host::{self, Iprev};
use crate::list::{Action, List, Topic};
use crate::s25r::{Rules, first_hit};
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::{Stage, Stages};

/// The type.
pub(super) const KIND: Kind = Kind {
    name: "s25r",
    help: "refuses, softly, clients whose host name looks like a dial-up line",
    keys: &[
        Key {
            name: "rules",
            value: "published or original",
            help: "the rules as published, or those of smtp_wrapper of 2006 (published)",
        },
        Key {
            name: "own",
            value: "list",
            help: "rules of one's own, asked first: host names or /expressions/, or files of them",
        },
        Key { name: "ipv6", value: "true or false", help: "judge IPv6 clients too (false)" },
        LOCAL,
    ],
    rules: &RULES,
    build,
};

const fn rule(rule: &'static str, text: &'static str) -> Refusal {
    Refusal::new(RefusalCode::MAILBOX_UNAVAILABLE, rule, text)
}

/// By number.
static RULES: [Refusal; 8] = [
    rule("s25r.r0", "4.7.25 reverse lookup failure, be patient"),
    rule("s25r.r1", "4.7.1 S25R check, be patient [r1]"),
    rule("s25r.r2", "4.7.1 S25R check, be patient [r2]"),
    rule("s25r.r3", "4.7.1 S25R check, be patient [r3]"),
    rule("s25r.r4", "4.7.1 S25R check, be patient [r4]"),
    rule("s25r.r5", "4.7.1 S25R check, be patient [r5]"),
    rule("s25r.r6", "4.7.1 S25R check, be patient [r6]"),
    OWN,
];

const OWN: Refusal = rule("s25r.own", "4.7.1 S25R check, be patient [own]");

struct S25r {
    rules: Rules,
    own: Option<List>,
    ipv6: bool,
    local: bool,
}

fn build(keys: &Keys<'_>) -> Result<Box<dyn Filter>, BadKey> {
    let words = &[("published", Rules::Published), ("original", Rules::Original)];
    Ok(Box::new(S25r {
        rules: keys.choice("rules", words)?.unwrap_or(Rules::Published),
        own: keys.list("own", Topic::Host)?,
        ipv6: keys.flag("ipv6")?,
        local: keys.flag("local")?,
    }))
}

/// The filter of a program without a configuration.
pub(super) fn usual(local: bool) -> Box<dyn Filter> {
    Box::new(S25r { rules: Rules::Published, own: None, ipv6: false, local })
}

impl Filter for S25r {
    fn stages(&self) -> Stages {
        Stages::only(Stage::Connect)
    }

    fn needs_host(&self, client: &Client) -> bool {
        (self.ipv6 || client.ip.is_ipv4()) && (self.local || !host::is_local(client.ip))
    }

    fn judge(
        &mut self,
        _stage: Stage,
        facts: &Facts<'_>,
        ground: &mut dyn Ground,
    ) -> Result<Verdict, Stop> {
        if !self.needs_host(facts.client) {
            return Ok(Verdict::Continue);
        }
        let host = known(facts)?;
        if let Some(own) = &self.own
            && let Some(hit) = look_up(own, Stage::Connect, facts, ground)?
        {
            return Ok(match hit.action {
                None => Verdict::Refuse(OWN.because(hit.entry)),
                Some(Action::Refuse(code, Some(text))) => {
                    Verdict::Refuse(Refusal { code, text, ..OWN.because(hit.entry) })
                }
                Some(Action::Refuse(..)) => Verdict::Refuse(OWN.because(hit.entry)),
                // It is exempt from the rules.
                Some(Action::Accept | Action::Pass) => Verdict::Continue,
            });
        }
        let number = match host.iprev {
            Iprev::Pass => {
                let hits = host.confirmed.iter().map(|name| first_hit(self.rules, name));
                // `None`, one that does not hit, comes before all numbers.
                match hits.min().flatten() {
                    Some(number) => number,
                    None => return Ok(Verdict::Continue),
                }
            }
            Iprev::Fail | Iprev::TempError | Iprev::PermError => 0,
        };
        let why = host.name.clone().unwrap_or_default();
        let [nameless, ..] = &RULES;
        let rule = RULES.get(usize::from(number)).unwrap_or(nameless);
        Ok(Verdict::Refuse(rule.clone().because(why)))
    }
}
