//! The thread of a worker process that calls the user's hooks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::log::{Level, Log};
use crate::signals::Signal;

use super::{Worker, WorkerContext};

/// How many hooks may wait for the one that runs. More are dropped: whoever blocks its hooks that long
/// has lost count.
pub(super) const WAITING_MAX: usize = 64;

/// A hook to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Stop,
    Reload,
    Dump,
    Signal(Signal),
}

/// Calls hooks, one after the other, for as long as the worker lives.
pub(super) fn run<W: Worker>(
    worker: &Arc<W>,
    context: &WorkerContext,
    hooks: &Receiver<Hook>,
    log: &dyn Log,
) {
    while let Ok(hook) = hooks.recv() {
        let call = || match hook {
            Hook::Stop => worker.stop(),
            Hook::Reload => {
                log.reopen();
                worker.reload();
                context.acknowledge_config();
            }
            Hook::Dump => worker.dump(),
            Hook::Signal(signal) => worker.signal(signal),
        };
        // The panic hook has printed why; the worker goes on, and can still be stopped.
        if catch_unwind(AssertUnwindSafe(call)).is_err() {
            log.log(
                Level::Error,
                &format!("the worker's hook for {hook:?} panicked"),
            );
        }
    }
}
