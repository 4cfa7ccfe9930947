//! The exit code of a worker, chosen by an error.

use std::fmt;

/// An error that chooses the worker's exit code, for example one of
/// [`Config::unrecoverable_exit_codes`](crate::Config::unrecoverable_exit_codes).
///
/// ```
/// use serverengine::{BoxError, WorkerExit};
///
/// fn run() -> Result<(), BoxError> {
///     Err(WorkerExit::new(2, "the configuration names no source").into())
/// }
/// # assert_eq!(run().unwrap_err().to_string(), "the configuration names no source");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerExit {
    code: u8,
    message: String,
}

impl WorkerExit {
    /// Makes an error that ends the worker with `code` and logs `message`.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Returns the exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for WorkerExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for WorkerExit {}
