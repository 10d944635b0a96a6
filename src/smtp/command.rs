//! Commands of the client (RFC 5321 4.1): recognised, taken apart once, and
//! written for the MTA from their parts, so that what we judged is what the MTA
//! reads.

use memchr::memchr2;

use super::line::has_control;
use super::standing::{self, Standing};

/// A command that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// EHLO (`extended`) or HELO, with its argument as it came.
    Hello {
        /// EHLO.
        extended: bool,
        /// What the client calls itself.
        argument: &'a [u8],
    },
    /// MAIL: begins a transaction.
    Mail(Envelope<'a>),
    /// RCPT: adds a recipient.
    Rcpt(Envelope<'a>),
    /// DATA.
    Data,
    /// BDAT: so many octets follow, and are content whatever they look like (RFC 3030).
    Bdat {
        /// How many.
        size: u64,
        /// They are the message's last.
        last: bool,
    },
    /// RSET: ends the transaction.
    Rset,
    /// AUTH: begins an exchange (RFC 4954).
    Auth,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// NOOP: passed, and of no consequence; so are the next two.
    Noop,
    /// VRFY.
    Vrfy,
    /// EXPN, HELP.
    Other,
    /// QUIT.
    Quit,
}

/// MAIL or RCPT in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `MAIL FROM:` or `RCPT TO:`, in the client's letters.
    prefix: &'a [u8],
    /// The reverse-path or forward-path, without its brackets.
    pub path: &'a [u8],
    /// The ESMTP parameters, each with a space before it.
    pub parameters: &'a [u8],
}

impl Envelope<'_> {
    /// Does MAIL say that the message is not made of lines (RFC 3030 3)?
    #[must_use]
    pub fn is_binary(&self) -> bool {
        let binary = |word: &[u8]| word.eq_ignore_ascii_case(b"BODY=BINARYMIME");
        !self.parameters.is_empty() && self.parameters.split(|&b| b == b' ').any(binary)
    }

    /// Writes the command line for the MTA.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix);
        out.push(b'<');
        out.extend_from_slice(self.path);
        out.push(b'>');
        out.extend_from_slice(self.parameters);
        out.extend_from_slice(b"\r\n");
    }
}

/// A verb as a number, its letters in upper case: comparing twenty verbs letter
/// by letter would be the most expensive part of a command. (A leading NUL would
/// not count; it is refused before.)
const fn verb(letters: &[u8]) -> u64 {
    let (mut number, mut rest) = (0, letters);
    while let [letter, tail @ ..] = rest {
        number = number << 8 | letter.to_ascii_uppercase() as u64;
        rest = tail;
    }
    if letters.len() > 8 { 0 } else { number }
}

const HELO: u64 = verb(b"HELO");
const EHLO: u64 = verb(b"EHLO");
const MAIL: u64 = verb(b"MAIL");
const RCPT: u64 = verb(b"RCPT");
const DATA: u64 = verb(b"DATA");
const RSET: u64 = verb(b"RSET");
const NOOP: u64 = verb(b"NOOP");
const VRFY: u64 = verb(b"VRFY");
const EXPN: u64 = verb(b"EXPN");
const HELP: u64 = verb(b"HELP");
const AUTH: u64 = verb(b"AUTH");
const QUIT: u64 = verb(b"QUIT");
const BDAT: u64 = verb(b"BDAT");
const STARTTLS: u64 = verb(b"STARTTLS");
const ETRN: u64 = verb(b"ETRN");
const TURN: u64 = verb(b"TURN");
const ATRN: u64 = verb(b"ATRN");
const XCLIENT: u64 = verb(b"XCLIENT");
const XFORWARD: u64 = verb(b"XFORWARD");

/// Reads a command line, given without its CRLF.
///
/// # Errors
/// The reply of ours that it gets instead.
pub fn parse(line: &[u8]) -> Result<Command<'_>, &'static Standing> {
    // NUL, ESC and the like are in no command (RFC 5321 4.1.2) and do harm in
    // logs; a tab is white space to some.
    if has_control(line) {
        let bdat = is_bdat(line);
        return Err(if bdat { &standing::BAD_CHUNK } else { &standing::CONTROL_CHARACTER });
    }
    let end = line.iter().position(|&b| b == b' ').unwrap_or(line.len());
    let (name, argument) = line.split_at(end);
    let argument = argument.trim_ascii();
    let bare = |command| {
        if argument.is_empty() { Ok(command) } else { Err(&standing::BAD_ARGUMENT) }
    };
    match verb(name) {
        // The null reverse-path has no counterpart (RFC 5321 4.1.2, Forward-path).
        RCPT => match envelope(line, b"RCPT TO:") {
            Some(envelope) if !envelope.path.is_empty() => Ok(Command::Rcpt(envelope)),
            _ => Err(&standing::BAD_RECIPIENT),
        },
        MAIL => envelope(line, b"MAIL FROM:").map(Command::Mail).ok_or(&standing::BAD_SENDER),
        EHLO | HELO if argument.is_empty() => Err(&standing::BAD_ARGUMENT),
        EHLO => Ok(Command::Hello { extended: true, argument }),
        HELO => Ok(Command::Hello { extended: false, argument }),
        DATA => bare(Command::Data),
        RSET => bare(Command::Rset),
        QUIT => bare(Command::Quit),
        AUTH => mechanism(argument).map(|_| Command::Auth).ok_or(&standing::BAD_ARGUMENT),
        STARTTLS => bare(Command::StartTls),
        NOOP => Ok(Command::Noop),
        VRFY => Ok(Command::Vrfy),
        EXPN | HELP => Ok(Command::Other),
        BDAT => chunk(argument).ok_or(&standing::BAD_CHUNK),
        ETRN | TURN | ATRN | XCLIENT | XFORWARD => Err(&standing::NOT_OFFERED),
        _ if is_bdat(line) => Err(&standing::BAD_CHUNK),
        _ => Err(&standing::UNKNOWN_COMMAND),
    }
}

/// Could somebody take this for BDAT? Then octets may follow that are no commands.
#[must_use]
pub fn is_bdat(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
        && !line.get(4).is_some_and(u8::is_ascii_alphanumeric)
}

/// `SIZE` or `SIZE LAST` (RFC 3030 2), and nothing else: whoever counts otherwise than the
/// client reads its content as commands.
fn chunk(argument: &[u8]) -> Option<Command<'_>> {
    let (digits, last) = match argument.iter().position(|&b| b == b' ') {
        Some(at) => (argument.get(..at)?, argument.get(at + 1..)?),
        None => (argument, &b""[..]),
    };
    if digits.is_empty() || !(last.is_empty() || last.eq_ignore_ascii_case(b"LAST")) {
        return None;
    }
    let size = digits.iter().try_fold(0_u64, |size, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        size.checked_mul(10)?.checked_add(digit)
    })?;
    Some(Command::Bdat { size, last: !last.is_empty() })
}

/// The mechanism that AUTH names (RFC 4422 3.1: up to 20 letters, digits, `-` and `_`).
#[must_use]
pub fn mechanism(argument: &[u8]) -> Option<&[u8]> {
    let name = argument.split(|&b| b == b' ').next()?;
    let sound = |b: &u8| b.is_ascii_alphanumeric() || b"-_".contains(b);
    ((1..=20).contains(&name.len()) && name.iter().all(sound)).then_some(name)
}

/// Is this an AUTH command, whose line may be longer than others?
#[must_use]
pub fn is_auth(line: &[u8]) -> bool {
    line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "))
}

/// Takes MAIL or RCPT apart. A space after the colon and a path without
/// brackets are common mistakes and are mended; whatever could be read in two
/// ways is refused.
fn envelope<'a>(line: &'a [u8], prefix: &[u8]) -> Option<Envelope<'a>> {
    let (typed, rest) = line.split_at_checked(prefix.len())?;
    if !typed.eq_ignore_ascii_case(prefix) {
        return None;
    }
    // What ends at a tab for one program goes on for another.
    if rest.contains(&b'\t') {
        return None;
    }
    let rest = rest.trim_ascii_start();
    let (path, after) = match rest.split_first() {
        Some((b'<', rest)) => {
            let end = path_end(rest)?;
            (rest.get(..end)?, rest.get(end + 1..)?)
        }
        _ => {
            let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
            let path = rest.get(..end)?;
            let plain = path.contains(&b'@') && !path.iter().any(|b| b"<>\"\\".contains(b));
            (plain.then_some(path)?, rest.get(end..)?)
        }
    };
    let parameters = after.trim_ascii_end();
    let parted = parameters.is_empty() || parameters.starts_with(b" ");
    let sound = parted && parameters.split(|&b| b == b' ').all(is_parameter);
    sound.then_some(Envelope { prefix: typed, path, parameters })
}

/// Has it the form of an ESMTP parameter (RFC 5321 4.1.2: keyword, and perhaps
/// a value), or is it empty, between two spaces? A second path must not look
/// like one.
fn is_parameter(word: &[u8]) -> bool {
    let keyword = word.split(|&b| b == b'=').next().unwrap_or_default();
    let is_keyword =
        !keyword.is_empty() && keyword.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-');
    word.is_empty() || is_keyword
}

/// Where the path ends: at the first `>` outside of a quoted string
/// (RFC 5321 4.1.2: Quoted-string may hold any printable character and, behind
/// a backslash, a quote).
fn path_end(rest: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut octets = rest.iter().enumerate();
    while let Some((at, &b)) = octets.next() {
        match b {
            b'>' if !quoted => return Some(at),
            b'<' | b' ' | b'\\' if !quoted => return None,
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(octets.next()),
            _ => {}
        }
    }
    None
}

/// Does a session that begins with these octets speak something else than SMTP?
/// A browser made to post to port 25 sends commands in the lines that follow.
#[must_use]
pub fn is_foreign(bytes: &[u8]) -> bool {
    // A TLS record of type handshake, major version 3 (RFC 8446 5.1).
    if bytes.starts_with(&[0x16, 0x03]) {
        return true;
    }
    let Some(end) = memchr2(b'\r', b'\n', bytes) else {
        return false;
    };
    let line = bytes.get(..end).unwrap_or_default();
    // RFC 9112 3: a request line ends in " HTTP/1.1".
    let version = line.len().checked_sub(9).and_then(|at| line.get(at..at + 6));
    line.starts_with(b"SSH-") || version == Some(b" HTTP/")
}

#[cfg(test)]
mod tests;
