//! What the topmost process has from whoever started it, and no child may have.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::daemon::Readiness;
use crate::listen::{SocketKey, manager};
use crate::pid_file::PidFile;

/// Closed in every child.
#[derive(Debug, Default)]
pub(crate) struct Belongings {
    /// Where command words come from.
    pub(crate) commands: Option<Arc<OwnedFd>>,
    /// Goes before the next one does: who waits for the server hears of its end when the file is gone.
    pub(crate) pid_file: Option<PidFile>,
    /// Who waits for this server to be ready.
    pub(crate) readiness: Option<Readiness>,
    /// Listening sockets from a service manager.
    pub(crate) sockets: Vec<(SocketKey, OwnedFd)>,
    /// The name under which it hands out listening sockets.
    pub(crate) manager: Option<manager::Server>,
    /// Users who may ask for them.
    pub(crate) manager_users: Vec<u32>,
}
