//! A log socket of ours in place of /dev/log, and the lines that came.

use crate::folder::Folder;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

pub struct Log {
    folder: Folder,
    pub lines: Arc<AtomicU64>,
}

impl Log {
    const SOCKET: &str = "log";

    pub fn start() -> io::Result<Self> {
        let log = Self { folder: Folder::new("log")?, lines: Arc::default() };
        let socket = UnixDatagram::bind(log.folder.join(Self::SOCKET))?;
        let lines = Arc::clone(&log.lines);
        thread::spawn(move || {
            let mut line = [0; 8192];
            while socket.recv(&mut line).is_ok() {
                lines.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(log)
    }

    pub fn option(&self) -> String {
        format!("syslog:{}", self.folder.join(Self::SOCKET).display())
    }
}
