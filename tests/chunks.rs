//! A message in chunks, cut anywhere, is the message: to an MTA that takes chunks, and by DATA.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use smtp_wrapper::dialogue::Peer::{self, Client, Mta};
use smtp_wrapper::dialogue::{Dialogue, Plan, Step};

/// A sequence of numbers that looks random and is always the same (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

/// Feeds octets, and gives what the MTA and the client get.
fn says(dialogue: &mut Dialogue, peer: Peer, octets: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut to_mta, mut to_client) = (Vec::new(), Vec::new());
    dialogue.inbox(peer).room().extend_from_slice(octets);
    loop {
        let (peer, count) = match dialogue.step() {
            Step::Call => {
                dialogue.called();
                continue;
            }
            Step::Write(peer, bytes) => {
                if peer == Mta { &mut to_mta } else { &mut to_client }.extend_from_slice(bytes);
                (peer, bytes.len())
            }
            Step::Record(_) => continue,
            Step::Await => return (to_mta, to_client),
            other => panic!("{other:?}"),
        };
        dialogue.sent(peer, count);
    }
}

#[test]
fn whatever_the_chunks_the_message_is_the_same() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for round in 0..3000 {
        let by_data = round % 2 == 0;
        let words: [&[u8]; 8] =
            [b".", b"..", b"\r\n", b"\r\n.", b"x", b".\r\n", b"\0", b"\r\n.\r\n"];
        let message: Vec<u8> = (0..dice.below(40))
            .flat_map(|_| words[dice.below(8)].repeat(1 + dice.below(3)))
            .collect();
        let mut d = Dialogue::new(Plan::default());
        says(&mut d, Mta, b"");
        says(&mut d, Mta, b"220 mta\r\n");
        says(&mut d, Client, b"EHLO x\r\n");
        says(&mut d, Mta, if by_data { b"250 mta\r\n" } else { b"250-mta\r\n250 CHUNKING\r\n" });
        for command in [&b"MAIL FROM:<a@b>\r\n"[..], b"RCPT TO:<c@d>\r\n"] {
            says(&mut d, Client, command);
            says(&mut d, Mta, b"250 ok\r\n");
        }
        let (mut rest, mut got, mut last) = (&message[..], Vec::new(), false);
        while !last {
            let (chunk, behind) = rest.split_at(dice.below(rest.len() + 1));
            rest = behind;
            last = rest.is_empty() && dice.below(2) == 0;
            let command = format!("BDAT {}{}\r\n", chunk.len(), if last { " LAST" } else { "" });
            let mut octets = [command.as_bytes(), chunk].concat();
            let (mut to_mta, mut to_client) = (Vec::new(), Vec::new());
            while !octets.is_empty() {
                let piece: Vec<u8> = octets.drain(..1 + dice.below(octets.len())).collect();
                let (mta, client) = says(&mut d, Client, &piece);
                to_mta.extend(mta);
                to_client.extend(client);
                if to_mta == b"DATA\r\n" && got.is_empty() {
                    to_mta.clear();
                    let (mta, client) = says(&mut d, Mta, b"354 go\r\n");
                    to_mta.extend(mta);
                    to_client.extend(client);
                }
            }
            if by_data {
                got.extend(to_mta);
            } else {
                got.extend(to_mta.strip_prefix(command.as_bytes()).unwrap());
            }
            if last || !by_data {
                to_client.extend(says(&mut d, Mta, b"250 ok\r\n").1);
            }
            let ours = if last || !by_data { "250 ok\r\n" } else { "250 2.0.0 Ok\r\n" };
            assert_eq!(to_client, ours.as_bytes(), "{}", to_client.escape_ascii());
        }
        if by_data {
            let mut content = Vec::new();
            for line in got.strip_suffix(b".\r\n").unwrap().split_inclusive(|&b| b == b'\n') {
                content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            }
            let ended = message.is_empty() || message.ends_with(b"\r\n");
            let whole = [&message[..], if ended { b"" } else { b"\r\n" }].concat();
            assert!(content == whole, "{} {}", got.escape_ascii(), message.escape_ascii());
        } else {
            assert!(got == message, "{} {}", got.escape_ascii(), message.escape_ascii());
        }
    }
}
