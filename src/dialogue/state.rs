//! What a dialogue is made of: its peers, steps and states, and what is known of
//! the session.

use std::time::Duration;

use super::record::{Answer, Ending, Outcome, Record};
use crate::smtp::data::MailData;
use crate::smtp::ehlo::StartTls;
use crate::smtp::refusal::Refusal;
use crate::smtp::standing::Standing;
use crate::stage::{Stage, Stages};

/// What is settled before a dialogue begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// One limit for each wait for a peer, instead of the ones of RFC 5321.
    pub time_limit: Option<Duration>,
    /// The stages at which filters want to be asked.
    pub consult: Stages,
    /// Filters look at messages: mail data is kept, and goes to the MTA when
    /// they have seen all of it.
    pub keep: bool,
    /// Our own replies are those of the original program.
    pub original: bool,
    /// How many MTAs there are, of which the next is called when one does not come
    /// to greet; 0 is one.
    pub upstreams: usize,
    /// AUTH may lift refusals of the peer: the MTA is called for such a client too, and it is not
    /// held before MAIL.
    pub auth_lifts: bool,
    /// AUTH is not for sessions in clear text, as they can be encrypted first.
    pub hides_auth: bool,
    /// What becomes of STARTTLS.
    pub starttls: StartTls,
    /// The client's connection is encrypted before its first octet.
    pub encrypted: bool,
}

/// Either end of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Who connected to us.
    Client,
    /// The MTA behind us.
    Mta,
}

impl Peer {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Peer {
        match self {
            Peer::Client => Peer::Mta,
            Peer::Mta => Peer::Client,
        }
    }
}

/// What the driver is to do next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Connect to the MTA, that of [`super::Dialogue::upstream`]; then
    /// [`super::Dialogue::called`] or [`super::Dialogue::lost`].
    Call,
    /// Send as much of this as the peer takes; then [`super::Dialogue::sent`].
    Write(Peer, &'a [u8]),
    /// Close the connection to the MTA.
    HangUp,
    /// Ask the filters; then [`super::Dialogue::judged`].
    Consult(Stage),
    /// Keep this for the filters; then [`super::Dialogue::kept`].
    Keep(&'a [u8]),
    /// Append the next block of the message that was kept; then
    /// [`super::Dialogue::poured`].
    Pour(&'a mut Vec<u8>),
    /// Log what became of these recipients.
    Record(Box<Record>),
    /// Get ready to encrypt the client's connection; then
    /// [`super::Dialogue::ready_to_encrypt`] or [`super::Dialogue::cannot_encrypt`].
    Prepare,
    /// Encrypt it; then [`super::Dialogue::encrypted`] or
    /// [`super::Dialogue::not_encrypted`]. So many octets of the client were thrown away.
    Encrypt(usize),
    /// Client and MTA speak TLS with each other from here on; then
    /// [`super::Dialogue::tunnelled`]. So many octets of both were thrown away.
    Tunnel(usize),
    /// Nothing can be done until a peer sends something.
    Await,
    /// The session is over; everything for the client is sent.
    Close(Ending),
}

/// What a reply of the MTA will be the answer to.
#[derive(Debug)]
pub(super) enum Expected {
    Greeting,
    Hello {
        extended: bool,
        line: Vec<u8>,
    },
    Mail,
    Rcpt {
        to: Vec<u8>,
        /// The line as the MTA got it, if it is to be kept.
        line: Vec<u8>,
    },
    /// None: the filters refused this recipient, and the client is told when it
    /// has the replies to what it sent before.
    Refused {
        to: Vec<u8>,
        refusal: Box<Refusal>,
    },
    Data,
    EndOfData,
    /// A chunk that is not the last.
    Chunk,
    Auth,
    Rset,
    /// STARTTLS, which the MTA is to do.
    StartTls,
    /// NOOP, VRFY, EXPN, HELP.
    Other,
    Quit,
    /// Our own EHLO, to see whether the MTA takes XCLIENT.
    OurEhlo,
    /// XCLIENT; the reply is the greeting of the client.
    Xclient,
    /// Our own EHLO or HELO, to bring the MTA to where the client is.
    OurHello,
    /// Our own MAIL, for the same.
    OurMail,
    /// Our own DATA, for a message that was kept.
    OurData,
    /// Our own DATA, for a message that comes in chunks.
    ChunkData,
    /// Our own NOOP, while a message is kept.
    OurNoop,
    /// Our own RSET, behind a message that filters refused.
    OurRset,
}

/// Where the dialogue stands.
#[derive(Debug)]
pub(super) enum State {
    /// The filters have not said yet whether the client is welcome.
    Arrived,
    /// The MTA is to be connected.
    Calling,
    /// The MTA has not greeted yet.
    Greeting,
    /// The MTA is told what a held client has said so far.
    CatchingUp,
    /// The client's next line is a command.
    Commands,
    /// The client's next line answers the MTA's 334 (RFC 4954 4).
    Auth,
    /// The client said STARTTLS, and nothing it sends is read any more.
    StartTls(Phase),
    /// What the client sends is mail data, for the MTA.
    Data(MailData),
    /// What the client sends is a chunk (see `chunking`).
    Chunk,
    /// The filters have the whole message.
    Judging,
    /// They let it pass, and the MTA is asked to take it.
    Handing,
    /// The message that was kept is sent to the MTA.
    Pouring,
    /// What the client sends is mail data that nobody gets. At its end the
    /// client is given the answer; then the session ends, or goes on alone.
    Discarding(Box<Discarded>),
    /// There is no MTA (any more): QUIT is answered, and everything else so.
    Alone(&'static Standing),
    /// What waits for the client is sent, then the connection is closed.
    Closing(Ending),
}

/// How far STARTTLS is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It was said, and we are to get ready.
    Asked,
    /// We said 220.
    Agreed,
    /// The MTA said 220.
    Passed,
}

/// What protects the client's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Protection {
    /// Nothing.
    #[default]
    Clear,
    /// Nothing, but the client was offered STARTTLS.
    Offered,
    /// TLS; what the client said before is forgotten, and it is to say EHLO again.
    Fresh,
    /// TLS.
    Encrypted,
}

/// Mail data that nobody gets. In a box: the state is looked at all the time.
#[derive(Debug)]
pub(super) struct Discarded {
    pub(super) data: MailData,
    pub(super) answer: Answer,
    pub(super) then: Option<Ending>,
}

/// What the filters are to be asked about.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) stage: Stage,
    /// The EHLO or HELO line, the reverse-path or the forward-path.
    pub(super) subject: Vec<u8>,
}

/// What the dialogue knows of the session when filters are asked; the
/// command in question counts as given.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The EHLO or HELO line.
    pub hello: &'a [u8],
    /// The reverse-path, within a transaction.
    pub from: Option<&'a [u8]>,
    /// The forward-path in question.
    pub recipient: Option<&'a [u8]>,
    /// The forward-paths accepted so far.
    pub to: &'a [Vec<u8>],
    /// The transaction's MAIL and RCPT lines, if they are kept.
    pub envelope: &'a [u8],
}

/// What there is to tell of the session, for the log and the status line.
#[derive(Debug, Default)]
pub struct Summary {
    /// The last EHLO or HELO line that was accepted.
    pub hello: Vec<u8>,
    /// The mechanism of the AUTH exchange that the MTA accepted.
    pub authenticated: Option<&'static str>,
    /// Messages that the MTA took.
    pub messages: u32,
    /// Octets of mail data passed to the MTA.
    pub relayed: u64,
    /// Commands refused by us.
    pub refused: u32,
    /// The rule of the last reply of ours that was not what the client hoped for.
    pub last_refusal: Option<&'static str>,
    /// What the MTA said to be called [`Conduct::Confused`], or why it did not do
    /// XCLIENT.
    pub mta_said: Vec<u8>,
    /// How the MTA behaved.
    pub mta: Conduct,
    /// The client, its HELO or a sender was refused as such, so that no recipient's
    /// line tells.
    pub refusal: Option<Box<Outcome>>,
}

impl Summary {
    /// What the client calls itself.
    #[must_use]
    pub fn helo(&self) -> &[u8] {
        helo(&self.hello)
    }
}

/// The argument of an EHLO or HELO line.
#[must_use]
pub fn helo(line: &[u8]) -> &[u8] {
    line.get(4..).unwrap_or_default().trim_ascii()
}

/// How the MTA behaved, as it is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    /// As it should.
    #[default]
    Ok,
    /// It could not be connected, or closed the connection.
    Lost,
    /// It did not answer in time.
    Silent,
    /// It said what cannot be the answer to what it was asked.
    Confused,
    /// It did not do XCLIENT.
    NoXclient,
    /// It closed the session with 421.
    Closing,
}

impl Conduct {
    /// Is it a fault? To close with 421 is an MTA's right, and may be the
    /// client's doing.
    #[must_use]
    pub fn is_fault(self) -> bool {
        !matches!(self, Conduct::Ok | Conduct::Closing)
    }

    /// Its name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Conduct::Ok => "ok",
            Conduct::Lost => "lost",
            Conduct::Silent => "silent",
            Conduct::Confused => "confused",
            Conduct::NoXclient => "no-xclient",
            Conduct::Closing => "closing",
        }
    }
}
