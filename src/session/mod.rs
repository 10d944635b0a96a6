//! The driver: runs the dialogue's steps against the real connections, the
//! clock and the log. The only place that knows both sockets.

pub(crate) mod consult;
mod encryption;
mod floor;
mod mta;
pub(crate) mod records;

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use crate::activation::Client;
use crate::config::{Identity, Loaded, Profile, Settings};
use crate::dialogue::{Dialogue, Ending, Peer, Plan, Step};
use crate::encryption::Encryption;
use crate::exit;
use crate::filter::{self, chain::Chain};
use crate::host::{self, Host, Naming};
use crate::io::{Event, Interest, Wires};
use crate::limits;
use crate::log::Log;
use crate::log::line::Line;
use crate::smtp::standing;
use crate::spool::Spool;
use crate::stage::Stage;
use crate::status::Status;
use crate::sys;
use crate::upstream::{Program, Waiting};

/// One session with one client.
pub(crate) struct Session {
    settings: Settings,
    client: Client,
    chain: Chain,
    wires: Wires,
    log: Log,
    status: Status,
    began: Instant,
    /// The number of the wait that goes on, and when it ends, if that was
    /// worked out.
    waiting: (u64, Option<Instant>),
    /// How the MTA's connection broke.
    mta_error: String,
    /// The dialogue has been told to end.
    called_off: bool,
    /// The log line being written.
    line: Line,
    /// The message that filters look at, and how much of it went to the MTA.
    message: Option<Spool>,
    poured: u64,
    observed: consult::Observed,
    /// While a message is kept: when the MTA heard of us last.
    mta_heard_of_us: Option<Instant>,
    /// The session's name, if there are filters to be told.
    name: String,
    refusals_logged: u32,
    naming: Naming,
    /// The client's host names, once they are known.
    host: OnceCell<Host>,
    /// What the log is to know of the configuration.
    note: Option<String>,
    /// The edition of the configuration that the log is to be told of should the MTA take a stranger's
    /// message (see `guard`).
    unguarded: Option<u64>,
    /// The MTAs that are programs, and which they are, until they are called.
    waiting_programs: Vec<(usize, std::io::Result<Waiting>)>,
    /// The MTA, if it is a program.
    program: Option<Box<Program>>,
    /// How many lines the log has of such programs.
    program_lines: u32,
    /// The client's connection is encrypted.
    encryption: Option<Box<Encryption>>,
}

impl Session {
    /// A session about to begin.
    #[must_use]
    pub(crate) fn new(loaded: Loaded, client: Client, log: Log) -> Self {
        let Loaded { settings, mut chain, usual, note, lists: _, edition: _, unguarded, programs } =
            loaded;
        if usual && (settings.judge_local || filter::usual_judge(&client)) {
            chain.add_usual(settings.judge_local);
        }
        let began = Instant::now();
        let line = log.session(&client);
        let wanted = chain.needs_host(&client) || settings.identity == Identity::Xclient;
        let name = if chain.is_empty() { String::new() } else { line.session().to_owned() };
        Session {
            settings,
            client,
            chain,
            wires: Wires::new(client.is_socket),
            log,
            status: Status::new(),
            began,
            waiting: (u64::MAX, None),
            mta_error: String::new(),
            called_off: false,
            line,
            message: None,
            poured: 0,
            observed: consult::Observed::default(),
            mta_heard_of_us: None,
            name,
            refusals_logged: 0,
            naming: Naming::new(wanted),
            host: OnceCell::new(),
            note,
            unguarded,
            waiting_programs: programs,
            program: None,
            program_lines: 0,
            encryption: None,
        }
    }

    /// Runs it to its end, which is the end of the process.
    pub(crate) fn run(mut self) -> ! {
        if let Some(note) = self.note.take() {
            self.note(&note);
        }
        if self.log.tells_of_beginnings() {
            self.log_beginning();
        }
        if let Some(traces) = self.settings.trace.take() {
            self.begin_trace(&traces);
        }
        let consult = self.chain.stages();
        let implicit = self.begins_with_tls();
        let mut dialogue = Dialogue::new(Plan {
            time_limit: self.settings.time_limit,
            consult,
            keep: consult.has(Stage::Message),
            original: self.settings.profile == Profile::Original,
            upstreams: self.settings.upstream.count(),
            auth_lifts: self.settings.auth_lifts,
            hides_auth: !self.settings.auth_in_clear,
            starttls: self.starttls(consult),
            encrypted: implicit,
        });
        if implicit {
            self.begin_with_tls(&mut dialogue);
        }
        let ending = loop {
            match dialogue.step() {
                Step::Call => self.call(&mut dialogue),
                Step::Write(peer, bytes) => match self.wires.send(peer, bytes) {
                    Ok(0) => self.blocked(&mut dialogue, peer),
                    Ok(count) => dialogue.sent(peer, count),
                    Err(error) => self.lost(&mut dialogue, peer, &error),
                },
                Step::HangUp => self.wires.set_mta(None),
                Step::Consult(stage) => self.consult(&mut dialogue, stage),
                Step::Keep(octets) => {
                    let count = octets.len();
                    self.keep(&mut dialogue, count);
                }
                Step::Pour(into) => {
                    let read = self.pour(into);
                    self.poured(&mut dialogue, read);
                }
                Step::Record(record) => self.log_recipients(&dialogue, &record),
                Step::Prepare => self.prepare(&mut dialogue),
                Step::Encrypt(discarded) => self.encrypt(&mut dialogue, discarded),
                Step::Tunnel(discarded) => self.tunnel(&mut dialogue, discarded),
                Step::Await => self.wait(&mut dialogue),
                Step::Close(ending) => break ending,
            }
        };
        self.chain.finish();
        if let Some(edition) = self.unguarded
            && dialogue.summary().messages > 0
            && !host::is_local(self.client.ip)
        {
            self.note_if_unguarded(&dialogue, edition);
        }
        self.log_session(&dialogue, ending);
        self.status.stopping();
        self.leave_program(dialogue.summary().messages > 0);
        if self.encryption.is_some() {
            self.wires.finish_tls();
        }
        let client_is_done = match ending {
            Ending::Quit => !dialogue.has_unread(),
            Ending::ClientLeft | Ending::ClientStuck | Ending::Tunnelled => true,
            Ending::Closed(_) | Ending::Refused(_) | Ending::MtaClosed | Ending::NoTls => false,
        };
        if !client_is_done {
            self.linger();
        }
        let status = if dialogue.summary().mta.is_fault() { exit::TEMPORARY } else { exit::OK };
        sys::exit(status)
    }

    /// A peer takes nothing now: the other one, and the log, are not to wait.
    fn blocked(&mut self, dialogue: &mut Dialogue, peer: Peer) {
        if self.send(dialogue, peer.other()) {
            return;
        }
        match dialogue.take_record() {
            Some(record) => self.log_recipients(dialogue, &record),
            None => self.wait(dialogue),
        }
    }

    /// Sends what waits for the peer; false if there is nothing, or it takes
    /// nothing.
    fn send(&mut self, dialogue: &mut Dialogue, peer: Peer) -> bool {
        let bytes = dialogue.pending(peer);
        if bytes.is_empty() {
            return false;
        }
        match self.wires.send(peer, bytes) {
            Ok(0) => return false,
            Ok(count) => dialogue.sent(peer, count),
            Err(error) => self.lost(dialogue, peer, &error),
        }
        true
    }

    /// Waits until a peer has sent something, the one we write to takes more,
    /// the time is up or a signal comes.
    fn wait(&mut self, dialogue: &mut Dialogue) {
        if sys::terminated() || sys::time_is_up() {
            if !self.called_off {
                return self.call_off(dialogue);
            }
            self.hurry(dialogue);
        }
        if self.program.is_some() {
            return self.wait_with_program(dialogue);
        }
        let (interest, time, limit) = self.wanted(dialogue);
        let waited = self.wires.wait(interest, time);
        self.woken(dialogue, waited, time < limit);
    }

    /// What is waited for, for how long, and how long the wait may last as a whole.
    #[inline(always)] // For the usual wait and that beside a program.
    fn wanted(&mut self, dialogue: &Dialogue) -> (Interest, Duration, Duration) {
        let interest = Interest {
            client_in: dialogue.wants(Peer::Client),
            client_out: !dialogue.pending(Peer::Client).is_empty(),
            mta_in: dialogue.wants(Peer::Mta),
            mta_out: !dialogue.pending(Peer::Mta).is_empty(),
        };
        let limit = self.time_left(dialogue);
        let news = self.status.is_wanted() && self.status.is_news(dialogue.place());
        (interest, if news { limit.min(limits::STATUS_AFTER) } else { limit }, limit)
    }

    /// What comes of a wait; `early`: it was not to last to its end.
    #[inline(always)]
    fn woken(&mut self, dialogue: &mut Dialogue, waited: std::io::Result<Event>, early: bool) {
        match waited {
            Ok(Event::Ready { client, mta }) => {
                if client {
                    self.receive(dialogue, Peer::Client);
                }
                if mta {
                    self.receive(dialogue, Peer::Mta);
                }
            }
            Ok(Event::TimedOut) if early => {
                self.status.show(&self.client, dialogue.place());
            }
            Ok(Event::TimedOut) => dialogue.expire(),
            Ok(Event::Signal) => {}
            // Out of memory, or descriptors that are none: there is no going on.
            Err(error) => {
                self.lost(dialogue, Peer::Client, &error);
                self.lost(dialogue, Peer::Mta, &error);
            }
        }
    }

    /// The supervisor ends us, or the session's time is up.
    fn call_off(&mut self, dialogue: &mut Dialogue) {
        self.called_off = true;
        dialogue.end(match sys::terminated() {
            true => &standing::SHUTTING_DOWN,
            false => &standing::SESSION_TOO_LONG,
        });
    }

    /// The session is to end: a client that takes nothing gets no more time than for its last
    /// reply.
    #[cold]
    fn hurry(&mut self, dialogue: &Dialogue) {
        let ((_, number), soon) = (dialogue.wait(), Instant::now() + limits::LINGER);
        let is_soon = matches!(self.waiting, (n, Some(end)) if n == number && end <= soon);
        if !is_soon && !dialogue.pending(Peer::Client).is_empty() {
            self.waiting = (number, Some(soon));
        }
    }

    /// How long this wait may still last. A new wait begins with its limit; the
    /// clock is not looked at before something comes that does not end it, say
    /// half a line, and from then on it has the limit once more.
    #[inline(always)]
    fn time_left(&mut self, dialogue: &Dialogue) -> Duration {
        let (limit, number) = dialogue.wait();
        match self.waiting {
            (same, Some(deadline)) if same == number => {
                deadline.saturating_duration_since(Instant::now())
            }
            (same, None) if same == number => {
                self.waiting.1 = Some(Instant::now() + limit);
                limit
            }
            _ => {
                self.waiting = (number, None);
                limit
            }
        }
    }

    fn receive(&mut self, dialogue: &mut Dialogue, peer: Peer) {
        match self.wires.receive(peer, dialogue.inbox(peer).room()) {
            Ok(0) => dialogue.closed(peer),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                // Records of TLS without content could hold up the end of the wait for ever.
                if self.waiting.1.is_some_and(|deadline| Instant::now() >= deadline) {
                    dialogue.expire();
                }
            }
            Err(error) => self.lost(dialogue, peer, &error),
        }
    }

    /// A connection is broken.
    fn lost(&mut self, dialogue: &mut Dialogue, peer: Peer, error: &std::io::Error) {
        if peer == Peer::Mta {
            let upstream = self.settings.upstream.nth(dialogue.upstream());
            self.mta_error = format!("{upstream}: {error}");
            // Why it closes stands in what it said before it did.
            while matches!(self.wires.receive(peer, dialogue.inbox(peer).room()), Ok(1..)) {}
        } else if self.encryption.is_some() {
            return dialogue.broken(&encryption::why(error));
        }
        dialogue.lost(peer);
    }

    /// Reads away what the client has sent and we do not want, for a while,
    /// so that it gets to read our last reply.
    #[inline(never)] // Not in every session.
    fn linger(&mut self) {
        self.wires.finish_sending();
        let end = Instant::now() + limits::LINGER;
        let interest = Interest { client_in: true, ..Interest::default() };
        let mut unread = Vec::with_capacity(limits::MTA_INBOX);
        while let Ok(Event::Ready { client: true, .. }) =
            self.wires.wait(interest, end.saturating_duration_since(Instant::now()))
        {
            unread.clear();
            if !matches!(self.wires.receive(Peer::Client, &mut unread), Ok(1..)) {
                break;
            }
        }
    }
}
