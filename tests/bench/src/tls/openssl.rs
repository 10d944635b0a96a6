//! The certificate, and `openssl s_server`, which is what is measured beside.

use super::PATIENCE;
use super::client::{connect, encrypt};
use crate::process;
use rustls::ClientConfig;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Where it listens.
const PORT: u16 = 2526;

/// A certificate in a folder of its own, and what sessions share.
pub struct Place(std::path::PathBuf);

impl Place {
    pub fn make() -> io::Result<Place> {
        let folder =
            std::env::temp_dir().join(format!("smtp-wrapper-bench-tls.{}", std::process::id()));
        fs::create_dir(&folder)?;
        let place = Place(folder);
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
            ])
            .args([
                "-subj",
                "/CN=mx.example.org",
                "-keyout",
                &place.file("key"),
                "-out",
                &place.file("crt"),
            ])
            .stdin(Stdio::null())
            .output()?;
        match made.status.success() {
            true => Ok(place),
            false => Err(io::Error::other("openssl makes no certificate")),
        }
    }

    pub fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// `openssl s_server`, on this CPU.
    pub fn openssl(&self, cpu: usize, more: &[&str]) -> io::Result<Openssl> {
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-quiet",
            "-num_tickets",
            "1",
            "-serverpref",
            "-ciphersuites",
            "TLS_AES_128_GCM_SHA256",
            "-accept",
            &PORT.to_string(),
        ]);
        command.args(["-cert", &self.file("crt"), "-key", &self.file("key")]).args(more);
        // At the end of its input it would close the connection.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: both functions only make system calls.
        unsafe {
            command.pre_exec(move || {
                crate::place::end_with_parent();
                crate::place::settle_on(cpu)
            });
        }
        Ok(Openssl(command.spawn()?))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.0));
    }
}

/// Ended when it is dropped.
pub struct Openssl(Child);

impl Openssl {
    pub fn connect(&self) -> io::Result<TcpStream> {
        let start = Instant::now();
        loop {
            match connect((Ipv4Addr::LOCALHOST, PORT).into()) {
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused
                        && start.elapsed() < PATIENCE =>
                {
                    thread::sleep(Duration::from_millis(2));
                }
                result => return result,
            }
        }
    }

    pub fn handshake(&self, config: &Arc<ClientConfig>) -> io::Result<()> {
        let mut stream = encrypt(config, self.connect()?)?;
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock)?;
        // Its end: then it has done with this client.
        let _ = stream.sock.read_to_end(&mut Vec::new());
        Ok(())
    }

    pub fn cpu(&self) -> Duration {
        process::own_cpu(self.0.id().try_into().unwrap_or(0))
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
