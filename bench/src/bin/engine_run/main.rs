//! Measures serverengine beside what does its job elsewhere: how long a killed worker is missing, how
//! long a start and a restart take, and what an idle process costs. `bench/engine` builds and runs it.
//!
//! ```text
//! contender ──forks──▶ workers ──"I work", one line──▶ named pipe ──▶ clock
//!     ▲                   ▲
//!  restart             kill -9
//! ```
//!
//! Each worker of each contender says its pid on a named pipe when it works, and does nothing then. The
//! contenders have their turns one after the other, for several rounds. See `bench/README.md`.
#![forbid(unsafe_code)]

mod announcements;
mod arguments;
mod contender;
mod figures;
#[path = "../../process_tree.rs"]
#[allow(dead_code, reason = "the other programs of this crate ask for more")]
mod process_tree;
mod report;
mod round;
mod subject;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::announcements::Announcements;
use crate::arguments::Arguments;
use crate::contender::{Contender, Ground};
use crate::report::Report;

fn main() -> Result<ExitCode> {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1))? else {
        print!("{}", arguments::USAGE);
        return Ok(ExitCode::SUCCESS);
    };
    let ground = Ground {
        directory: tempdir()?,
        subject: arguments.subject.clone(),
    };
    let announcements = Announcements::listen(&ground.directory.join("ready"))?;
    let (contenders, missing) = Contender::present(&arguments.only);
    for name in &missing {
        println!("missing, and left out: {name}");
    }
    let mut report = Report::new(&arguments, &contenders, &missing);
    for number in 1..=arguments.rounds {
        for contender in &contenders {
            let figures = match round::play(contender, &arguments, &ground, &announcements) {
                Ok(figures) => figures,
                // The others are worth measuring all the same.
                Err(error) => {
                    println!("round {number}  {}: {error:#}", contender.name);
                    report.failed(contender.name, &error);
                    continue;
                }
            };
            println!("round {number}  {}\n{figures}", contender.name);
            report.add(contender.name, figures);
        }
    }
    println!("{}", report.summary());
    println!("raw results: {}", report.save(&arguments.runs)?.display());
    std::fs::remove_dir_all(&ground.directory)?;
    Ok(ExitCode::SUCCESS)
}

fn tempdir() -> Result<std::path::PathBuf> {
    let path = std::env::temp_dir().join(format!("engine-bench-{}", std::process::id()));
    std::fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}
