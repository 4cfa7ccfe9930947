//! What the command line asks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Printed by `--help`.
pub(crate) const USAGE: &str = "\
Usage: bench/engine [OPTIONS]

  --subject FILE the program that is our contender (bench/engine builds it)
  --rounds N     rounds; in each, every contender has its turn once (default 2)
  --workers LIST numbers of workers to start and restart (default 4,16,64)
  --kill-for S   seconds in which workers are killed one after the other, per turn (default 4)
  --watch-for S  seconds in which idle processes are watched, per turn (default 5)
  --only NAMES   contenders, separated by commas (default: all that are installed)
  --runs DIR     directory for the raw results (default bench/runs)
";

/// The command line, understood.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) subject: PathBuf,
    pub(crate) rounds: u32,
    pub(crate) workers: Vec<usize>,
    pub(crate) kill_for: Duration,
    pub(crate) watch_for: Duration,
    pub(crate) only: Vec<String>,
    pub(crate) runs: PathBuf,
}

impl Arguments {
    /// Reads the options; `None` means that help was asked for.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut arguments = Self {
            subject: PathBuf::new(),
            rounds: 2,
            workers: vec![4, 16, 64],
            kill_for: Duration::from_secs(4),
            watch_for: Duration::from_secs(5),
            only: Vec::new(),
            runs: Path::new(env!("CARGO_MANIFEST_DIR")).join("runs"),
        };
        while let Some(option) = words.next() {
            if option == "--help" || option == "-h" {
                return Ok(None);
            }
            let value = words
                .next()
                .with_context(|| format!("{option} needs a value"))?;
            let number = |text: &str| {
                let parsed = text.parse::<u32>();
                parsed.with_context(|| format!("{option} needs whole numbers, got '{text}'"))
            };
            match option.as_str() {
                "--subject" => arguments.subject = PathBuf::from(value),
                "--rounds" => arguments.rounds = number(&value)?,
                "--workers" => {
                    let numbers = value.split(',').map(number);
                    let workers = numbers.map(|it| Ok(usize::try_from(it?)?));
                    arguments.workers = workers.collect::<Result<_>>()?;
                }
                "--kill-for" => arguments.kill_for = Duration::from_secs(number(&value)?.into()),
                "--watch-for" => arguments.watch_for = Duration::from_secs(number(&value)?.into()),
                "--only" => arguments.only = value.split(',').map(str::to_owned).collect(),
                "--runs" => arguments.runs = PathBuf::from(value),
                _ => bail!("unknown option '{option}'\n\n{USAGE}"),
            }
        }
        if arguments.rounds == 0 || arguments.workers.contains(&0) {
            bail!("--rounds and --workers must be at least 1");
        }
        arguments.subject = fs::canonicalize(&arguments.subject).with_context(|| {
            let path = arguments.subject.display();
            format!("--subject must name the program idle-engine, not '{path}'")
        })?;
        Ok(Some(arguments))
    }
}
