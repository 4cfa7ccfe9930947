//! Kills an agent and an aggregator again and again while numbered lines pass through them, and
//! counts what arrived. `bench/crash` builds and runs it.
//!
//! ```text
//! writer ──▶ in.log (rotated) ──▶ agent ──▶ relay ──▶ aggregator (1 or 2) ──▶ files ──▶ count
//!                                   │ ▲                     ▲
//!                    with --fan-out └─┼▶ a file             │
//!                                     └── kill -9: any process of either, at random
//! ```
//!
//! Every buffer is a file buffer; the promise is that each line arrives exactly once. The exit code
//! is 1 where one is missing or doubled.
#![forbid(unsafe_code)]

mod arguments;
mod count;
mod mill;
mod random;
mod relay;
mod report;
mod writer;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::arguments::Arguments;
use crate::count::Count;
use crate::mill::{Mill, Target};
use crate::random::Random;
use crate::report::Report;
use crate::writer::{LINE_BYTES, Writer};

/// How long the last lines may take when nobody is killed any more.
const DRAIN_MAX: Duration = Duration::from_secs(120);

/// How long a late double would have to come.
const SETTLE: Duration = Duration::from_secs(5);

/// What the aggregators write, and what the agent keeps where it fans out.
const GOT: &str = "got.";
const KEPT: &str = "kept.";

fn main() -> Result<ExitCode> {
    let runs = Arguments::parse()?;
    let mut is_perfect = true;
    let (mut lines, mut kills) = (0, 0);
    for arguments in &runs {
        let outcome = run(arguments)?;
        is_perfect &= outcome.is_perfect;
        lines += outcome.lines;
        kills += outcome.kills;
    }
    let word = if is_perfect {
        "every line once"
    } else {
        "LINES ARE WRONG"
    };
    println!("{} runs, {lines} lines, {kills} kills: {word}", runs.len());
    Ok(if is_perfect {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How a run ended.
struct Outcome {
    is_perfect: bool,
    lines: u64,
    kills: u64,
}

fn run(arguments: &Arguments) -> Result<Outcome> {
    let name = format!("millrun-crash-{}-{}", std::process::id(), arguments.seed);
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory)?;
    let mut random = Random::new(arguments.seed);
    let mut report = Report::new(arguments);

    let aggregators = (0..arguments.receivers)
        .map(|number| Mill::aggregator(&directory, number, arguments.workers));
    let mut mills = aggregators.collect::<Result<Vec<_>>>()?;
    let ports = mills
        .iter()
        .map(|mill| relay::start(mill.port, random.bits()));
    let ports = ports.collect::<Result<Vec<u16>>>()?;
    mills.push(Mill::agent(&directory, &ports, arguments)?);
    for mill in &mut mills {
        mill.start()?;
    }

    let started = Instant::now();
    let writer = Writer::start(&directory, arguments);
    let span = Duration::from_secs_f64(arguments.lines as f64 / arguments.rate as f64);
    for number in 0..arguments.kills {
        // Twice the mean at most, so that the kills are spread over the whole time.
        let mean = span / u32::try_from(arguments.kills)?;
        thread::sleep(mean.mul_f64(2.0 * random.unit()));
        let mill = random.below(mills.len() as u64) as usize;
        let target = match random.below(2) {
            0 => Target::Server,
            _ => Target::Child(random.bits()),
        };
        if let Some(mill) = mills.get_mut(mill) {
            let is_killed = mill.kill(target)?;
            report.killed(mill.name(), target, is_killed);
        }
        if number % 20 == 19 {
            println!("{} kills, {} lines written", number + 1, writer.written());
        }
    }
    let lines = writer.end()?;

    let expected = lines * LINE_BYTES as u64;
    let deadline = Instant::now() + DRAIN_MAX;
    while Instant::now() < deadline {
        let mut is_there = mill::delivered_bytes(&directory, GOT)? >= expected;
        if arguments.fans_out {
            is_there &= mill::delivered_bytes(&directory, KEPT)? >= expected;
        }
        if is_there && mills.iter().all(Mill::is_empty) {
            break;
        }
        thread::sleep(Duration::from_millis(200));
    }
    let elapsed = started.elapsed();
    thread::sleep(SETTLE);
    for mill in &mut mills {
        mill.stop()?;
    }
    let mut counts = vec![(GOT, Count::of(&directory, GOT, lines)?)];
    if arguments.fans_out {
        counts.push((KEPT, Count::of(&directory, KEPT, lines)?));
    }
    let is_perfect = counts.iter().all(|(_, count)| count.is_perfect());
    report.finish(lines, elapsed, &counts, &mills)?;
    if is_perfect {
        std::fs::remove_dir_all(&directory)?;
    } else {
        println!("everything is kept in {}", directory.display());
    }
    Ok(Outcome {
        is_perfect,
        lines,
        kills: report.kills(),
    })
}
