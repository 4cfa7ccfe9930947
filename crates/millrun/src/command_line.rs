//! What was typed: the flags, by Fluentd's names (fluentd.md section 2.2).

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use millrun_config::{FileKind, inline_text};
use tracing::level_filters::LevelFilter;

use crate::check::CheckArguments;
use crate::completion::CompletionArguments;
use crate::explain::ExplainArguments;
use crate::language_server;
use crate::reference::ReferenceArguments;

/// What is said to `--use-v0-config`.
const V0_REFUSAL: &str = "the old configuration language (--use-v0-config) is not read; a file in it \
     is usually also one in the present language: leave the flag out, then run --dry-run";

/// Collects log events, keeps them safe, and passes them on.
#[derive(Clone, Debug, Parser)]
#[command(name = "millrun", version)]
pub(crate) struct CommandLine {
    /// What is done instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The configuration file.
    #[arg(
        short,
        long = "config",
        value_name = "PATH",
        env = "FLUENT_CONF",
        default_value = "/etc/fluent/fluent.conf"
    )]
    pub config: PathBuf,

    /// Text appended to the configuration; a backslash and an n in it become a new line. `-` reads
    /// it from the standard input, which is deprecated.
    #[arg(short, long, value_name = "TEXT")]
    pub inline_config: Option<String>,

    /// The inline text was read from the standard input.
    #[arg(skip)]
    pub inline_was_piped: bool,

    /// The language of the configuration file: yaml, v1, or guess by its name.
    #[arg(long, value_name = "KIND", default_value = "guess", value_parser = file_kind)]
    pub config_file_type: FileKind,

    /// Read the configuration as the present language, which happens anyway.
    #[arg(long, hide = true, conflicts_with = "use_v0_config")]
    pub use_v1_config: bool,

    /// Refused: the language of before 2014 is not read.
    #[arg(long, hide = true)]
    pub use_v0_config: bool,

    /// Check the configuration, say what is wrong with it, start nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Run in one process, without the control process that replaces a dead worker.
    #[arg(long)]
    pub no_supervisor: bool,

    /// How many workers run the configuration side by side, over `<system> workers`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub workers: Option<u32>,

    /// The file that the log and the events of stdout are appended to; `-` is the standard output.
    #[arg(short = 'o', long, value_name = "PATH")]
    pub log: Option<PathBuf>,

    /// Where Ruby plugins lie. Accepted and not used: plugins are part of the program here.
    #[arg(short = 'p', long = "plugin", value_name = "DIR", hide = true)]
    pub plugin_directories: Vec<PathBuf>,

    /// Where Ruby libraries lie. Accepted and not used.
    #[arg(short = 'I', value_name = "DIR", hide = true)]
    pub library_directories: Vec<PathBuf>,

    /// Start no source.
    #[arg(long)]
    pub without_source: bool,

    /// Do not show the configuration in the log at start.
    #[arg(long)]
    pub suppress_config_dump: bool,

    /// Make events of log lines also while the outputs end.
    #[arg(long)]
    pub log_event_verbose: bool,

    /// Take a value of the wrong type for an error, not for a zero.
    #[arg(long)]
    pub strict_config_value: bool,

    /// Log more: -v debug, -vv trace.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Log less: -q warnings and errors, -qq errors only.
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,
}

/// What is done instead of running.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Say everything about configurations, start nothing.
    Check(CheckArguments),
    /// Show the route of a tag, and why it does not take another one.
    Explain(ExplainArguments),
    /// Show what the plugins of this build can be told.
    Reference(ReferenceArguments),
    /// Print the file with which a shell completes this command line.
    Completion(CompletionArguments),
    /// Show findings, completion and documentation in an editor (Language Server Protocol on the
    /// standard input and output).
    #[command(visible_alias = "lsp")]
    LanguageServer,
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self) -> ExitCode {
        match self {
            Self::Check(arguments) => arguments.run(),
            Self::Explain(arguments) => arguments.run(),
            Self::Reference(arguments) => arguments.run(),
            Self::Completion(arguments) => arguments.run(),
            Self::LanguageServer => language_server::run(),
        }
    }
}

impl CommandLine {
    /// Reads the flags of this process. The error is the status to exit with: 0 where help or
    /// the version was asked for and is printed, 1 for a usage that is wrong.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        let arguments = Self::try_parse().and_then(Self::checked);
        arguments.map_err(|error| {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()))
        })
    }

    /// Refuses what is only understood to be refused, and reads the standard input where it is
    /// the inline text: once, for every process of the instance reads the configuration again.
    fn checked(mut self) -> Result<Self, clap::Error> {
        let fault = |kind, message: &str| Self::command().error(kind, message);
        if self.use_v0_config {
            return Err(fault(ErrorKind::InvalidValue, V0_REFUSAL));
        }
        self.inline_was_piped = self.inline_config.as_deref() == Some("-");
        self.inline_config = match self.inline_config.as_deref() {
            Some("-") => Some(io::read_to_string(io::stdin()).map_err(|error| {
                let message = format!("cannot read the inline configuration: {error}");
                fault(ErrorKind::Io, &message)
            })?),
            Some(text) => Some(inline_text(text)),
            None => None,
        };
        Ok(self)
    }

    /// The file the log goes to; `None` for the standard output.
    pub(crate) fn log_file(&self) -> Option<&Path> {
        self.log.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// The level the flags ask for; `None` leaves it to the configuration.
    pub(crate) fn log_level(&self) -> Option<LevelFilter> {
        match (self.verbose, self.quiet) {
            (0, 0) => None,
            (0, 1) => Some(LevelFilter::WARN),
            (0, _) => Some(LevelFilter::ERROR),
            (1, _) => Some(LevelFilter::DEBUG),
            (_, _) => Some(LevelFilter::TRACE),
        }
    }
}

pub(crate) fn file_kind(word: &str) -> Result<FileKind, String> {
    FileKind::from_word(word).ok_or_else(|| "expected yaml, yml, v1 or guess".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    fn parse(flags: &[&str]) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(["millrun"].iter().chain(flags)).and_then(CommandLine::checked)
    }

    #[test]
    fn the_inline_text_has_lines() {
        let arguments = parse(&["-i", "<match>\\n</match>"]).unwrap();
        assert_eq!(
            arguments.inline_config.as_deref(),
            Some("<match>\n</match>")
        );
    }

    #[test]
    fn the_kind_of_the_file() {
        assert_eq!(parse(&[]).unwrap().config_file_type, FileKind::Guess);
        let arguments = parse(&["--config-file-type", "yml"]).unwrap();
        assert_eq!(arguments.config_file_type, FileKind::Yaml);
        let error = parse(&["--config-file-type", "toml"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "error: invalid value 'toml' for '--config-file-type <KIND>': expected yaml, yml, v1 \
             or guess\n\nFor more information, try '--help'.\n"
        );
    }

    #[test]
    fn the_language_of_old_is_refused() {
        let error = parse(&["--use-v0-config"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "error: the old configuration language (--use-v0-config) is not read; a file in it is \
             usually also one in the present language: leave the flag out, then run --dry-run\n\n\
             Usage: millrun [OPTIONS] [COMMAND]\n\nFor more information, try '--help'.\n"
        );
    }

    #[test]
    fn levels_follow_the_flags() {
        let level = |flags: &[&str]| {
            let words = ["millrun", "-c", "x"].iter().chain(flags);
            CommandLine::parse_from(words).log_level()
        };
        assert_eq!(level(&[]), None);
        assert_eq!(level(&["-q"]), Some(LevelFilter::WARN));
        assert_eq!(level(&["-qq"]), Some(LevelFilter::ERROR));
        assert_eq!(level(&["-v"]), Some(LevelFilter::DEBUG));
        assert_eq!(level(&["-vv"]), Some(LevelFilter::TRACE));
    }
}
