//! A session without connections: the dialogue, the filters and the log line are a
//! session's own; the client says what was asked for, and an MTA that takes
//! everything answers.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use super::ground::Desk;
use super::report::{Report, Told};
use crate::activation::Client;
use crate::config::{Loaded, Profile};
use crate::dialogue::{Dialogue, Peer, Plan, Step, helo};
use crate::filter::chain::{Judgement, Noted};
use crate::filter::{self, Facts};
use crate::host::{Host, Naming};
use crate::log::Log;
use crate::session::{consult, records};
use crate::spool::Spool;
use crate::stage::{Ruling, Stage};
use crate::sys::Waiter;

/// What the client is and says.
pub(super) struct Script {
    pub(super) client: Client,
    /// Its host names, if they are given and not asked of DNS.
    pub(super) host: Option<Host>,
    pub(super) helo: String,
    pub(super) from: String,
    pub(super) to: Vec<String>,
}

impl Script {
    /// What the client says, line by line.
    fn lines(&self) -> Vec<String> {
        let start = [format!("EHLO {}", self.helo), format!("MAIL FROM:<{}>", self.from)];
        let to = self.to.iter().map(|to| format!("RCPT TO:<{to}>"));
        start.into_iter().chain(to).chain(["QUIT".to_owned()]).collect()
    }
}

/// What an MTA that takes everything says to a command.
fn answer(line: &[u8]) -> &'static str {
    match line.get(..4).unwrap_or_default() {
        b"QUIT" => "221 2.0.0 Bye",
        _ => "250 2.0.0 Ok",
    }
}

/// Plays the session; `state` is a copy of what sessions share.
pub(super) fn play(loaded: Loaded, script: &Script, log: &Log, state: &'static Path) -> Report {
    let Loaded { settings, mut chain, usual, .. } = loaded;
    let client = script.client;
    if usual && (settings.judge_local || filter::usual_judge(&client)) {
        chain.add_usual(settings.judge_local);
    }
    let (began, waiter, remarks) = (Instant::now(), Waiter::new(None), RefCell::default());
    let mut naming = Naming::new(script.host.is_none() && chain.needs_host(&client));
    let host = script.host.clone().map_or(OnceCell::new(), OnceCell::from);
    let mut line = log.session(&client);
    let name = line.session().to_owned();
    let consults = chain.stages();
    let mut dialogue = Dialogue::new(Plan {
        time_limit: settings.time_limit,
        consult: consults,
        keep: consults.has(Stage::Message),
        original: settings.profile == Profile::Original,
        upstreams: 1,
        ..Plan::default()
    });
    let mut report = Report::default();
    let mut message = Spool::new(state);
    let mut noted: Vec<(Vec<u8>, Noted)> = Vec::new();
    let (mut lines, mut mta_owes) = (script.lines(), VecDeque::new());
    loop {
        match dialogue.step() {
            Step::Call => {
                report.tell(Told::MtaCalled);
                dialogue.called();
                mta_owes.push_back("220 mta ESMTP");
            }
            Step::Write(Peer::Client, octets) => {
                let octets = octets.to_vec();
                report.client_gets(&octets, dialogue.summary().last_refusal);
                dialogue.sent(Peer::Client, octets.len());
            }
            Step::Write(Peer::Mta, octets) => {
                let count = octets.len();
                let lines = octets.split(|&b| b == b'\n').filter(|line| !line.is_empty());
                mta_owes.extend(lines.map(answer));
                dialogue.sent(Peer::Mta, count);
            }
            Step::Consult(stage) => {
                let view = dialogue.view();
                let facts = Facts {
                    client: &client,
                    host: &host,
                    encryption: None,
                    session: &name,
                    hello: view.hello,
                    helo: helo(view.hello),
                    from: view.from,
                    recipient: view.recipient,
                    to: view.to,
                    envelope: view.envelope,
                    message: None,
                };
                let mut desk = Desk {
                    settings: &settings,
                    client: &client,
                    host: &host,
                    naming: &mut naming,
                    state,
                    waiter: &waiter,
                    began,
                    filter: "",
                    end: began,
                    time_limit: Duration::ZERO,
                    remarks: &remarks,
                };
                let judged =
                    consult::judge(&mut chain, &settings, stage, &facts, &mut message, &mut desk);
                let ruling = match judged {
                    Ok(Judgement::Pass) | Err(_) => Ruling::Pass,
                    Ok(Judgement::Refused(refusal)) => Ruling::Refuse(refusal),
                    Ok(Judgement::Held(refusal)) => consult::held(&settings, stage, refusal),
                };
                let recipient = view.recipient.map(<[u8]>::to_vec);
                report.asked(stage, recipient.as_deref(), &chain, &ruling, remarks.take());
                noted.extend(recipient.map(|to| (to, chain.take_noted())));
                dialogue.judged(ruling);
            }
            Step::Record(record) => {
                for to in &record.transaction.to {
                    let at = noted.iter().position(|(of, _)| of == to);
                    let noted = at.map(|at| noted.swap_remove(at).1).unwrap_or_default();
                    let said = (dialogue.summary().helo(), &*record.transaction.from, &**to);
                    records::recipient(&mut line, said, &record.outcome, &noted);
                    let authenticated = dialogue.summary().authenticated;
                    records::session(&mut line, host.get(), None, authenticated, began.elapsed());
                    report.logged(line.as_bytes());
                }
            }
            Step::Await => {
                let (peer, said) = match (mta_owes.pop_front(), lines.len()) {
                    (Some(reply), _) => (Peer::Mta, reply.to_owned()),
                    (None, 0) => {
                        dialogue.closed(Peer::Client);
                        continue;
                    }
                    (None, _) => (Peer::Client, lines.remove(0)),
                };
                if peer == Peer::Client {
                    report.tell(Told::ClientSays(said.clone()));
                }
                dialogue.inbox(peer).room().extend_from_slice(format!("{said}\r\n").as_bytes());
            }
            Step::Close(_) => break,
            // Nothing is sent that these are for.
            Step::HangUp
            | Step::Keep(_)
            | Step::Pour(_)
            | Step::Prepare
            | Step::Encrypt(_)
            | Step::Tunnel(_) => {}
        }
    }
    chain.finish();
    report.keeps_messages = consults.has(Stage::Message);
    report.finish(host.get(), &naming);
    report
}
