//! Where a configuration comes from: a value that never changes, or a callback that is asked again with
//! each reload.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::BoxError;

use super::Config;

/// What [`create`](crate::create) takes as configuration: a [`Config`], or a function that returns one.
///
/// A function is called once when the server is started, and again with each reload and restart: in a
/// process of its own, which is killed when it takes longer than [`Config::config_load_timeout`] (on a thread
/// where workers are threads, which is given up then). If it fails, panics or hangs, that is logged, and
/// everything stays as it is. Under a supervisor it is called there, and the server gets the result.
///
/// ```no_run
/// use serverengine::{BoxError, Config, ConfigSource};
///
/// fn load() -> Result<Config, BoxError> {
///     let workers = std::fs::read_to_string("workers.txt")?.trim().parse()?;
///     Ok(Config { workers, ..Config::default() })
/// }
///
/// // Asked again only if that file has changed, or 5 s have passed.
/// let source = ConfigSource::from(load).watching("workers.txt");
/// # let _ = source;
/// ```
pub struct ConfigSource {
    origin: Origin,
    file: Option<PathBuf>,
}

type Load = dyn Fn() -> Result<Config, BoxError> + Send + Sync;

enum Origin {
    Fixed(Box<Config>),
    Callback(Box<Load>),
}

impl ConfigSource {
    /// Names the file that the function reads: it is not called again while that is unchanged and was
    /// read less than 5 s ago.
    #[must_use]
    pub fn watching(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Returns the configuration to begin with. A fixed one is gone from here then: what it holds open has
    /// one owner.
    pub(crate) fn first(&mut self) -> Result<Config, BoxError> {
        match &mut self.origin {
            Origin::Fixed(config) => Ok(std::mem::take(config)),
            Origin::Callback(load) => load(),
        }
    }

    /// Returns the configuration as it is now.
    pub(crate) fn load(&self) -> Result<Config, BoxError> {
        match &self.origin {
            Origin::Fixed(_) => Err("a fixed configuration is never loaded again".into()),
            Origin::Callback(load) => load(),
        }
    }

    /// Returns whether it can change.
    pub(crate) fn is_callback(&self) -> bool {
        matches!(self.origin, Origin::Callback(_))
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
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
    F: Fn() -> Result<Config, E> + Send + Sync + 'static,
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
            .field("is_callback", &self.is_callback())
            .field("file", &self.file)
            .finish()
    }
}
