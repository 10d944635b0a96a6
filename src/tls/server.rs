//! What a connection is served with, made when a client asks for TLS and let go of
//! when the handshake is done.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::certificates::Certificates;
use super::client_certificate::AnyCertificate;
use super::tickets::Tickets;
use crate::config::tls::TlsSettings;

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
        let provider = Arc::new(default_provider());
        let versions = if settings.only_newest { NEWEST } else { ALL };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        let builder = match settings.ask_client {
            true => builder.with_client_cert_verifier(Arc::new(AnyCertificate::default())),
            false => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
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
