//! `millrun explain --tag T FILE`: the route of a tag through a configuration.
//!
//! The configuration is read and not checked: a route can be explained while other things are
//! still wrong.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use millrun_config::{FileKind, LoadOptions, RenderStyle};
use millrun_core::explain;

use crate::command_line::file_kind;
use crate::environment;
use crate::ruby::load;

/// What `millrun explain` was asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArguments {
    /// The tag whose route is explained.
    #[arg(long)]
    tag: String,

    /// The configuration file.
    file: PathBuf,

    /// The language of the file: yaml, v1, or guess by its name.
    #[arg(long, value_name = "KIND", default_value = "guess", value_parser = file_kind)]
    config_file_type: FileKind,
}

impl ExplainArguments {
    /// Writes the route to the standard output. The exit status is 1 if the file cannot be
    /// understood.
    pub(crate) fn run(&self) -> ExitCode {
        let environment = environment::of_configuration(None);
        let options = LoadOptions {
            kind: self.config_file_type,
            ..LoadOptions::new(&self.file, &environment)
        };
        let (text, status) = match load(&options, &environment) {
            Err(error) => (format!("error: {error}\n"), 1),
            Ok(loaded) => {
                let parsed = &loaded.parsed;
                let mut text = explain(
                    &parsed.root,
                    &parsed.sources,
                    &self.tag,
                    &millrun_plugins::patterns,
                );
                for error in parsed.diagnostics.errors() {
                    let error = error.render(&parsed.sources, RenderStyle::Plain);
                    text.push_str(&format!("\n{error}\n"));
                }
                (text, u8::from(parsed.diagnostics.has_errors()))
            }
        };
        // Nobody is left to tell when the reader of the output is gone.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        ExitCode::from(status)
    }
}
