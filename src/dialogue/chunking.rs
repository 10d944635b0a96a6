//! Messages in chunks (RFC 3030).
//!
//! A chunk goes to an MTA that takes chunks as it is, from where it lies. For any other
//! MTA, and for filters, the message is made what it would have been after DATA
//! ([`crate::smtp::chunk`]); the MTA's 354 is not the client's affair, and what is not the last
//! chunk is answered by us when the MTA, or the spool, has it.
//!
//! Whatever happens, exactly as many octets as BDAT says are content: of a chunk that is
//! refused the rest is thrown away before the reply is given, and where it cannot be known
//! how many there are, the session ends. When a chunk is refused, so is the
//! message; those behind it are answered 503, and the MTA gets RSET, as what its transaction is
//! worth then is left open by RFC 3030.
//!
//! An MTA that gets the message by DATA takes no other command before its end. RSET of the
//! client between two chunks costs it the connection: the message is forgotten, and what
//! follows is answered 421. Rejected: keeping such messages to their end first, which costs
//! every one of them a file for what no client does.

use super::chunks::{Chunks, Piece};
use super::{Answer, Dialogue, Ending, Expected, Outcome, State};
use crate::limits;
use crate::smtp::command::Command;
use crate::smtp::reply::Reply;
use crate::smtp::standing::{self, Standing};
use crate::stage::Stage;

/// A chunk that nobody gets: what is said at its end, and what comes then.
#[derive(Debug)]
pub(super) struct Refused {
    answer: Answer,
    /// The answer is the message's, which is over; else it is only the command's.
    of_message: bool,
    then: Then,
}

#[derive(Debug)]
enum Then {
    /// The next command.
    GoOn,
    /// There is no MTA (any more).
    Alone(&'static Standing),
    Close(Ending),
}

impl Dialogue {
    /// A chunk that is in order begins.
    pub(super) fn chunk(&mut self, size: u64, last: bool) {
        let first = self.chunks.is_none();
        let as_data = self.plan.keep || !self.offered.chunking;
        let binary = self.transaction.as_ref().is_some_and(|t| t.binary);
        let chunks = self
            .chunks
            .get_or_insert_with(|| Box::new(Chunks { as_data, binary, ..Chunks::default() }));
        (chunks.left, chunks.last) = (size, last);
        self.state = State::Chunk;
        if !chunks.as_data {
            // Goes before what is good of the chunk, when it is known that something is.
            let last = if last { " LAST" } else { "" };
            chunks.command = Some(format!("BDAT {size}{last}\r\n"));
        } else if first && self.plan.keep {
            self.message_begins = true;
        } else if first {
            self.to_mta.tail().extend_from_slice(b"DATA\r\n");
            self.expected.push_back(Expected::ChunkData);
        }
    }

    /// A chunk that is not in order: its octets are thrown away, then it gets this reply.
    pub(super) fn refuse_chunk(&mut self, size: u64, refusal: &'static Standing) {
        let then = match self.state {
            State::Alone(otherwise) => Then::Alone(otherwise),
            _ => Then::GoOn,
        };
        let refused = Refused { answer: Answer::Ours(refusal), of_message: false, then };
        self.chunks =
            Some(Box::new(Chunks { left: size, refused: Some(refused), ..Chunks::default() }));
        self.state = State::Chunk;
    }

    /// Deals with what is there of a chunk.
    pub(super) fn chunk_input(&mut self) -> bool {
        // The MTA has not said yet whether it takes the message.
        if let Some(Expected::ChunkData) = self.expected.front() {
            return self.client_end();
        }
        // Out of the way, so that it can be looked at beside the inbox.
        let Some(mut chunks) = self.chunks.take() else { return false };
        let found = self.look_at_chunk(&mut chunks);
        self.chunks = Some(chunks);
        match found {
            Progress::None => self.client_end(),
            Progress::Some => true,
            Progress::Whole => {
                self.chunk_is_whole();
                true
            }
            Progress::Bare => {
                self.bare_newline_in_chunk();
                true
            }
            Progress::Discarded => {
                self.finish_chunk();
                true
            }
        }
    }

    fn look_at_chunk(&mut self, chunks: &mut Chunks) -> Progress {
        let left = usize::try_from(chunks.left).unwrap_or(usize::MAX);
        let bytes = self.client.bytes();
        let bytes = bytes.get(..left).unwrap_or(bytes);
        if chunks.refused.is_some() {
            let count = bytes.len();
            chunks.left -= count as u64;
            self.client.consume(count);
            return match (chunks.left, count) {
                (0, _) => Progress::Discarded,
                (_, 0) => Progress::None,
                _ => Progress::Some,
            };
        }
        if left == 0 {
            let half_a_line_end = chunks.last && chunks.lines.is_after_cr();
            return if half_a_line_end { Progress::Bare } else { Progress::Whole };
        }
        let dealt = match chunks.next(bytes) {
            Piece::Bare => return Progress::Bare,
            Piece::Undecided => return Progress::None,
            Piece::AsTheyAre(count) => {
                self.passing = count;
                count
            }
            Piece::Encoded(count) => {
                self.passing = chunks.encoded.len();
                self.client.consume(count);
                count
            }
        };
        chunks.left -= dealt as u64;
        if let Some(command) = chunks.command.take() {
            self.to_mta.tail().extend_from_slice(command.as_bytes());
        }
        // What the MTA says from here on may be the answer.
        if chunks.left == 0 && !chunks.as_data { Progress::Whole } else { Progress::Some }
    }

    /// All of a chunk is there, and as mail data it has gone where it was to go.
    fn chunk_is_whole(&mut self) {
        let Some(chunks) = &mut self.chunks else { return };
        let (last, as_data) = (chunks.last, chunks.as_data);
        // What it has begun to say cannot be the answer.
        if (last || !as_data) && self.expected.is_empty() && self.mta_speaks() {
            return self.confused();
        }
        let Some(chunks) = &mut self.chunks else { return };
        if let Some(command) = chunks.command.take() {
            self.to_mta.tail().extend_from_slice(command.as_bytes());
        }
        self.state = State::Commands;
        if !last && as_data {
            return self.say(&standing::OK);
        }
        if as_data {
            chunks.encoded = chunks.lines.end().to_vec();
            self.passing = chunks.encoded.len();
        }
        if as_data && self.plan.keep {
            self.state = State::Judging;
        } else {
            self.expected.push_back(if last { Expected::EndOfData } else { Expected::Chunk });
        }
    }

    fn bare_newline_in_chunk(&mut self) {
        let bare = &standing::BARE_NEWLINE_IN_DATA;
        self.summary.last_refusal = Some(bare.rule);
        self.give_up_chunk(Answer::Ours(bare), Then::Close(Ending::Closed(bare)));
    }

    /// The rest of a chunk goes nowhere, and with it the message: its MTA is left.
    fn give_up_chunk(&mut self, answer: Answer, then: Then) {
        self.leave_mta(State::Chunk);
        match self.chunks.as_deref_mut() {
            // It was refused already, and the MTA has gone since.
            Some(Chunks { refused: Some(refused), .. }) => refused.then = then,
            Some(chunks) => {
                chunks.refused = Some(Refused { answer, of_message: true, then });
            }
            None => self.state = State::Alone(&standing::MTA_AWAY),
        }
    }

    /// The MTA cannot be used any more while a chunk comes, or has refused the message.
    pub(super) fn chunk_loses_mta(&mut self, answer: Answer) {
        self.give_up_chunk(answer, Then::Alone(&standing::MTA_AWAY));
    }

    /// The message comes to nothing, but its MTA can be used.
    pub(super) fn refuse_message(&mut self, answer: Answer) {
        if let Some(chunks) = &mut self.chunks {
            chunks.refused = Some(Refused { answer, of_message: true, then: Then::GoOn });
        }
    }

    /// Is a message refused of which the client still sends a chunk?
    pub(super) fn is_refused_amid_chunk(&self) -> bool {
        let refused = self.chunks.as_ref().and_then(|chunks| chunks.refused.as_ref());
        matches!(self.state, State::Chunk) && refused.is_some_and(|refused| refused.of_message)
    }

    /// The end of a chunk that nobody got: the client gets its answer.
    pub(super) fn finish_chunk(&mut self) {
        let refused = self.chunks.take().and_then(|chunks| chunks.refused);
        let Some(Refused { answer, of_message, then }) = refused else { return };
        self.state = match then {
            Then::Alone(otherwise) => State::Alone(otherwise),
            Then::GoOn | Then::Close(_) => State::Commands,
        };
        match answer {
            // Pipelined chunks behind a refused one are nobody's mistake (RFC 3030 2).
            Answer::Ours(standing) if !of_message => {
                self.count_refusal(standing.rule);
                if self.summary.refused > limits::REFUSED_CHUNKS {
                    return self.say_and_close(&standing::TOO_MANY_ERRORS);
                }
                self.say(standing);
                // Nor was it the MTA that refused.
                self.summary.last_refusal = self.refused_by.or(self.summary.last_refusal);
            }
            answer => self.answer(Expected::EndOfData, answer),
        }
        match then {
            Then::Close(ending) => self.close(ending),
            Then::GoOn if of_message => self.reset_mta(),
            Then::GoOn | Then::Alone(_) => {}
        }
    }

    /// The MTA said whether it takes a message that comes in chunks by DATA.
    pub(super) fn chunk_data_answered(&mut self, reply: Reply) {
        if reply.code == 421 {
            reply.encode(self.to_client.tail());
            return self.mta_closes();
        }
        if reply.code != 354 {
            self.refuse_message(Answer::Mta(reply));
        }
    }

    /// What became of a message that came in chunks is decided.
    #[cold]
    pub(super) fn chunks_are_over(&mut self, answer: &Answer) {
        let as_chunks = self.chunks.take().is_some_and(|chunks| !chunks.as_data);
        if as_chunks && matches!(answer, Answer::Mta(reply) if reply.code >= 400) {
            self.reset_mta();
        }
    }

    /// Is what the MTA says now too early to be an answer to a chunk?
    pub(super) fn is_amid_chunk(&self) -> bool {
        // Nothing else is sent while it is outstanding.
        let unsent =
            matches!(self.expected.front(), Some(Expected::Chunk)) && !self.to_mta.is_empty();
        unsent || self.is_within_chunk()
    }

    fn is_within_chunk(&self) -> bool {
        matches!(self.state, State::Chunk)
            && !matches!(self.expected.front(), Some(Expected::ChunkData))
            && self.chunks.as_ref().is_some_and(|chunks| chunks.refused.is_none())
    }

    /// Is the MTA within mail data, between two chunks?
    pub(super) fn is_amid_data(&self) -> bool {
        self.chunks.as_ref().is_some_and(|chunks| chunks.as_data) && !self.plan.keep
    }

    /// Answers a command that is in order, while the MTA takes none.
    pub(super) fn answer_amid_data(&mut self, command: Command<'_>, line: &[u8]) -> bool {
        match command {
            Command::Bdat { size, last } => self.chunk(size, last),
            Command::Hello { .. } => self.say_and_close(&standing::MTA_AWAY),
            Command::Rset => {
                self.leave_mta(State::Alone(&standing::MTA_AWAY));
                self.end_transaction(Outcome::none(Stage::Data, super::record::ABANDONED));
                self.say(&standing::OK);
            }
            _ => return self.answer_held(command, line),
        }
        true
    }

    /// Octets that were to pass have passed, or are not to.
    #[inline(always)] // Once for each block.
    pub(super) fn passed(&mut self, count: usize) {
        self.passing -= count;
        match &mut self.chunks {
            Some(chunks) if !chunks.encoded.is_empty() => {
                drop(chunks.encoded.drain(..count.min(chunks.encoded.len())))
            }
            _ => self.client.consume(count),
        }
    }

    /// What is to pass now.
    #[inline(always)] // The same.
    pub(super) fn passing_octets(&self) -> &[u8] {
        match &self.chunks {
            Some(chunks) if !chunks.encoded.is_empty() => &chunks.encoded,
            _ => self.client.bytes().get(..self.passing).unwrap_or_default(),
        }
    }
}

/// What came of looking at a chunk.
enum Progress {
    None,
    Some,
    /// Its last octet is there, or nothing of it is left to pass.
    Whole,
    /// A CR or LF outside of CRLF.
    Bare,
    /// Its last octet is thrown away.
    Discarded,
}
