//! What the command line asks for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::scenario::SCENARIOS;

/// Printed by `--help`.
pub(crate) const USAGE: &str = "\
Usage: bench/run [OPTIONS]

  --scenario NAMES  what is done: tail, tail-file, nginx, json, relay, to-file
                 (default all of them)
  --lines N      lines in a generated log, 208 bytes each (default 3000000);
                 slow contenders read a tenth of them
  --rounds N     rounds; in each, every contender runs once (default 5)
  --seed N       seed of the generated logs (default 1)
  --only NAMES   contenders, separated by commas
                 (default floor,millrun,rsyslog,syslog-ng)
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
    pub(crate) scenarios: Vec<String>,
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
            scenarios: SCENARIOS.iter().map(|one| one.name.to_owned()).collect(),
            only: ["floor", "millrun", "rsyslog", "syslog-ng"]
                .map(str::to_owned)
                .into(),
            work: work_directory()?,
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
                "--scenario" => arguments.scenarios = names(&value),
                "--only" => arguments.only = names(&value),
                "--work" => arguments.work = PathBuf::from(value),
                "--runs" => arguments.runs = PathBuf::from(value),
                _ => bail!("unknown option '{option}'\n\n{USAGE}"),
            }
        }
        if !(10..=LINES_MAX).contains(&arguments.lines) {
            bail!("--lines must be between 10 and {LINES_MAX}");
        }
        if arguments.rounds == 0 {
            bail!("--rounds must be at least 1");
        }
        Ok(Some(arguments))
    }
}

fn names(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}

/// The command line of a measurement that has only numbers to be told: their names and what they are.
pub(crate) struct Plain {
    numbers: Vec<(&'static str, u64)>,
}

impl Plain {
    /// Numbers with what they are where nothing else is said.
    pub(crate) fn new<const N: usize>(numbers: [(&'static str, u64); N]) -> Self {
        Self {
            numbers: numbers.to_vec(),
        }
    }

    /// Reads the options, and `--only` where contenders have a choice; false means that help was asked for.
    pub(crate) fn parse(&mut self, words: &[String], only: &mut Vec<String>) -> Result<bool> {
        let mut words = words.iter();
        while let Some(option) = words.next() {
            if option == "--help" || option == "-h" {
                return Ok(false);
            }
            let value = words
                .next()
                .with_context(|| format!("{option} needs a value"))?;
            if option == "--only" && !only.is_empty() {
                *only = names(value);
                continue;
            }
            let known = self.numbers.iter_mut().find(|(name, _)| name == option);
            let Some((_, number)) = known else {
                bail!("unknown option '{option}'");
            };
            *number = value
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .with_context(|| format!("{option} needs a whole number, got '{value}'"))?;
        }
        Ok(true)
    }

    /// The number of this name; 0 where there is none.
    pub(crate) fn get(&self, name: &str) -> u64 {
        let known = self.numbers.iter().find(|(known, _)| *known == name);
        known.map_or(0, |(_, number)| *number)
    }
}

/// `bench` beside the directory this program was built into.
pub(crate) fn work_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .context("this program stands in no directory")?;
    Ok(target.join("bench"))
}
