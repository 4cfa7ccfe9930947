//! Where a configuration comes from: a value, or a callback.

use std::fmt;
use std::path::PathBuf;

use crate::BoxError;

use super::Config;

/// What [`create`](crate::create) takes as configuration: a [`Config`], or a function that returns one.
///
/// A function is called when the server is started. If it fails, that is logged, and the exit code is 78.
///
/// ```no_run
/// use serverengine::{BoxError, Config, ConfigSource};
///
/// fn load() -> Result<Config, BoxError> {
///     let workers = std::fs::read_to_string("workers.txt")?.trim().parse()?;
///     Ok(Config { workers, ..Config::default() })
/// }
///
/// let source = ConfigSource::from(load);
/// # let _ = source;
/// ```
pub struct ConfigSource {
    origin: Origin,
    file: Option<PathBuf>,
}

type Load = dyn Fn() -> Result<Config, BoxError>;

enum Origin {
    Fixed(Box<Config>),
    Callback(Box<Load>),
}

impl ConfigSource {
    /// Names the file that the function reads.
    #[must_use]
    pub fn watching(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Returns the configuration as it is now.
    pub(crate) fn load(&self) -> Result<Config, BoxError> {
        match &self.origin {
            Origin::Fixed(config) => Ok((**config).clone()),
            Origin::Callback(load) => load(),
        }
    }
}

impl From<Config> for ConfigSource {
    fn from(config: Config) -> Self {
        Self {
            origin: Origin::Fixed(Box::new(config)),
            file: None,
        }
    }
}

impl<F, E> From<F> for ConfigSource
where
    F: Fn() -> Result<Config, E> + 'static,
    E: Into<BoxError>,
{
    fn from(load: F) -> Self {
        Self {
            origin: Origin::Callback(Box::new(move || load().map_err(Into::into))),
            file: None,
        }
    }
}

impl fmt::Debug for ConfigSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConfigSource")
            .field("file", &self.file)
            .finish()
    }
}
