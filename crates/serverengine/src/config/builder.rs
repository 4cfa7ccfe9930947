//! A configuration that is put together step by step, and checked.

use std::path::PathBuf;

use super::{Config, ConfigError};

/// A configuration in the making; see [`Config::builder`]. There is a method for each key, documented as
/// the field of [`Config`] is.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder builds nothing until it is told to"]
pub struct ConfigBuilder {
    pub(super) config: Config,
}

impl ConfigBuilder {
    /// Returns the configuration.
    ///
    /// # Errors
    ///
    /// It cannot work; the error says why.
    pub fn build(self) -> Result<Config, ConfigError> {
        self.config.check().map_err(ConfigError::plain)?;
        Ok(self.config)
    }
}

/// What a builder takes for a key of the type `T`: a `T`; for an `Option` also what can be in it; a `&str`
/// for texts and paths.
pub trait IntoSetting<T> {
    /// Makes the value.
    fn into_setting(self) -> T;
}

impl<T> IntoSetting<T> for T {
    fn into_setting(self) -> T {
        self
    }
}

impl<T> IntoSetting<Option<T>> for T {
    fn into_setting(self) -> Option<T> {
        Some(self)
    }
}

impl IntoSetting<Option<String>> for &str {
    fn into_setting(self) -> Option<String> {
        Some(self.to_owned())
    }
}

impl IntoSetting<Option<PathBuf>> for &str {
    fn into_setting(self) -> Option<PathBuf> {
        Some(self.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_sets_and_checks() {
        let config = Config::builder()
            .workers(4)
            .worker_graceful_kill_timeout(Duration::from_secs(3))
            .worker_immediate_kill_timeout(None)
            .chuser("nobody")
            .pid_path("/run/app.pid")
            .unrecoverable_exit_codes(vec![77])
            .build()
            .unwrap();
        assert_eq!(config.workers, 4);
        assert_eq!(
            config.worker_graceful_kill_timeout,
            Some(Duration::from_secs(3))
        );
        assert_eq!(config.worker_immediate_kill_timeout, None);
        assert_eq!(config.chuser.as_deref(), Some("nobody"));
        let error = Config::builder().workers(0).build().unwrap_err();
        assert_eq!(error.to_string(), "workers must be 1 to 4096, but is 0");
    }
}
