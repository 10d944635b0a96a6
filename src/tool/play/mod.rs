//! A session without connections: the dialogue and the filters are a session's own;
//! the client says what it is told to say, and an MTA that takes everything answers.
//!
//! `explain` tells what happens in one; `replay` plays one for each recipient of a log.
//! So the room can be used again: what the filters have found of one client is
//! forgotten before the next.

mod ground;
mod state;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::activation::Client;
use crate::config::{Profile, Settings};
use crate::dialogue::{Dialogue, Peer, Plan, Record, Step, Summary, helo};
use crate::filter::Facts;
use crate::filter::chain::{Chain, Judgement, Noted};
use crate::host::{Host, Naming};
use crate::session::consult;
use crate::spool::Spool;
use crate::stage::{Ruling, Stage};
use crate::sys::Waiter;
use ground::Desk;
pub(super) use state::StateCopy;

/// What the client is and says.
pub(super) struct Script {
    pub(super) client: Client,
    /// Its host names, if they are known.
    pub(super) host: Option<Host>,
    /// What it calls itself; it does not if this is empty.
    pub(super) helo: Vec<u8>,
    /// It shows who it is, to the MTA's satisfaction.
    pub(super) authenticates: bool,
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<Vec<u8>>,
}

impl Script {
    /// Can a session have heard it? None takes a command that holds a control character,
    /// and one with a line's end in it would be several.
    pub(super) fn can_be_heard(&self) -> bool {
        let mut said = [&self.helo, &self.from].into_iter().chain(&self.to);
        !said.any(|text| text.iter().any(u8::is_ascii_control))
    }

    /// What the client says, line by line.
    fn lines(&self) -> VecDeque<Vec<u8>> {
        let hello = (!self.helo.is_empty()).then(|| [b"EHLO ", &*self.helo].concat());
        let auth = self.authenticates.then(|| b"AUTH PLAIN AA==".to_vec());
        let mail = [b"MAIL FROM:<", &*self.from, b">"].concat();
        let rcpt = self.to.iter().map(|to| [b"RCPT TO:<", &**to, b">"].concat());
        let start = hello.into_iter().chain(auth).chain([mail]);
        start.chain(rcpt).chain([b"QUIT".to_vec()]).collect()
    }
}

/// What an MTA that takes everything, AUTH if it is wanted, says to a command.
fn answer(line: &[u8], auth: bool) -> &'static str {
    match line.get(..4).unwrap_or_default() {
        b"EHLO" if auth => "250-mta\r\n250 AUTH PLAIN",
        b"QUIT" => "221 2.0.0 Bye",
        b"AUTH" => "235 2.7.0 Ok",
        _ => "250 2.0.0 Ok",
    }
}

/// Who looks on.
pub(super) trait Audience {
    /// The client says this.
    fn says(&mut self, _line: &[u8]) {}

    /// The client gets this; `rule` is that of the last reply of ours that was not what it
    /// hoped for.
    fn gets(&mut self, _octets: &[u8], _rule: Option<&'static str>) {}

    /// The MTA is called.
    fn mta_called(&mut self) {}

    /// The filters were asked at this stage.
    fn asked(
        &mut self,
        stage: Stage,
        recipient: Option<&[u8]>,
        chain: &Chain,
        ruling: &Ruling,
        remarks: Vec<String>,
    );

    /// What a session logs of this recipient.
    fn logged(
        &mut self,
        record: &Record,
        to: &[u8],
        noted: &Noted,
        summary: &Summary,
        host: Option<&Host>,
    );
}

/// What a session is played with.
pub(super) struct Room<'a> {
    pub(super) settings: &'a Settings,
    pub(super) chain: &'a mut Chain,
    /// In the place of what sessions share.
    pub(super) state: &'static Path,
    pub(super) waiter: &'a Waiter,
    /// The session's name, for filters.
    pub(super) session: &'a str,
    /// DNS may be asked.
    pub(super) asks: bool,
}

/// What is known when it is over.
pub(super) struct Played {
    pub(super) host: OnceCell<Host>,
    pub(super) naming: Naming,
    /// The host names were needed, and are not known.
    pub(super) unnamed: bool,
}

impl Room<'_> {
    /// Plays a session.
    pub(super) fn play(&mut self, script: &Script, audience: &mut dyn Audience) -> Played {
        self.chain.renew();
        let client = script.client;
        let wanted = self.asks && script.host.is_none() && self.chain.needs_host(&client);
        let mut played = Played {
            host: script.host.clone().map_or(OnceCell::new(), OnceCell::from),
            naming: Naming::new(wanted),
            unnamed: false,
        };
        let (began, unnamed, remarks) = (Instant::now(), Cell::new(false), RefCell::default());
        let consults = self.chain.stages();
        let mut dialogue = Dialogue::new(Plan {
            time_limit: self.settings.time_limit,
            consult: consults,
            keep: consults.has(Stage::Message),
            original: self.settings.profile == Profile::Original,
            upstreams: 1,
            auth_lifts: self.settings.auth_lifts,
            ..Plan::default()
        });
        let mut message = Spool::new(self.state);
        let mut noted: Vec<(Vec<u8>, Noted)> = Vec::new();
        let (mut lines, mut mta_owes) = (script.lines(), VecDeque::new());
        loop {
            match dialogue.step() {
                Step::Call => {
                    audience.mta_called();
                    dialogue.called();
                    mta_owes.push_back("220 mta ESMTP");
                }
                Step::Write(Peer::Client, octets) => {
                    let octets = octets.to_vec();
                    audience.gets(&octets, dialogue.summary().last_refusal);
                    dialogue.sent(Peer::Client, octets.len());
                }
                Step::Write(Peer::Mta, octets) => {
                    let count = octets.len();
                    let lines = octets.split(|&b| b == b'\n').filter(|line| !line.is_empty());
                    mta_owes.extend(lines.map(|line| answer(line, script.authenticates)));
                    dialogue.sent(Peer::Mta, count);
                }
                Step::Consult(stage) => {
                    let view = dialogue.view();
                    let facts = Facts {
                        client: &client,
                        host: &played.host,
                        encryption: None,
                        session: self.session,
                        hello: view.hello,
                        helo: helo(view.hello),
                        from: view.from,
                        recipient: view.recipient,
                        to: view.to,
                        envelope: view.envelope,
                        auth: dialogue.summary().authenticated,
                        lifted: dialogue.is_lifted(),
                        message: None,
                    };
                    let mut desk = Desk {
                        settings: self.settings,
                        client: &client,
                        host: &played.host,
                        naming: &mut played.naming,
                        asks: self.asks,
                        unnamed: &unnamed,
                        state: self.state,
                        waiter: self.waiter,
                        began,
                        filter: "",
                        end: began,
                        time_limit: Duration::ZERO,
                        remarks: &remarks,
                    };
                    let (chain, settings) = (&mut *self.chain, self.settings);
                    let judged =
                        consult::judge(chain, settings, stage, &facts, &mut message, &mut desk);
                    let ruling = match judged {
                        Ok(Judgement::Pass) | Err(_) => Ruling::Pass,
                        Ok(Judgement::Refused(refusal)) => Ruling::Refuse(refusal),
                        Ok(Judgement::Held(refusal)) => consult::held(settings, stage, refusal),
                    };
                    audience.asked(stage, view.recipient, chain, &ruling, remarks.take());
                    let recipient = view.recipient.map(<[u8]>::to_vec);
                    noted.extend(recipient.map(|to| (to, chain.take_noted())));
                    dialogue.judged(ruling);
                }
                Step::Record(record) => {
                    for to in &record.transaction.to {
                        let at = noted.iter().position(|(of, _)| of == to);
                        let noted = at.map(|at| noted.swap_remove(at).1).unwrap_or_default();
                        let host = played.host.get();
                        audience.logged(&record, to, &noted, dialogue.summary(), host);
                    }
                }
                Step::Await => {
                    let (peer, said) = match (mta_owes.pop_front(), lines.pop_front()) {
                        (Some(reply), next) => {
                            next.into_iter().for_each(|line| lines.push_front(line));
                            (Peer::Mta, reply.as_bytes().to_vec())
                        }
                        (None, Some(line)) => (Peer::Client, line),
                        (None, None) => {
                            dialogue.closed(Peer::Client);
                            continue;
                        }
                    };
                    if peer == Peer::Client {
                        audience.says(&said);
                    }
                    let room = dialogue.inbox(peer).room();
                    room.extend_from_slice(&said);
                    room.extend_from_slice(b"\r\n");
                }
                Step::HangUp => {}
                // Nothing is sent that the others are for: whoever comes so far would wait
                // for ever for what does not happen here.
                Step::Close(_)
                | Step::Keep(_)
                | Step::Pour(_)
                | Step::Prepare
                | Step::Encrypt(_)
                | Step::Tunnel(_) => break,
            }
        }
        self.chain.finish();
        played.unnamed = unnamed.get();
        played
    }
}
