//! What is printed and kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::arguments::Arguments;
use crate::count::Count;
use crate::mill::{Mill, Target};

/// The outcome of a run.
pub(crate) struct Report {
    arguments: Arguments,
    kills: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self {
            arguments: arguments.clone(),
            kills: BTreeMap::new(),
        }
    }

    pub(crate) fn killed(&mut self, name: &str, target: Target, is_killed: bool) {
        let process = match target {
            Target::Server => "server",
            Target::Child(_) => "child",
        };
        if is_killed {
            *self.kills.entry(format!("{name} {process}")).or_default() += 1;
        }
    }

    /// How many processes were killed.
    pub(crate) fn kills(&self) -> u64 {
        self.kills.values().sum()
    }

    /// Prints the run and keeps it under `bench/runs`.
    pub(crate) fn finish(
        &self,
        lines: u64,
        elapsed: Duration,
        counts: &[(&str, Count)],
        mills: &[Mill],
    ) -> Result<()> {
        let (date, commit) = (
            said_by("date", &["-u", "+%Y-%m-%dT%H-%M-%SZ"]),
            said_by("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
        );
        let said = |text: &str| mills.iter().map(|mill| mill.said(text)).sum::<usize>();
        let mut text = String::from("{\n");
        let mut fact = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  \"{name}\": {value},");
        };
        fact(
            "scenario",
            "\"file → agent → aggregators → files, kill -9\"".into(),
        );
        fact("date", format!("\"{date}\""));
        fact("commit", format!("\"{commit}\""));
        fact("rotation", format!("\"{:?}\"", self.arguments.rotation));
        fact("receivers", self.arguments.receivers.to_string());
        fact("workers", self.arguments.workers.to_string());
        fact("seed", self.arguments.seed.to_string());
        fact("seconds", format!("{:.1}", elapsed.as_secs_f64()));
        fact("kills", self.kills.values().sum::<u64>().to_string());
        for (process, kills) in &self.kills {
            fact(&format!("kills of {process}"), kills.to_string());
        }
        fact("chunks sent again", said("it is sent again").to_string());
        fact("resends recognised", said("is stored already").to_string());
        fact("possible doubles", said("may be stored twice").to_string());
        fact("lines", lines.to_string());
        for (prefix, count) in counts {
            fact(&format!("{prefix} missing"), count.missing.to_string());
            fact(&format!("{prefix} doubled"), count.doubled.to_string());
            fact(&format!("{prefix} foreign"), count.foreign.to_string());
        }
        let examples = counts.iter().flat_map(|(_, count)| &count.examples);
        let examples: Vec<_> = examples.collect();
        let _ = writeln!(text, "  \"examples\": {examples:?}\n}}");
        print!("{text}");
        let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs");
        fs::create_dir_all(&runs)?;
        fs::write(runs.join(format!("{date}-{commit}-crash.json")), text)?;
        Ok(())
    }
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
