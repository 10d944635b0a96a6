//! The log socket, and what came in on it.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Ends the collecting thread, and shows that everything sent before has been read.
const MARK: &[u8] = b"the test has seen the end of the program";

/// A datagram socket as syslogd has it, with a thread that reads it.
pub struct Syslog {
    path: PathBuf,
    datagrams: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Syslog {
    /// Listens on `path`.
    pub fn at(path: PathBuf) -> Self {
        let socket = UnixDatagram::bind(&path).expect("a log socket");
        let datagrams = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let collected = Arc::clone(&datagrams);
        thread::spawn(move || {
            let mut datagram = [0; 65536];
            while let Ok(count) = socket.recv(&mut datagram) {
                let datagram = datagram.get(..count).unwrap_or_default();
                collected.lock().unwrap_or_else(PoisonError::into_inner).push(datagram.to_vec());
                if datagram == MARK {
                    break;
                }
            }
        });
        Self { path, datagrams }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until everything sent so far has been read, and stops listening. To be called when the
    /// program is gone.
    pub fn stops(&self) {
        let until = Instant::now() + PATIENCE;
        let ours = UnixDatagram::unbound().expect("a socket");
        // Refused: the thread has stopped, everything was read.
        if ours.send_to(MARK, &self.path).is_err() {
            return;
        }
        while self
            .datagrams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last()
            .is_none_or(|last| last != MARK)
        {
            assert!(Instant::now() < until, "the log socket was not read");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The datagrams so far.
    pub fn lines(&self) -> Vec<String> {
        let datagrams = self.datagrams.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = datagrams.iter().filter(|datagram| *datagram != MARK);
        lines.map(|datagram| String::from_utf8_lossy(datagram).into_owned()).collect()
    }
}
