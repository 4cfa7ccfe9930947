//! Measures millrun and its peers on the same work: lines from a file or a connection to a connection or a file.
//!
//! Generated logs, one neutral receiver that checks every line's sequence number, the
//! contenders in turn, several rounds. See `bench/README.md` for what the figures mean.
#![forbid(unsafe_code)]

mod arguments;
mod contender;
mod crowd;
mod feeder;
mod floor;
mod latency;
mod log_file;
mod process_tree;
mod receiver;
mod report;
mod round;
mod scenario;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::arguments::Arguments;
use crate::contender::{Contender, FLOOR};
use crate::log_file::{LogFile, Text};
use crate::report::Report;
use crate::scenario::Scenario;

/// Slow contenders read one line of so many.
const SLOW_SHARE: u64 = 10;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words
        .split_first()
        .map(|(word, rest)| (word.as_str(), rest))
    {
        Some((FLOOR, [path])) => return floor::run(path),
        Some(("latency", rest)) => return latency::run(rest),
        Some(("crowd", rest)) => return crowd::run(rest),
        _ => {}
    }
    let Some(arguments) = Arguments::parse(words.into_iter())? else {
        print!("{}", arguments::USAGE);
        return Ok(());
    };
    // Contenders run in a directory of their own.
    let work = &std::path::absolute(&arguments.work)?;
    std::fs::create_dir_all(work).with_context(|| format!("cannot create {}", work.display()))?;

    let contenders = Contender::chosen(&arguments.only)?;
    let mut report = Report::new(&arguments, &contenders);
    print!("{}", report.heading());
    for scenario in Scenario::chosen(&arguments.scenarios)? {
        println!("\n{}", report.begin(scenario));
        let logs = Logs::generate(work, scenario.text, &arguments)?;
        for round in 1..=arguments.rounds {
            for contender in &contenders {
                let directory = fresh(&work.join("round"))?;
                let figures = round::run(contender, scenario, logs.of(contender), &directory)
                    .with_context(|| {
                        format!("round {round} of {}, {}", contender.name, scenario.name)
                    })?;
                let Some(figures) = figures else { continue };
                println!("{round:>5}  {:<9} {figures}", contender.name);
                report.add(contender.name, figures);
            }
        }
        print!("\n{}", report.summary());
    }
    println!("\nraw results: {}", report.save(&arguments.runs)?.display());
    Ok(())
}

/// The log of a scenario, and its beginning for slow contenders.
struct Logs {
    whole: LogFile,
    beginning: LogFile,
}

impl Logs {
    fn generate(work: &Path, text: Text, arguments: &Arguments) -> Result<Self> {
        let Arguments { lines, seed, .. } = *arguments;
        Ok(Self {
            whole: LogFile::generate(&work.join("whole.log"), text, lines, seed)?,
            beginning: LogFile::generate(
                &work.join("beginning.log"),
                text,
                lines / SLOW_SHARE,
                seed,
            )?,
        })
    }

    fn of(&self, contender: &Contender) -> &LogFile {
        match contender.is_slow {
            true => &self.beginning,
            false => &self.whole,
        }
    }
}

/// An empty directory in place of whatever an earlier round left there.
fn fresh(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        std::fs::remove_dir_all(path)
            .with_context(|| format!("cannot clear {}", path.display()))?;
    }
    std::fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path.to_path_buf())
}
