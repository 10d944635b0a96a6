//! Makes the first programs from `tests/dialogues`: what the peers send and do
//! there, without what is expected.

use std::fs;
use std::path::Path;

use crate::program::MARKS;

/// Writes a program for each dialogue into the folder named by FUZZ_SEEDS; the
/// obedient MTA finds its words itself.
///
/// # Panics
/// When it cannot.
pub fn write(obedient: bool) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else {
        return;
    };
    let save = |name: &Path, program: &[u8]| {
        fs::write(Path::new(&folder).join(name), program).expect("seeds can be written");
    };
    let dialogues = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialogues");
    for entry in fs::read_dir(&dialogues).expect("tests/dialogues is there") {
        let path = entry.expect("it can be listed").path();
        let text = fs::read_to_string(&path).expect("a dialogue is text");
        let name = path.file_name().expect("it has a name");
        save(name.as_ref(), &convert(&text, obedient, false));
        if !obedient {
            save(&Path::new(name).with_extension("stalled"), &convert(&text, false, true));
        }
    }
    for (name, program) in LONG {
        // Each thing the MTA says ends where the client says something.
        let marks = program.iter().position(|b| *b >= 0xF0).unwrap_or_default();
        let (plan, rest) = program.split_at(marks);
        let words = rest.split(|&b| b == 0xF1);
        let client = words.flat_map(|w| w.iter().skip_while(|b| **b != 0xF0)).copied();
        let client: Vec<u8> = plan.iter().copied().chain(client).collect();
        save(name.as_ref(), if obedient { &client } else { program });
    }
}

/// What no dialogue is long enough for: more recipients than there may be, mail
/// data of several blocks, a line without end.
#[rustfmt::skip]
const LONG: [(&str, &[u8]); 6] = [
    (
        "long.recipients",
        b"\xF1220 mx\r\n\
          \xF0EHLO a\r\n\xF1250-mx\r\n250 PIPELINING\r\n\
          \xF0MAIL FROM:<a@b>\r\n\xF1250 ok\r\n\
          \xF0RCPT TO:<c@d>\r\n\xFD\x0B\xF1250 ok\r\n\xFD\x0B\
          \xF0DATA\r\n",
    ),
    (
        "long.message",
        b"\xF1220 mx\r\n\
          \xF0MAIL FROM:<a@b>\r\n\xF1250 ok\r\n\xF0RCPT TO:<c@d>\r\n\xF1250 ok\r\n\
          \xF0DATA\r\n\xF1354 go\r\n\
          \xF0A line of some text.\r\n\xFD\x09..\r\n\xFD\x05.\r\n\xF1250 ok\r\n\xF0QUIT\r\n",
    ),
    (
        // Kept, changed into more than a block, let pass; the next one is refused.
        "long.kept",
        b"\xEE\x30\xEF\x25\xEF\x04\xF1220 mx\r\n\
          \xF0MAIL FROM:<a@b>\r\n\xF1250 ok\r\n\xF0RCPT TO:<c@d>\r\n\xF1250 ok\r\n\
          \xF0DATA\r\nA line of some text.\r\n\xFD\x09..\r\n\xFD\x05.\r\n\
          \xF1354 go\r\n\xF1250 ok\r\n\
          \xF0MAIL FROM:<a@b>\r\n\xF1250 ok\r\n\xF0RCPT TO:<c@d>\r\n\xF1250 ok\r\n\
          \xF0DATA\r\nx\r\n.\r\nNOOP\r\n\xF1250 ok\r\n\xF1250 ok\r\n",
    ),
    (
        // Held, and every second recipient is refused; one is let through.
        "long.held",
        b"\xEE\x09\xEF\x01\xEF\x02\xEF\x04\xEF\x00\xEF\x8A\
          \xF0EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRCPT TO:<g@h>\r\n\
          \xF1220 mx\r\n\xF1250-mx\r\n250 PIPELINING\r\n\xF1250 ok\r\n\xF1250 ok\r\n\
          \xF0RCPT TO:<c@d>\r\n\xFD\x09DATA\r\n\xF1354 go\r\n\xF0x\r\n.\r\n\xF1250 ok\r\n",
    ),
    (
        // There is no room for a message.
        "long.no-room",
        b"\xEE\x10\xED\x10\xF1220 mx\r\n\
          \xF0MAIL FROM:<a@b>\r\n\xF1250 ok\r\n\xF0RCPT TO:<c@d>\r\n\xF1250 ok\r\n\
          \xF0DATA\r\nsome text\r\n.\r\n\xF1250 ok\r\n\xF0NOOP\r\n\xF1250 ok\r\n",
    ),
    ("long.line", b"\xF1220 mx\r\n\xF0NOOP some text and some more\xFD\x0B"),
];

/// With `stalled`, the MTA takes what the client has sent only after it has
/// answered it.
fn convert(text: &str, obedient: bool, stalled: bool) -> Vec<u8> {
    let mut program = plan(text);
    let (mut speaker, mut waiting) = (0, false);
    let mut says = |program: &mut Vec<u8>, mark: u8, words: Vec<u8>| {
        if mark != speaker {
            if stalled && mark == 0xF0 {
                // It goes on, if it had stopped, and stops again.
                program.extend(if waiting { &[0xFB, 0xFB][..] } else { &[0xFB] });
                waiting = true;
            }
            program.push(mark);
            speaker = mark;
        }
        for octet in words {
            program.extend((octet >= MARKS).then_some(0xFF));
            program.push(octet);
        }
    };
    for line in text.lines() {
        let Some((head, rest)) = line.split_at_checked(2) else {
            continue;
        };
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match (head, rest) {
            ("M:" | "M=", _) if obedient => {}
            ("C:", _) => says(&mut program, 0xF0, [rest.as_bytes(), b"\r\n"].concat()),
            ("M:", _) => says(&mut program, 0xF1, [rest.as_bytes(), b"\r\n"].concat()),
            ("C=", _) => says(&mut program, 0xF0, unescape(rest)),
            ("M=", _) => says(&mut program, 0xF1, unescape(rest)),
            ("C!", "closes") => program.push(0xF2),
            ("C!", _) => program.push(0xF3),
            ("M!", "closes") => program.push(0xF4),
            // That one is with the plan.
            ("M!", "refuses") => {}
            ("M!", _) => program.push(0xF5),
            ("T!", _) => program.push(0xF6),
            ("X!", _) => program.push(0xF7),
            _ => {}
        }
    }
    program
}

/// The plan, all that the filters will say, and whether the MTA can be called.
fn plan(text: &str) -> Vec<u8> {
    const STAGES: [&str; 6] = ["connect", "helo", "mail", "rcpt", "message", "original"];
    let bit = |word| STAGES.iter().position(|stage| *stage == word).map_or(0, |at| 1 << at);
    let mut program = Vec::new();
    for line in text.lines() {
        match line.split_at_checked(2) {
            Some(("P!", words)) => {
                program.extend([0xEE, words.split(' ').map(bit).fold(0, |all, bit| all | bit)]);
            }
            Some(("F=", _)) => program.extend([0xEF, 5]),
            Some(("F!", _)) => program.extend([0xEF, 6]),
            Some(("F:", says)) => {
                let says = match says.split(' ').nth(2) {
                    Some("hold") => 1,
                    Some("421") => 3,
                    Some(code) if code.starts_with('4') => 2,
                    Some(code) if code.starts_with('5') => 4,
                    _ => 0,
                };
                program.extend([0xEF, says]);
            }
            _ => {}
        }
    }
    if text.lines().any(|line| line == "M! refuses") {
        program.push(0xF5);
    }
    program
}

/// The escapes of `tests/dialogues.rs`.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let escape = if octet == b'\\' { octets.next() } else { None };
        out.push(match escape {
            None => octet,
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'x') => {
                let mut digit = || octets.next().and_then(|d| char::from(d).to_digit(16));
                let (high, low) = (digit().unwrap_or(0), digit().unwrap_or(0));
                (high * 16 + low) as u8
            }
            Some(other) => other,
        });
    }
    out
}
