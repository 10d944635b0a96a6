//! Would the MTA relay for a stranger, and if so, does something of ours keep it
//! from that?

use crate::config::Identity;
use crate::config::document::Table;
use crate::smtp::reply::Reply;

use super::configuration::Seen;
use super::conversation::{Conversation, Fault};
use super::findings::Findings;
use super::mta::shown;

/// A mailbox in a domain that is nobody's and never will be (RFC 2606 2).
const ELSEWHERE: &str = "probe@relay-test.invalid";

/// What guards the MTA on our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// The filter `relay`.
    Relay,
    /// The filter `relay`, but not always.
    Partly,
    /// A program is asked about messages; what it says cannot be known.
    Perhaps,
    /// One of them; but of sessions that the MTA encrypts it sees nothing, and every
    /// client may encrypt.
    Blind,
    Nothing,
}

impl Guard {
    /// That of this configuration.
    pub(super) fn of(seen: &Seen) -> Guard {
        let has = |table: &Table, key: &str| table.entries.iter().any(|entry| entry.key == key);
        let guards = seen.of_type("relay").map(|(_, table)| table);
        let mut guards = guards.filter(|table| !has(table, "observe") && !has(table, "only"));
        match seen.loaded.chain.guards_mta() {
            true if guards.all(|table| has(table, "except")) => Guard::Partly,
            true => Guard::Relay,
            false if seen.asks_about_messages() => Guard::Perhaps,
            false => Guard::Nothing,
        }
    }

    /// What it is of sessions that go past us.
    pub(super) fn of_what_it_does_not_see(self) -> Guard {
        match self {
            Guard::Nothing => Guard::Nothing,
            _ => Guard::Blind,
        }
    }
}

/// What to do if the guard is blind.
const SEE: &str = "configure a certificate (cert and key in [tls]), or starttls = \"hide\"";

/// What the MTA says to a foreign recipient of a stranger.
pub(super) enum Relays {
    Takes(Reply),
    Refuses(Reply),
    /// There is no telling, for this reason.
    Undecided(String),
}

/// What is made of what the MTA says.
pub(super) struct Verdict<'a> {
    pub(super) place: &'a str,
    pub(super) guard: Guard,
    pub(super) identity: Identity,
    pub(super) is_program: bool,
}

impl Verdict<'_> {
    /// Tells it.
    pub(super) fn tell(&self, relays: Relays, findings: &mut Findings) {
        match relays {
            Relays::Refuses(reply) => {
                let what = format_args!("the MTA does not relay for strangers ({})", shown(&reply));
                findings.ok(self.place, what);
            }
            Relays::Undecided(why) => findings.note(
                self.place,
                format_args!("whether the MTA would relay for strangers stays open: {why}"),
                "try a RCPT TO: for a domain that is not yours from outside; it must be refused",
            ),
            Relays::Takes(reply) => return self.takes(&reply, findings),
        }
        let remedy = match self.guard {
            Guard::Nothing => "add the filter relay",
            Guard::Blind => SEE,
            _ => return,
        };
        if self.is_program {
            findings.warning(
                self.place,
                "a program mostly takes its client for a local user, for whom it relays (sendmail \
                 -bs does)",
                remedy,
            );
        }
    }

    fn takes(&self, reply: &Reply, findings: &mut Findings) {
        let taken = format!("RCPT TO:<{ELSEWHERE}> is answered {}", shown(reply));
        let knows = match (self.identity, self.is_program) {
            (_, true) => "what it takes for a local user",
            (Identity::None, _) => "this host, which is how it sees every client",
            _ => "the client 192.0.2.1, a stranger",
        };
        match self.guard {
            Guard::Relay => {
                let what = format_args!("the MTA relays for {knows} ({taken}); the filter relay is \
                 before it");
                findings.ok(self.place, what);
            }
            Guard::Partly => findings.warning(
                self.place,
                format_args!("the MTA relays for {knows} ({taken}); the filter relay has exceptions"),
                "make sure that no stranger is among the exceptions",
            ),
            Guard::Perhaps => findings.warning(
                self.place,
                format_args!(
                    "the MTA relays for {knows} ({taken}); only a program that is asked about \
                     messages may keep strangers from it"
                ),
                "make sure that it does, or add the filter relay",
            ),
            Guard::Blind => findings.error(
                self.place,
                format_args!(
                    "OPEN RELAY: the MTA relays for {knows} ({taken}), and with starttls = \"pass\" \
                     no filter sees what is said after STARTTLS"
                ),
                match self.identity {
                    Identity::None if !self.is_program => {
                        format!("{SEE}; or tell the MTA who the client is (identity)")
                    }
                    _ => SEE.to_owned(),
                },
            ),
            Guard::Nothing => findings.error(
                self.place,
                format_args!("OPEN RELAY: the MTA relays for {knows} ({taken})"),
                match self.identity {
                    Identity::None if !self.is_program => {
                        "add the filter relay; or tell the MTA who the client is (identity) and let it \
                         not relay for strangers; or let it not relay for this host"
                    }
                    Identity::None => "add the filter relay",
                    _ => "the MTA relays for everybody: change that in its own configuration, or \
                     add the filter relay",
                },
            ),
        }
    }
}

/// What does the MTA say to a foreign recipient? Never DATA.
pub(super) fn relays(talk: &mut Conversation<'_>, our_name: &str) -> Result<Relays, Fault> {
    let mut mail = talk.ask(&format!("MAIL FROM:<postmaster@{our_name}>"))?;
    if mail.class() != 2 && mail.code != 421 {
        // Our name may have no MX; every MTA takes mail from nobody (RFC 5321 4.5.5).
        mail = talk.ask("MAIL FROM:<>")?;
    }
    if mail.class() != 2 {
        return Ok(Relays::Undecided(format!("MAIL is answered {}", shown(&mail))));
    }
    let rcpt = talk.ask(&format!("RCPT TO:<{ELSEWHERE}>"))?;
    // Is it the recipient that it refuses? Postfix says at RCPT what it has against the
    // client, its HELO or the sender; postmaster is one that it should take (RFC 5321 4.5.1).
    let ours = if rcpt.class() == 5 { Some(talk.ask("RCPT TO:<postmaster>")?) } else { None };
    let last = ours.as_ref().unwrap_or(&rcpt);
    if last.code != 421 {
        talk.ask("RSET")?;
    }
    if let Some(ours) = ours
        && code(&ours) == code(&rcpt)
    {
        let why = format!("{}, and postmaster likewise: it is not the recipient", shown(&rcpt));
        return Ok(Relays::Undecided(why));
    }
    Ok(match rcpt.class() {
        2 => Relays::Takes(rcpt),
        5 if !is_about_the_domain(rcpt.last_line()) => Relays::Refuses(rcpt),
        5 => {
            Relays::Undecided(format!("{} is about the domain, which does not exist", shown(&rcpt)))
        }
        _ => Relays::Undecided(format!("RCPT is answered {}", shown(&rcpt))),
    })
}

/// Does the enhanced code say that the domain is wrong (RFC 3463 3.2, 3.5), which says
/// nothing of domains that exist?
fn is_about_the_domain(text: &[u8]) -> bool {
    ["5.1.2", "5.1.10", "5.4."].iter().any(|code| text.starts_with(code.as_bytes()))
}

/// A reply's code, and the enhanced one if there is any.
fn code(reply: &Reply) -> (u16, &[u8]) {
    let word = reply.last_line().split(|&b| b == b' ').next().unwrap_or_default();
    let enhanced = word.iter().all(|&b| b.is_ascii_digit() || b == b'.');
    (reply.code, if enhanced { word } else { b"" })
}
