//! Measures millrun and its peers on the same work: tail a log file, forward it over TCP.
//!
//! One generated file, one neutral receiver that checks every line's sequence number, the
//! contenders in turn, several rounds. See `bench/README.md` for what the figures mean.
#![forbid(unsafe_code)]

mod arguments;
mod contender;
mod log_file;
mod process_tree;
mod receiver;
mod report;
mod round;

use std::path::Path;

use anyhow::{Context, Result};

use crate::arguments::Arguments;
use crate::contender::Contender;
use crate::log_file::LogFile;
use crate::report::Report;

fn main() -> Result<()> {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1))? else {
        print!("{}", arguments::USAGE);
        return Ok(());
    };
    let work = arguments.work.as_path();
    std::fs::create_dir_all(work).with_context(|| format!("cannot create {}", work.display()))?;

    let log = LogFile::generate(&work.join("access.log"), arguments.lines, arguments.seed)?;
    let contenders = Contender::chosen(&arguments.only)?;
    let mut report = Report::new(&arguments, &log, &contenders);
    println!("{}", report.heading());

    for round in 1..=arguments.rounds {
        for contender in &contenders {
            let figures = round::run(contender, &log, &fresh(&work.join("round"))?)
                .with_context(|| format!("round {round} of {}", contender.name))?;
            println!("{round:>5}  {:<9} {figures}", contender.name);
            report.add(contender.name, figures);
        }
    }

    println!("\n{}", report.summary());
    println!("raw results: {}", report.save(&arguments.runs)?.display());
    Ok(())
}

/// An empty directory in place of whatever an earlier round left there.
fn fresh(path: &Path) -> Result<std::path::PathBuf> {
    if path.exists() {
        std::fs::remove_dir_all(path)
            .with_context(|| format!("cannot clear {}", path.display()))?;
    }
    std::fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path.to_path_buf())
}
