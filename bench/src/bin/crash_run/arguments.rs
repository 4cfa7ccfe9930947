//! What was asked for.

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
usage: bench/crash [OPTIONS]
  --lines N        write at least so many lines (2000000)
  --rate N         so many a second (20000)
  --kills N        kill so often, spread over the time that takes (150)
  --receivers N    1 or 2 aggregators (1)
  --workers N      workers of an aggregator (1)
  --fan-out WORD   yes: the agent writes each line to a file of its own too (no)
  --rotation WORD  rename or copytruncate (rename)
  --seed N         of the kills (1)
  --long yes       four runs of 20 million lines and 320 kills together; other options are without effect";

/// How the log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// The file is renamed, and a new one begun.
    Rename,
    /// The file is copied and truncated; the writer is quiet until the agent has read it, and while
    /// it may not have seen the truncation.
    Copytruncate,
}

/// The command line.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) lines: u64,
    pub(crate) rate: u64,
    pub(crate) kills: u64,
    pub(crate) receivers: usize,
    pub(crate) workers: usize,
    pub(crate) fans_out: bool,
    pub(crate) rotation: Rotation,
    pub(crate) seed: u64,
}

impl Arguments {
    /// The runs asked for.
    pub(crate) fn parse() -> Result<Vec<Self>> {
        let mut arguments = Self {
            lines: 2_000_000,
            rate: 20_000,
            kills: 150,
            receivers: 1,
            workers: 1,
            fans_out: false,
            rotation: Rotation::Rename,
            seed: 1,
        };
        let mut is_long = false;
        let mut words = std::env::args().skip(1);
        while let Some(option) = words.next() {
            if option == "--help" {
                println!("{USAGE}");
                std::process::exit(0);
            }
            let value = words
                .next()
                .with_context(|| format!("{option} needs a value\n{USAGE}"))?;
            let number = || {
                let number = value.parse::<u64>();
                number.with_context(|| format!("{option} needs a number, not '{value}'"))
            };
            match option.as_str() {
                "--lines" => arguments.lines = number()?,
                "--rate" => arguments.rate = number()?.max(1),
                "--kills" => arguments.kills = number()?,
                "--receivers" => arguments.receivers = number()?.clamp(1, 2) as usize,
                "--workers" => arguments.workers = number()?.clamp(1, 4) as usize,
                "--fan-out" => arguments.fans_out = value == "yes",
                "--long" => is_long = value == "yes",
                "--seed" => arguments.seed = number()?,
                "--rotation" => {
                    arguments.rotation = match value.as_str() {
                        "rename" => Rotation::Rename,
                        "copytruncate" => Rotation::Copytruncate,
                        _ => bail!("--rotation needs rename or copytruncate, not '{value}'"),
                    }
                }
                _ => bail!("unknown option {option}\n{USAGE}"),
            }
        }
        Ok(match is_long {
            true => long(),
            false => vec![arguments],
        })
    }
}

/// Each rotation with and without a second buffer, more receivers and more workers.
fn long() -> Vec<Arguments> {
    let run = |seed, lines, kills, rotation, is_wide: bool| Arguments {
        lines,
        rate: 40_000,
        kills,
        receivers: 1 + usize::from(is_wide),
        workers: 1 + usize::from(is_wide),
        fans_out: is_wide,
        rotation,
        seed,
    };
    vec![
        run(11, 4_000_000, 60, Rotation::Rename, false),
        run(12, 4_000_000, 60, Rotation::Copytruncate, false),
        run(13, 6_000_000, 100, Rotation::Rename, true),
        run(14, 6_000_000, 100, Rotation::Copytruncate, true),
    ]
}
