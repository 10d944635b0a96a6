//! The dialogue when a peer takes nothing for a while, or packets are cut in
//! one certain way: what the dialogue files cannot say, for there the outcome
//! never depends on such things.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use smtp_wrapper::dialogue::Peer::{self, Client, Mta};
use smtp_wrapper::dialogue::{Dialogue, Plan, Step};

/// A driver that does as the session does.
struct Driver {
    dialogue: Dialogue,
    stuck: Vec<Peer>,
    to_client: String,
    to_mta: String,
    log: Vec<String>,
}

impl Driver {
    /// A transaction with one accepted recipient, PIPELINING offered.
    fn in_transaction() -> Self {
        let (stuck, log) = (Vec::new(), Vec::new());
        let (to_client, to_mta) = (String::new(), String::new());
        let mut d =
            Driver { dialogue: Dialogue::new(Plan::default()), stuck, to_client, to_mta, log };
        d.settle();
        d.says(Mta, "220 mx\r\n");
        d.says(Client, "EHLO c\r\n");
        d.says(Mta, "250-mx\r\n250 PIPELINING\r\n");
        d.says(Client, "MAIL FROM:<a@b>\r\n");
        d.says(Mta, "250 ok\r\n");
        d.says(Client, "RCPT TO:<c@d>\r\n");
        d.says(Mta, "250 ok\r\n");
        d.forget();
        d
    }

    fn in_data() -> Self {
        let mut d = Self::in_transaction();
        d.says(Client, "DATA\r\n");
        d.says(Mta, "354 go\r\n");
        d.forget();
        d
    }

    fn forget(&mut self) {
        self.to_client.clear();
        self.to_mta.clear();
        self.log.clear();
    }

    fn says(&mut self, peer: Peer, text: &str) {
        self.dialogue.inbox(peer).room().extend_from_slice(text.as_bytes());
        self.settle();
    }

    fn waits_in_vain(&mut self) {
        self.dialogue.expire();
        self.settle();
    }

    fn takes(&mut self, peer: Peer) -> bool {
        let pending = String::from_utf8_lossy(self.dialogue.pending(peer)).into_owned();
        if pending.is_empty() || self.stuck.contains(&peer) {
            return false;
        }
        if peer == Client { &mut self.to_client } else { &mut self.to_mta }.push_str(&pending);
        self.dialogue.sent(peer, pending.len());
        true
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            let record = match self.dialogue.step() {
                Step::Call => {
                    self.dialogue.called();
                    continue;
                }
                Step::Write(peer, _) => {
                    if self.takes(peer) || self.takes(peer.other()) {
                        continue;
                    }
                    match self.dialogue.take_record() {
                        Some(record) => record,
                        None => return,
                    }
                }
                Step::HangUp => continue,
                Step::Record(record) => record,
                Step::Await => return,
                Step::Close(ending) => return self.log.push(ending.name().to_owned()),
                _ => panic!("without filters and TLS"),
            };
            let (verdict, rule) = (record.outcome.verdict(), record.outcome.rule);
            for to in &record.transaction.to {
                self.log.push(format!("{verdict} {rule} {}", to.escape_ascii()));
            }
        }
        panic!("it never comes to rest");
    }
}

/// The block that has the end of data begins within a line; what the MTA said
/// too early must not make its first dot an end.
#[test]
fn what_is_thrown_away_ends_where_the_message_does() {
    let mut d = Driver::in_data();
    d.says(Client, "abc");
    d.says(Mta, "2");
    d.says(Client, ".\r\nQUIT\r\n.\r\n");
    assert_eq!(d.to_client, "451 4.3.0 Mail system gave an unexpected reply, try again later\r\n");
    assert_eq!(d.log, ["temp mta.confused c@d"]);
}

#[test]
fn half_a_250_before_the_last_block_is_taken_accepts_nothing() {
    let mut d = Driver::in_data();
    d.stuck = vec![Mta];
    d.says(Client, "hello\r\n.\r\n");
    d.says(Mta, "250 tak");
    d.stuck.clear();
    d.settle();
    d.says(Mta, "en\r\n");
    assert!(d.to_client.starts_with("451 4.3.0 "), "{}", d.to_client);
    assert_eq!(d.log, ["temp mta.confused c@d"]);
}

#[test]
fn a_stuck_mta_holds_up_no_reply_and_no_record() {
    let mut d = Driver::in_transaction();
    d.says(Client, "RCPT TO:<e@f>\r\n");
    d.stuck = vec![Mta];
    d.says(Client, "RCPT TO:<g@h>\r\nRCPT TO:<i@j>\r\n");
    d.says(Mta, "550 no\r\n");
    d.says(Mta, "250 how does it know\r\n");
    assert_eq!(d.to_client, "550 no\r\n250 how does it know\r\n");
    assert_eq!(d.log, ["perm mta e@f"]);
}

#[test]
fn a_stuck_client_does_not_cost_the_fate_of_its_message() {
    let mut d = Driver::in_data();
    d.says(Client, "hello\r\n.\r\n");
    d.stuck = vec![Client];
    d.says(Client, "NOOP\r\n");
    d.waits_in_vain(); // for the MTA: nothing is pending for the client yet
    assert_eq!(d.log, ["temp mta.undecided c@d"]);

    let mut d = Driver::in_transaction();
    d.stuck = vec![Client];
    d.says(Client, "DATA\r\nhello\r\n.\r\n");
    d.says(Mta, "354 go\r\n");
    assert_eq!(d.to_mta, "DATA\r\nhello\r\n.\r\n");
    d.waits_in_vain(); // for the client to take the 354
    d.says(Mta, "250 taken\r\n");
    assert_eq!(d.log, ["pass mta c@d", "client-left"]);
}

#[test]
fn the_last_refusal_of_too_many_keeps_its_sender() {
    let mut d = Driver::in_transaction();
    d.says(Client, &"FOO\r\n".repeat(20));
    d.forget();
    d.says(Client, "RCPT TO:<>\r\n");
    assert!(d.to_client.starts_with("421 4.7.0 "), "{}", d.to_client);
    assert_eq!(d.log, ["temp smtp.too-many-errors c@d", "smtp.too-many-errors"]);
}

/// Else an MTA that sends a line of its reply now and then would be waited for without end.
#[test]
fn the_lines_of_a_reply_share_one_wait() {
    let mut d = Driver::in_transaction();
    d.says(Client, "RSET\r\n");
    let wait = d.dialogue.wait();
    for _ in 0..5 {
        d.says(Mta, "250-patience\r\n");
        assert_eq!(d.dialogue.wait(), wait);
    }
    d.says(Mta, "250 done\r\n");
    assert_ne!(d.dialogue.wait(), wait);
}
