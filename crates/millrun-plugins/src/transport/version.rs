//! Versions of TLS in a configuration's words.

use millrun_config::{Diagnostic, Diagnostics, Span, words};
use millrun_tls::Version;

words! {
    /// A version of TLS.
    pub enum TlsVersion {
        /// TLS 1.1, which is broken.
        Tls11 = "TLSv1_1",
        /// TLS 1.2.
        Tls12 = "TLSv1_2",
        /// TLS 1.3.
        Tls13 = "TLSv1_3",
        /// The same as TLSv1_1.
        Tls11Short = "TLS1_1",
        /// The same as TLSv1_2.
        Tls12Short = "TLS1_2",
        /// The same as TLSv1_3.
        Tls13Short = "TLS1_3",
    }
}

impl TlsVersion {
    /// `None`, with a diagnostic, for a version that is not spoken.
    pub(crate) fn supported(self, span: Span, diagnostics: &mut Diagnostics) -> Option<Version> {
        match self {
            Self::Tls12 | Self::Tls12Short => Some(Version::Tls12),
            Self::Tls13 | Self::Tls13Short => Some(Version::Tls13),
            Self::Tls11 | Self::Tls11Short => {
                let fault = "TLS 1.1 is not spoken here: it is broken, and RFC 8996 forbids it";
                let fault = Diagnostic::error(fault).at(span, "this version");
                diagnostics.push(fault.hint("write TLSv1_2 or TLSv1_3"));
                None
            }
        }
    }
}
