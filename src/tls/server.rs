//! What a connection is served with, made when a client asks for TLS and let go of
//! when the handshake is done.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite as suite, default_provider};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::certificates::Certificates;
use super::client_certificate::AnyCertificate;
use super::tickets::Tickets;
use crate::config::tls::TlsSettings;

/// The suites, in our order. Those with SHA-256 first: most processors have instructions for it,
/// and few for SHA-384, so the many hashes of a handshake cost less.
const SUITES: &[SupportedCipherSuite] = &[
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

const NEWEST: &[&SupportedProtocolVersion] = &[&TLS13];
/// All there are.
const ALL: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// What a connection is served with.
pub(crate) struct Server(pub(super) ServerConfig);

impl Server {
    /// That of these settings. The second is what the log is to know, though it works.
    ///
    /// # Errors
    /// Says which certificate or key cannot be used.
    pub(crate) fn new(
        settings: &TlsSettings,
        state: &Path,
    ) -> Result<(Server, Option<String>), String> {
        let certificates = Certificates::new(settings)?;
        let provider = CryptoProvider { cipher_suites: SUITES.to_vec(), ..default_provider() };
        let provider = Arc::new(provider);
        let versions = if settings.only_newest { NEWEST } else { ALL };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        let builder = match settings.ask_client {
            true => builder.with_client_cert_verifier(Arc::new(AnyCertificate::default())),
            false => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.ignore_client_order = true;
        // The next connection is another process's.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A client of SMTP has no use for a second one.
        config.send_tls13_tickets = 1;
        let note = match Tickets::open(state) {
            Ok(tickets) => {
                config.ticketer = Arc::new(tickets);
                None
            }
            Err(error) => Some(format!("TLS sessions cannot be resumed: {error}")),
        };
        Ok((Server(config), note))
    }
}
