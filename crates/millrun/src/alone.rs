//! `--no-supervisor`: the worker without a control process, in one process.
//!
//! Nothing replaces it when it dies, and its sockets close with it; it serves for a look, and
//! where something else supervises.

use std::process::ExitCode;
use std::thread;

use millrun_core::OwnListeners;
use nix::sys::signal::{SigSet, Signal};

use crate::configuration::Configuration;
use crate::worker::{EXIT_UNRECOVERABLE, Requests, work};

/// Runs the configuration in this process.
///
/// ```text
/// TERM INT   stop
/// USR1       flush all buffers
/// CONT       say in the log what the outputs have done
/// ```
pub(crate) fn run(configuration: Configuration) -> ExitCode {
    if configuration.system.parameters.workers > 1 {
        // One process would run the part of one worker and leave out the others'.
        tracing::error!(
            "config error error=\"multi workers is not supported with --no-supervisor\""
        );
        return ExitCode::from(EXIT_UNRECOVERABLE);
    }
    let requests = Requests::default();
    if let Err(error) = watch_signals(&requests) {
        tracing::error!("cannot watch signals: {error}");
        return ExitCode::FAILURE;
    }
    match work(configuration, &OwnListeners, &requests) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Blocks the signals before any other thread exists, which then inherits the mask, and takes
/// them one by one on a thread of their own.
fn watch_signals(requests: &Requests) -> std::io::Result<()> {
    let signals: SigSet = [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGUSR1,
        Signal::SIGCONT,
    ]
    .into_iter()
    .collect();
    signals.thread_block()?;
    let requests = requests.clone();
    let watch = move || {
        loop {
            match signals.wait() {
                Ok(Signal::SIGUSR1) => requests.flush(),
                Ok(Signal::SIGCONT) => requests.report(),
                Ok(_) => requests.stop.set(),
                Err(error) => {
                    tracing::error!("cannot take signals any more: {error}");
                    return requests.stop.set();
                }
            }
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(watch)
        .map(drop)
}
