//! What is configured: whom a client believes, what a server shows.

use std::path::PathBuf;
use std::time::Duration;

use crate::ciphers::CipherList;
use crate::version::{Version, Versions};

/// Which servers a client believes.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Anyone: the way is encrypted, and nobody knows to whom.
    Anyone,
    /// Those with a certificate of somebody trusted.
    Authorities {
        /// Certificates of authorities, or of servers themselves.
        files: Vec<PathBuf>,
        /// Also those that the system trusts.
        system: bool,
        /// The certificate must be for the host connected to.
        checks_name: bool,
    },
}

/// How a client connects.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The versions offered: TLS 1.2, as in Fluentd.
    pub versions: Versions,
    /// The ciphers offered.
    pub ciphers: CipherList,
    /// Whom it believes.
    pub trust: Trust,
    /// What it shows to servers that ask.
    pub identity: Option<KeyPair>,
}

impl ClientSettings {
    /// Settings that believe whom `trust` says.
    pub fn new(trust: Trust) -> Self {
        Self {
            versions: Versions::only(Version::Tls12),
            ciphers: CipherList::default(),
            trust,
            identity: None,
        }
    }
}

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

/// A certificate and its key, by their files.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The certificate, and behind it those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What the key is encrypted with.
    pub passphrase: Option<String>,
    /// The parameter that holds it, for messages.
    pub passphrase_parameter: &'static str,
}

/// The lengths a key can have, in bits.
pub const KEY_LENGTHS: &[u32] = &[2048, 3072, 4096];

/// What a certificate is signed over with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// What a certificate to be made says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Certificate {
    /// The length of its RSA key, one of [`KEY_LENGTHS`].
    pub key_length: u32,
    /// Two letters.
    pub country: String,
    /// State or province.
    pub state: String,
    /// Town.
    pub locality: String,
    /// The host it is for.
    pub common_name: String,
    /// How long it is valid; a hundred years at most.
    pub lifetime: Duration,
    /// What it is signed over with, where it signs itself.
    pub digest: Digest,
}

impl Certificate {
    /// One for the host `common_name` that says what Fluentd's say.
    pub fn of(common_name: &str) -> Self {
        Self {
            key_length: 2048,
            country: "US".to_owned(),
            state: "CA".to_owned(),
            locality: "Mountain View".to_owned(),
            common_name: common_name.to_owned(),
            lifetime: Duration::from_secs(315_360_000),
            digest: Digest::Sha256,
        }
    }
}
