//! Reads a configuration from disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Disk, Environment, Parsed, include::check_text, parse_str};

/// Why there is no text to read. What is wrong *in* a text is in [`Parsed::diagnostics`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the configuration '{}': {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is too long or no UTF-8.
    #[error("cannot read the configuration '{}': {reason}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place.
        reason: String,
    },
}

/// Reads a configuration and the files it includes.
///
/// # Errors
/// If the file itself cannot be read. An include that cannot is in [`Parsed::diagnostics`].
pub fn load_file(path: &Path, environment: &Environment) -> Result<Parsed, LoadError> {
    let path = path.to_owned();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(LoadError::Read { path, error }),
    };
    match check_text(bytes) {
        Ok(text) => Ok(parse_str(path, &text, environment, &mut Disk)),
        Err(reason) => Err(LoadError::Text { path, reason }),
    }
}
