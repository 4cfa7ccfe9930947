//! The life of a worker that is a thread of the server process.
//!
//! ```text
//!   main        the server's control loop
//!   worker:0    Worker::run                 ─┐
//!   hooks:0     stop, reload, dump, signal   ├ one life of one worker
//!   control:0   its life-line               ─┘
//! ```
//!
//! It speaks with the control loop over the same life-line as a worker process does, so both look the
//! same to it. What replaces the exit of a process is the frame `EXITED`; then the control loop closes the
//! life-line, and the other two threads end.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::control::Birth;
use crate::lifeline::frame::Frame;

use super::Worker;
use super::context::WorkerContext;
use super::control_thread::{ControlThread, Home};
use super::hooks::Hooks;
use super::process::{Settings, run, tear_down};

/// Starts one life of a worker on threads of this process.
pub(crate) fn start_worker<W: Worker>(
    worker: &Arc<W>,
    birth: Birth,
    settings: &Settings,
) -> io::Result<()> {
    let slot = birth.slot;
    let context = Arc::new(WorkerContext::new(
        slot,
        birth.generation,
        birth.lifeline,
        birth.config,
    ));
    let hooks = Hooks::of(worker, &context, &settings.log, format!("hooks:{slot}"));
    let under_way = hooks.under_way();
    let control = ControlThread {
        context: Arc::clone(&context),
        home: Home::Thread,
        signals: settings.signals,
        hooks,
        log: Arc::clone(&settings.log),
    };
    thread::Builder::new()
        .name(format!("control:{slot}"))
        .spawn(move || control.run())?;
    let (worker, settings) = (Arc::clone(worker), settings.clone());
    thread::Builder::new()
        .name(format!("worker:{slot}"))
        .spawn(move || {
            let code = catch_unwind(AssertUnwindSafe(|| {
                tear_down(&*worker, run(&*worker, &context, &settings), &under_way)
            }));
            // The worker's destructor belongs to its life; one that panics has had its say.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(worker)));
            let code = code.unwrap_or(super::process::EXIT_PANIC);
            // Nobody reads it when the process is about to end.
            let _ = context.lifeline().send(&Frame::Exited { code }, None);
        })?;
    Ok(())
}
