//! What the dialogue waits for, for how long, and what happens when it has
//! waited in vain. The clock is the driver's.

use std::time::Duration;

use super::{Conduct, Dialogue, Ending, Expected, Peer, State};
use crate::limits;
use crate::smtp::standing::{self, Standing};

impl Dialogue {
    /// How long to wait, and which wait it is: as long as the number stays the
    /// same, the time goes on.
    #[must_use]
    #[inline(always)]
    pub fn wait(&self) -> (Duration, u64) {
        let limit = match (&self.state, self.expected.front()) {
            _ if !self.to_client.is_empty() || self.is_passing() => limits::BLOCK_WAIT,
            (State::Greeting, Some(_)) if self.upstream + 1 < self.plan.upstreams => {
                limits::NEXT_MTA_WAIT
            }
            (_, Some(Expected::Greeting | Expected::Xclient)) => limits::GREETING_WAIT,
            (_, Some(Expected::Data | Expected::OurData | Expected::ChunkData)) => {
                limits::DATA_REPLY_WAIT
            }
            (_, Some(Expected::EndOfData)) => limits::END_OF_DATA_WAIT,
            (_, Some(_)) => limits::REPLY_WAIT,
            (State::Data(_) | State::Chunk | State::Pouring, None) => limits::BLOCK_WAIT,
            // A client that thinks its message is over waits for our answer.
            (State::Discarding(discarded), None) if discarded.then.is_some() => {
                return (limits::REFUSED_DATA_WAIT, self.progress);
            }
            (State::Discarding(_), None) => limits::BLOCK_WAIT,
            (_, None) => limits::COMMAND_WAIT,
        };
        (self.plan.time_limit.unwrap_or(limit), self.progress)
    }

    /// The limit of [`Dialogue::wait`] has passed.
    pub fn expire(&mut self) {
        self.idle = false;
        self.progress += 1;
        if !self.to_client.is_empty() && self.message_is_with_mta() {
            // Its fate is worth knowing, as when the client is gone.
            self.lost(Peer::Client);
        } else if !self.to_client.is_empty() {
            self.client_deaf = true;
            self.close(Ending::ClientStuck);
        } else if !self.expected.is_empty() || !self.to_mta.is_empty() || self.passing > 0 {
            self.mta_lost(Conduct::Silent);
        } else if matches!(self.state, State::Discarding(_)) {
            // What may still come is mail data, and must not be read as commands.
            self.finish_discarding();
            self.close(Ending::Closed(&standing::CLIENT_SILENT));
        } else if self.is_refused_amid_chunk() {
            self.finish_chunk();
            self.close(Ending::Closed(&standing::CLIENT_SILENT));
        } else {
            self.say_and_close(&standing::CLIENT_SILENT);
        }
    }

    /// Ends the session with this reply (the supervisor wants it, or its time
    /// is up), but not before the MTA has answered an end of mail data that it
    /// has: its answer decides whether the client sends the message again.
    pub fn end(&mut self, reply: &'static Standing) {
        self.idle = false;
        if self.message_is_with_mta() {
            self.ending = Some(reply);
        } else if !matches!(self.state, State::Closing(_)) {
            self.say_and_close(reply);
        }
    }

    /// What the session is doing, for the status line.
    #[must_use]
    pub fn place(&self) -> &'static str {
        match (&self.state, self.expected.front()) {
            (State::Arrived, _) => "asking the filters",
            _ if self.question.is_some() => "asking the filters",
            (State::Calling | State::Greeting, _) => "waiting for the MTA's greeting",
            (State::Pouring, _) => "sending a message to the MTA",
            (State::Data(_) | State::Chunk, _) => "receiving mail data",
            (State::Discarding(_), _) => "discarding refused mail data",
            (State::Closing(_), _) => "closing",
            (_, Some(Expected::EndOfData)) => "waiting for the MTA to take a message",
            (_, Some(_)) => "waiting for the MTA's reply",
            (State::Auth, None) => "in an AUTH exchange",
            (_, None) if self.transaction.is_some() => "in a transaction",
            (_, None) => "waiting for a command",
        }
    }

    /// Has the MTA a whole message, and not answered it?
    fn message_is_with_mta(&self) -> bool {
        matches!(self.expected.front(), Some(Expected::EndOfData)) && !self.is_passing()
    }
}
