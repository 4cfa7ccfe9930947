//! The end that connects.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{Resumption, TicketRequest};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::pem;
use super::provider::{provider, signatures, supported};
use super::session::Session;
use super::verifier::{ServerVerifier, Trusted};
use crate::error::{SessionError, SetupError};
use crate::settings::{ClientSettings, Trust};

/// Makes sessions to servers.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
}

/// How many tickets of TLS 1.3 are asked for. Each is good for one resumption; some get lost with connections
/// that end before they come.
const TICKETS: TicketRequest = TicketRequest {
    new_session_count: 4,
    resumption_count: 1,
};

/// How many sessions with one server are kept to be resumed.
const SESSIONS_MAX: usize = 16;

impl Connector {
    /// Reads the files of `settings`.
    ///
    /// # Errors
    ///
    /// A file that is missing, damaged or of another kind, a key that does not fit, or ciphers of
    /// which nothing is left.
    pub fn new(settings: &ClientSettings) -> Result<Self, SetupError> {
        let provider = provider(&settings.ciphers, settings.versions)?;
        let verifier = match &settings.trust {
            Trust::Anyone => ServerVerifier {
                trusted: None,
                checks_name: false,
                signatures: signatures(),
            },
            Trust::Authorities {
                files,
                system,
                checks_name,
            } => ServerVerifier {
                trusted: Some(trusted(files, *system)?),
                checks_name: *checks_name,
                signatures: signatures(),
            },
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&supported(settings.versions))
            .map_err(|error| SetupError::Settings(error.to_string()))?
            // Dangerous is only the verifier for `Anyone`, which is asked for by name.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let (certificates, key) = pair.read()?;
                builder
                    .with_client_auth_cert(certificates, key)
                    .map_err(|error| SetupError::KeyUnusable {
                        key: pair.key.clone(),
                        certificate: pair.certificate.clone(),
                        error: error.to_string(),
                    })?
            }
        };
        let mut config = config;
        config.send_ticket_request = Some(TICKETS);
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// The same, with sessions to resume of its own. Names do not tell servers apart: two behind one name would
    /// each be offered what the other has given, and prove anew who they are every time.
    #[must_use]
    pub fn for_one_server(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        Self {
            config: Arc::new(config),
        }
    }

    /// A new session to the server called `name`, a host name or an address.
    ///
    /// # Errors
    ///
    /// [`SessionError::Name`] where no certificate could carry the name.
    pub fn connect(&self, name: &str) -> Result<Session, SessionError> {
        let bare = name.trim_matches(['[', ']']).to_owned();
        let bare = ServerName::try_from(bare).map_err(|_| SessionError::Name(name.to_owned()))?;
        let connection = ClientConnection::new(Arc::clone(&self.config), bare)?;
        Ok(Session::new(connection.into()))
    }
}

fn trusted(files: &[PathBuf], system: bool) -> Result<Trusted, SetupError> {
    let mut roots = RootCertStore::empty();
    if system {
        // What of the system's cannot be read is missed when it is needed.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let mut named = Vec::new();
    for file in files {
        add_named(file, &mut roots, &mut named)?;
    }
    Ok(Trusted { roots, named })
}

/// Takes the certificates of `file` as trusted.
pub(crate) fn add_named(
    file: &Path,
    roots: &mut RootCertStore,
    named: &mut Vec<rustls::pki_types::CertificateDer<'static>>,
) -> Result<(), SetupError> {
    for certificate in pem::certificates(file)? {
        roots
            .add(certificate.clone())
            .map_err(|error| SetupError::BadCertificate {
                path: file.to_owned(),
                error: error.to_string(),
            })?;
        named.push(certificate);
    }
    Ok(())
}
