//! The cryptography behind both ends.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{self, ALL_CIPHER_SUITES, cipher_suite};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::ciphers::{CipherList, known};
use crate::error::SetupError;
use crate::version::{Version, Versions};

/// The provider with the suites that are left of `ciphers`.
pub(super) fn provider(
    ciphers: &CipherList,
    versions: Versions,
) -> Result<Arc<CryptoProvider>, SetupError> {
    let cipher_suites = suites(ciphers, versions)?;
    Ok(Arc::new(CryptoProvider {
        cipher_suites,
        ..aws_lc_rs::default_provider()
    }))
}

/// How signatures of certificates and handshakes are checked.
pub(super) fn signatures() -> WebPkiSupportedAlgorithms {
    aws_lc_rs::default_provider().signature_verification_algorithms
}

/// The versions, in the engine's words.
pub(super) fn supported(versions: Versions) -> Vec<&'static SupportedProtocolVersion> {
    [
        (Version::Tls12, &rustls::version::TLS12),
        (Version::Tls13, &rustls::version::TLS13),
    ]
    .into_iter()
    .filter(|(version, _)| versions.contain(*version))
    .map(|(_, supported)| supported)
    .collect()
}

/// The suites for `versions`.
fn suites(
    ciphers: &CipherList,
    versions: Versions,
) -> Result<Vec<SupportedCipherSuite>, SetupError> {
    let newer = ALL_CIPHER_SUITES
        .iter()
        .copied()
        .filter(|suite| suite.tls13().is_some());
    let older: Vec<_> = ciphers.names().filter_map(suite).collect();
    if versions.contain(Version::Tls12) && older.is_empty() {
        return Err(SetupError::NoCipher {
            list: ciphers.text().to_owned(),
            known: known(),
        });
    }
    Ok(newer.chain(older).collect())
}

/// The suite of TLS 1.2 that OpenSSL calls `name`.
fn suite(name: &str) -> Option<SupportedCipherSuite> {
    Some(match name {
        "ECDHE-ECDSA-AES256-GCM-SHA384" => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-RSA-AES256-GCM-SHA384" => cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-ECDSA-CHACHA20-POLY1305" => {
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "ECDHE-RSA-CHACHA20-POLY1305" => cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-ECDSA-AES128-GCM-SHA256" => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-RSA-AES128-GCM-SHA256" => cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_has_its_suite() {
        assert!(known().into_iter().all(|name| suite(name).is_some()));
    }

    #[test]
    fn a_list_that_leaves_nothing_is_refused() {
        let error = suites(
            &CipherList::parse("AES128-SHA"),
            Versions::only(Version::Tls12),
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "the ciphers 'AES128-SHA' leave none for TLS 1.2; there are \
             ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384, ECDHE-ECDSA-CHACHA20-POLY1305, \
             ECDHE-RSA-CHACHA20-POLY1305, ECDHE-ECDSA-AES128-GCM-SHA256 and ECDHE-RSA-AES128-GCM-SHA256"
        );
        let newer = suites(
            &CipherList::parse("AES128-SHA"),
            Versions::only(Version::Tls13),
        );
        assert_eq!(newer.unwrap().len(), 3);
    }
}
