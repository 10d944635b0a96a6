//! The MTA that `try` brings along: it takes every message, shows it on the
//! terminal and delivers none.
//!
//! Its SMTP is strict, so that what it shows is what an MTA would have seen:
//! only CRLF ends a line, only `<CRLF>.<CRLF>` ends mail data (RFC 5321
//! 4.1.1.4), dots are un-stuffed (4.5.2). Its memory is bounded whatever it is
//! sent. It must never be of use to anyone but the person at the terminal:
//! `try` binds it to loopback.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::mail_text::{Collected, show};

/// What [`is_sink`] knows a sink by.
const GREETING: &str = "220 sink.example.net ESMTP smtp-wrapper try\r\n";
/// Connections at once, each with a thread.
const CONNECTIONS: usize = 32;
/// A command line (the limit of a session is 2048 for the parameters it passes).
const LINE: u64 = 4096;
/// Recipients of one transaction; RFC 5321 4.5.3.1.8 asks for 100.
const RECIPIENTS: usize = 1000;
/// RFC 5321 4.5.3.2.7.
const WAIT: Duration = Duration::from_secs(300);

/// Where messages are shown.
pub(super) type Screen = Arc<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// Does an MTA with this greeting show its messages on some other terminal?
pub(super) fn is_sink(greeting: &str) -> bool {
    greeting == GREETING
}

/// Takes messages until the program ends.
pub(super) fn start(listener: TcpListener, screen: Screen) -> io::Result<()> {
    listener.set_nonblocking(false)?;
    let numbers = Arc::new(AtomicUsize::new(0));
    let open = Arc::new(());
    std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
        for connection in listener.incoming() {
            let Ok(connection) = connection else {
                std::thread::sleep(Duration::from_millis(200));
                continue;
            };
            if Arc::strong_count(&open) > CONNECTIONS {
                let _ = (&connection).write_all(b"421 4.7.0 Too many connections\r\n");
                continue;
            }
            let (screen, numbers, open) =
                (Arc::clone(&screen), Arc::clone(&numbers), Arc::clone(&open));
            // No thread, no session: the client sees the connection close.
            let _ = std::thread::Builder::new().spawn(move || {
                let _open = open;
                let _ = serve(&connection, &screen, &numbers);
            });
        }
    })?;
    Ok(())
}

fn serve(connection: &TcpStream, screen: &Screen, numbers: &AtomicUsize) -> io::Result<()> {
    connection.set_read_timeout(Some(WAIT))?;
    connection.set_write_timeout(Some(WAIT))?;
    connection.set_nodelay(true)?;
    converse(connection, connection, &mut |text| screen(text), numbers)
}

/// A mail transaction under way.
struct Envelope {
    from: String,
    to: Vec<String>,
}

/// One SMTP session, from the greeting to the end.
fn converse(
    input: impl Read,
    mut output: impl Write,
    screen: &mut dyn FnMut(&str) -> io::Result<()>,
    numbers: &AtomicUsize,
) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut replies = String::from(GREETING);
    let mut greeted = false;
    let mut envelope: Option<Envelope> = None;
    loop {
        // What came in one piece is answered in one piece (RFC 2920 3.2).
        if input.buffer().is_empty() {
            output.write_all(replies.as_bytes())?;
            replies.clear();
        }
        let line = match command_line(&mut input)? {
            Line::Whole(line) => line,
            Line::End => return output.write_all(replies.as_bytes()),
            Line::Broken => {
                replies.push_str("500 5.5.2 A line ends with CR LF, and is shorter\r\n");
                return output.write_all(replies.as_bytes());
            }
        };
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let reply = match (verb.to_ascii_uppercase().as_str(), &mut envelope) {
            ("EHLO", _) if !argument.is_empty() => {
                (greeted, envelope) = (true, None);
                "250-sink.example.net\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n\
                 250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES"
            }
            ("HELO", _) if !argument.is_empty() => {
                (greeted, envelope) = (true, None);
                "250 sink.example.net"
            }
            ("EHLO" | "HELO", _) => "501 5.5.4 A name is missing",
            ("MAIL", _) if !greeted => "503 5.5.1 EHLO first",
            ("MAIL", Some(_)) => "503 5.5.1 Sender already given",
            ("MAIL", None) => match after(argument, "FROM:") {
                Some(from) => {
                    envelope = Some(Envelope { from: from.to_owned(), to: Vec::new() });
                    "250 2.1.0 Sender ok"
                }
                None => "501 5.1.7 Syntax: MAIL FROM:<address>",
            },
            ("RCPT" | "DATA", None) => "503 5.5.1 MAIL first",
            ("RCPT", Some(envelope)) => match after(argument, "TO:") {
                Some("<>") | None => "501 5.1.3 Syntax: RCPT TO:<address>",
                Some(_) if envelope.to.len() >= RECIPIENTS => "452 4.5.3 Too many recipients",
                Some(to) => {
                    envelope.to.push(to.to_owned());
                    "250 2.1.5 Recipient ok"
                }
            },
            ("DATA", Some(_)) if !argument.is_empty() => "501 5.5.4 DATA takes no argument",
            ("DATA", Some(known)) if known.to.is_empty() => "554 5.5.1 No valid recipients",
            ("DATA", Some(known)) => {
                replies.push_str("354 End data with <CRLF>.<CRLF>\r\n");
                output.write_all(replies.as_bytes())?;
                replies.clear();
                let message = mail_data(&mut input)?;
                let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
                let shown = screen(&show(number, &known.from, &known.to, &message));
                envelope = None;
                let _ = match shown {
                    Ok(()) => {
                        write!(replies, "250 2.0.0 Message {number} shown, not delivered\r\n")
                    }
                    Err(_) => write!(replies, "451 4.3.0 The terminal is gone\r\n"),
                };
                continue;
            }
            ("RSET", _) => {
                envelope = None;
                "250 2.0.0 Reset"
            }
            ("NOOP", _) => "250 2.0.0 Ok",
            ("VRFY", _) => "252 2.5.2 Send some mail and see",
            ("QUIT", _) => {
                replies.push_str("221 2.0.0 Bye\r\n");
                return output.write_all(replies.as_bytes());
            }
            _ => "500 5.5.1 Command not recognized",
        };
        replies.push_str(reply);
        replies.push_str("\r\n");
    }
}

/// What stands after `FROM:` or `TO:`, if it begins with a path.
fn after<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, tail) = argument.split_at_checked(keyword.len())?;
    let path = tail.split(' ').next()?;
    let is_path = path.starts_with('<') && path.ends_with('>');
    (head.eq_ignore_ascii_case(keyword) && is_path).then_some(tail)
}

enum Line {
    Whole(String),
    /// Too long, or with a CR or LF that is not part of CRLF.
    Broken,
    End,
}

fn command_line(input: &mut impl BufRead) -> io::Result<Line> {
    let mut line = Vec::new();
    input.take(LINE).read_until(b'\n', &mut line)?;
    let whole = line.strip_suffix(b"\r\n").filter(|l| !l.contains(&b'\r'));
    Ok(match whole {
        Some(text) => Line::Whole(String::from_utf8_lossy(text).into_owned()),
        None if line.is_empty() => Line::End,
        None => Line::Broken,
    })
}

/// Reads mail data up to its end, un-stuffed.
fn mail_data(input: &mut impl BufRead) -> io::Result<Collected> {
    let (mut message, mut place) = (Collected::default(), Place::LineStart);
    loop {
        let block = input.fill_buf()?;
        if block.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut used = 0;
        for &octet in block {
            used += 1;
            place = place.after(octet, &mut message);
            if matches!(place, Place::End) {
                break;
            }
        }
        input.consume(used);
        if matches!(place, Place::End) {
            return Ok(message);
        }
    }
}

/// Where in the mail data the next octet stands. A dot at the start of a line
/// is dropped (RFC 5321 4.5.2) when it is clear that it does not end the data.
#[derive(Clone, Copy)]
enum Place {
    LineStart,
    Text,
    /// After CR, which may be half of a CRLF.
    Cr,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot at the start of a line, and CR.
    DotCr,
    End,
}

impl Place {
    fn after(self, octet: u8, message: &mut Collected) -> Place {
        match (self, octet) {
            (Place::LineStart, b'.') => return Place::Dot,
            (Place::Dot, b'\r') => return Place::DotCr,
            (Place::DotCr, b'\n') => return Place::End,
            (Place::DotCr, _) => message.push(b'\r'),
            _ => {}
        }
        message.push(octet);
        match (self, octet) {
            (_, b'\r') => Place::Cr,
            (Place::Cr, b'\n') => Place::LineStart,
            _ => Place::Text,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A session's replies after the greeting, and what was shown.
    fn session(said: &[u8]) -> (String, String) {
        let (mut replies, mut shown) = (Vec::new(), String::new());
        let mut screen = |text: &str| {
            shown.push_str(text);
            Ok(())
        };
        let _ = converse(said, &mut replies, &mut screen, &AtomicUsize::new(0));
        let replies = String::from_utf8(replies).unwrap();
        (replies.strip_prefix(GREETING).unwrap().to_owned(), shown)
    }

    fn codes(replies: &str) -> String {
        let lines = replies.lines().filter(|l| l.get(3..4) == Some(" "));
        lines.filter_map(|l| l.get(..3)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_message_is_shown_and_its_dots_are_unstuffed() {
        let (replies, shown) = session(
            b"EHLO x\r\nMAIL FROM:<a@b> SIZE=9\r\nRCPT TO:<c@d>\r\nDATA\r\n\
              ..one\r\n.two\r\n\r\n...\r\n.\r\nNOOP\r\nQUIT\r\n",
        );
        assert_eq!(codes(&replies), "250 250 250 354 250 250 221");
        assert!(shown.contains("<a@b> SIZE=9") && shown.contains("<c@d>"), "{shown}");
        assert!(shown.contains("| .one\n| two\n| \n| ..\n"), "{shown}");
    }

    #[test]
    fn only_a_dot_between_two_crlf_ends_mail_data() {
        for (data, text) in [
            (&b".\r\n"[..], &b""[..]), // an empty message
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"\n.\r\n\r\n.\r\n", b"\n.\r\n\r\n"), // the first dot is not at the start of a line
            (b"a\n.\n\r\n.\r\n", b"a\n.\n\r\n"),
            (b"a\r.\r\r\n.\r\n", b"a\r.\r\r\n"),
            (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n"), // CRLF . LF is a stuffed line
            (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n"),
            (b"a\r\n.\r\rb\r\n.\r\n", b"a\r\n\r\rb\r\n"),
            (b"a\r\n.\r\r\n.\r\n", b"a\r\n\r\r\n"),
        ] {
            for cut in 0..=data.len() {
                let (head, tail) = data.split_at(cut);
                let message = mail_data(&mut BufReader::new(head.chain(tail))).unwrap();
                assert_eq!(message.kept(), text, "{}", data.escape_ascii());
            }
        }
        assert!(mail_data(&mut &b"a\r\n.\r"[..]).is_err());
    }

    #[test]
    fn commands_out_of_order_and_out_of_form() {
        for (said, expected) in [
            (&b"MAIL FROM:<>\r\n"[..], "503"),
            (b"EHLO\r\nHELO x\r\nHELP\r\n", "501 250 500"),
            (b"HELO x\r\nRCPT TO:<a>\r\nDATA\r\n", "250 503 503"),
            (
                b"HELO x\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nDATA\r\nRSET\r\nDATA\r\n",
                "250 250 503 554 250 503",
            ),
            (b"HELO x\r\nMAIL FROM:a@b\r\nMAIL FROM <a>\r\nmail from:<a>\r\n", "250 501 501 250"),
            (b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\nRCPT\r\nVRFY a\r\n", "250 250 501 501 252"),
            (b"NOOP\nNOOP\r\n", "500"), // a bare LF closes
            (b"NO\rOP\r\nNOOP\r\n", "500"),
        ] {
            let (replies, _) = session(said);
            assert_eq!(codes(&replies), expected, "{}", said.escape_ascii());
        }
        assert_eq!(codes(&session(&[b'x'; 5000]).0), "500");
        let many = format!("HELO x\r\nMAIL FROM:<>\r\n{}", "RCPT TO:<a>\r\n".repeat(1001));
        assert!(session(many.as_bytes()).0.ends_with("452 4.5.3 Too many recipients\r\n"));
    }
}
