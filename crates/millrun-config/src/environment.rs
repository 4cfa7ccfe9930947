//! What embedded Ruby may ask about the process. A value, not the process: the same file gives
//! the same tree in a test.

use std::collections::BTreeMap;

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
