//! What an encrypted session costs, beside `openssl s_server`, which does the same handshake (P-256, X25519,
//! AES-128-GCM) in one process that goes on running and does nothing else: no exec, no SMTP, no MTA.

use crate::figure::{Budget, Figure};
use crate::measure::{Bench, IDLE_SESSIONS, figure, median};
use crate::process;
use crate::server::{Front, Server, Subject};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme,
    StreamOwned,
};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Where `openssl s_server` listens.
const PORT: u16 = 2526;
const BULK: usize = 100_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// It is not who answers that is measured.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A client, which resumes its sessions or never does.
fn client(resumes: bool) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has what the versions need")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    config.resumption =
        if resumes { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
    Arc::new(config)
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(to)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn encrypt(config: &Arc<ClientConfig>, mut socket: TcpStream) -> io::Result<Stream> {
    let name = ServerName::try_from("mx.example.org").map_err(io::Error::other)?;
    let mut connection =
        ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// Reads a reply and insists on its code.
fn expect(stream: &mut dyn Read, code: &str) -> io::Result<()> {
    let mut reply = Vec::new();
    let mut piece = [0; 2048];
    loop {
        match stream.read(&mut piece)? {
            0 => return Err(io::Error::other("closed instead of a reply")),
            count => reply.extend_from_slice(&piece[..count]),
        }
        let lines = reply.strip_suffix(b"\r\n").unwrap_or_default();
        let last = lines.rsplit(|&octet| octet == b'\n').next().unwrap_or_default();
        if last.get(3) == Some(&b' ') {
            break;
        }
    }
    match reply.starts_with(code.as_bytes()) {
        true => Ok(()),
        false => Err(io::Error::other(format!("{code} expected, got {}", reply.escape_ascii()))),
    }
}

/// A session up to the handshake and a new EHLO.
fn session(to: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let mut socket = connect(to)?;
    expect(&mut socket, "220")?;
    socket.write_all(b"EHLO client.example.org\r\n")?;
    expect(&mut socket, "250")?;
    socket.write_all(b"STARTTLS\r\n")?;
    expect(&mut socket, "220")?;
    let mut stream = encrypt(config, socket)?;
    stream.write_all(b"EHLO client.example.org\r\n")?;
    expect(&mut stream, "250")?;
    Ok(stream)
}

/// The same session in clear text.
fn clear_session(to: SocketAddr) -> io::Result<()> {
    let mut socket = connect(to)?;
    expect(&mut socket, "220")?;
    for (command, code) in
        [("EHLO client.example.org", "250"), ("EHLO client.example.org", "250"), ("QUIT", "221")]
    {
        socket.write_all(format!("{command}\r\n").as_bytes())?;
        expect(&mut socket, code)?;
    }
    socket.read_to_end(&mut Vec::new()).map(drop)
}

fn quit(mut stream: Stream) -> io::Result<()> {
    stream.write_all(b"QUIT\r\n")?;
    expect(&mut stream, "221")?;
    match stream.read(&mut [0; 16])? {
        0 => Ok(()),
        _ => Err(io::Error::other("octets behind the reply to QUIT")),
    }
}

/// A certificate in a folder of its own, and what sessions share.
struct Place(std::path::PathBuf);

impl Place {
    fn make() -> io::Result<Place> {
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

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// `openssl s_server`, on this CPU.
    fn openssl(&self, cpu: usize, more: &[&str]) -> io::Result<Openssl> {
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
struct Openssl(Child);

impl Openssl {
    fn connect(&self) -> io::Result<TcpStream> {
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

    fn handshake(&self, config: &Arc<ClientConfig>) -> io::Result<()> {
        let mut stream = encrypt(config, self.connect()?)?;
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock)?;
        // Its end: then it has done with this client.
        let _ = stream.sock.read_to_end(&mut Vec::new());
        Ok(())
    }

    fn cpu(&self) -> Duration {
        process::own_cpu(self.0.id().try_into().unwrap_or(0))
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn micros(time: Duration, of: usize) -> f64 {
    time.as_secs_f64() * 1e6 / of as f64
}

impl Bench {
    fn encrypting(&self, place: &Place) -> Subject {
        let (state, certificate, key) = (place.file(""), place.file("crt"), place.file("key"));
        let options =
            ["--log", "none", "--state", &state, "--tls-cert", &certificate, "--tls-key", &key];
        Subject::new(&self.plain.command[0], &options)
    }

    /// Handshakes: each of ours is a session, and a process.
    pub fn handshakes(&self) -> io::Result<Vec<Figure>> {
        let place = Place::make()?;
        let ours = self.encrypting(&place);
        let sessions = self.scale.sessions;
        let (mut full, mut resumed, mut clear) = (vec![], vec![], vec![]);
        let (mut openssl, mut fresh) = (vec![], vec![]);
        for _ in 0..self.scale.repetitions.div_ceil(2) {
            for (resumes, cpu) in [(false, &mut full), (true, &mut resumed)] {
                let server = Server::start(Front::Launcher, &ours, self.cpus.load)?;
                let config = client(resumes);
                quit(session(server.address, &config)?)?;
                for _ in 0..sessions {
                    let stream = session(server.address, &config)?;
                    let kind = if resumes { HandshakeKind::Resumed } else { HandshakeKind::Full };
                    if stream.conn.handshake_kind() != Some(kind) {
                        return Err(io::Error::other(format!("{kind:?} was expected")));
                    }
                    quit(stream)?;
                }
                // The first session was in clear text.
                cpu.push(micros(server.stop()?, sessions + 1));
            }
            let server = Server::start(Front::Launcher, &ours, self.cpus.load)?;
            for _ in 0..sessions {
                clear_session(server.address)?;
            }
            clear.push(micros(server.stop()?, sessions + 1));
            let server = place.openssl(self.cpus.load, &[])?;
            let config = client(false);
            server.handshake(&config)?;
            let before = server.cpu();
            for _ in 0..sessions {
                server.handshake(&config)?;
            }
            openssl.push(micros(server.cpu() - before, sessions));
            drop(server);
            for _ in 0..sessions / 20 {
                let server = place.openssl(self.cpus.load, &["-naccept", "1"])?;
                let mut stream = encrypt(&config, server.connect()?)?;
                fresh.push(micros(server.cpu(), 1));
                stream.conn.send_close_notify();
                stream.conn.complete_io(&mut stream.sock)?;
            }
        }
        let [full, resumed, clear] = [full, resumed, clear].map(median);
        let [openssl, fresh] = [openssl, fresh].map(median);
        Ok(vec![
            figure(
                "CPU that a full handshake adds to a session, µs (beside: openssl s_server)",
                Some(openssl),
                full - clear,
                Budget::Times(1.3),
            ),
            figure(
                "CPU of the whole session, µs (beside: openssl s_server)",
                Some(openssl),
                full,
                Budget::None,
            ),
            figure(
                "the same (beside: an openssl s_server started for each)",
                Some(fresh),
                full,
                Budget::Less,
            ),
            figure(
                "CPU of a session that is resumed, µs (beside: with a full handshake)",
                Some(full),
                resumed,
                Budget::Less,
            ),
        ])
    }

    /// Memory that an idle encrypted session adds.
    pub fn encrypted_idle(&self) -> io::Result<Vec<Figure>> {
        let place = Place::make()?;
        let server = Server::start(Front::Launcher, &self.encrypting(&place), self.cpus.load)?;
        let config = client(false);
        let mut streams = Vec::new();
        for _ in 0..IDLE_SESSIONS {
            streams.push(session(server.address, &config)?);
        }
        let mut sum = 0;
        for pid in server.sessions()? {
            sum += process::kib(pid, "smaps_rollup", "Pss").unwrap_or(0);
        }
        for stream in streams {
            quit(stream)?;
        }
        server.stop()?;
        let pss = sum as f64 / IDLE_SESSIONS as f64;
        Ok(vec![figure("PSS of an idle encrypted session, KiB", None, pss, Budget::AtMost(250.0))])
    }

    /// One large message, beside openssl, which reads it and does nothing with it.
    pub fn encrypted_bulk(&self) -> io::Result<Vec<Figure>> {
        let place = Place::make()?;
        let (ours, config) = (self.encrypting(&place), client(false));
        let piece = [&[b'x'; 76][..], b"\r\n"].concat().repeat(1680);
        let pieces = BULK / piece.len();
        let mut speeds = [const { Vec::new() }; 2];
        for _ in 0..self.scale.repetitions {
            let server = place.openssl(self.cpus.server, &[])?;
            let mut stream = encrypt(&config, server.connect()?)?;
            let start = Instant::now();
            for _ in 0..pieces {
                stream.write_all(&piece)?;
            }
            stream.conn.send_close_notify();
            stream.conn.complete_io(&mut stream.sock)?;
            let _ = stream.sock.read_to_end(&mut Vec::new());
            speeds[0].push(BULK as f64 / 1e6 / start.elapsed().as_secs_f64());
            drop(server);

            let server = Server::start(Front::Launcher, &ours, self.cpus.server)?;
            let mut stream = session(server.address, &config)?;
            for (command, code) in [
                ("MAIL FROM:<a@b.example>", "250"),
                ("RCPT TO:<c@d.example>", "250"),
                ("DATA", "354"),
            ] {
                stream.write_all(format!("{command}\r\n").as_bytes())?;
                expect(&mut stream, code)?;
            }
            let start = Instant::now();
            for _ in 0..pieces {
                stream.write_all(&piece)?;
            }
            stream.write_all(b".\r\n")?;
            expect(&mut stream, "250")?;
            speeds[1].push(BULK as f64 / 1e6 / start.elapsed().as_secs_f64());
            quit(stream)?;
            server.stop()?;
        }
        let [openssl, ours] = speeds.map(median);
        Ok(vec![figure(
            "100 MB message over TLS, MB/s (beside: openssl s_server)",
            Some(openssl),
            ours,
            Budget::Share(0.7),
        )])
    }
}
