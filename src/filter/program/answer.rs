//! The answer of a contents filter: a line `DATA` and a message in wire form
//! with its final dot, or anything else, which refuses.
//!
//! What it says is input: it is looked at like what a client says, and a message
//! that is cut short, has a bare CR or LF or goes on behind its end is none.

use crate::limits;
use crate::smtp::data::{MailData, Scan};
use crate::spool::Spool;

use super::ip::first_line;

/// An answer that is arriving.
pub(super) struct Answer {
    /// What has come and is not dealt with.
    unseen: Vec<u8>,
    state: State,
    message: Spool,
}

enum State {
    /// Its first line.
    Head,
    /// The message.
    Message(MailData),
    /// The message is complete.
    Complete,
    /// It is no message.
    Refusal,
}

/// What an answer comes to.
pub(super) enum Outcome {
    /// The message goes on as this.
    Message(Spool),
    /// It is refused; this is why.
    Refusal(Vec<u8>),
    /// It cannot be made out.
    Nonsense(&'static str),
}

impl Answer {
    pub(super) fn new(message: Spool) -> Self {
        let unseen = Vec::with_capacity(limits::CLIENT_INBOX);
        Answer { unseen, state: State::Head, message }
    }

    /// Has the program said anything?
    pub(super) fn has_begun(&self) -> bool {
        !self.unseen.is_empty() || !matches!(self.state, State::Head)
    }

    /// Where to put what it says, within its capacity.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        &mut self.unseen
    }

    /// Deals with what has come; false if there is no need to hear more.
    pub(super) fn arrived(&mut self) -> Result<bool, String> {
        if let State::Head = self.state {
            let Some(end) = self.unseen.iter().position(|&b| b == b'\n') else {
                return Ok(self.unseen.len() < limits::PROGRAM_ANSWER);
            };
            // The line is a shell's word as often as the wire's.
            if !matches!(self.unseen.get(..end), Some(b"DATA" | b"DATA\r")) {
                self.state = State::Refusal;
                return Ok(false);
            }
            self.unseen.drain(..=end);
            self.state = State::Message(MailData::default());
        }
        let State::Message(data) = &mut self.state else {
            return Ok(self.unseen.len() < limits::PROGRAM_ANSWER);
        };
        let (count, ended) = match data.scan(&self.unseen) {
            Scan::Within(count) => (count, false),
            Scan::End(count) => (count, true),
            Scan::Bare(_) => return Err("a bare CR or LF in its answer".to_owned()),
        };
        let good = self.unseen.get(..count).unwrap_or_default();
        self.message.append(good).map_err(|error| format!("its answer cannot be kept: {error}"))?;
        self.unseen.drain(..count);
        if ended {
            self.state = State::Complete;
        }
        Ok(true)
    }

    /// The program has said all.
    pub(super) fn finish(self) -> Outcome {
        match self.state {
            State::Head | State::Refusal => Outcome::Refusal(first_line(&self.unseen).to_vec()),
            State::Message(_) => Outcome::Nonsense("its answer has no end"),
            State::Complete if self.unseen.iter().all(|b| b"\r\n".contains(b)) => {
                Outcome::Message(self.message)
            }
            State::Complete => Outcome::Nonsense("its answer goes on behind its end"),
        }
    }
}
