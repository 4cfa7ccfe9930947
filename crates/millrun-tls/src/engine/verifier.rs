//! Whether the other end is who it should be.
//!
//! Chains of certificates are webpki's work. Beside it stand two rules that OpenSSL has and
//! existing set-ups live by: a certificate that is itself among the trusted ones is trusted,
//! whatever it says of its use (a self-signed one mostly says that it is an authority, and webpki
//! lets no authority be a server), and a host may be named in the subject.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::names::subject_is;

/// Who is trusted.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) roots: RootCertStore,
    /// Those that were named one by one.
    pub(crate) named: Vec<CertificateDer<'static>>,
}

fn is_named(named: &[CertificateDer<'_>], certificate: &CertificateDer<'_>) -> bool {
    named.iter().any(|named| named == certificate)
}

/// Checks servers.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    /// `None` trusts everybody.
    pub(crate) trusted: Option<Trusted>,
    pub(crate) checks_name: bool,
    pub(crate) signatures: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        match is_named(&trusted.named, certificate) {
            true => check_period(certificate, now)?,
            false => verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &trusted.roots,
                intermediates,
                now,
                self.signatures.all,
            )
            .map_err(|error| judged(error, certificate))?,
        }
        if self.checks_name
            && let Err(error) = verify_server_name(&parsed, name)
            && !subject_is(certificate, name)
        {
            return Err(error);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.signatures)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.signatures)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}

/// Checks clients: webpki's verifier, and those that are named themselves.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    pub(crate) chains: Arc<dyn ClientCertVerifier>,
    pub(crate) named: Vec<CertificateDer<'static>>,
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if is_named(&self.named, certificate) {
            check_period(certificate, now)?;
            return Ok(ClientCertVerified::assertion());
        }
        self.chains
            .verify_client_cert(certificate, intermediates, now)
            .map_err(|error| judged(error, certificate))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Of a certificate that says it is an authority's, webpki says only that it may not stand where it
/// stands. A self-signed one mostly does, and the matter with it is that nobody knows it.
fn judged(error: Error, certificate: &CertificateDer<'_>) -> Error {
    let is_authority =
        || X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| certificate.is_ca());
    match &error {
        Error::InvalidCertificate(CertificateError::Other(_)) if is_authority() => {
            CertificateError::UnknownIssuer.into()
        }
        _ => error,
    }
}

/// Whether `now` is within a certificate's time.
fn check_period(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let period = parsed.validity();
    let moment = |time: i64| {
        let seconds = u64::try_from(time).unwrap_or(0);
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    };
    let (first, last) = (period.not_before.timestamp(), period.not_after.timestamp());
    if seconds < first {
        let not_before = moment(first);
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
        .into());
    }
    if seconds > last {
        let not_after = moment(last);
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        }
        .into());
    }
    Ok(())
}
