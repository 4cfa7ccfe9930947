//! What is wrong with a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

use super::node::Place;

/// Most problems that one error lists.
const PROBLEMS_MAX: usize = 100;

/// Everything that is wrong with a configuration, found in one go: at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    file: Option<PathBuf>,
    place: Place,
    message: String,
}

impl ConfigError {
    /// Returns what is wrong, in the order of the text.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// Makes an error of a value that no text is to blame for.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Problems::default()
            .and(Place::default(), message)
            .into_error()
    }
}

impl ConfigProblem {
    /// Returns the file it is in, if it came from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns line and column, from 1, if there was a text.
    #[must_use]
    pub fn place(&self) -> Option<(u32, u32)> {
        (self.place.line > 0).then_some((self.place.line, self.place.column))
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    file: Option<PathBuf>,
    found: Vec<ConfigProblem>,
}

impl Problems {
    #[cfg(feature = "files")]
    pub(crate) fn in_file(file: &Path) -> Self {
        Self {
            file: Some(file.to_owned()),
            found: Vec::new(),
        }
    }

    #[cfg(feature = "files")]
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn add(&mut self, place: Place, message: impl Into<String>) {
        if self.found.len() < PROBLEMS_MAX {
            self.found.push(ConfigProblem {
                file: self.file.clone(),
                place,
                message: message.into(),
            });
        }
    }

    pub(crate) fn and(mut self, place: Place, message: impl Into<String>) -> Self {
        self.add(place, message);
        self
    }

    pub(crate) fn into_error(mut self) -> ConfigError {
        self.found
            .sort_by_key(|it| (it.place.line, it.place.column));
        ConfigError {
            problems: self.found,
        }
    }

    #[cfg(feature = "files")]
    /// Fails if anything was found.
    pub(crate) fn into_result(self) -> Result<(), ConfigError> {
        if self.found.is_empty() {
            Ok(())
        } else {
            Err(self.into_error())
        }
    }
}

/// One line for each problem: `app.yml:3:1: unknown key "worker"; did you mean "workers"?`
impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{}:", file.display())?;
        }
        if let Some((line, column)) = self.place() {
            write!(formatter, "{line}:{column}:")?;
        }
        if self.file.is_some() || self.place.line > 0 {
            formatter.write_str(" ")?;
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}
