//! The end that is connected to.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::ciphers::CipherList;
use crate::client::add_named;
use crate::error::{SessionError, SetupError};
use crate::generated::Certificate;
use crate::pem::KeyPair;
use crate::provider::provider;
use crate::session::Session;
use crate::verifier::ClientVerifier;
use crate::version::{Version, Versions};

/// The certificate that a server shows.
#[derive(Clone, Debug)]
pub enum Identity {
    /// One that stands in files.
    Files(KeyPair),
    /// One made at the start and signed by the authority whose files are named.
    Issued(KeyPair, Certificate),
    /// One made at the start that nobody has signed.
    SelfSigned(Certificate),
}

/// How a server lets clients in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerSettings {
    /// The versions accepted: TLS 1.2, as in Fluentd.
    pub versions: Versions,
    /// The ciphers accepted.
    pub ciphers: CipherList,
    /// What is shown to clients.
    pub identity: Identity,
    /// Clients must show a certificate of one of these authorities, or one of these itself.
    pub clients: Option<PathBuf>,
}

impl ServerSettings {
    /// Settings for anyone to come in.
    pub fn new(identity: Identity) -> Self {
        Self {
            versions: Versions::only(Version::Tls12),
            ciphers: CipherList::default(),
            identity,
            clients: None,
        }
    }
}

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
            .with_protocol_versions(&settings.versions.supported())
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
        // A client that writes and closes without reading would close over tickets it has not
        // read, and the reset that follows may cost it what it has written.
        config.send_tls13_tickets = 0;
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
