//! What the topmost process has from whoever started it, and no child may have.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::daemon::Readiness;
use crate::pid_file::PidFile;

/// Closed in every child.
#[derive(Debug, Default)]
pub(crate) struct Belongings {
    /// Where command words come from.
    pub(crate) commands: Option<Arc<OwnedFd>>,
    /// Who waits for this server to be ready.
    pub(crate) readiness: Option<Readiness>,
    pub(crate) pid_file: Option<PidFile>,
}
