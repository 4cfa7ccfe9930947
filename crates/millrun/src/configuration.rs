//! The configuration of a process: read, checked, and turned into plugins.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use millrun_config::{
    Diagnostic, Diagnostics, Element, LoadError, LoadOptions, Loaded, Parsed, RenderStyle, Sources,
    Strictness, dump, modernise,
};
use millrun_core::{
    LogFormatName, Parts, System, SystemParameters, assemble, assemble_all, lint, log,
};
use millrun_pattern::TimeFormat;
use thiserror::Error;

use crate::command_line::CommandLine;
use crate::environment;
use crate::ruby::load;

/// A configuration without errors.
pub(crate) struct Configuration {
    /// What holds for the whole instance.
    pub(crate) system: System,
    /// Where ledgers, and buffers without a path, are kept.
    pub(crate) state_root: PathBuf,
    /// The plugins, made and not started.
    pub(crate) parts: Parts,
    root: Element,
    file: PathBuf,
    sources: Sources,
    diagnostics: Diagnostics,
    notes: Vec<String>,
    shows_itself: bool,
}

/// Why there is no configuration to run. All of it is the operator's to mend.
#[derive(Debug, Error)]
pub(crate) enum ConfigurationFault {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] LoadError),
    /// The file says something that cannot be.
    #[error("{} cannot be used: see the errors above", file.display())]
    Wrong {
        file: PathBuf,
        sources: Sources,
        diagnostics: Diagnostics,
    },
}

impl Configuration {
    /// Reads the file that `arguments` name, as worker `worker` sees it, and makes its plugins.
    pub(crate) fn load(
        arguments: &CommandLine,
        worker: Option<u32>,
    ) -> Result<Self, ConfigurationFault> {
        let file = arguments.config.clone();
        let environment = environment::of_configuration(worker);
        let options = LoadOptions {
            kind: arguments.config_file_type,
            inline: arguments.inline_config.clone(),
            ..LoadOptions::new(&file, &environment)
        };
        let Loaded { parsed, notes } = load(&options, &environment)?;
        let Parsed {
            mut root,
            sources,
            mut diagnostics,
        } = parsed;
        let registry = millrun_plugins::registry();
        modernise(
            &mut root,
            &|element| registry.schema_of(element),
            &mut diagnostics,
        );
        if arguments.strict_config_value {
            diagnostics.set_strictness(Strictness::Strict);
        }
        let system = System::read(&root, &mut diagnostics);
        let Some(mut system) = system.or_else(|| System::usual(&root)) else {
            return Err(ConfigurationFault::Wrong {
                file,
                sources,
                diagnostics,
            });
        };
        if system.parameters.strict_config_value {
            diagnostics.set_strictness(Strictness::Strict);
        }
        system.worker = worker.unwrap_or(0);
        if let Some(workers) = arguments.workers {
            system.parameters.workers = workers;
        }
        system.without_source |= arguments.without_source;
        system.parameters.log_event_verbose |= arguments.log_event_verbose;
        let state_root = system.state_root(&file, &environment::of_state());
        // A worker makes what it runs; whoever only checks hears the plugins of all workers.
        let make = match worker {
            Some(_) => assemble,
            None => assemble_all,
        };
        let parts = make(&root, &registry, &system, &state_root, &mut diagnostics);
        let workers = system.parameters.workers;
        lint(&root, &registry, workers, &mut diagnostics);
        if arguments.inline_was_piped {
            let warning = "the value \"-\" for `inline_config` is deprecated";
            let warning = Diagnostic::warning(warning);
            diagnostics.push(warning.hint("write the text to a file and name it with --config"));
        }
        let log_time = TimeFormat::compile(&system.log.time_format);
        if let Err(error) = &log_time {
            let span = root
                .elements_named("system")
                .next()
                .map_or(root.span(), Element::span);
            diagnostics
                .push(Diagnostic::error(format!("time_format: {error}")).at(span, "in its <log>"));
        }
        let (false, Ok(log_time)) = (diagnostics.has_errors(), log_time) else {
            return Err(ConfigurationFault::Wrong {
                file,
                sources,
                diagnostics,
            });
        };
        let level = arguments
            .log_level()
            .unwrap_or(environment::level(system.parameters.log_level));
        log::set_level(level);
        log::set_json(system.log.format == LogFormatName::Json);
        environment::set_log_time(log_time);
        let shows_itself =
            !arguments.suppress_config_dump && !system.parameters.suppress_config_dump;
        Ok(Self {
            system,
            state_root,
            parts,
            root,
            file,
            sources,
            diagnostics,
            notes,
            shows_itself,
        })
    }

    /// Keeps the log lines of this process from now on, where the configuration takes them as events.
    pub(crate) fn capture_log(&self) {
        if self.parts.graph.log.is_some() {
            log::capture();
        }
    }

    /// Logs what was read besides the file, and what the configuration says that is probably not
    /// meant.
    pub(crate) fn report_warnings(&self) {
        tracing::info!(path = %self.file.display(), "parsing config file is succeeded");
        for note in &self.notes {
            tracing::info!("{note}");
        }
        for warning in self.diagnostics.warnings() {
            tracing::warn!("{}", warning.log_line(&self.sources));
        }
    }

    /// Logs the configuration as it was understood, secrets masked, unless that was switched off.
    pub(crate) fn show(&self) {
        if self.shows_itself {
            let registry = millrun_plugins::registry();
            let text = dump(&self.root, &|element| match element.name() {
                "system" => Some(SystemParameters::SCHEMA),
                _ => registry.schema_of(element),
            });
            tracing::info!("using configuration file: {}", text.trim_end());
        }
    }
}

impl ConfigurationFault {
    /// Tells the operator: each error with its line on the standard error, and a line in the log
    /// for whoever greps there.
    pub(crate) fn report(&self) {
        match self {
            Self::Unreadable(error) => {
                tracing::error!("config error error=\"{error}\"");
            }
            Self::Wrong {
                file,
                sources,
                diagnostics,
            } => {
                let stderr = std::io::stderr();
                let style = if stderr.is_terminal() {
                    RenderStyle::Terminal
                } else {
                    RenderStyle::Plain
                };
                // Nobody is left to tell when the terminal is gone.
                let text = diagnostics.render(sources, style)
                    + "

";
                let _ = stderr.lock().write_all(text.as_bytes());
                for error in diagnostics.errors() {
                    tracing::error!(
                        "config error file=\"{}\" error=\"{}\"",
                        file.display(),
                        error.one_line(sources)
                    );
                }
            }
        }
    }

    /// The faults in one text, for a log that has no terminal beside it.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Unreadable(error) => error.to_string(),
            Self::Wrong {
                sources,
                diagnostics,
                ..
            } => {
                let lines: Vec<String> = diagnostics
                    .errors()
                    .map(|error| error.one_line(sources))
                    .collect();
                lines.join("; ")
            }
        }
    }
}
