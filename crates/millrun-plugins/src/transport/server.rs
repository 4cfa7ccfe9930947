//! The `<transport>` section of a source: whether clients come over TLS, and what is shown to them.
//!
//! ```text
//! <transport tls>
//!   cert_path /etc/millrun/server.pem
//!   private_key_path /etc/millrun/server.key
//!   client_cert_auth true
//!   ca_path /etc/millrun/clients.pem
//! </transport>
//! ```

use std::path::PathBuf;
use std::time::Duration;

use millrun_config::{Diagnostic, Diagnostics, Element, Secret, Size, Span, parameters, words};
use millrun_core::StartError;
use millrun_tls::{
    Acceptor, Certificate, CipherList, Digest, Identity, KEY_LENGTHS, KeyPair, ServerSettings,
    Version, Versions,
};

use super::check_built;
use super::version::TlsVersion;
use crate::filter::hostname;

words! {
    /// What a certificate is signed over with.
    pub enum DigestWord {
        /// SHA-1, which is broken.
        Sha1 = "sha1",
        /// SHA-256.
        Sha256 = "sha256",
        /// SHA-384.
        Sha384 = "sha384",
        /// SHA-512.
        Sha512 = "sha512",
    }
}

words! {
    /// What carries the connections.
    pub enum Protocol {
        /// TCP as it is.
        Tcp = "tcp",
        /// TLS over TCP.
        Tls = "tls",
    }
}

parameters! {
    /// What connections come over: <transport tcp> or <transport tls>.
    pub struct ServerTransportParameters in "transport" {
        /// The word behind the section's name, tcp or tls.
        protocol: Protocol = "tcp";
        /// The size of a connection's receive buffer in the kernel.
        receive_buffer_size: Option<Size>;
        /// Without effect: connections are closed in order.
        linger_timeout: u32 = "0";
        /// The only version of TLS spoken.
        version: TlsVersion = "TLSv1_2";
        /// The oldest version, in the place of `version`; goes with `max_version`.
        min_version: Option<TlsVersion>;
        /// The newest version, in the place of `version`; goes with `min_version`.
        max_version: Option<TlsVersion>;
        /// The ciphers of TLS 1.2, in OpenSSL's words.
        ciphers: String = "ALL:!aNULL:!eNULL:!SSLv2";
        /// Show a certificate that nobody has signed, made at the start.
        insecure: bool = "false";
        /// Use a module that FIPS has approved. There is none in millrun: true is an error.
        ensure_fips: bool = "false";
        /// Certificates of authorities whose clients are let in, or of clients themselves.
        ca_path: Option<PathBuf>;
        /// The certificate shown to clients, and behind it those that lead to its authority.
        cert_path: Option<PathBuf>;
        /// Its private key.
        private_key_path: Option<PathBuf>;
        /// What the key is encrypted with.
        private_key_passphrase: Option<Secret<String>>, secret;
        /// Let only clients in that show a certificate of `ca_path`.
        client_cert_auth: bool = "false";
        /// An authority's certificate: the one shown to clients is made at the start and signed by it.
        ca_cert_path: Option<PathBuf>;
        /// The authority's private key.
        ca_private_key_path: Option<PathBuf>;
        /// What that key is encrypted with.
        ca_private_key_passphrase: Option<Secret<String>>, secret;
        /// Ruby code that judges certificates. Not supported.
        cert_verifier: Option<String>;
        /// The length of a key that is made: 2048, 3072 or 4096 bits.
        generate_private_key_length: u32 = "2048";
        /// The country that a certificate made at the start names.
        generate_cert_country: String = "US";
        /// The state it names.
        generate_cert_state: String = "CA";
        /// The town it names.
        generate_cert_locality: String = "Mountain View";
        /// The host it is for; without it, this one.
        generate_cert_common_name: Option<String>;
        /// How long it is valid.
        generate_cert_expiration: Duration = "315360000";
        /// What it is signed over with; for sha1, sha256 is taken.
        generate_cert_digest: DigestWord = "sha256";
    }
}

/// What the section means. Files are read when the source starts.
#[derive(Debug, Default)]
pub(crate) struct ServerTransport {
    settings: Option<ServerSettings>,
    pub(crate) receive_buffer_size: Option<usize>,
}

impl ServerTransport {
    /// `None` when a diagnostic says why not. What it warns of in the log is Fluentd's.
    pub(crate) fn new(
        parameters: Option<&ServerTransportParameters>,
        parent: &Element,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let Some(parameters) = parameters else {
            return Some(Self::default());
        };
        let section = parent.elements_named("transport").next().unwrap_or(parent);
        let protocol = match section.argument() {
            "" => parameters.protocol,
            word => {
                let known = Protocol::from_word(word);
                if known.is_none() {
                    let fault = format!("'{word}' is no transport: expected tcp or tls");
                    let fault = Diagnostic::error(fault).at(section.span(), "this section");
                    diagnostics.push(fault.hint("write <transport tls>, or remove the section"));
                }
                known?
            }
        };
        let settings = match protocol {
            Protocol::Tcp => None,
            Protocol::Tls => {
                check_built(section.span(), diagnostics)?;
                Some(settings(parameters, section, diagnostics)?)
            }
        };
        Some(Self {
            settings,
            receive_buffer_size: parameters
                .receive_buffer_size
                .and_then(|size| usize::try_from(size.0).ok()),
        })
    }

    /// The maker of sessions, where connections come over TLS.
    pub(crate) fn acceptor(&self) -> Result<Option<Acceptor>, StartError> {
        let acceptor = self.settings.as_ref().map(Acceptor::new).transpose();
        acceptor.map_err(|error| StartError::new(format!("cannot offer TLS: {error}")))
    }
}

fn settings(
    parameters: &ServerTransportParameters,
    section: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<ServerSettings> {
    let mut faults = Faults {
        section,
        diagnostics,
        found: false,
    };
    let versions = versions(parameters, &mut faults);
    let identity = identity(parameters, &mut faults);
    if parameters.ensure_fips {
        let fault =
            "ensure_fips cannot be promised: the cryptography of this program has no FIPS approval";
        faults.add("ensure_fips", fault, "remove the line");
    }
    if parameters.cert_verifier.is_some() {
        let fault = "cert_verifier is Ruby code, which is not run here";
        faults.add(
            "cert_verifier",
            fault,
            "name the accepted authorities, or the clients' own certificates, in ca_path",
        );
    }
    if parameters.client_cert_auth && parameters.ca_path.is_none() {
        let fault = "client_cert_auth asks for certificates, and nothing says whose are accepted";
        faults.add(
            "client_cert_auth",
            fault,
            "name a file of certificates in ca_path",
        );
    }
    let ciphers = CipherList::parse(&parameters.ciphers);
    for word in ciphers.without_effect() {
        faults.warn(
            "ciphers",
            &format!("there is no cipher '{word}' here; the others of the list are used"),
        );
    }
    let found = faults.found;
    let mut settings = ServerSettings::new(identity?);
    settings.versions = versions?;
    settings.ciphers = ciphers;
    settings.clients = parameters
        .ca_path
        .clone()
        .filter(|_| parameters.client_cert_auth);
    (!found).then_some(settings)
}

fn versions(parameters: &ServerTransportParameters, faults: &mut Faults<'_>) -> Option<Versions> {
    match (parameters.min_version, parameters.max_version) {
        (None, None) => {
            let span = faults.span("version");
            let version = parameters.version.supported(span, faults.diagnostics)?;
            Some(Versions::only(version))
        }
        (Some(oldest), Some(newest)) => {
            let span = faults.span("max_version");
            let newest = newest.supported(span, faults.diagnostics)?;
            let oldest = match oldest {
                TlsVersion::Tls11 | TlsVersion::Tls11Short => {
                    faults.warn(
                        "min_version",
                        "TLS 1.1 is not spoken here; the oldest version is TLS 1.2",
                    );
                    Version::Tls12
                }
                other => {
                    let span = faults.span("min_version");
                    other.supported(span, faults.diagnostics)?
                }
            };
            if oldest > newest {
                faults.add(
                    "min_version",
                    "min_version is newer than max_version",
                    "swap them",
                );
                return None;
            }
            Some(Versions { oldest, newest })
        }
        (Some(_), None) => {
            faults.add(
                "min_version",
                "min_version goes with max_version, which is not written",
                "write max_version TLSv1_3",
            );
            None
        }
        (None, Some(_)) => {
            faults.add(
                "max_version",
                "max_version goes with min_version, which is not written",
                "write min_version TLSv1_2",
            );
            None
        }
    }
}

fn identity(parameters: &ServerTransportParameters, faults: &mut Faults<'_>) -> Option<Identity> {
    if let Some(certificate) = &parameters.cert_path {
        let Some(key) = &parameters.private_key_path else {
            faults.add(
                "cert_path",
                "cert_path goes with private_key_path, which is not written",
                "name the certificate's key in private_key_path",
            );
            return None;
        };
        let passphrase = parameters.private_key_passphrase.as_ref();
        if passphrase.is_none() {
            tracing::warn!(
                "For security reason, setting private_key_passphrase is recommended when cert_path is specified"
            );
        }
        return Some(Identity::Files(KeyPair {
            certificate: certificate.clone(),
            key: key.clone(),
            passphrase: passphrase.map(|passphrase| passphrase.expose().clone()),
            passphrase_parameter: "private_key_passphrase",
        }));
    }
    if let Some(certificate) = &parameters.ca_cert_path {
        let Some(key) = &parameters.ca_private_key_path else {
            faults.add(
                "ca_cert_path",
                "ca_cert_path goes with ca_private_key_path, which is not written",
                "name the authority's key in ca_private_key_path",
            );
            return None;
        };
        let passphrase = parameters.ca_private_key_passphrase.as_ref();
        if passphrase.is_none() {
            tracing::warn!(
                "For security reason, setting ca_private_key_passphrase is recommended when ca_cert_path is specified"
            );
        }
        let authority = KeyPair {
            certificate: certificate.clone(),
            key: key.clone(),
            passphrase: passphrase.map(|passphrase| passphrase.expose().clone()),
            passphrase_parameter: "ca_private_key_passphrase",
        };
        return Some(Identity::Issued(authority, generated(parameters, faults)?));
    }
    if parameters.insecure {
        tracing::warn!("insecure TLS communication server is configured (using 'insecure' mode)");
        return Some(Identity::SelfSigned(generated(parameters, faults)?));
    }
    let fault = "no valid cert options configured. specify either 'cert_path', 'ca_cert_path' or 'insecure'";
    faults.add("", fault, "write cert_path and private_key_path");
    None
}

fn generated(
    parameters: &ServerTransportParameters,
    faults: &mut Faults<'_>,
) -> Option<Certificate> {
    let name = parameters.generate_cert_common_name.clone();
    let mut certificate = Certificate::of(&name.unwrap_or_else(hostname));
    certificate
        .country
        .clone_from(&parameters.generate_cert_country);
    certificate
        .state
        .clone_from(&parameters.generate_cert_state);
    certificate
        .locality
        .clone_from(&parameters.generate_cert_locality);
    certificate.lifetime = parameters.generate_cert_expiration;
    certificate.key_length = parameters.generate_private_key_length;
    if !KEY_LENGTHS.contains(&certificate.key_length) {
        let fault = format!("a key of {} bits cannot be made", certificate.key_length);
        faults.add(
            "generate_private_key_length",
            &fault,
            "write 2048, 3072 or 4096",
        );
        return None;
    }
    certificate.digest = match parameters.generate_cert_digest {
        DigestWord::Sha1 => {
            faults.warn(
                "generate_cert_digest",
                "sha1 is broken and no client accepts it; sha256 is used",
            );
            Digest::Sha256
        }
        DigestWord::Sha256 => Digest::Sha256,
        DigestWord::Sha384 => Digest::Sha384,
        DigestWord::Sha512 => Digest::Sha512,
    };
    Some(certificate)
}

/// Collects what is wrong, so that all of it is said at once.
struct Faults<'a> {
    section: &'a Element,
    diagnostics: &'a mut Diagnostics,
    found: bool,
}

impl Faults<'_> {
    fn span(&self, parameter: &str) -> Span {
        let entry = self.section.entry(parameter);
        entry.map_or(self.section.span(), |entry| entry.value.span)
    }

    fn add(&mut self, parameter: &str, fault: &str, hint: &str) {
        let fault = Diagnostic::error(fault).at(self.span(parameter), "written here");
        self.diagnostics.push(fault.hint(hint));
        self.found = true;
    }

    fn warn(&mut self, parameter: &str, text: &str) {
        let warning = Diagnostic::warning(text).at(self.span(parameter), "written here");
        self.diagnostics.push(warning);
    }
}
