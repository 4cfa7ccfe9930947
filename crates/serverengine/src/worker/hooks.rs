//! The thread of a worker process that calls the user's hooks.
//!
//! It is started with the first hook. Most lives of a worker see none but the stop, so a new worker need not
//! wait for it, and an idle one does not pay for it.

use std::cell::OnceCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::log::{Level, Log};
use crate::signals::Signal;

use super::{Worker, WorkerContext};

/// How many hooks may wait for the one that runs. More are dropped: whoever blocks its hooks that long
/// has lost count.
const WAITING_MAX: usize = 64;

/// A hook to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Stop,
    Reload,
    Dump,
    Signal(Signal),
}

/// The way to the hooks of one life of a worker.
pub(super) struct Hooks {
    start: Box<dyn Fn(Receiver<Hook>) -> io::Result<()> + Send>,
    thread: OnceCell<SyncSender<Hook>>,
}

impl Hooks {
    /// `name`: of the thread.
    pub(super) fn of<W: Worker>(
        worker: &Arc<W>,
        context: &Arc<WorkerContext>,
        log: &Arc<dyn Log>,
        name: String,
    ) -> Self {
        let (worker, context, log) = (Arc::clone(worker), Arc::clone(context), Arc::clone(log));
        let start = move |hooks: Receiver<Hook>| {
            let (worker, context, log) =
                (Arc::clone(&worker), Arc::clone(&context), Arc::clone(&log));
            thread::Builder::new()
                .name(name.clone())
                .spawn(move || run(&worker, &context, &hooks, &*log))
                .map(drop)
        };
        Self {
            start: Box::new(start),
            thread: OnceCell::new(),
        }
    }

    /// Has a hook called, after those that wait.
    ///
    /// # Errors
    ///
    /// Why it is not going to be called.
    pub(super) fn call(&self, hook: Hook) -> Result<(), String> {
        if self.thread.get().is_none() {
            let (sender, hooks) = sync_channel(WAITING_MAX);
            (self.start)(hooks).map_err(|error| format!("there is no thread for it: {error}"))?;
            // Nobody else could have set it.
            let _ = self.thread.set(sender);
        }
        let sent = self.thread.get().map(|it| it.try_send(hook));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err("an earlier one does not return".to_owned()),
        }
    }
}

/// Calls hooks, one after the other, for as long as the worker lives.
fn run<W: Worker>(worker: &Arc<W>, context: &WorkerContext, hooks: &Receiver<Hook>, log: &dyn Log) {
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
