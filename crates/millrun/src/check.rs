//! `millrun check FILE…`: says everything about configurations, starts nothing.
//!
//! ```text
//! exit status  0  no errors; warnings alone do not count
//!              1  errors, or warnings with --deny-warnings, or a file that cannot be read
//! ```

mod json;
mod sarif;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use millrun_config::{
    Diagnostic, Diagnostics, FileKind, LoadOptions, Position, RenderStyle, Sources, Span,
    Strictness,
};
use millrun_core::{Checked, Promise, check};

use crate::command_line::file_kind;
use crate::environment;
use crate::ruby::load;

/// Most ways from a source to an output that are listed for people.
const WAYS_SHOWN_MAX: usize = 20;

/// What `millrun check` was asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArguments {
    /// The configuration files, each a configuration of its own.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Warnings make the exit status 1, too.
    #[arg(long)]
    deny_warnings: bool,

    /// Take a value of the wrong type for an error, not for a zero.
    #[arg(long)]
    strict_config_value: bool,

    /// The language of the files: yaml, v1, or guess by their names.
    #[arg(long, value_name = "KIND", default_value = "guess", value_parser = file_kind)]
    config_file_type: FileKind,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For code review tools: SARIF 2.1.0.
    Sarif,
}

/// What was found about one file.
struct FileReport {
    path: PathBuf,
    sources: Sources,
    diagnostics: Diagnostics,
    promises: Vec<Promise>,
}

impl CheckArguments {
    /// Checks the files and writes what was found to the standard output.
    pub(crate) fn run(&self) -> ExitCode {
        let reports: Vec<_> = self.files.iter().map(|path| self.check(path)).collect();
        let text = match self.format {
            Format::Text => text(&reports),
            Format::Json => json::document(&reports),
            Format::Sarif => sarif::document(&reports),
        };
        // Nobody is left to tell when the reader of the output is gone.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        let is_refused = reports.iter().any(|report| {
            let has_warnings = report.diagnostics.warnings().next().is_some();
            report.diagnostics.has_errors() || (self.deny_warnings && has_warnings)
        });
        ExitCode::from(u8::from(is_refused))
    }

    fn check(&self, path: &Path) -> FileReport {
        let environment = environment::of_configuration(None);
        let options = LoadOptions {
            kind: self.config_file_type,
            ..LoadOptions::new(path, &environment)
        };
        let path = path.to_owned();
        let loaded = match load(&options, &environment) {
            Ok(loaded) => loaded,
            Err(error) => {
                let mut diagnostics = Diagnostics::default();
                diagnostics.push(Diagnostic::error(error.to_string()));
                return FileReport {
                    path,
                    sources: Sources::default(),
                    diagnostics,
                    promises: Vec::new(),
                };
            }
        };
        let strictness = match self.strict_config_value {
            true => Strictness::Strict,
            false => Strictness::Lax,
        };
        let registry = millrun_plugins::registry();
        // Nothing is kept, so nothing is made there.
        let state = Path::new("/var/lib/millrun");
        let Checked {
            sources,
            diagnostics,
            promises,
            ..
        } = check(loaded.parsed, &registry, state, strictness);
        FileReport {
            path,
            sources,
            diagnostics,
            promises,
        }
    }
}

impl FileReport {
    fn errors(&self) -> usize {
        self.diagnostics.errors().count()
    }

    fn warnings(&self) -> usize {
        self.diagnostics.warnings().count()
    }

    /// Where a span begins and ends.
    fn range(&self, span: Span) -> (Position, Position) {
        let end = Span {
            start: span.end,
            ..span
        };
        (self.sources.position(span), self.sources.position(end))
    }

    /// The name of the file a span is in.
    fn file(&self, span: Span) -> String {
        let source = self.sources.file(span.file);
        source.map_or(String::new(), |source| source.path().display().to_string())
    }
}

fn text(reports: &[FileReport]) -> String {
    let style = match io::stdout().is_terminal() {
        true => RenderStyle::Terminal,
        false => RenderStyle::Plain,
    };
    reports
        .iter()
        .map(|report| file_text(report, style))
        .collect()
}

fn file_text(report: &FileReport, style: RenderStyle) -> String {
    let mut text = report.diagnostics.render(&report.sources, style);
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(&format!(
        "{}: {}, {}\n",
        report.path.display(),
        counted(report.errors(), "error"),
        counted(report.warnings(), "warning")
    ));
    if let Some(weakest) = report.promises.iter().map(|promise| promise.name).min() {
        let words = weakest.as_words();
        text.push_str(&format!("promise under kill -9 of any process: {words}\n"));
    }
    for promise in report.promises.iter().take(WAYS_SHOWN_MAX) {
        let reason = match promise.reason {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        text.push_str(&format!(
            "  {} ({}) → {} ({}): {}{reason}\n",
            promise.source,
            report.sources.place(promise.source_span),
            promise.output,
            report.sources.place(promise.output_span),
            promise.name.as_words(),
        ));
    }
    let more = report.promises.len().saturating_sub(WAYS_SHOWN_MAX);
    if more > 0 {
        text.push_str(&format!(
            "  and {more} more ways, which --format json lists\n"
        ));
    }
    text
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}
