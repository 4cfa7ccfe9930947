//! What can go wrong, by who is to blame: the operator's files, or the other end.

use std::io;
use std::path::PathBuf;

use thiserror::Error as ThisError;

/// A file or setting of which no TLS can be made. The operator's.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum SetupError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}; name a file that this process may read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is larger than any of its kind.
    #[error("{} has more than {limit} bytes, which no file of certificates or keys needs", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Text between the marks of PEM is damaged.
    #[error("{} is damaged: {error}; expected PEM, text between -----BEGIN …----- and -----END …-----", path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// A file without a certificate.
    #[error("{} holds no certificate; expected a block -----BEGIN CERTIFICATE-----", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// A certificate that cannot be trusted or shown.
    #[error("a certificate in {} cannot be used: {error}", path.display())]
    BadCertificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// A file without a key.
    #[error("{} holds no private key; expected a block -----BEGIN PRIVATE KEY-----", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// A key that needs a passphrase.
    #[error("the private key in {} is encrypted; write its passphrase into {parameter}", path.display())]
    PassphraseNeeded {
        /// Which file.
        path: PathBuf,
        /// What to write it into.
        parameter: &'static str,
    },
    /// A passphrase that opens nothing.
    #[error("the private key in {} cannot be decrypted: {error}; is the passphrase right?", path.display())]
    WrongPassphrase {
        /// Which file.
        path: PathBuf,
        /// What the decryption says.
        error: String,
    },
    /// A key encrypted in the way of old.
    #[error(
        "the private key in {} is encrypted in an old way that is not sound; make it a new one with: \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW", path.display()
    )]
    OldEncryption {
        /// Which file.
        path: PathBuf,
    },
    /// A key of an unknown kind, or one that does not belong to its certificate.
    #[error("the private key in {} cannot be used with the certificate in {}: {error}", key.display(), certificate.display())]
    KeyUnusable {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// Why not.
        error: String,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Generate(String),
    /// A list of ciphers that selects nothing.
    #[error(
        "the ciphers '{list}' leave none for TLS 1.2; there are {}",
        listed(known)
    )]
    NoCipher {
        /// The list.
        list: String,
        /// What could stand there.
        known: Vec<&'static str>,
    },
    /// TLS is not part of this build.
    #[error("this program was built without the feature tls, so it speaks no TLS")]
    NotBuilt,
    /// Settings that contradict each other.
    #[error("cannot set TLS up: {0}")]
    Settings(String),
}

fn listed(words: &[&str]) -> String {
    match words {
        [] => "none".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Why a session is at its end.
#[derive(Clone, Debug, ThisError)]
#[non_exhaustive]
pub enum SessionError {
    /// The other end cannot prove who it is.
    #[error("the certificate of the other end is not accepted: {0}")]
    Certificate(String),
    /// The other end has shown no certificate.
    #[error("the other end shows no certificate, which it must (client_cert_auth)")]
    NoCertificate,
    /// The other end does not accept ours, or what is offered.
    #[error("the other end refuses: {0}")]
    Refused(String),
    /// Nothing that both ends know.
    #[error("nothing in common with the other end: {0}")]
    Incompatible(String),
    /// What came is no TLS, or not in its place.
    #[error("the other end does not speak TLS properly: {0}")]
    Protocol(String),
    /// A name that no certificate can carry.
    #[error(
        "'{0}' is no host name or address that a certificate could carry; give the server a name that its certificate has"
    )]
    Name(String),
    /// A fault on this side.
    #[error("TLS failed here: {0}")]
    Here(String),
}
