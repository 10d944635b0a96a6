//! The client: whole sessions, one command at a time, each reply checked.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A subject that is silent for longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Length of a line of mail data with its CRLF: the recommended limit of RFC 5322 2.1.1.
const LINE: usize = 78;
/// Mail data is written in pieces of this many lines, about 128 KiB.
const LINES_PER_WRITE: usize = 1680;

/// What a client does in a session; the time until the greeting was there.
pub type Play = fn(SocketAddr) -> io::Result<Duration>;

/// A session under way.
pub struct Client {
    stream: TcpStream,
    reply: Vec<u8>,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(to: SocketAddr) -> io::Result<Self> {
        let mut client = Self::knock(to)?;
        client.expect("220")?;
        Ok(client)
    }

    /// A session that waits for its client's next command.
    pub fn idle(to: SocketAddr) -> io::Result<Self> {
        let mut client = Self::connect(to)?;
        client.ehlo()?;
        Ok(client)
    }

    /// Connects only.
    pub fn knock(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, reply: Vec::with_capacity(4096) })
    }

    /// Sends a command line and insists on the reply code.
    pub fn command(&mut self, line: &str, code: &str) -> io::Result<()> {
        self.stream.write_all(line.as_bytes())?;
        self.expect(code)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", line.trim_end())))
    }

    pub fn ehlo(&mut self) -> io::Result<()> {
        self.command("EHLO client.example.org\r\n", "250")
    }

    /// Neither a reply nor the end.
    pub fn has_no_reply(&self) -> bool {
        let nothing = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.stream.set_nonblocking(true).is_ok() && self.stream.peek(&mut [0]).is_err_and(nothing)
    }

    /// One mail transaction with about `size` octets of mail data; the time from 354 to the last reply.
    pub fn send(&mut self, size: usize) -> io::Result<Duration> {
        self.send_with(size, &[])
    }

    /// The same, with more commands before DATA.
    fn send_with(&mut self, size: usize, more: &[&str]) -> io::Result<Duration> {
        self.command("MAIL FROM:<sender@example.org>\r\n", "250")?;
        self.command("RCPT TO:<user@example.com>\r\n", "250")?;
        more.iter().try_for_each(|line| self.command(line, "250"))?;
        let piece = lines((size / LINE).clamp(1, LINES_PER_WRITE));
        self.command("DATA\r\n", "354")?;
        let start = Instant::now();
        let mut left = (size / LINE).max(1) * LINE;
        while left > piece.len() {
            self.stream.write_all(&piece)?;
            left -= piece.len();
        }
        // The last piece and the end of data leave together, as a client's last buffer would.
        let mut last = piece[..left].to_vec();
        last.extend_from_slice(b".\r\n");
        self.stream.write_all(&last)?;
        self.expect("250")?;
        Ok(start.elapsed())
    }

    /// QUIT, its reply, and the end of the stream: then the subject has finished.
    pub fn quit(mut self) -> io::Result<()> {
        self.command("QUIT\r\n", "221")?;
        self.reply.clear();
        match self.stream.read_to_end(&mut self.reply)? {
            0 => Ok(()),
            _ => Err(io::Error::other("octets after the reply to QUIT")),
        }
    }

    fn expect(&mut self, code: &str) -> io::Result<()> {
        self.reply.clear();
        let mut piece = [0; 2048];
        while !is_complete(&self.reply) {
            match self.stream.read(&mut piece)? {
                0 => return Err(io::Error::other("connection closed instead of a reply")),
                count => self.reply.extend_from_slice(&piece[..count]),
            }
        }
        if self.reply.starts_with(code.as_bytes()) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{code} expected, got {:?}",
            String::from_utf8_lossy(&self.reply)
        )))
    }
}

/// A short session from connect to the end of the stream; the time until the greeting was there.
pub fn short_session(to: SocketAddr) -> io::Result<Duration> {
    session_with(to, &[])
}

/// The same with a second recipient, who has a line of his own in the log.
pub fn two_recipients(to: SocketAddr) -> io::Result<Duration> {
    session_with(to, &["RCPT TO:<other@example.com>\r\n"])
}

/// The same with a command in his place that has none.
pub fn one_recipient_and_noop(to: SocketAddr) -> io::Result<Duration> {
    session_with(to, &["NOOP recipient@example.com\r\n"])
}

/// A session whose message fills the block that mail data is relayed in.
pub fn greater_message(to: SocketAddr) -> io::Result<Duration> {
    let mut client = Client::idle(to)?;
    client.send(200_000)?;
    client.quit()?;
    Ok(Duration::ZERO)
}

/// A session whose client is away at once.
pub fn glance(to: SocketAddr) -> io::Result<Duration> {
    Client::knock(to).map(|_| Duration::ZERO)
}

/// A session whose client is refused, for now, when it names a recipient.
pub fn refused_session(to: SocketAddr) -> io::Result<Duration> {
    let start = Instant::now();
    let mut client = Client::connect(to)?;
    let greeted = start.elapsed();
    client.ehlo()?;
    client.command("MAIL FROM:<sender@example.org>\r\n", "250")?;
    client.command("RCPT TO:<user@example.com>\r\n", "450")?;
    client.quit()?;
    Ok(greeted)
}

fn session_with(to: SocketAddr, more: &[&str]) -> io::Result<Duration> {
    let start = Instant::now();
    let mut client = Client::connect(to)?;
    let greeted = start.elapsed();
    client.ehlo()?;
    client.send_with(1024, more)?;
    client.quit()?;
    Ok(greeted)
}

/// Only the last line of a reply has no hyphen after the code (RFC 5321 4.2.1).
fn is_complete(reply: &[u8]) -> bool {
    let Some(lines) = reply.strip_suffix(b"\r\n") else {
        return false;
    };
    let last = lines.rsplit(|&octet| octet == b'\n').next().unwrap_or_default();
    last.get(3) != Some(&b'-')
}

fn lines(count: usize) -> Vec<u8> {
    let text = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/ABCDEFGHIJKL";
    let mut lines = Vec::with_capacity(count * LINE);
    for _ in 0..count {
        lines.extend_from_slice(text);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}
