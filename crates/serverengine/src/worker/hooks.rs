//! The thread of a worker process that calls the user's hooks.
//!
//! It is started with the first hook. Most lives of a worker see none but the stop, so a new worker need not
//! wait for it, and an idle one does not pay for it.
//!
//! `stop` makes `run` return, often before it has itself returned: what it still has to do would be lost
//! with the process. So the end of a life waits for the hooks under way, for a while.

use std::cell::OnceCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::log::{Level, Log};
use crate::signals::Signal;

use super::{Worker, WorkerContext};

/// How many hooks may wait for the one that runs. More are dropped: whoever blocks its hooks that long
/// has lost count.
const WAITING_MAX: usize = 64;

/// How long the end of a worker waits for hooks that do not return.
const END_WAIT_MAX: Duration = Duration::from_secs(1);

/// How many hooks of one life were asked for and have not returned.
#[derive(Default)]
pub(super) struct UnderWay {
    count: Mutex<usize>,
    fewer: Condvar,
}

impl UnderWay {
    /// Counts one more, until the guard is dropped.
    fn enter(self: &Arc<Self>) -> Entered {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.saturating_add(1);
        Entered(Arc::clone(self))
    }

    /// Waits until none is under way, [`END_WAIT_MAX`] at the most.
    pub(super) fn wait_for_none(&self) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        // Who is still in there after that has had its time.
        let _ = self
            .fewer
            .wait_timeout_while(count, END_WAIT_MAX, |count| *count > 0);
    }
}

/// One hook under way.
pub(super) struct Entered(Arc<UnderWay>);

impl Drop for Entered {
    fn drop(&mut self) {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.saturating_sub(1);
        self.0.fewer.notify_all();
    }
}

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
    start: Box<dyn Fn(Receiver<Asked>) -> io::Result<()> + Send>,
    thread: OnceCell<SyncSender<Asked>>,
    under_way: Arc<UnderWay>,
}

/// A hook asked for.
struct Asked {
    hook: Hook,
    _under_way: Entered,
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
        let start = move |hooks: Receiver<Asked>| {
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
            under_way: Arc::default(),
        }
    }

    /// Returns the count of hooks under way.
    pub(super) fn under_way(&self) -> Arc<UnderWay> {
        Arc::clone(&self.under_way)
    }

    /// Announces a hook that is about to be asked for.
    pub(super) fn announce(&self) -> Entered {
        self.under_way.enter()
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
        let asked = Asked {
            hook,
            _under_way: self.announce(),
        };
        let sent = self.thread.get().map(|it| it.try_send(asked));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err("an earlier one does not return".to_owned()),
        }
    }
}

/// Calls hooks, one after the other, for as long as the worker lives. In the backtrace of a dump its name says what the
/// thread is for.
#[inline(never)]
fn run<W: Worker>(
    worker: &Arc<W>,
    context: &WorkerContext,
    hooks: &Receiver<Asked>,
    log: &dyn Log,
) {
    while let Ok(asked) = hooks.recv() {
        let hook = asked.hook;
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
