//! The program itself.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, Transcript};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_smtp-wrapper");

/// A fresh directory, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one. Its path is short: the path of a socket has little more than 100 octets.
    pub fn fresh() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("smtp-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a fresh directory");
        Self(path)
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The running program; killed if the test ends before it.
pub struct Program {
    child: Child,
    transcript: Transcript,
}

impl Program {
    /// A command for the binary in a directory, with no environment but what the test adds.
    pub fn command(folder: &Path) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().current_dir(folder);
        command
    }

    /// The same through a shell, which may move descriptors or learn its process id before it
    /// becomes the program: `script` ends in `exec "$0" "$@"` and more.
    pub fn shell(folder: &Path, script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.env_clear().current_dir(folder).args(["-c", script, BINARY]);
        command
    }

    /// Starts it with one descriptor as fd 0, 1 and 2, as inetd does.
    pub fn on_socket(mut command: Command, socket: OwnedFd, transcript: &Transcript) -> Self {
        command.stdin(copy(&socket)).stdout(copy(&socket)).stderr(socket);
        Self::starts(command, transcript)
    }

    /// Starts it with the descriptors that the command names.
    pub fn starts(mut command: Command, transcript: &Transcript) -> Self {
        let child = command.spawn().expect("the program starts");
        // The command still holds the client's connection.
        drop(command);
        Self { child, transcript: transcript.clone() }
    }

    /// Its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The most memory that it has had until now, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a running program");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        self.transcript.note("signal", b"TERM\n");
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("a signal to our child");
    }

    /// Waits for its end and returns its exit status; `None` if a signal ended it.
    #[track_caller]
    pub fn status(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().expect("our child") {
                Some(status) => return status.code(),
                None if Instant::now() > until => self.transcript.fail("the program does not end"),
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A copy of a descriptor, for the child.
pub fn copy(descriptor: &OwnedFd) -> Stdio {
    descriptor.try_clone().expect("dup").into()
}
