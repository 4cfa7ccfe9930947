//! What is printed in the end, and the raw results that are kept.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::arguments::Arguments;
use crate::contender::Contender;
use crate::figures::{Cost, Figures, Times, millis, quantile};

/// The figures of all rounds, with what one must know to compare them.
pub(crate) struct Report {
    /// Members of the JSON document that do not depend on the rounds: name and encoded value.
    facts: Vec<(&'static str, String)>,
    stamp: String,
    results: Vec<(&'static str, Vec<Figures>)>,
}

impl Report {
    pub(crate) fn new(arguments: &Arguments, contenders: &[Contender], missing: &[&str]) -> Self {
        let date = said_by("date", &["-u", "+%Y-%m-%dT%H-%M-%SZ"]);
        let commit = said_by("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let versions = contenders.iter().map(|it| {
            let version = it.version().unwrap_or_default();
            format!("{}: {}", quote(it.name), quote(&version))
        });
        let missing: Vec<_> = missing.iter().map(|name| quote(name)).collect();
        let facts = vec![
            (
                "scenario",
                quote("engine: replacement, start, restart, idle cost"),
            ),
            ("date", quote(&date)),
            ("commit", quote(&commit)),
            ("processor", quote(&processor())),
            (
                "cores",
                std::thread::available_parallelism()
                    .map_or(0, usize::from)
                    .to_string(),
            ),
            ("kernel", quote(&said_by("uname", &["-sr"]))),
            ("load before", quote(load.trim())),
            ("watched seconds", arguments.watch_for.as_secs().to_string()),
            (
                "versions",
                format!("{{{}}}", versions.collect::<Vec<_>>().join(", ")),
            ),
            ("missing", format!("[{}]", missing.join(", "))),
        ];
        Self {
            facts,
            stamp: format!("{date}-{commit}"),
            results: contenders.iter().map(|it| (it.name, Vec::new())).collect(),
        }
    }

    pub(crate) fn failed(&mut self, name: &str, error: &anyhow::Error) {
        let text = quote(&format!("{name}: {error:#}"));
        self.facts.push(("failed", text));
    }

    pub(crate) fn add(&mut self, name: &str, figures: Figures) {
        if let Some((_, rounds)) = self.results.iter_mut().find(|(known, _)| *known == name) {
            rounds.push(figures);
        }
    }

    /// One line per contender, over all rounds: quantiles of all kills, medians of starts and restarts.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!(
            "{:<18} {:>10} {:>10}   {:<24} {:<24} {:>10} {:>9}\n",
            "contender",
            "p50 ms",
            "p99 ms",
            "start ms (4/16/64)",
            "restart ms (4/16/64)",
            "worker KiB",
            "wakes/s"
        );
        for (name, rounds) in &self.results {
            let kills: Vec<_> = rounds
                .iter()
                .flat_map(|it| it.replacements.clone())
                .collect();
            let kill = |part| quantile(&kills, part).map_or(f64::NAN, millis);
            let starts = medians(rounds, |it| &it.starts);
            let restarts = medians(rounds, |it| &it.restarts);
            let workers: Vec<Cost> = rounds.iter().flat_map(|it| it.workers.clone()).collect();
            let count = workers.len().max(1) as f64;
            let pss = workers.iter().map(|it| it.pss_kib as f64).sum::<f64>() / count;
            let woken = workers.iter().map(|it| it.wakeups_per_second).sum::<f64>() / count;
            let _ = writeln!(
                text,
                "{name:<18} {:>10.3} {:>10.3}   {starts:<24} {restarts:<24} {pss:>10.0} {woken:>9.2}",
                kill(0.5),
                kill(0.99),
            );
        }
        text
    }

    /// Writes everything as one JSON document into `directory`; gives its path.
    pub(crate) fn save(&self, directory: &Path) -> Result<PathBuf> {
        let mut text = String::from("{\n");
        for (name, value) in &self.facts {
            let _ = writeln!(text, "  {}: {value},", quote(name));
        }
        let contenders = self.results.iter().map(|(name, rounds)| {
            let rounds: Vec<_> = rounds.iter().map(encode).collect();
            format!(
                "    {}: [\n      {}\n    ]",
                quote(name),
                rounds.join(",\n      ")
            )
        });
        let contenders = contenders.collect::<Vec<_>>().join(",\n");
        let _ = writeln!(text, "  \"rounds\": {{\n{contenders}\n  }}\n}}");
        let path = directory.join(format!("{}-engine.json", self.stamp));
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// Medians over the rounds, by number of workers: `1.2/3.4/5.6`.
fn medians(rounds: &[Figures], list: fn(&Figures) -> &Times) -> String {
    let places = rounds.first().map_or(0, |it| list(it).len());
    let median = |place: usize| {
        let times = rounds.iter().filter_map(|it| list(it).get(place)?.1);
        let times: Vec<_> = times.collect();
        quantile(&times, 0.5).map_or_else(|| "-".to_owned(), |it| format!("{:.1}", millis(it)))
    };
    (0..places).map(median).collect::<Vec<_>>().join("/")
}

fn encode(figures: &Figures) -> String {
    let times = |list: &[(usize, Option<Duration>)]| {
        let members = list.iter().map(|(workers, took)| {
            let took = took.map_or_else(|| "null".to_owned(), |it| format!("{:.3}", millis(it)));
            format!("\"{workers}\": {took}")
        });
        members.collect::<Vec<_>>().join(", ")
    };
    let replacements = figures
        .replacements
        .iter()
        .map(|it| format!("{:.3}", millis(*it)));
    let cost = |cost: &Cost| {
        format!(
            "{{\"pss_kib\": {}, \"wakeups_per_second\": {:.2}}}",
            cost.pss_kib, cost.wakeups_per_second
        )
    };
    let control = figures
        .control
        .iter()
        .map(|(title, it)| format!("[{}, {}]", quote(title), cost(it)));
    format!(
        "{{\"start_ms\": {{{}}}, \"restart_ms\": {{{}}}, \"not_replaced\": {}, \"workers\": [{}], \
         \"control\": [{}], \"replacement_ms\": [{}]}}",
        times(&figures.starts),
        times(&figures.restarts),
        figures.not_replaced,
        figures
            .workers
            .iter()
            .map(cost)
            .collect::<Vec<_>>()
            .join(", "),
        control.collect::<Vec<_>>().join(", "),
        replacements.collect::<Vec<_>>().join(", "),
    )
}

/// A JSON string.
fn quote(text: &str) -> String {
    let printable: String = text
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect();
    format!(
        "\"{}\"",
        printable.replace('\\', "\\\\").replace('"', "\\\"")
    )
}

/// What a program prints.
fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

fn processor() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = information.lines();
    let model = lines.find_map(|line| line.strip_prefix("model name"));
    model
        .map_or("unknown", |text| text.trim_start_matches([' ', '\t', ':']))
        .to_owned()
}
