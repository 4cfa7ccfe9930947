//! What embedded Ruby may ask about the process. A value, not the process: the same file gives
//! the same tree in a test.

use std::{collections::BTreeMap, ffi::OsString};

/// The environment a configuration is read in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Environment variables (`ENV['X']`).
    pub variables: BTreeMap<String, String>,
    /// The machine's name (`hostname`, `Socket.gethostname`).
    pub hostname: String,
    /// The worker's number (`worker_id`); `None` outside a worker, where Ruby sees an empty text.
    pub worker_id: Option<u32>,
}

impl Environment {
    /// An environment from what the system gives out (`std::env::vars_os`). A variable that is not
    /// UTF-8 cannot stand in a configuration and is left out.
    #[must_use]
    pub fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        hostname: impl Into<String>,
        worker_id: Option<u32>,
    ) -> Self {
        let variables = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.into_string().ok()?))
        });
        Self {
            variables: variables.collect(),
            hostname: hostname.into(),
            worker_id,
        }
    }
}
