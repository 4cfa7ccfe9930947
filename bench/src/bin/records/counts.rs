//! Instructions: what callgrind counts, and what it counted when somebody last looked.
//!
//! The same program counts a little differently with another compiler, so the file says which one it was.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{EVENTS_COUNTED, Loop};

/// How much more than recorded is a regression.
const TOLERANCE: f64 = 0.03;

/// The difference of these two numbers of rounds is free of what comes before the first.
const ROUNDS: (u32, u32) = (1, 5);

/// Counts, and fails where a loop needs more than is recorded.
pub(crate) fn compare(loops: &[Loop]) -> Result<()> {
    let path = file();
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let known: BTreeMap<&str, f64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, count) = line.split_once('\t')?;
            Some((name, count.parse().ok()?))
        })
        .collect();
    println!(
        "{:<34} {:>9} {:>9} {:>8}",
        "loop", "now", "recorded", "change"
    );
    let mut worse = Vec::new();
    for found in loops {
        let count = count(found.name)?;
        let Some(before) = known.get(found.name) else {
            println!("{:<34} {count:>9.0} {:>9}", found.name, "new");
            continue;
        };
        let change = count / before - 1.0;
        println!(
            "{:<34} {count:>9.0} {before:>9.0} {:>7.1}%",
            found.name,
            change * 100.0
        );
        if change > TOLERANCE {
            worse.push(found.name);
        }
    }
    if !worse.is_empty() {
        bail!(
            "more than {} % above the recorded count: {}; `bench/records record` accepts it",
            TOLERANCE * 100.0,
            worse.join(", ")
        );
    }
    Ok(())
}

/// Counts, and writes the counts down.
pub(crate) fn record(loops: &[Loop]) -> Result<()> {
    let version = Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mut text = format!(
        "# Instructions per event, by `bench/records record`; {}.\n",
        version.unwrap_or_default()
    );
    for found in loops {
        let count = count(found.name)?;
        println!("{:<34} {count:>9.0}", found.name);
        text.push_str(&format!("{}\t{count:.0}\n", found.name));
    }
    let path = file();
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("record_counts.tsv")
}

/// Instructions per event of a loop.
fn count(name: &str) -> Result<f64> {
    let (few, many) = (total(name, ROUNDS.0)?, total(name, ROUNDS.1)?);
    let events = f64::from((ROUNDS.1 - ROUNDS.0) * EVENTS_COUNTED);
    Ok(many.saturating_sub(few) as f64 / events)
}

/// Instructions of the whole program with so many rounds of a loop.
fn total(name: &str, rounds: u32) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["run", name, &rounds.to_string()])
        .output()
        .context("cannot start valgrind; it is in the package of this name")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match collected {
        Some(count) if output.status.success() => Ok(count),
        _ => bail!("valgrind did not count {name}: {said}"),
    }
}
