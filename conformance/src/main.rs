//! The conformance command: see the crate's documentation, and `conformance --help`.
#![forbid(unsafe_code)]

mod command_line;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use conformance::{Summary, release_program, run};

use crate::command_line::CommandLine;

/// The local time of the recordings.
const ZONE: &str = "UTC";

fn main() -> ExitCode {
    match in_recorded_zone().and_then(|()| play()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Begins anew where the local time is another than that of the recordings.
fn in_recorded_zone() -> Result<()> {
    if std::env::var_os("TZ").is_some_and(|zone| zone == ZONE) {
        return Ok(());
    }
    let mut anew = Command::new(std::env::current_exe()?);
    Err(anew
        .args(std::env::args_os().skip(1))
        .env("TZ", ZONE)
        .exec()
        .into())
}

/// Plays what was asked for; whether nothing disagrees.
fn play() -> Result<bool> {
    let Some(asked) = command_line::read(std::env::args().skip(1))? else {
        print!("{}", command_line::USAGE);
        return Ok(true);
    };
    let program = || match &asked.program {
        Some(path) => path
            .canonicalize()
            .with_context(|| format!("no program {}", path.display())),
        None => release_program(),
    };
    let mut told = String::new();
    let mut fine = true;
    run(&asked.directory, &asked.options, program, |summary| {
        println!("{}", summary.line());
        told.push_str(&details(summary, &asked));
        fine &= summary.disagreed.is_empty();
    })?;
    print!("{told}");
    Ok(fine)
}

/// The first cases that disagree, or all of them, and those that deviate.
fn details(summary: &Summary, asked: &CommandLine) -> String {
    let kind = &summary.kind;
    let mut text = String::new();
    let shown = if asked.verbose {
        usize::MAX
    } else {
        asked.shown
    };
    for case in summary.disagreed.iter().take(shown) {
        let (line, label, why) = (case.line, &case.label, &case.why);
        text.push_str(&format!("\ndisagreed: {kind}:{line}: {label}\n  {why}\n"));
        if asked.verbose {
            text.push_str(&format!("  case: {}\n", case.case));
        }
    }
    let left = summary.disagreed.len().saturating_sub(shown);
    if left > 0 {
        text.push_str(&format!("\n{kind}: {left} more; --verbose shows all\n"));
    }
    for case in summary.deviations.iter().filter(|_| asked.verbose) {
        let (line, label, reasons) = (case.line, &case.label, case.reasons());
        text.push_str(&format!(
            "\ndeviation: {kind}:{line}: {label}\n  {reasons}\n"
        ));
        for difference in &case.differences {
            text.push_str(&format!("  {difference}\n"));
        }
    }
    text
}
