//! The MTAs: do they come to greet, do they learn who the client is, what do
//! clients get to see of them, and would they relay for a stranger?

use std::time::Duration;

use crate::config::{Identity, tls};
use crate::io::Wires;
use crate::proxy;
use crate::smtp::ehlo::{self, Offered, StartTls, Withheld};
use crate::smtp::reply::Reply;
use crate::smtp::xclient::{self, Name, Who};
use crate::stage::Stage;
use crate::upstream::Upstream;

use super::configuration::Seen;
use super::conversation::{Conversation, Fault, STRANGER, limit};
use super::findings::{Findings, outside};
use super::relaying::{Guard, Relays, Verdict, relays};

/// An MTA that wants a PROXY header waits for it and says nothing; one that does not
/// greets at once, but for some delay of its own.
const WITHOUT_HEADER: Duration = Duration::from_secs(3);

/// Keywords that are shown: no MTA has so many.
const KEYWORDS: usize = 40;

const SERVICE: &str = "see \"Who the client is\" in the README for the MTA's setting";

/// Looks at each MTA.
pub(super) fn check(seen: Seen, mut wires: Wires, findings: &mut Findings) {
    let settings = &seen.loaded.settings;
    let guard = Guard::of(&seen);
    let our_name = settings.our_name();
    let chain = &seen.loaded.chain;
    let starttls = tls::starttls(settings.tls.as_deref(), chain.looks_inside());
    let hides_auth = !settings.auth_in_clear;
    let shows = Shows {
        starttls,
        // As a session keeps them from a client that has not encrypted.
        withheld: Withheld {
            binarymime: chain.stages().has(Stage::Message),
            auth: hides_auth && starttls == StartTls::Terminate,
            auth_beside_starttls: hides_auth,
            starttls: starttls != StartTls::Pass,
        },
    };
    let limit = limit(settings.time_limit);
    for upstream in settings.upstream.iter() {
        let identity = if upstream.is_program() { Identity::None } else { settings.identity };
        let mut visit = Visit {
            place: upstream.to_string(),
            upstream,
            identity,
            our_name: &our_name,
            shows,
            guard,
            limit,
            wires: &mut wires,
            findings: &mut *findings,
        };
        if visit.with_identity() && identity != Identity::None {
            visit.without_identity();
        }
    }
}

/// What clients get to see of the MTA's extensions.
#[derive(Clone, Copy)]
struct Shows {
    starttls: StartTls,
    withheld: Withheld,
}

/// Looking at one MTA.
struct Visit<'a> {
    place: String,
    upstream: &'a Upstream,
    identity: Identity,
    our_name: &'a str,
    shows: Shows,
    guard: Guard,
    limit: Duration,
    wires: &'a mut Wires,
    findings: &'a mut Findings,
}

/// Was something found that makes it useless to go on?
enum Next {
    GoOn(Reply),
    Stop,
}

impl Visit<'_> {
    /// As a session would come; false if it did not get as far as the commands.
    fn with_identity(&mut self) -> bool {
        let mut talk = match Conversation::call(self.upstream, self.wires, self.limit) {
            Ok(talk) => talk,
            Err(error) => {
                let remedy = "start the MTA there, or name the right place: --upstream, or address \
                 in [upstream]";
                let what = format_args!("the MTA cannot be reached: {error}");
                self.findings.error(&self.place, what, remedy);
                return false;
            }
        };
        let teller = Teller { place: &self.place, our_name: self.our_name, shows: self.shows };
        let mut guard = self.guard;
        let outcome = teller.introduce(&mut talk, self.identity, self.findings);
        let outcome = match outcome {
            Ok(Next::GoOn(ehlo)) => {
                if teller.keywords(&ehlo, self.findings).starttls {
                    guard = guard.of_what_it_does_not_see();
                }
                relays(&mut talk, self.our_name).map(Some)
            }
            Ok(Next::Stop) => Ok(None),
            Err(fault) => Err(fault),
        };
        let (asked, sound) = (talk.asked().to_owned(), outcome.is_ok());
        let errors = talk.finish(sound);
        for line in errors {
            let what = format_args!("the program wrote to standard error: {line}");
            self.findings.note(&self.place, what, "");
        }
        match outcome {
            Ok(Some(relays)) => {
                let verdict = Verdict {
                    place: &self.place,
                    guard,
                    identity: self.identity,
                    is_program: self.upstream.is_program(),
                };
                verdict.tell(relays, self.findings);
                true
            }
            Ok(None) => false,
            Err(fault) => {
                self.findings.error(
                    &self.place,
                    format_args!("after {}: {fault}", outside(asked.as_bytes())),
                    "look at the MTA's own log: does it wait for a PROXY header (identity)? a \
                     session would answer 421 \
                     or 451",
                );
                false
            }
        }
    }

    /// As anybody on this host could come: what does the MTA do without being told?
    fn without_identity(&mut self) {
        let Ok(mut talk) = Conversation::call(self.upstream, self.wires, self.limit) else {
            return;
        };
        let proxy = matches!(self.identity, Identity::Proxy(_));
        if proxy {
            talk.hurry(WITHOUT_HEADER);
        }
        let hello = format!("EHLO {}", self.our_name);
        let greeted = talk.reply().and_then(|greeting| match greeting.class() {
            2 => talk.ask(&hello),
            _ => Ok(greeting),
        });
        let works = greeted.is_ok_and(|reply| reply.class() == 2);
        let relays = if works { relays(&mut talk, self.our_name).ok() } else { None };
        talk.finish(works);
        if proxy {
            match works {
                true => self.findings.warning(
                    &self.place,
                    "the MTA works without a PROXY header too: who reaches it may leave it out, or \
                     make one up",
                    "let it require the header, and let nobody else reach that port",
                ),
                false => {
                    self.findings.ok(&self.place, "the MTA does not work without a PROXY header")
                }
            }
        }
        if let Some(Relays::Takes(reply)) = relays {
            self.findings.note(
                &self.place,
                format_args!(
                    "without {}, from this host itself, the MTA relays ({})",
                    if proxy { "a header" } else { "XCLIENT" },
                    shown(&reply)
                ),
                "let nobody but this host reach that port",
            );
        }
    }
}

/// Tells what is found.
struct Teller<'a> {
    place: &'a str,
    our_name: &'a str,
    shows: Shows,
}

impl Teller<'_> {
    /// Up to the reply to EHLO that is the stranger's.
    fn introduce(
        &self,
        talk: &mut Conversation<'_>,
        identity: Identity,
        findings: &mut Findings,
    ) -> Result<Next, Fault> {
        if let Identity::Proxy(version) = identity {
            let mut header = Vec::new();
            proxy::encode(version, STRANGER.address(), None, &mut header);
            talk.tell(&header)?;
        }
        let greeting = talk.reply()?;
        if greeting.class() != 2 {
            findings.error(
                self.place,
                format_args!("the MTA does not let us in, but greets with {}", shown(&greeting)),
                "look at the MTA's own log: does it take connections from this host? does it want a \
                 PROXY header \
                 (identity)?",
            );
            return Ok(Next::Stop);
        }
        let hello = format!("EHLO {}", self.our_name);
        let ehlo = match talk.ask(&hello) {
            // It took the header for a command, or for several.
            Err(fault) if matches!(identity, Identity::Proxy(_)) => {
                let what = format_args!("it does not take the PROXY header: {fault}");
                findings.error(self.place, what, SERVICE);
                return Ok(Next::Stop);
            }
            ehlo => ehlo?,
        };
        if ehlo.class() != 2 {
            let (what, remedy) = match identity {
                Identity::Proxy(_) => ("it does not take the PROXY header", SERVICE),
                _ => ("it does not take our EHLO", "is our name (hostname in [session]) right?"),
            };
            findings.error(
                self.place,
                format_args!("{what}: EHLO is answered {}", shown(&ehlo)),
                remedy,
            );
            return Ok(Next::Stop);
        }
        findings.ok(self.place, format_args!("the MTA greets: {}", shown(&greeting)));
        if identity != Identity::Xclient {
            return Ok(Next::GoOn(ehlo));
        }
        self.xclient(talk, &hello, &ehlo, findings)
    }

    fn xclient(
        &self,
        talk: &mut Conversation<'_>,
        hello: &str,
        ehlo: &Reply,
        findings: &mut Findings,
    ) -> Result<Next, Fault> {
        let who = Who {
            our_name: self.our_name.to_owned(),
            name: Name::None,
            reverse_name: Name::None,
            ip: STRANGER.ip,
            port: STRANGER.port,
            local: None,
        };
        let commands = match xclient::commands(&who, b"", ehlo) {
            Ok(commands) => commands,
            Err(why) => {
                findings.error(self.place, format_args!("{why}: every client gets 421"), SERVICE);
                return Ok(Next::Stop);
            }
        };
        let mut greeting = None;
        for command in commands {
            let command = String::from_utf8_lossy(&command);
            let reply = talk.ask(command.trim_ascii_end())?;
            if xclient::not_done(reply.code) {
                let what =
                    format_args!("XCLIENT is answered {}: every client gets 421", shown(&reply));
                findings.error(self.place, what, SERVICE);
                return Ok(Next::Stop);
            }
            if reply.class() != 2 {
                findings.note(
                    self.place,
                    format_args!(
                        "the MTA refuses the client 192.0.2.1 at once ({}): whether it would relay \
                         for a stranger stays open",
                        shown(&reply)
                    ),
                    "",
                );
                return Ok(Next::Stop);
            }
            greeting = Some(reply);
        }
        if let Some(greeting) = greeting {
            let what = format_args!(
                "XCLIENT is done, the client 192.0.2.1 is greeted: {}",
                shown(&greeting)
            );
            findings.ok(self.place, what);
        }
        let ehlo = talk.ask(hello)?;
        if ehlo.class() != 2 {
            let what = format_args!("EHLO after XCLIENT is answered {}", shown(&ehlo));
            findings.error(self.place, what, SERVICE);
            return Ok(Next::Stop);
        }
        Ok(Next::GoOn(ehlo))
    }

    /// What a client that has not encrypted gets to see of the MTA's extensions.
    fn keywords(&self, ehlo: &Reply, findings: &mut Findings) -> Offered {
        let Shows { starttls, withheld } = self.shows;
        let mut passed = ehlo.clone();
        let offered = ehlo::filter(&mut passed, true, withheld);
        let keyword = |line: &[u8]| outside(line.split(|&b| b == b' ').next().unwrap_or_default());
        let names = |lines: &[String]| match lines.get(..KEYWORDS) {
            _ if lines.is_empty() => "nothing".to_owned(),
            Some(some) => format!("{} and {} more", some.join(", "), lines.len() - KEYWORDS),
            None => lines.join(", "),
        };
        let of_mta: Vec<&[u8]> = ehlo.lines().skip(1).collect();
        let (kept, ours): (Vec<_>, Vec<_>) =
            passed.lines().skip(1).partition(|line| of_mta.contains(line));
        let taken = of_mta.iter().filter(|line| !kept.contains(line));
        let mut taken: Vec<_> = taken.map(|line| keyword(line)).collect();
        let mut kept: Vec<_> = kept.into_iter().map(keyword).collect();
        let is = |name: &'static str| move |keyword: &String| keyword.eq_ignore_ascii_case(name);
        let tls = taken.iter().any(is(ehlo::STARTTLS));
        let auth = !self.shows.withheld.auth_beside_starttls || !taken.iter().any(is("AUTH"));
        // Those that we offer whatever the MTA does.
        kept.extend(ours.into_iter().map(|line| format!("{} (ours)", keyword(line))));
        if starttls == StartTls::Terminate {
            taken.retain(|keyword| !is(ehlo::STARTTLS)(keyword));
            kept.push(format!("{} (ours)", ehlo::STARTTLS));
        }
        let behind = if auth { "" } else { "; AUTH they see when they have encrypted" };
        let (kept, taken) = (names(&kept), names(&taken));
        let what = format_args!("of its EHLO clients see {kept}; not {taken}{behind}");
        findings.ok(self.place, what);
        if tls && starttls == StartTls::Hide {
            findings.note(
                self.place,
                "the MTA offers STARTTLS, which clients do not see: filters look at what would be \
                 encrypted, or starttls says so",
                "configure a certificate: cert and key in [tls]",
            );
        }
        offered
    }
}

/// A reply in one line.
pub(super) fn shown(reply: &Reply) -> String {
    outside(format!("{} {}", reply.code, String::from_utf8_lossy(reply.last_line())).as_bytes())
}
