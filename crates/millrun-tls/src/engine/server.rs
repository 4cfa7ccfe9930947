//! The end that is connected to.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::client::add_named;
use super::provider::{provider, supported};
use super::session::Session;
use super::verifier::ClientVerifier;
use crate::error::{SessionError, SetupError};
use crate::settings::{Identity, ServerSettings};

/// How many tickets of TLS 1.3 a client gets at once that asks for some.
const TICKETS_MAX: usize = 8;

/// Makes sessions of clients.
#[derive(Clone, Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
}

impl Acceptor {
    /// Reads the files of `settings`, or makes the certificate.
    ///
    /// # Errors
    ///
    /// A file that is missing, damaged or of another kind, a key that does not fit, a certificate
    /// that cannot be made, or ciphers of which nothing is left.
    pub fn new(settings: &ServerSettings) -> Result<Self, SetupError> {
        let provider = provider(&settings.ciphers, settings.versions)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&supported(settings.versions))
            .map_err(|error| SetupError::Settings(error.to_string()))?;
        let builder = match &settings.clients {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let (mut roots, mut named) = (RootCertStore::empty(), Vec::new());
                add_named(file, &mut roots, &mut named)?;
                let chains =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let chains = chains.map_err(|error| SetupError::BadCertificate {
                    path: file.clone(),
                    error: error.to_string(),
                })?;
                builder.with_client_cert_verifier(Arc::new(ClientVerifier { chains, named }))
            }
        };
        let (certificates, key) = match &settings.identity {
            Identity::Files(pair) => pair.read()?,
            Identity::Issued(authority, certificate) => certificate.issued_by(authority)?,
            Identity::SelfSigned(certificate) => certificate.self_signed()?,
        };
        let config = builder.with_single_cert(certificates, key);
        let mut config = config.map_err(|error| match &settings.identity {
            Identity::Files(pair) => SetupError::KeyUnusable {
                key: pair.key.clone(),
                certificate: pair.certificate.clone(),
                error: error.to_string(),
            },
            Identity::Issued(..) | Identity::SelfSigned(_) => {
                SetupError::Generate(error.to_string())
            }
        })?;
        // Whoever comes again resumes its session, also by TLS 1.2. What that takes is in the tickets: nothing is kept here.
        config.ticketer =
            Ticketer::new().map_err(|error| SetupError::Settings(error.to_string()))?;
        // A client that writes and closes without reading would close over tickets it has not
        // read, and the reset that follows may cost it what it has written. Those that ask for tickets read them.
        config.send_tls13_tickets = 0;
        config.max_tls13_tickets = TICKETS_MAX;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// The session of a client that has connected.
    ///
    /// # Errors
    ///
    /// None that a client could bring about.
    pub fn accept(&self) -> Result<Session, SessionError> {
        let connection = ServerConnection::new(Arc::clone(&self.config))?;
        Ok(Session::new(connection.into()))
    }
}
