//! `smtp-wrapper try`: a trial on this machine's loopback, for someone who has
//! just built the program: no root, no configuration, no network, no MTA.
//!
//! The sessions are started as `listen` starts them. When no MTA answers where
//! one should, a sink in this process takes its place.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cli::Invocation;
use crate::config::{LogTo, Settings, Source};
use crate::exit;
use crate::upstream::Upstream;

use super::listen::AcceptLoop;
use super::names;
use super::notes::say;
use super::sessions::Caps;
use super::sink::{self, Screen};
use super::sockets::listener;

/// The first port tried, and how many after it.
const PORTS: std::ops::RangeInclusive<u16> = 2525..=2535;

/// Where the sink is if it can: the MTA's place in the original.
const SINK_PORT: u16 = 8025;

/// An MTA on this machine greets at once.
const GREETING_WAIT: Duration = Duration::from_secs(2);

/// Runs the trial until it is interrupted.
///
/// # Errors
/// When a thread, a descriptor or the program's own path cannot be had.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    let Some(doors) = first_free(PORTS) else {
        say(format_args!(
            "ports {} to {} of 127.0.0.1 are all taken; stop the program that listens there \
             ('ss -ltnp' or 'sockstat -l' shows which), or run 'smtp-wrapper listen 127.0.0.1:PORT'",
            PORTS.start(),
            PORTS.end()
        ));
        return Ok(exit::TEMPORARY);
    };
    let here = doors.local_addr()?;
    // Sessions get fd 1, see launcher.
    let screen = screen(File::from(io::stdout().as_fd().try_clone_to_owned()?));

    let mut args = asked.session_args.clone();
    let mut settings = Settings::default();
    let names;
    if asked.source == Source::Default {
        // A trial of the program, not of what is installed here.
        args.extend(["--config", "usual", "--judge-local"]);
        asked.apply(&mut settings)?;
        if settings.dns.is_none() {
            names = names::start()?.to_string();
            args.extend(["--dns", &names]);
        }
    } else {
        settings = asked.load()?.settings;
    }
    if settings.log == LogTo::Auto {
        args.extend(["--log", "stderr"]);
    }
    let mta;
    let sink = match greeting(&settings) {
        Some(greeting) if !sink::is_sink(&greeting) => None,
        _ => Some(sink_socket()?),
    };
    let what = match &sink {
        None => {
            mta = settings.upstream.to_string();
            "the MTA that answers there: IT GETS YOUR MESSAGES"
        }
        Some(sink) => {
            mta = sink.local_addr()?.to_string();
            // In place of those that do not answer, whatever says who they are.
            without_upstreams(&mut args);
            args.extend(["--upstream", &mta, "--identity", "none"]);
            "a built-in MTA that shows messages and delivers none"
        }
    };
    let caps = Caps { total: asked.listen.max, per_address: asked.listen.max_per_address };
    let mut doors = AcceptLoop::new(vec![doors], caps, &args)?;
    // After the loop was made: a thread started before would still take the
    // SIGTERM that the loop waits for.
    if let Some(sink) = sink {
        sink::start(sink, Arc::clone(&screen))?;
    }
    if here.port() != *PORTS.start() {
        screen(&format!(
            "Port {} is taken (another try?), so this is {}.\n\n",
            PORTS.start(),
            here.port()
        ))?;
    }
    let kinds = match asked.source {
        Source::Default => kinds(),
        _ => "The filters are those of your configuration.".to_owned(),
    };
    screen(&introduction(here.port(), &mta, what, &kinds))?;
    doors.run()
}

/// Prints whole texts, one at a time.
fn screen(out: File) -> Screen {
    let out = Mutex::new(out);
    Arc::new(move |text| {
        out.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())
    })
}

fn first_free(ports: impl IntoIterator<Item = u16>) -> Option<TcpListener> {
    let mut free =
        ports.into_iter().map(|port| listener((Ipv4Addr::LOCALHOST, port).into(), false, 128));
    free.find_map(Result::ok)
}

/// What the MTA says when it is called; `None` when nobody answers. Something
/// that accepts and is silent gets the messages all the same: it is there, and
/// the log lines will show what is wrong with it.
fn greeting(settings: &Settings) -> Option<String> {
    settings.upstream.iter().find_map(greeting_of)
}

fn greeting_of(upstream: &Upstream) -> Option<String> {
    let Upstream::Tcp(address) = upstream else {
        // It is there, or a session will tell why not.
        return Some(String::new());
    };
    let connect = |address| TcpStream::connect_timeout(address, GREETING_WAIT).ok();
    let mta = address.resolve().ok()?.iter().find_map(connect)?;
    let mut greeting = String::new();
    let limit = mta.set_read_timeout(Some(GREETING_WAIT));
    if limit.is_ok() && BufReader::new(&mta).read_line(&mut greeting).is_ok() {
        // So that its log has no lost connection in it.
        let _ = (&mta).write_all(b"QUIT\r\n");
    }
    Some(greeting)
}

/// Takes the options out that name an MTA.
fn without_upstreams(args: &mut Vec<&str>) {
    while let Some(at) = args.iter().position(|arg| *arg == "--upstream") {
        args.drain(at..args.len().min(at + 2));
    }
}

fn sink_socket() -> io::Result<TcpListener> {
    let place = |port| listener((Ipv4Addr::LOCALHOST, port).into(), false, 128);
    Ok(place(SINK_PORT).or_else(|_| place(0))?)
}

/// What runs where, and what to type next, on 80 columns.
fn introduction(port: u16, mta: &str, what: &str, kinds: &str) -> String {
    format!(
        "\
smtp-wrapper try: everything stays on this machine. Ctrl-C ends it.

  127.0.0.1:{port:<6} smtp-wrapper, a process of its own for each connection
  {mta:<16} {what}

Send a message from another terminal, in one of these ways:

  swaks --server 127.0.0.1:{port} --from you@example.org --to me@example.net

  printf 'Subject: hello\\r\\n\\r\\nFirst light.\\r\\n' > message.txt
  curl --url smtp://127.0.0.1:{port}/client.example.org -T message.txt \\
       --mail-from you@example.org --mail-rcpt me@example.net

  python3 -c 'from smtplib import SMTP; SMTP(\"127.0.0.1\", {port}).sendmail(
    \"you@example.org\", \"me@example.net\", \"Subject: hello\\n\\nFirst light.\")'

  telnet 127.0.0.1 {port}      (or nc -C 127.0.0.1 {port}), and then by hand:
    EHLO client.example.org
    MAIL FROM:<you@example.org>
    RCPT TO:<me@example.net>
    DATA
    Subject: hello

    First light.
    .
    QUIT

{kinds}

Below: a line for each recipient and each session as it goes to the log, and
each message that arrives.

"
    )
}

/// Which client is of which kind, and what becomes of it.
fn kinds() -> String {
    // Other systems have only 127.0.0.1 until told otherwise.
    let aliases =
        if cfg!(target_os = "linux") { "" } else { " (after ifconfig lo0 alias ADDRESS)" };
    let [(mail, name), (dialup, its_name)] = names::HOSTS;
    let nameless = names::NAMELESS;
    format!(
        "\
The address you come from says what kind of client you are{aliases}:

  {mail}  {name}, a mail host: its mail is taken
  {dialup}  {its_name}, a dial-up line: 450, be patient
  {nameless}  a host without a name: 450, be patient

  swaks: --local-interface {dialup}      curl: --interface {dialup}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_introduction_fits_the_screen() {
        let text = introduction(
            65535,
            "127.0.0.1:65535",
            "the MTA that answers there: IT GETS YOUR MESSAGES",
            &kinds(),
        );
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
