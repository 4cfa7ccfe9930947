use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use millrun_conformance::{Options, program_beside};

pub(crate) const USAGE: &str = "\
Plays recorded scenarios of Fluentd against millrun and compares what happens.

Usage: conformance [OPTIONS]

      --kind KIND       Only this kind of case; may be repeated
      --filter TEXT     Only cases whose names contain TEXT
      --program PATH    The millrun to test (default: the one built beside this program)
      --jobs N          Cases played at once (default 4)
      --logs            Also compare the log lines whose words are promised
      --verbose         Also list the cases that are expected to differ, with their reasons
      --report          Also write reports/KIND.txt
  -h, --help            Print this
";

/// Cases played at once; most of their time is waiting.
const JOBS: usize = 4;
/// The kinds that are played when none is named.
const KINDS: [&str; 2] = ["out_file", "routing"];

/// What was asked for.
pub(crate) struct CommandLine {
    pub(crate) options: Options,
    pub(crate) kinds: Vec<String>,
    pub(crate) verbose: bool,
    pub(crate) report: bool,
}

/// Reads the arguments; `None` asks for the usage.
pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Option<CommandLine>> {
    let (mut kinds, mut filter, mut program) = (Vec::new(), None, None);
    let (mut jobs, mut logs, mut verbose, mut report) = (JOBS, false, false, false);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("{word} needs a value"))
        };
        match word.as_str() {
            "--kind" => kinds.push(value()?),
            "--filter" => filter = Some(value()?),
            "--program" => program = Some(PathBuf::from(value()?)),
            "--jobs" => jobs = value()?.parse().context("--jobs needs a number")?,
            "--logs" => logs = true,
            "--verbose" => verbose = true,
            "--report" => report = true,
            "-h" | "--help" => return Ok(None),
            _ => bail!("unknown argument {word:?}; --help lists the known ones"),
        }
    }
    if kinds.is_empty() {
        kinds = KINDS.map(str::to_owned).to_vec();
    }
    let program = program
        .or_else(program_beside)
        .context("no millrun beside this program; build it, or name one with --program")?;
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(Some(CommandLine {
        options: Options {
            program,
            home,
            filter,
            jobs,
            logs,
        },
        kinds,
        verbose,
        report,
    }))
}
