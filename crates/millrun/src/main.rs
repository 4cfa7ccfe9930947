//! The millrun log collector.
//!
//! ```text
//! millrun -c fluent.conf
//!   └─ control process     forks, watches and replaces workers; holds the listening sockets
//!        └─ worker 0 …     reads the configuration, runs its plugins
//! ```
#![forbid(unsafe_code)]

mod alone;
mod check;
mod command_line;
mod completion;
mod configuration;
mod control;
mod environment;
mod explain;
mod language_server;
mod reference;
mod ruby;
mod worker;

use std::process::ExitCode;

use crate::command_line::CommandLine;
use crate::configuration::Configuration;

/// The exit status for a fault of the configuration or of the command line.
const EXIT_FAULT: u8 = 1;

fn main() -> ExitCode {
    let arguments = match CommandLine::read() {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    if let Some(command) = &arguments.command {
        return command.run();
    }
    environment::start_log(&arguments);
    if let Some(file) = arguments.log_file()
        && let Err(error) = environment::write_to(file)
    {
        tracing::error!("cannot write the log to {}: {error}", file.display());
        return ExitCode::from(EXIT_FAULT);
    }
    let configuration = match Configuration::load(&arguments, None) {
        Ok(configuration) => configuration,
        Err(fault) => {
            fault.report();
            let alone = arguments.no_supervisor && !arguments.dry_run;
            return ExitCode::from(if alone {
                worker::EXIT_UNRECOVERABLE
            } else {
                EXIT_FAULT
            });
        }
    };
    configuration.report_warnings();
    if arguments.dry_run {
        tracing::info!("finished dry run mode");
        return ExitCode::SUCCESS;
    }
    if arguments.no_supervisor {
        // A process alone shows the configuration in a line that is an event like all of a worker's.
        configuration.capture_log();
    }
    configuration.show();
    if arguments.no_supervisor {
        alone::run(configuration)
    } else {
        control::run(arguments, &configuration)
    }
}
