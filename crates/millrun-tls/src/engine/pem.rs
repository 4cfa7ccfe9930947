//! Certificates and private keys in files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::SecretDocument;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem};

use crate::error::SetupError;
use crate::settings::KeyPair;

/// The largest file read; the authorities of a whole system are a quarter of a megabyte.
const FILE_BYTES_MAX: u64 = 16 << 20;

impl KeyPair {
    pub(crate) fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), SetupError> {
        let certificates = certificates(&self.certificate)?;
        Ok((certificates, self.read_key()?))
    }

    pub(crate) fn read_key(&self) -> Result<PrivateKeyDer<'static>, SetupError> {
        let bytes = read(&self.key)?;
        let text = String::from_utf8_lossy(&bytes);
        if let Some(block) = block(&text, "ENCRYPTED PRIVATE KEY") {
            return self.decrypt(block);
        }
        if text.contains("Proc-Type: 4,ENCRYPTED") {
            let path = self.key.clone();
            return Err(SetupError::OldEncryption { path });
        }
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => SetupError::NoKey {
                path: self.key.clone(),
            },
            other => not_pem(&self.key, &other),
        })
    }

    fn decrypt(&self, block: &str) -> Result<PrivateKeyDer<'static>, SetupError> {
        let path = || self.key.clone();
        let Some(passphrase) = &self.passphrase else {
            return Err(SetupError::PassphraseNeeded {
                path: path(),
                parameter: self.passphrase_parameter,
            });
        };
        let (_, document) =
            SecretDocument::from_pem(block).map_err(|error| SetupError::NotPem {
                path: path(),
                error: error.to_string(),
            })?;
        let wrong = |error: String| SetupError::WrongPassphrase {
            path: path(),
            error,
        };
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
        let encrypted = encrypted.map_err(|_| SetupError::OldEncryption { path: path() })?;
        let key = encrypted
            .decrypt(passphrase)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
    }
}

/// All certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| not_pem(path, &error))?;
    match found.is_empty() {
        true => Err(SetupError::NoCertificate {
            path: path.to_owned(),
        }),
        false => Ok(found),
    }
}

fn not_pem(path: &Path, error: &pem::Error) -> SetupError {
    SetupError::NotPem {
        path: path.to_owned(),
        error: error.to_string(),
    }
}

/// From the first beginning of such a block to its end.
fn block<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let (first, last) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let (_, block) = text.split_at_checked(text.find(&first)?)?;
    block.get(..block.find(&last)?.checked_add(last.len())?)
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    let unreadable = |error: io::Error| SetupError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut file = file.take(FILE_BYTES_MAX + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(SetupError::TooLarge {
            path: path.to_owned(),
            limit: FILE_BYTES_MAX,
        });
    }
    Ok(bytes)
}
