//! The client's lines: framed, judged, and forwarded or refused.

use super::state::Phase;
use super::{Answer, Dialogue, Ending, Expected, Protection, State, Transaction};
use crate::limits;
use crate::smtp::command::{self, Command};
use crate::smtp::ehlo::StartTls;
use crate::smtp::line::{CRLF, Framed, frame};
use crate::smtp::standing::{self, Standing};
use crate::stage::{Ruling, Stage};

impl Dialogue {
    /// Deals with the next line or block of the client, if it is complete and
    /// it is its turn.
    pub(super) fn client_input(&mut self) -> bool {
        // What passes to the MTA lies at the head of the inbox; so does the line
        // that the filters are asked about.
        if self.passing > 0 || self.question.is_some() {
            return false;
        }
        match self.state {
            State::Arrived
            | State::Calling
            | State::Greeting
            | State::CatchingUp
            | State::Judging
            | State::Handing
            | State::Pouring
            | State::StartTls(_)
            | State::Closing(_) => self.client_end(),
            State::Data(_) => self.data_input(),
            State::Discarding(_) => self.discard_input(),
            State::Commands | State::Auth | State::Alone(_) => self.line_input(),
        }
    }

    fn line_input(&mut self) -> bool {
        if self.first_line && self.skipped == 0 && self.begins_foreign() {
            self.refuse(&standing::NOT_SMTP);
            self.close(Ending::Closed(&standing::NOT_SMTP));
            return true;
        }
        match frame(self.client.bytes(), self.client.seen) {
            Framed::Line(length) => {
                // Out of the way, so that the line can be read where it lies
                // while the state changes.
                let mut inbox = std::mem::take(&mut self.client);
                let taken = self.client_line(inbox.bytes().get(..length).unwrap_or_default());
                if taken {
                    self.first_line = false;
                    self.skipped = 0;
                    self.ruling = None;
                    inbox.consume(length + CRLF);
                }
                self.client = inbox;
                taken
            }
            Framed::Bare(_) if !self.expected.is_empty() => false,
            Framed::Bare(_) => {
                self.refuse(&standing::BARE_NEWLINE);
                self.close(Ending::Closed(&standing::BARE_NEWLINE));
                true
            }
            Framed::Partial(seen) => {
                self.client.seen = seen;
                match seen > limits::AUTH_LINE {
                    true if !self.expected.is_empty() => false,
                    true => self.skip(seen),
                    false => self.client_end(),
                }
            }
        }
    }

    /// Does the session begin as another protocol does? A longer line closes it
    /// anyway, and must not be judged by how much of it is here.
    fn begins_foreign(&self) -> bool {
        let bytes = self.client.bytes();
        command::is_foreign(bytes.get(..limits::COMMAND_LINE).unwrap_or(bytes))
    }

    /// Throws away what there is of a line that is too long in any case.
    fn skip(&mut self, count: usize) -> bool {
        self.skipped += count;
        self.client.consume(count);
        if self.skipped + CRLF > limits::LINE_WITHOUT_END {
            self.refuse(&standing::LINE_TOO_LONG);
            self.close(Ending::Closed(&standing::LINE_TOO_LONG));
        }
        true
    }

    /// Deals with a complete line; false when it has to wait for its turn.
    fn client_line(&mut self, line: &[u8]) -> bool {
        let size = self.skipped + line.len() + CRLF;
        if matches!(self.state, State::Auth) {
            return self.auth_line(line, size);
        }
        let limit = if command::is_auth(line) { limits::AUTH_LINE } else { limits::COMMAND_LINE };
        let command =
            if size > limit { Err(&standing::LINE_TOO_LONG) } else { command::parse(line) };
        if let State::Alone(otherwise) = self.state {
            self.answer_alone(command, otherwise);
            return true;
        }
        match command {
            Ok(command) => match self.objection(command) {
                None => self.forward_in_turn(command, line),
                Some(refusal) => self.refuse_in_turn(Some(command), refusal, size),
            },
            Err(refusal) => self.refuse_in_turn(None, refusal, size),
        }
    }

    /// Rule 4: only RCPT may be sent while replies are outstanding.
    fn forward_in_turn(&mut self, command: Command<'_>, line: &[u8]) -> bool {
        let may_follow = self.pipelining
            && matches!(command, Command::Rcpt(_))
            && matches!(
                self.expected.back(),
                Some(Expected::Mail | Expected::Rcpt { .. } | Expected::Refused { .. })
            )
            && self.expected.len() < limits::PIPELINE;
        if !may_follow && !self.expected.is_empty() {
            return false;
        }
        match self.ruling(command, line) {
            None => return false,
            Some(Ruling::Pass) => {}
            Some(Ruling::Hold { name, rule }) => self.hold(name, rule),
            Some(Ruling::Refuse(refusal)) => {
                self.refused_by_filters(command, refusal);
                return true;
            }
        }
        if !self.connected {
            return self.answer_held(command, line);
        }
        if self.expected.is_empty() && self.mta_speaks() {
            self.interrupted(command);
        } else {
            self.forward(command, line);
        }
        true
    }

    /// The MTA has begun to say something unasked, and then comes a command.
    fn interrupted(&mut self, command: Command<'_>) {
        match command {
            Command::Quit => self.answer(Expected::Quit, Answer::Ours(&standing::BYE)),
            Command::Rcpt(envelope) => {
                let outcome = Answer::Ours(&standing::MTA_AWAY).outcome(Stage::Rcpt);
                self.recipient_refused(envelope.path.to_vec(), outcome);
                self.confused();
            }
            _ => self.confused(),
        }
    }

    /// Rule 4: our replies do not overtake the MTA's.
    fn refuse_in_turn(
        &mut self,
        command: Option<Command<'_>>,
        refusal: &'static Standing,
        size: usize,
    ) -> bool {
        if !self.expected.is_empty() {
            return false;
        }
        self.refuse_command(command, refusal);
        // A first line of such length is another protocol's, and so is what
        // follows it; a line of more than that, no command of any.
        let too_long = *refusal == standing::LINE_TOO_LONG
            && (self.first_line || size > limits::LINE_WITHOUT_END);
        if too_long || *refusal == standing::NO_CHUNKING {
            self.close(Ending::Closed(refusal));
        }
        true
    }

    /// Answers a command ourselves, and notes what becomes of its recipient.
    fn refuse_command(&mut self, command: Option<Command<'_>>, refusal: &'static Standing) {
        let recipient = match command {
            Some(Command::Rcpt(envelope)) => Some(self.recipient_alone(envelope.path.to_vec())),
            _ => None,
        };
        let answer = self.refuse(refusal);
        if let Some(recipient) = recipient {
            self.record(recipient, Answer::Ours(answer).outcome(Stage::Rcpt));
        }
    }

    /// Is the command in order (RFC 5321 4.1.4)? The MTA is not asked, so that
    /// what it would make of it makes no difference.
    fn objection(&self, command: Command<'_>) -> Option<&'static Standing> {
        match (command, self.transaction.as_ref().filter(|t| !t.refused)) {
            (Command::StartTls, _) => self.no_starttls(),
            (Command::Mail(_) | Command::Auth, None) if self.protection == Protection::Fresh => {
                Some(&standing::NEED_HELLO)
            }
            (Command::Mail(_), Some(_)) => Some(&standing::NESTED_MAIL),
            (Command::Rcpt(_) | Command::Data, None) => Some(&standing::NEED_MAIL),
            (Command::Rcpt(_), Some(t)) => {
                // Those outstanding may yet be accepted; if so, this one's turn shows it.
                let most = t.to.len() + self.expected.len();
                (most >= limits::RECIPIENTS).then_some(&standing::TOO_MANY_RECIPIENTS)
            }
            (Command::Data, Some(t)) => {
                let none = t.to.is_empty() && self.expected.is_empty();
                none.then_some(&standing::NEED_RCPT)
            }
            _ => None,
        }
    }

    /// Sends the command to the MTA and notes what its reply will be for.
    fn forward(&mut self, command: Command<'_>, line: &[u8]) {
        let out = self.to_mta.tail();
        let expected = match command {
            Command::StartTls if self.plan.starttls == StartTls::Terminate => {
                return self.state = State::StartTls(Phase::Asked);
            }
            Command::Mail(envelope) => {
                let lines = encode_and_keep(&envelope, out, self.plan.keep);
                let from = envelope.path.to_vec();
                self.transaction = Some(Transaction { from, lines, ..Transaction::default() });
                Expected::Mail
            }
            Command::Rcpt(envelope) => {
                let line = encode_and_keep(&envelope, out, self.plan.keep);
                Expected::Rcpt { to: envelope.path.to_vec(), line }
            }
            // The MTA is asked when the filters have seen the message.
            Command::Data if self.plan.keep => {
                self.message_begins = true;
                let send = &standing::SEND_MAIL_DATA;
                return self.answer(Expected::Data, Answer::Ours(send));
            }
            _ => {
                out.extend_from_slice(line);
                out.extend_from_slice(b"\r\n");
                match command {
                    Command::Hello { extended, .. } => {
                        Expected::Hello { extended, line: line.to_vec() }
                    }
                    Command::Rset => Expected::Rset,
                    Command::Data => Expected::Data,
                    Command::Auth => Expected::Auth,
                    Command::StartTls => Expected::StartTls,
                    Command::Quit => Expected::Quit,
                    Command::Noop
                    | Command::Vrfy
                    | Command::Other
                    | Command::Mail(_)
                    | Command::Rcpt(_) => Expected::Other,
                }
            }
        };
        self.expected.push_back(expected);
    }

    /// The client's part of an AUTH exchange. A line that cannot be one cancels
    /// the exchange (RFC 4954 4), and the MTA's reply to that is the client's.
    fn auth_line(&mut self, line: &[u8], size: usize) -> bool {
        let sound = size <= limits::AUTH_LINE && line.iter().all(|b| b.is_ascii_graphic());
        if self.mta_speaks() {
            self.confused();
            return true;
        }
        let out = self.to_mta.tail();
        out.extend_from_slice(if sound { line } else { b"*" });
        out.extend_from_slice(b"\r\n");
        self.expected.push_back(Expected::Auth);
        self.state = State::Commands;
        true
    }

    /// Answers a command when there is no MTA.
    fn answer_alone(
        &mut self,
        command: Result<Command<'_>, &'static Standing>,
        otherwise: &'static Standing,
    ) {
        if let Ok(Command::Rcpt(envelope)) = command {
            let mut outcome = Answer::Ours(otherwise).outcome(Stage::Rcpt);
            outcome.rule = self.refused_by.unwrap_or(outcome.rule);
            self.recipient_refused(envelope.path.to_vec(), outcome);
        }
        match command {
            Ok(Command::Quit) => {
                self.say(&standing::BYE);
                self.close(Ending::Quit);
            }
            Err(refusal) if *refusal == standing::NO_CHUNKING => {
                self.refuse(refusal);
                self.close(Ending::Closed(refusal));
            }
            _ if otherwise.code == 421 => self.say_and_close(otherwise),
            _ => {
                self.refuse(otherwise);
                // Nor was it the MTA that refused.
                self.summary.last_refusal = self.refused_by.or(self.summary.last_refusal);
            }
        }
    }

    /// Answers a command ourselves; the session has only so many of these. Gives
    /// the answer that it came to.
    pub(super) fn refuse(&mut self, refusal: &'static Standing) -> &'static Standing {
        self.count_refusal(refusal.rule);
        // DATA without a recipient is what a pipelining client sends when all
        // are refused (RFC 2920 3.1).
        if refusal.code >= 500 && *refusal != standing::NEED_RCPT {
            self.errors += 1;
        }
        if self.errors > limits::ERRORS {
            self.say_and_close(&standing::TOO_MANY_ERRORS);
            return &standing::TOO_MANY_ERRORS;
        }
        self.say(refusal);
        refusal
    }

    pub(super) fn count_refusal(&mut self, rule: &'static str) {
        self.summary.refused += 1;
        self.summary.last_refusal = Some(rule);
    }

    /// The client will send nothing more, and everything it sent is dealt with:
    /// closes, unless an answer for it is outstanding.
    pub(super) fn client_end(&mut self) -> bool {
        if !self.client_closed {
            return false;
        }
        let answer_due = match self.expected.front() {
            // What became of the message is worth knowing even if the client is gone.
            _ if matches!(self.state, State::Handing | State::Pouring) => true,
            Some(Expected::EndOfData) => true,
            // A greeting is of use only to a client that has said something.
            Some(Expected::Greeting | Expected::OurEhlo | Expected::Xclient) => {
                !self.client_deaf && !self.client.bytes().is_empty()
            }
            None if matches!(self.state, State::Arrived | State::Calling) => {
                !self.client_deaf && !self.client.bytes().is_empty()
            }
            Some(_) => !self.client_deaf,
            None => false,
        };
        if answer_due || matches!(self.state, State::Closing(_)) {
            return false;
        }
        self.close(Ending::ClientLeft);
        true
    }
}

/// Writes MAIL or RCPT for the MTA, and gives the line if it is to be kept.
pub(super) fn encode_and_keep(
    envelope: &command::Envelope<'_>,
    out: &mut Vec<u8>,
    keep: bool,
) -> Vec<u8> {
    let start = out.len();
    envelope.encode(out);
    let line = out.get(start..).unwrap_or_default();
    if keep { line.to_vec() } else { Vec::new() }
}
