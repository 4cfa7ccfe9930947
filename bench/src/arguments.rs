//! What the command line asks for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// Printed by `--help`.
pub(crate) const USAGE: &str = "\
Usage: bench/run [OPTIONS]

  --lines N      lines in the generated log, 200 bytes each (default 3000000)
  --rounds N     rounds; in each, every contender runs once (default 5)
  --seed N       seed of the generated log (default 1)
  --only NAMES   contenders, separated by commas (default millrun,rsyslog)
  --work DIR     directory for the log and the contenders' state
                 (default target/bench, inside cargo's target directory)
  --runs DIR     directory for the raw results (default bench/runs)
";

/// The most lines the receiver keeps count of; one bit each.
const LINES_MAX: u64 = 1_000_000_000;

/// The command line, understood.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) lines: u64,
    pub(crate) rounds: u32,
    pub(crate) seed: u64,
    pub(crate) only: Vec<String>,
    pub(crate) work: PathBuf,
    pub(crate) runs: PathBuf,
}

impl Arguments {
    /// Reads the options; `None` means that help was asked for.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut arguments = Self {
            lines: 3_000_000,
            rounds: 5,
            seed: 1,
            only: vec!["millrun".into(), "rsyslog".into()],
            work: default_work()?,
            runs: PathBuf::from("bench/runs"),
        };
        while let Some(option) = words.next() {
            if option == "--help" || option == "-h" {
                return Ok(None);
            }
            let value = words
                .next()
                .with_context(|| format!("{option} needs a value"))?;
            let number = || {
                let parsed = value.parse::<u64>();
                parsed.with_context(|| format!("{option} needs a whole number, got '{value}'"))
            };
            match option.as_str() {
                "--lines" => arguments.lines = number()?,
                "--rounds" => arguments.rounds = u32::try_from(number()?)?,
                "--seed" => arguments.seed = number()?,
                "--only" => arguments.only = value.split(',').map(str::to_owned).collect(),
                "--work" => arguments.work = PathBuf::from(value),
                "--runs" => arguments.runs = PathBuf::from(value),
                _ => bail!("unknown option '{option}'\n\n{USAGE}"),
            }
        }
        if !(1..=LINES_MAX).contains(&arguments.lines) {
            bail!("--lines must be between 1 and {LINES_MAX}");
        }
        if arguments.rounds == 0 {
            bail!("--rounds must be at least 1");
        }
        Ok(Some(arguments))
    }
}

/// `bench` beside the directory this program was built into.
fn default_work() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .context("this program stands in no directory")?;
    Ok(target.join("bench"))
}
