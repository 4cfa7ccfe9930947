//! The control process: workers that are replaced when they end, and signals by Fluentd's names.
//!
//! ```text
//! TERM INT   stop: sources first, then what is buffered in memory goes out
//! QUIT       stop at once
//! HUP USR2   check the configuration; if it is sound, replace the workers one by one
//! USR1       flush all buffers; workers open the log file anew
//! CONT       log the engine's state
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serverengine::{BoxError, Config, Level, Log, Meaning, Server, SignalMeanings};

use crate::command_line::CommandLine;
use crate::configuration::Configuration;
use crate::environment;
use crate::worker::{CollectorWorker, EXIT_UNRECOVERABLE};

/// How often a worker says that it is alive: a third of the time after which one that is silent is replaced. Each wakes
/// it, and one with nothing to do is to sleep.
const WORKER_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// How long a worker may take to end. Above what its outputs may take to deliver the rest.
const GRACEFUL_STOP_MAX: Duration = Duration::from_secs(40);

/// Runs workers until told to stop.
pub(crate) fn run(arguments: CommandLine, configuration: &Configuration) -> ExitCode {
    let system = &configuration.system.parameters;
    tracing::info!(
        pid = std::process::id(),
        "starting millrun-{}",
        env!("CARGO_PKG_VERSION")
    );
    let name = |role: &str| {
        system
            .process_name
            .as_ref()
            .map(|name| format!("{role}:{name}"))
    };
    let config = Config {
        workers: system.workers as usize,
        restart_worker_interval: system.restart_worker_interval,
        worker_graceful_kill_timeout: Some(GRACEFUL_STOP_MAX),
        worker_heartbeat_interval: WORKER_HEARTBEAT_INTERVAL,
        unrecoverable_exit_codes: vec![i32::from(EXIT_UNRECOVERABLE)],
        stop_immediately_at_unrecoverable_exit: true,
        server_process_name: name("supervisor"),
        worker_process_name: name("worker"),
        signals: SignalMeanings {
            term: Meaning::GracefulStop,
            int: Meaning::GracefulStop,
            quit: Meaning::ImmediateStop,
            hup: Meaning::GracefulRestart,
            usr1: Meaning::Forward,
            usr2: Meaning::GracefulRestart,
            cont: Meaning::Dump,
        },
        log: Arc::new(ControlLog {
            file: arguments.log_file().map(Path::to_owned),
        }),
        ..Config::default()
    };
    let server = CollectorServer {
        arguments: arguments.clone(),
        workers: None,
    };
    serverengine::create(
        server,
        move |_| CollectorWorker::new(arguments.clone()),
        config,
    )
    .run()
}

struct CollectorServer {
    arguments: CommandLine,
    /// How many the configuration wants since it was read anew.
    workers: Option<usize>,
}

impl Server for CollectorServer {
    /// A restart with a configuration that is broken would end a collector that works: it is
    /// refused here, and the workers go on as they are.
    fn reload_config(&mut self) -> Result<(), BoxError> {
        match Configuration::load(&self.arguments, None) {
            Ok(configuration) => {
                configuration.report_warnings();
                self.workers = usize::try_from(configuration.system.parameters.workers).ok();
                Ok(())
            }
            Err(fault) => Err(fault.in_words().into()),
        }
    }

    fn workers(&self) -> Option<usize> {
        self.workers
    }
}

/// The engine's messages in the collector's log.
struct ControlLog {
    /// The file of `--log`.
    file: Option<PathBuf>,
}

impl Log for ControlLog {
    fn log(&self, level: Level, message: &str) {
        match level {
            Level::Debug => tracing::debug!("{message}"),
            Level::Info => tracing::info!("{message}"),
            Level::Warn => tracing::warn!("{message}"),
            _ => tracing::error!("{message}"),
        }
    }

    fn reopen(&self) {
        if let Some(file) = &self.file
            && let Err(error) = environment::write_to(file)
        {
            tracing::error!(error = %error, "cannot open the log {} anew", file.display());
        }
    }
}
