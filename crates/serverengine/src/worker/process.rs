//! The life of a worker process, from the fork to the exit.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::control::Birth;
use crate::dump::DumpRules;
use crate::log::{Level, Log};
use crate::privilege::Identity;
use crate::signals::{SignalMeanings, TAKEN};
use crate::sys::{self, SignalFd};

use super::context::WorkerContext;
use super::control_thread::{ControlThread, Home};
use super::hooks::{Hooks, UnderWay};
use super::{Worker, WorkerExit};

/// Status of a worker whose `run` returned an error.
const EXIT_ERROR: i32 = 1;
/// Status of a worker whose `run` panicked; the one Rust programs have.
pub(super) const EXIT_PANIC: i32 = 101;
/// Status of a worker that was told to leave at once.
pub(super) const EXIT_IMMEDIATE_STOP: i32 = 1;
/// Status of a worker that lost its server.
pub(super) const EXIT_ORPHANED: i32 = 1;

/// What a worker process needs to know of the configuration.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) name: Option<String>,
    pub(crate) identity: Identity,
    pub(crate) explicit_readiness: bool,
    pub(crate) heartbeat_interval: Duration,
    /// How long the teardown hook may take.
    pub(crate) teardown_timeout: Option<Duration>,
    pub(crate) signals: SignalMeanings,
    pub(crate) dump: DumpRules,
    pub(crate) log: Arc<dyn Log>,
}

impl Settings {
    /// Names this process, if processes are to be named. `number` takes the place of `%d`.
    pub(super) fn take_name(&self, number: &str) -> io::Result<()> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        let name = name.replace("%d", number);
        sys::set_name(&name)?;
        sys::set_title(&name);
        Ok(())
    }
}

/// Is the worker process.
pub(crate) fn be_worker<W: Worker>(worker: Arc<W>, birth: Birth, settings: Settings) -> ! {
    let log = Arc::clone(&settings.log);
    be_it(&log, || live(worker, birth, settings))
}

/// Is a worker process of any kind: lives, and ends with the code that comes of it.
pub(super) fn be_it(log: &Arc<dyn Log>, live: impl FnOnce() -> io::Result<i32>) -> ! {
    let code = live().unwrap_or_else(|error| {
        log.log(
            Level::Fatal,
            &format!("the worker process could not be set up: {error}"),
        );
        EXIT_ERROR
    });
    let _ = io::stdout().flush();
    // Not exit(3): exit handlers and destructors in this memory belong to the server.
    sys::exit_now(code)
}

/// Cuts a forked child loose from the terminal, makes it who it is to be, and ties it to its parent.
/// `false`: the parent is dead already.
pub(crate) fn tie_to_parent(parent: i32, identity: &Identity) -> io::Result<bool> {
    sys::own_process_group()?;
    identity.assume().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot change user or group: {error}"),
        )
    })?;
    // After that: a change of credentials takes it away.
    sys::set_parent_death_signal()?;
    // It may have died before the kernel was asked to watch it.
    Ok(sys::parent_id() == parent)
}

fn live<W: Worker>(worker: Arc<W>, birth: Birth, settings: Settings) -> io::Result<i32> {
    // Before user code runs. The change of user takes it away, and it is set again.
    sys::set_parent_death_signal()?;
    // They were blocked in the server, too: what arrived since the fork waits to be read.
    sys::block_signals(&TAKEN)?;
    let signals = SignalFd::open(&TAKEN)?;
    live_on(worker, birth, settings, signals, |control| {
        thread::Builder::new()
            .name("serverengine-control".to_owned())
            .spawn(move || control.run())
            .map(drop)
    })
}

/// Lives from the moment on at which it is known which worker this is. `start_control`: on a thread of its
/// own.
pub(super) fn live_on<W: Worker>(
    worker: Arc<W>,
    birth: Birth,
    settings: Settings,
    signals: SignalFd,
    start_control: impl FnOnce(ControlThread) -> io::Result<()>,
) -> io::Result<i32> {
    settings.take_name(&birth.slot.to_string())?;
    worker.install_signal_handlers();
    if !tie_to_parent(birth.parent, &settings.identity)? {
        sys::exit_now(EXIT_ORPHANED);
    }
    let context = Arc::new(WorkerContext::new(
        birth.slot,
        birth.generation,
        birth.lifeline,
        birth.config,
    ));
    let name = "serverengine-hooks".to_owned();
    let hooks = Hooks::of(&worker, &context, &settings.log, name);
    let under_way = hooks.under_way();
    let control = ControlThread {
        context: Arc::clone(&context),
        home: Home::Process {
            signals,
            heart: birth.heart,
            dump: settings.dump.clone(),
            heartbeat_interval: settings.heartbeat_interval,
        },
        signals: settings.signals,
        hooks,
        log: Arc::clone(&settings.log),
    };
    start_control(control)?;
    let code = run(&*worker, &context, &settings);
    if let Some(limit) = settings.teardown_timeout {
        let log = Arc::clone(&settings.log);
        thread::Builder::new()
            .name("serverengine-teardown".to_owned())
            .spawn(move || {
                thread::sleep(limit);
                let text = format!("the worker's teardown did not end within {limit:?}: ending it");
                log.log(Level::Error, &text);
                sys::exit_now(EXIT_ERROR);
            })?;
    }
    Ok(tear_down(&*worker, code, &under_way))
}

/// Waits for the hooks under way and calls the one that follows a worker's `run`. Returns the exit code.
pub(super) fn tear_down<W: Worker>(worker: &W, code: i32, hooks: &UnderWay) -> i32 {
    hooks.wait_for_none();
    // The panic hook has printed why.
    let torn_down = catch_unwind(AssertUnwindSafe(|| worker.teardown()));
    torn_down.map_or(EXIT_PANIC, |()| code)
}

/// Runs a worker and returns its exit code.
pub(super) fn run<W: Worker>(worker: &W, context: &WorkerContext, settings: &Settings) -> i32 {
    // Without a life-line nobody is left to care for the worker, and its other thread knows.
    if !settings.explicit_readiness {
        let _ = context.ready();
    }
    match catch_unwind(AssertUnwindSafe(|| worker.run(context))) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            let text = format!("Worker {}: {error}", context.worker_id());
            settings.log.log(Level::Error, &text);
            let chosen = error.downcast_ref::<WorkerExit>();
            chosen.map_or(EXIT_ERROR, |exit| exit.code().into())
        }
        // The panic hook has printed why.
        Err(_) => EXIT_PANIC,
    }
}
