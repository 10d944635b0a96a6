//! Which MTA is called, and how it learns who the client is.
//!
//! With XCLIENT the MTA greets us first; we say EHLO, see whether it takes
//! XCLIENT, and say that. Its reply is its greeting of the true client, who hears
//! that one and no other (Postfix, XCLIENT_README). Until then nothing of the
//! client reaches the MTA, and an MTA that does not do it is not used: a session
//! under a wrong name could be an open relay.
//!
//! If an MTA does not come to greet, the next one is called, as long as there is
//! one. What the last one says, or that it says nothing, is the client's.

use super::{Answer, Conduct, Dialogue, Expected, State};
use crate::smtp::reply::Reply;
use crate::smtp::standing;
use crate::smtp::xclient::{self, Who};

/// The introduction under way.
#[derive(Debug)]
pub(super) struct Introduction {
    who: Who,
    /// XCLIENT commands that are still to be sent, the next one last.
    commands: Vec<Vec<u8>>,
}

impl Dialogue {
    /// Which MTA is, or is to be, called: counted from 0.
    #[must_use]
    pub fn upstream(&self) -> usize {
        self.upstream
    }

    /// What the MTA is sent before anything else, without an answer: after
    /// [`Dialogue::called`].
    pub fn send_first(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.to_mta.tail());
    }

    /// The MTA is to learn who the client is before it greets it: after
    /// [`Dialogue::called`].
    pub fn introduce(&mut self, who: Who) {
        self.introduction = Some(Box::new(Introduction { who, commands: Vec::new() }));
    }

    /// Leaves an MTA that has not greeted, if there is another to be called.
    pub(super) fn call_next(&mut self) -> bool {
        if self.upstream + 1 >= self.plan.upstreams {
            return false;
        }
        // What the filters said of the line that waits still holds.
        let ruling = self.ruling.take();
        self.leave_mta(State::Calling);
        self.ruling = ruling;
        self.upstream += 1;
        true
    }

    /// The same for one that greets with 4yz.
    pub(super) fn call_next_after(&mut self, reply: &Reply) -> bool {
        let greeting = matches!(self.expected.front(), Some(Expected::Greeting));
        let next = greeting && reply.class() == 4 && self.call_next();
        if next {
            self.summary.mta = Conduct::Closing;
            self.summary.mta_said.clear();
            reply.encode(&mut self.summary.mta_said);
        }
        next
    }

    /// The MTA answered something of the introduction.
    pub(super) fn introduced(&mut self, answered: &Expected, reply: Reply) {
        let refused = reply.code >= 400;
        let Some(introduction) = &mut self.introduction else { return };
        match answered {
            Expected::Greeting if !refused => {
                let hello = format!("EHLO {}\r\n", introduction.who.our_name);
                self.tell(hello.as_bytes(), Expected::OurEhlo);
            }
            Expected::OurEhlo if refused => self.cannot_introduce(&reply_text(&reply)),
            Expected::OurEhlo => {
                match xclient::commands(&introduction.who, &self.summary.hello, &reply) {
                    Ok(mut commands) => {
                        commands.reverse();
                        introduction.commands = commands;
                        self.next_xclient();
                    }
                    Err(why) => self.cannot_introduce(why.as_bytes()),
                }
            }
            Expected::Xclient if !refused && !introduction.commands.is_empty() => {
                self.next_xclient();
            }
            Expected::Xclient if xclient::not_done(reply.code) => {
                let said = [b"XCLIENT: ", &reply_text(&reply)[..]].concat();
                self.cannot_introduce(&said);
            }
            _ => {
                self.introduction = None;
                if self.held {
                    self.own_command_answered(&Expected::Greeting, reply);
                } else {
                    self.answer(Expected::Greeting, Answer::Mta(reply));
                }
            }
        }
    }

    fn next_xclient(&mut self) {
        let command = self.introduction.as_mut().and_then(|i| i.commands.pop());
        self.tell(&command.unwrap_or_default(), Expected::Xclient);
    }

    fn tell(&mut self, command: &[u8], expected: Expected) {
        // What it says now, it says before it is asked.
        if self.mta_speaks() {
            return self.confused();
        }
        self.to_mta.tail().extend_from_slice(command);
        self.expected.push_back(expected);
    }

    fn cannot_introduce(&mut self, why: &[u8]) {
        self.summary.mta_said = why.to_vec();
        self.give_up_mta(Conduct::NoXclient, &standing::MTA_AWAY);
    }
}

fn reply_text(reply: &Reply) -> Vec<u8> {
    let mut text = Vec::new();
    reply.encode(&mut text);
    text
}
