use std::sync::Arc;

use super::Buffer;
use crate::{Ledger, OpenError};

/// What resuming a buffer's files met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resumed {
    /// Chunks that go on being filled.
    pub staged: usize,
    /// Chunks that wait for delivery.
    pub queued: usize,
    /// Sentences for the log: what was cut, imported or put aside, and where.
    pub notes: Vec<String>,
}

impl Buffer {
    pub(super) fn resume(&self, _ledger: &Arc<Ledger>) -> Result<Resumed, OpenError> {
        if let Some(paths) = &self.paths {
            self.disk
                .create_dir_all(paths.directory())
                .map_err(|source| OpenError::Io {
                    buffer: self.name.clone(),
                    what: "make the directory",
                    path: paths.directory().to_owned(),
                    source,
                })?;
        }
        Ok(Resumed::default())
    }
}
