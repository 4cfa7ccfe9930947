//! The `tls_*` parameters of an output: whom it believes, and what it shows.

use std::net::IpAddr;
use std::path::PathBuf;

use millrun_config::{Diagnostic, Diagnostics, Element, Secret, Span, parameters};
use millrun_tls::{
    CipherList, ClientSettings, Connector, KeyPair, Session, SessionError, Trust, Versions,
};

use super::check_built;
use super::server::Protocol;
use super::version::TlsVersion;

parameters! {
    /// What connections go over.
    pub struct ClientTls in "match" {
        /// Whether connections go over TLS.
        transport: Protocol = "tcp";
        /// The only version of TLS spoken.
        tls_version: TlsVersion = "TLSv1_2";
        /// The ciphers of TLS 1.2, in OpenSSL's words.
        tls_ciphers: String = "ALL:!aNULL:!eNULL:!SSLv2";
        /// Believe any certificate: nobody knows then who receives the events.
        tls_insecure_mode: bool = "false";
        /// Accept self-signed certificates that `tls_cert_path` names. It adds nothing to that, as in Fluentd.
        tls_allow_self_signed_cert: bool = "false";
        /// The certificate must be for the server's host name, or for its `name` where the host is an address.
        tls_verify_hostname: bool = "true";
        /// Certificates of authorities that are believed beside those of the system.
        tls_ca_cert_path: Option<Vec<PathBuf>>;
        /// The same.
        tls_cert_path: Option<Vec<PathBuf>>;
        /// The certificate shown to servers that ask for one.
        tls_client_cert_path: Option<PathBuf>;
        /// Its private key.
        tls_client_private_key_path: Option<PathBuf>;
        /// What the key is encrypted with.
        tls_client_private_key_passphrase: Option<Secret<String>>, secret;
        /// A certificate of a Windows store. Without effect on other systems.
        tls_cert_thumbprint: Option<Secret<String>>, secret;
        /// The Windows store. Without effect on other systems.
        tls_cert_logical_store_name: Option<String>;
        /// The kind of Windows store. Without effect on other systems.
        tls_cert_use_enterprise_store: bool = "true";
    }
}

/// What the parameters mean: over TLS, or as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientTransport {
    connector: Option<Connector>,
}

impl ClientTransport {
    /// Reads the files. `None` when a diagnostic says why not.
    pub(crate) fn new(
        parameters: &ClientTls,
        element: &Element,
        plugin_id: Option<&str>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        // Also as a section, as sources have it.
        let section = element.elements_named("transport").next();
        let is_tls = parameters.transport == Protocol::Tls
            || section.is_some_and(|section| section.argument() == "tls");
        if !is_tls {
            return Some(Self::default());
        }
        let span = |name: &str| element.span_of(name);
        let asked_at = section.map_or_else(|| span("transport"), Element::span);
        for store in [
            "tls_cert_thumbprint",
            "tls_cert_logical_store_name",
            "tls_cert_use_enterprise_store",
        ] {
            if element.entry(store).is_some() {
                let text = format!(
                    "{store} is about the certificate stores of Windows and has no effect here"
                );
                let warning = Diagnostic::warning(text).at(span(store), "written here");
                diagnostics.push(warning.hint("name files in tls_cert_path"));
            }
        }
        let files: Vec<PathBuf> = [&parameters.tls_ca_cert_path, &parameters.tls_cert_path]
            .into_iter()
            .flatten()
            .flatten()
            .cloned()
            .collect();
        let trust = match parameters.tls_insecure_mode {
            true => {
                tracing::warn!(plugin_id, "TLS transport is configured in insecure way");
                Trust::Anyone
            }
            false => Trust::Authorities {
                files,
                system: true,
                checks_name: parameters.tls_verify_hostname,
            },
        };
        let connector = ConnectorParts {
            asked_at,
            version: parameters.tls_version,
            ciphers: &parameters.tls_ciphers,
            trust,
            certificate: (
                "tls_client_cert_path",
                parameters.tls_client_cert_path.as_ref(),
            ),
            key: (
                "tls_client_private_key_path",
                parameters.tls_client_private_key_path.as_ref(),
            ),
            passphrase: (
                "tls_client_private_key_passphrase",
                parameters.tls_client_private_key_passphrase.as_ref(),
            ),
        };
        Some(Self {
            connector: Some(connector.connector(element, diagnostics)?),
        })
    }

    /// The same, for one server: its sessions are resumed.
    pub(crate) fn for_one_server(&self) -> Self {
        Self {
            connector: self.connector.as_ref().map(Connector::for_one_server),
        }
    }

    /// A session with the server of `host`, where connections go over TLS. A certificate carries a
    /// name, so where the host is an address, the server's own `name` counts.
    pub(crate) fn session(&self, host: &str, name: &str) -> Result<Option<Session>, SessionError> {
        let Some(connector) = &self.connector else {
            return Ok(None);
        };
        let bare = host.trim_matches(['[', ']']);
        match bare.parse::<IpAddr>() {
            Ok(_) => connector.connect(name).map(Some),
            Err(_) => connector.connect(host).map(Some),
        }
    }
}

/// What a connector is made of. Outputs call the parameters of files by different names.
pub(crate) struct ConnectorParts<'a> {
    /// Where TLS is asked for.
    pub(crate) asked_at: Span,
    /// Of `tls_version`.
    pub(crate) version: TlsVersion,
    /// Of `tls_ciphers`.
    pub(crate) ciphers: &'a str,
    pub(crate) trust: Trust,
    pub(crate) certificate: (&'static str, Option<&'a PathBuf>),
    pub(crate) key: (&'static str, Option<&'a PathBuf>),
    pub(crate) passphrase: (&'static str, Option<&'a Secret<String>>),
}

impl ConnectorParts<'_> {
    /// Reads the files. `None` when a diagnostic says why not.
    pub(crate) fn connector(
        self,
        element: &Element,
        diagnostics: &mut Diagnostics,
    ) -> Option<Connector> {
        check_built(self.asked_at, diagnostics)?;
        let span = |name: &str| element.span_of(name);
        let version = self.version.supported(span("tls_version"), diagnostics)?;
        let mut settings = ClientSettings::new(self.trust);
        settings.versions = Versions::only(version);
        settings.ciphers = CipherList::parse(self.ciphers);
        for word in settings.ciphers.without_effect() {
            let text = format!("there is no cipher '{word}' here; the others of the list are used");
            let warning = Diagnostic::warning(text).at(span("tls_ciphers"), "written here");
            diagnostics.push(warning);
        }
        let (certificate_name, certificate) = self.certificate;
        let (key_name, key) = self.key;
        let (passphrase_parameter, passphrase) = self.passphrase;
        settings.identity = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(KeyPair {
                certificate: certificate.clone(),
                key: key.clone(),
                passphrase: passphrase.map(|passphrase| passphrase.expose().clone()),
                passphrase_parameter,
            }),
            (certificate, _) => {
                let (here, missing) = match certificate {
                    Some(_) => (certificate_name, key_name),
                    None => (key_name, certificate_name),
                };
                let fault = format!("{here} goes with {missing}, which is not written");
                let fault = Diagnostic::error(fault).at(span(here), "written here");
                diagnostics.push(fault.hint(format!("name the other file in {missing}")));
                return None;
            }
        };
        match Connector::new(&settings) {
            Ok(connector) => Some(connector),
            Err(error) => {
                let fault = Diagnostic::error(format!("cannot use TLS: {error}"));
                diagnostics.push(fault.at(element.span(), "in this section"));
                None
            }
        }
    }
}
