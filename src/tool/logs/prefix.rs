//! What a syslogd, or whoever else keeps a log, writes before a line: a priority, the
//! time, the host, the program and its process: `Nov  1 00:00:00 mx postfix/smtpd[7]: `.
//!
//! Programs log what strangers say, and a stranger may say a line of ours, or of Postfix.
//! So whose line it is, is said by what ends at the first `: `, and nothing but a time and
//! a host may stand before that.

use memchr::{memchr, memmem, memrchr};

/// Longest prefix that is looked at.
const LONGEST: usize = 320;

/// What a program said.
pub(super) struct Said<'a> {
    pub(super) program: &'a [u8],
    /// Its process, if that is known.
    pub(super) pid: Option<u32>,
    pub(super) text: &'a [u8],
}

/// Takes a line apart; `None`: it does not tell whose it is.
pub(super) fn said(line: &[u8]) -> Option<Said<'_>> {
    let end = memmem::find(line.get(..LONGEST).unwrap_or(line), b": ")?;
    let head = line.get(..end)?;
    let behind = behind_time(behind_priority(head));
    // There is no host without a time.
    let dated = behind.len() < behind_priority(head).len();
    let word = match memchr(b' ', behind) {
        Some(at) if dated => behind.get(at + 1..)?.trim_ascii_start(),
        _ => behind,
    };
    let (program, pid) = match word.strip_suffix(b"]") {
        Some(inside) => {
            let (program, pid) = word.split_at(memrchr(b'[', inside)?);
            let pid = pid.strip_prefix(b"[")?.strip_suffix(b"]")?;
            (program, std::str::from_utf8(pid).ok()?.parse().ok())
        }
        None => (word, None),
    };
    let sound = !program.is_empty() && program.iter().all(|b| b.is_ascii_graphic());
    sound.then_some(Said { program, pid, text: line.get(end + 2..)? })
}

/// Can this stand before a line of ours? Nothing, a time, or that we said it.
pub(super) fn is_ours(prefix: &[u8]) -> bool {
    if prefix.is_empty() {
        return true;
    }
    match said(prefix) {
        Some(said) => said.program == b"smtp-wrapper" && said.text.is_empty(),
        None => behind_time(behind_priority(prefix)).is_empty(),
    }
}

/// Without `<22>`.
pub(super) fn behind_priority(text: &[u8]) -> &[u8] {
    let inside = text.strip_prefix(b"<").unwrap_or_default();
    let digits = inside.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let behind = inside.get(digits..).and_then(|rest| rest.strip_prefix(b">"));
    behind.filter(|_| digits > 0).unwrap_or(text)
}

/// What is behind a time and its spaces; all of it if there is no time.
fn behind_time(text: &[u8]) -> &[u8] {
    let (first, rest) = word(text);
    let found = match first.first() {
        // `Nov  1 00:00:00`, `Tue 2026-11-24 10:00:00 UTC`.
        Some(b'A'..=b'Z') if first.len() == 3 && first.iter().all(u8::is_ascii_alphabetic) => {
            let (second, after) = word(rest);
            match second.len() {
                1 | 2 if second.iter().all(u8::is_ascii_digit) => clock(after),
                10 if is_of(second, b"-") => clock(after),
                _ => None,
            }
        }
        // `2026-11-24 10:00:00`, `2026-11-24T10:00:00+01:00`, `1795514400.123`.
        Some(b'0'..=b'9') if first.len() == 10 && is_of(first, b"-") && first.contains(&b'-') => {
            clock(rest)
        }
        Some(b'0'..=b'9') if first.len() >= 10 && is_of(first, b"-:.,+TZ_") => Some(rest),
        // What `tai64n` writes.
        Some(b'@') if first.len() == 25 => Some(rest),
        // `[ 12.345678]`, since the machine began.
        Some(b'[') => {
            let end = memchr(b']', text);
            let inside = end.and_then(|end| text.get(1..end));
            let sound = inside.is_some_and(|inside| is_of(inside.trim_ascii(), b"."));
            end.and_then(|end| text.get(end + 1..)).filter(|_| sound).map(<[u8]>::trim_ascii_start)
        }
        _ => None,
    };
    found.unwrap_or(text)
}

/// What is behind `10:00:00`, perhaps with parts of a second and a zone.
fn clock(text: &[u8]) -> Option<&[u8]> {
    let (time, rest) = word(text);
    if time.len() < 8 || !is_of(time, b":.,") {
        return None;
    }
    let (zone, behind) = word(rest);
    let is_zone = match zone {
        [b'+' | b'-', digits @ ..] => is_of(digits, b":"),
        letters => (3..=5).contains(&letters.len()) && letters.iter().all(u8::is_ascii_uppercase),
    };
    // A host may be called so, too: then there is no other behind.
    Some(if is_zone && memchr(b' ', behind).is_some() { behind } else { rest })
}

/// Only digits and these.
fn is_of(text: &[u8], others: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_digit() || others.contains(b))
}

/// The first word, and what is behind the spaces behind it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, b""));
    (word, rest.trim_ascii_start())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails so")]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_the_first_colon() {
        for (line, program, pid) in [
            ("Nov  1 00:00:00 mx a/smtpd[7]: x: y", "a/smtpd", Some(7)),
            ("<22>Nov 11 00:00:00.123 mx smtp-wrapper[7]: x", "smtp-wrapper", Some(7)),
            ("<22>smtp-wrapper[7]: x", "smtp-wrapper", Some(7)),
            ("2026-11-01T00:00:00.123+01:00 mx dovecot: imap[3]: x", "dovecot", None),
            ("Tue 2026-11-24 10:00:00 UTC mx sshd[5]: x", "sshd", Some(5)),
            ("2026-11-24 10:00:00 mx sshd[5]: x", "sshd", Some(5)),
            ("2026-11-24 10:00:00 +0100 mx sshd[5]: x", "sshd", Some(5)),
            ("1795514400.123 mx sshd[5]: x", "sshd", Some(5)),
            ("[   12.345678] mx sshd[5]: x", "sshd", Some(5)),
        ] {
            let said = said(line.as_bytes()).unwrap();
            assert_eq!((said.program, said.pid), (program.as_bytes(), pid), "{line}");
        }
        for none in ["Invalid user smtp-wrapper: x", "Nov  1 00:00:00 mx and more sshd[5]: x", "x"]
        {
            assert!(said(none.as_bytes()).is_none(), "{none}");
        }
    }

    #[test]
    fn only_a_time_or_our_name_stands_before_a_line_of_ours() {
        for ours in [
            "",
            "2026-11-01T00:00:00Z ",
            "2026-11-01 00:00:00 ",
            "2026-11-01_00:00:00.12345 ",
            "Nov  1 00:00:00 ",
            "@400000006123456789abcdef ",
            "<22>",
            "<22>smtp-wrapper[2]: ",
            "Nov  1 00:00:00 mx smtp-wrapper[2]: ",
            "Nov  1 00:00:00 mx smtp-wrapper: ",
            "Nov  1 00:00:00 MAIL smtp-wrapper[2]: ",
        ] {
            assert!(is_ours(ours.as_bytes()), "{ours}");
        }
        for other in [
            "Invalid user ",
            "user",
            "mx ",
            "Nov  1 00:00:00 mx ",
            "Nov  1 00:00:00 mx sshd[2]: ",
            "Nov  1 00:00:00 mx sshd: smtp-wrapper[2]: ",
            "Invalid user smtp-wrapper: ",
            "Nov  1 00:00:00 mx smtp-wrapper[2]: note: ",
        ] {
            assert!(!is_ours(other.as_bytes()), "{other}");
        }
    }
}
