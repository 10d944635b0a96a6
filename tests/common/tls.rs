//! A client whose connection is encrypted, and the certificates of the tests.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails so")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    SupportedProtocolVersion,
};

use super::PATIENCE;

/// Takes whatever certificate it is shown.
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

pub fn pem(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A client of these versions, with the certificate of mx, if it is to have one.
pub fn client(versions: &[&'static SupportedProtocolVersion], certified: bool) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting));
    if certified {
        let certificate = CertificateDer::from_pem_file(pem("mx.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(pem("mx.key")).unwrap();
        return builder.with_client_auth_cert(vec![certificate], key).unwrap();
    }
    builder.with_no_client_auth()
}

pub fn usual() -> Arc<ClientConfig> {
    Arc::new(client(&[&TLS13, &TLS12], false))
}

/// The client's end of an encrypted connection.
pub struct Encrypted {
    pub connection: ClientConnection,
    pub socket: TcpStream,
    unread: Vec<u8>,
}

impl Encrypted {
    pub fn begins(config: &Arc<ClientConfig>, name: &str, socket: TcpStream) -> Encrypted {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        Encrypted { connection, socket, unread: Vec::new() }
    }

    pub fn shakes_hands(mut self) -> Encrypted {
        while self.connection.is_handshaking() {
            self.connection.complete_io(&mut self.socket).expect("a handshake");
        }
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket).expect("the program reads");
        }
        self
    }

    pub fn sends(&mut self, octets: &[u8]) {
        self.connection.writer().write_all(octets).unwrap();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket).expect("the program reads");
        }
    }

    pub fn says(&mut self, line: &str) {
        self.sends(format!("{line}\r\n").as_bytes());
    }

    /// Octets until the end that the program says, or so many.
    pub fn reads(&mut self, most: usize) -> Vec<u8> {
        let mut octets = std::mem::take(&mut self.unread);
        while octets.len() < most {
            let mut block = [0; 16_384];
            match self.connection.reader().read(&mut block) {
                Ok(0) => break,
                Ok(count) => octets.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.connection.read_tls(&mut self.socket).expect("something to read");
                    self.connection.process_new_packets().expect("TLS");
                }
                Err(error) => panic!("{error}, after {}", octets.escape_ascii()),
            }
        }
        octets
    }

    pub fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.unread.split_off(end + 2);
                let line = std::mem::replace(&mut self.unread, rest);
                return String::from_utf8(line[..end].to_vec()).unwrap();
            }
            let had = self.unread.len();
            self.unread = self.reads(had + 1);
            assert!(self.unread.len() > had, "the end, after {}", self.unread.escape_ascii());
        }
    }

    pub fn gets(&mut self, expected: &str) {
        assert_eq!(self.line(), expected);
    }

    pub fn reply(&mut self) -> Vec<String> {
        let mut reply = Vec::new();
        loop {
            let line = self.line();
            let last = line.as_bytes()[3] == b' ';
            reply.push(line);
            if last {
                return reply;
            }
        }
    }

    /// `C: ` and `S: `, as [`Session::plays`].
    pub fn plays(&mut self, dialogue: &str) {
        for line in dialogue.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            match line.split_once(": ").unwrap() {
                ("C", said) => self.says(said),
                (_, expected) => self.gets(expected),
            }
        }
    }

    pub fn quits(&mut self) {
        self.plays("C: QUIT\nS: 221 2.0.0 goodbye");
        assert_eq!(self.reads(1), b"", "nothing behind the reply, but an end that is said");
    }
}
