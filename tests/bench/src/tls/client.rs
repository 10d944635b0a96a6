//! The client of encrypted sessions.

use super::PATIENCE;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

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
pub fn client(resumes: bool) -> Arc<ClientConfig> {
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

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

pub fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(to)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

pub fn encrypt(config: &Arc<ClientConfig>, mut socket: TcpStream) -> io::Result<Stream> {
    let name = ServerName::try_from("mx.example.org").map_err(io::Error::other)?;
    let mut connection =
        ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// Reads a reply and insists on its code.
pub fn expect(stream: &mut dyn Read, code: &str) -> io::Result<()> {
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
pub fn session(to: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Stream> {
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
pub fn clear_session(to: SocketAddr) -> io::Result<()> {
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

pub fn quit(mut stream: Stream) -> io::Result<()> {
    stream.write_all(b"QUIT\r\n")?;
    expect(&mut stream, "221")?;
    match stream.read(&mut [0; 16])? {
        0 => Ok(()),
        _ => Err(io::Error::other("octets behind the reply to QUIT")),
    }
}
