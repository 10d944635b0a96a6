//! The scripted MTA: a listener on a free port that remembers every octet it was sent.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::{PATIENCE, Script, Transcript};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program closed it, or was gone.
    Closed,
    /// The program reset it.
    Lost,
    /// The MTA's script ended it.
    Ours,
}

/// A message whose end of mail data the MTA has seen.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The MAIL command's argument.
    pub from: String,
    /// The RCPT commands' arguments.
    pub to: Vec<String>,
    /// The mail data as they came, dots and all, without the last line.
    pub data: Vec<u8>,
}

/// What the MTA heard on one connection.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Every octet.
    pub octets: Vec<u8>,
    /// The messages.
    pub messages: Vec<Message>,
    /// How it ended; `None` while it is open.
    pub end: Option<End>,
}

pub struct Shared {
    pub script: Mutex<Script>,
    pub heard: Mutex<Vec<Heard>>,
    /// Something was heard, or a reply let go.
    pub news: Condvar,
    /// Held replies that may go.
    pub let_go: Mutex<usize>,
    /// The test is over.
    pub over: Mutex<bool>,
    pub transcript: Transcript,
}

/// The test's view of the MTA.
pub struct Mta {
    address: SocketAddr,
    shared: Arc<Shared>,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mta {
    /// Starts an MTA that follows the script.
    pub fn follows(script: Script, transcript: &Transcript) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let absent = script.absent;
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            heard: Mutex::default(),
            news: Condvar::new(),
            let_go: Mutex::default(),
            over: Mutex::default(),
            transcript: transcript.clone(),
        });
        if !absent {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                while let Ok((socket, _)) = listener.accept() {
                    if *lock(&shared.over) {
                        break;
                    }
                    let number = lock(&shared.heard).len();
                    lock(&shared.heard).push(Heard::default());
                    shared.news.notify_all();
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || Connection::new(socket, number, shared).serves());
                }
            });
        }
        Self { address, shared }
    }

    /// What `--upstream` is told.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        lock(&self.shared.heard).len()
    }

    /// What was heard on the only connection; nothing if there was none.
    pub fn heard(&self) -> Heard {
        let heard = lock(&self.shared.heard);
        assert!(heard.len() < 2, "one session, one connection to the MTA");
        heard.first().cloned().unwrap_or_default()
    }

    /// Waits until the MTA has heard enough.
    #[track_caller]
    pub fn waits(&self, what: &str, enough: impl Fn(&Heard) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut heard = lock(&self.shared.heard);
        while !heard.first().is_some_and(&enough) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(heard);
                self.shared.transcript.fail(format!("the MTA waited in vain for {what}"));
            }
            let wait = self.shared.news.wait_timeout(heard, left);
            heard = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the MTA has heard these octets.
    #[track_caller]
    pub fn waits_for(&self, octets: &str) {
        self.waits(octets, |heard| super::contains(&heard.octets, octets.as_bytes()));
    }

    /// Lets one held reply go.
    pub fn lets_go(&self) {
        *lock(&self.shared.let_go) += 1;
    }
}

impl Drop for Mta {
    fn drop(&mut self) {
        *lock(&self.shared.over) = true;
        // Wakes the listening thread.
        let _ = TcpStream::connect(self.address);
    }
}
