//! What becomes of octets and connections: taken by a peer, closed, broken.

#[cfg(doc)]
use super::Step;
use super::{Conduct, Dialogue, Ending, Expected, Peer, State};

impl Dialogue {
    /// The peer took this many octets of a [`Step::Write`].
    pub fn sent(&mut self, peer: Peer, count: usize) {
        self.progress += u64::from(count > 0);
        self.idle &= self.passing == 0 && !self.is_choked();
        match peer {
            Peer::Client => self.to_client.sent(count),
            Peer::Mta if !self.to_mta.is_empty() => self.mta_took(count),
            Peer::Mta => {
                let count = count.min(self.passing);
                let whole = self.passing == count
                    && matches!(self.expected.front(), Some(Expected::EndOfData | Expected::Chunk));
                self.summary.relayed += count as u64;
                self.passed(count);
                // What it began to say before it had the whole is no answer.
                if whole && self.mta_speaks() {
                    self.confused();
                }
            }
        }
    }

    /// Commands, or a block of a message that was kept, are with the MTA.
    fn mta_took(&mut self, count: usize) {
        let message = self.plan.keep && (matches!(self.state, State::Pouring) || self.is_passing());
        self.to_mta.sent(count);
        self.idle &= !message;
        if message {
            self.summary.relayed += count as u64;
            let whole = matches!(self.expected.front(), Some(Expected::EndOfData));
            if whole && self.to_mta.is_empty() && self.mta_speaks() {
                self.confused();
            }
        }
    }

    /// The peer will send nothing more.
    pub fn closed(&mut self, peer: Peer) {
        self.idle = false;
        match peer {
            Peer::Client => self.client_closed = true,
            Peer::Mta => self.mta_closed = true,
        }
    }

    /// Will the client send nothing more?
    #[must_use]
    pub fn client_has_closed(&self) -> bool {
        self.client_closed
    }

    /// The connection to the peer is broken, or could not be made.
    pub fn lost(&mut self, peer: Peer) {
        self.closed(peer);
        match (peer, &self.state) {
            (Peer::Client, _) => {
                self.client_deaf = true;
                self.to_client.clear();
                self.client.clear();
                // The end of the message is lost with what lay before it, so
                // the MTA will never answer it.
                let undecided = self.question.is_some() || matches!(self.state, State::Judging);
                if std::mem::take(&mut self.passing) > 0 || undecided {
                    self.close(Ending::ClientLeft);
                }
            }
            (Peer::Mta, State::Calling) => self.mta_lost(Conduct::Lost),
            // What it said before it went still counts.
            (Peer::Mta, _) => {
                self.mta_deaf = true;
                self.to_mta.clear();
            }
        }
    }
}
