//! A worker: one process that runs the plugins of the configuration.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use millrun_core::{FlushHandle, Listeners, Pipeline, StartError, Stop, log};
use serverengine::{BoxError, ListenOptions, Signal, Worker, WorkerContext, WorkerExit};
use thiserror::Error;

use crate::command_line::CommandLine;
use crate::configuration::{Configuration, ConfigurationFault};
use crate::environment;

/// The exit status that says: do not start me again with this configuration.
pub(crate) const EXIT_UNRECOVERABLE: u8 = 2;

/// Why a worker ended other than by being told to.
#[derive(Debug, Error)]
pub(crate) enum WorkerError {
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("a plugin's thread ended unexpectedly; the log says which and why")]
    PluginFailed,
}

/// A worker of the control process.
pub(crate) struct CollectorWorker {
    arguments: CommandLine,
    requests: Requests,
}

/// What others may ask of a worker while it runs.
#[derive(Clone, Default)]
pub(crate) struct Requests {
    /// End.
    pub(crate) stop: Stop,
    flush: Arc<Mutex<Option<FlushHandle>>>,
}

impl Requests {
    /// Flushes the buffers, if the worker has them open.
    pub(crate) fn flush(&self) {
        if let Some(handle) = &*self.flush.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.flush();
        }
    }

    /// Says in the log what the outputs have done, if the worker has them open.
    pub(crate) fn report(&self) {
        if let Some(handle) = &*self.flush.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.report();
        }
    }

    fn can_flush(&self, handle: Option<FlushHandle>) {
        *self.flush.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }
}

impl CollectorWorker {
    pub(crate) fn new(arguments: CommandLine) -> Self {
        Self {
            arguments,
            requests: Requests::default(),
        }
    }
}

impl Worker for CollectorWorker {
    fn run(&self, context: &WorkerContext) -> Result<(), BoxError> {
        let number = u32::try_from(context.worker_id()).unwrap_or(u32::MAX);
        log::set_worker(number);
        let configuration =
            Configuration::load(&self.arguments, Some(number)).map_err(|fault| refuse(&fault))?;
        configuration.capture_log();
        work(configuration, &SharedListeners { context }, &self.requests)?;
        Ok(())
    }

    fn stop(&self) {
        self.requests.stop.set();
    }

    fn dump(&self) {
        self.requests.report();
    }

    fn signal(&self, signal: Signal) {
        if signal == Signal::Usr1 {
            if let Some(file) = self.arguments.log_file()
                && let Err(error) = environment::write_to(file)
            {
                tracing::error!(error = %error, "cannot open the log {} anew", file.display());
            }
            self.requests.flush();
        }
    }
}

/// Runs `configuration` until `requests` say stop.
pub(crate) fn work(
    configuration: Configuration,
    listeners: &dyn Listeners,
    requests: &Requests,
) -> Result<(), WorkerError> {
    let Configuration {
        system,
        state_root,
        parts,
        ..
    } = configuration;
    let worker = system.worker;
    let ppid = std::os::unix::process::parent_id();
    tracing::info!(
        pid = std::process::id(),
        ppid,
        worker,
        "starting fluentd worker"
    );
    let pipeline = Pipeline::start(parts, &system, &state_root, listeners, &requests.stop)?;
    requests.can_flush(Some(pipeline.flush_handle()));
    tracing::info!(worker, "fluentd worker is now running");
    pipeline.announced();
    requests.stop.wait_until_set();
    tracing::info!(worker, "fluentd worker is now stopping");
    requests.can_flush(None);
    let failed = pipeline.has_failed();
    pipeline.stop();
    tracing::info!(worker, "fluentd worker is now stopped");
    if failed {
        Err(WorkerError::PluginFailed)
    } else {
        Ok(())
    }
}

/// The configuration was sound when the control process read it and is not any more, so starting
/// again would not help: the exit code says so.
fn refuse(fault: &ConfigurationFault) -> BoxError {
    fault.report();
    WorkerExit::new(EXIT_UNRECOVERABLE, fault.in_words()).into()
}

/// Sockets that the control process holds.
struct SharedListeners<'a> {
    context: &'a WorkerContext,
}

impl Listeners for SharedListeners<'_> {
    fn tcp(&self, address: SocketAddr, backlog: Option<u32>) -> Result<TcpListener, StartError> {
        let mut options = ListenOptions::default();
        if let Some(backlog) = backlog {
            options.backlog = backlog;
        }
        let listener = self.context.listen_tcp(address, options);
        listener.map_err(|error| StartError::new(error.to_string()))
    }

    fn udp(&self, address: SocketAddr) -> Result<UdpSocket, StartError> {
        let socket = self.context.listen_udp(address, ListenOptions::default());
        socket.map_err(|error| StartError::new(error.to_string()))
    }
}
