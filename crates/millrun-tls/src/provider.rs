//! The cryptography behind both ends.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};

use crate::ciphers::CipherList;
use crate::error::SetupError;
use crate::version::Versions;

/// The provider with the suites that are left of `ciphers`.
pub(crate) fn provider(
    ciphers: &CipherList,
    versions: Versions,
) -> Result<Arc<CryptoProvider>, SetupError> {
    let cipher_suites = ciphers.suites(versions)?;
    Ok(Arc::new(CryptoProvider {
        cipher_suites,
        ..aws_lc_rs::default_provider()
    }))
}

/// How signatures of certificates and handshakes are checked.
pub(crate) fn signatures() -> WebPkiSupportedAlgorithms {
    aws_lc_rs::default_provider().signature_verification_algorithms
}
