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
    Hello { extended: bool, argument: Vec<u8> },
    Mail { from: Vec<u8> },
    Rcpt { to: Vec<u8> },
    Data,
    EndOfData,
    Auth,
    Idle,
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
    /// What the client sends is mail data that nobody gets; at its end the
    /// client is given the answer, and the session goes on alone or is closed.
    Discarding { data: MailData, answer: Answer, then_close: bool },
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
    /// What the MTA said when it should not have.
    pub mta_said: Vec<u8>,
    /// The MTA could not be reached, was lost or said what it must not.
    pub mta_failed: bool,
}
