//! The conformance command: see the crate's documentation, and `conformance --help`.
#![forbid(unsafe_code)]

mod command_line;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use millrun_conformance::{Summary, run};

fn main() -> ExitCode {
    match play() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Plays what was asked for; whether nothing failed.
fn play() -> Result<bool> {
    let Some(asked) = command_line::read(std::env::args().skip(1))? else {
        print!("{}", command_line::USAGE);
        return Ok(true);
    };
    let mut fine = true;
    for kind in &asked.kinds {
        let summary = run(&asked.options, kind)?;
        print!("{}", text(&summary, asked.verbose));
        if asked.report {
            write_report(&asked.options.home, &summary)?;
        }
        fine &= summary.failing.is_empty();
    }
    Ok(fine)
}

/// One line for each case that fails, or for each that does not agree; the numbers last.
fn text(summary: &Summary, all: bool) -> String {
    let lists = [
        ("FAIL", &summary.failing, true),
        ("on purpose", &summary.on_purpose, all),
        ("not built", &summary.not_built, all),
        ("not played", &summary.not_played, all),
    ];
    let mut text = String::new();
    for (word, list, _) in lists.iter().filter(|(_, _, shown)| *shown) {
        for (case, why) in *list {
            text.push_str(&format!("{word} {} / {case}: {why}\n", summary.kind));
        }
    }
    text.push_str(&summary.line());
    text.push('\n');
    text
}

fn write_report(home: &Path, summary: &Summary) -> Result<()> {
    let reports = home.join("reports");
    let path = reports.join(format!("{}.txt", summary.kind));
    fs::create_dir_all(&reports)
        .and_then(|()| fs::write(&path, text(summary, true)))
        .with_context(|| format!("cannot write {}", path.display()))
}
