//! What a dialogue is made of: its peers, steps and states, and what is known of
//! the session.

use super::record::{Answer, Ending, Record};
use crate::smtp::data::MailData;
use crate::smtp::standing::Standing;

/// Either end of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Who connected to us.
    Client,
    /// The mail server behind us.
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
    /// Connect to the MTA; then [`super::Dialogue::called`] or [`super::Dialogue::lost`].
    Call,
    /// Send as much of this as the peer takes; then [`super::Dialogue::sent`].
    Write(Peer, &'a [u8]),
    /// Close the connection to the MTA.
    HangUp,
    /// Log what became of these recipients.
    Record(Record),
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
        argument: Vec<u8>,
    },
    Mail,
    Rcpt {
        to: Vec<u8>,
    },
    Data,
    EndOfData,
    Auth,
    Rset,
    /// NOOP, VRFY, EXPN, HELP.
    Other,
    Quit,
}

/// Where the dialogue stands.
#[derive(Debug)]
pub(super) enum State {
    /// The MTA is not connected yet.
    Calling,
    /// The MTA has not greeted yet.
    Greeting,
    /// The client's next line is a command.
    Commands,
    /// The client's next line answers the MTA's 334 (RFC 4954 4).
    Auth,
    /// What the client sends is mail data, for the MTA.
    Data(MailData),
    /// What the client sends is mail data that nobody gets. At its end the
    /// client is given the answer; then the session ends, or goes on alone.
    Discarding { data: MailData, answer: Answer, then: Option<Ending> },
    /// There is no MTA (any more): QUIT is answered, and everything else so.
    Alone(&'static Standing),
    /// What waits for the client is sent, then the connection is closed.
    Closing(Ending),
}

/// What is known of the session, for the log and the status line.
#[derive(Debug, Default)]
pub struct Facts {
    /// The argument of the last EHLO or HELO that the MTA accepted.
    pub helo: Vec<u8>,
    /// The MTA accepted an AUTH exchange.
    pub authenticated: bool,
    /// Messages that the MTA took.
    pub messages: u32,
    /// Octets of mail data passed to the MTA.
    pub relayed: u64,
    /// Commands refused by us.
    pub refused: u32,
    /// The rule of the last reply of ours that was not what the client hoped for.
    pub last_refusal: Option<&'static str>,
    /// What the MTA said to be called [`Conduct::Confused`].
    pub mta_said: Vec<u8>,
    /// How the MTA behaved.
    pub mta: Conduct,
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
            Conduct::Closing => "closing",
        }
    }
}
