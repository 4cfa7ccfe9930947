//! What is printed, and the raw results that are kept.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::arguments::Arguments;
use crate::contender::Contender;
use crate::log_file::LINE_BYTES;
use crate::round::Figures;
use crate::scenario::Scenario;

/// The figures of all rounds, with what one must know to compare them.
pub(crate) struct Report {
    /// Members of the JSON document that do not depend on the rounds: name and encoded value.
    facts: Vec<(&'static str, String)>,
    stamp: String,
    scenarios: Vec<Results>,
}

/// What was measured of one scenario.
struct Results {
    scenario: &'static Scenario,
    /// Each contender's rounds, in the order of their first.
    rounds: Vec<(&'static str, Vec<Figures>)>,
}

/// A row group of the summary: its title and which figure it shows.
type Column = (&'static str, fn(&Figures) -> f64);

impl Report {
    pub(crate) fn new(arguments: &Arguments, contenders: &[Contender]) -> Self {
        let date = said_by("date", &["-u", "+%Y-%m-%dT%H-%M-%SZ"]);
        let commit = said_by("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
        let versions: Vec<_> = contenders
            .iter()
            .map(|contender| format!("{}: {}", quote(contender.name), quote(&contender.version())))
            .collect();
        let facts = vec![
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
            ("lines", arguments.lines.to_string()),
            ("line_bytes", LINE_BYTES.to_string()),
            ("seed", arguments.seed.to_string()),
            ("versions", format!("{{{}}}", versions.join(", "))),
        ];
        Self {
            facts,
            stamp: format!("{date}-{commit}"),
            scenarios: Vec::new(),
        }
    }

    /// What is measured where.
    pub(crate) fn heading(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.facts {
            let _ = writeln!(text, "{name:<10} {value}");
        }
        text
    }

    /// Begins a scenario; gives its title and the columns' names.
    pub(crate) fn begin(&mut self, scenario: &'static Scenario) -> String {
        let rounds = Vec::new();
        self.scenarios.push(Results { scenario, rounds });
        format!(
            "{}: {}\nround  contender      lines/s  CPU us per line  memory MiB   doubled",
            scenario.name, scenario.title
        )
    }

    /// Adds a round of the scenario begun last.
    pub(crate) fn add(&mut self, name: &'static str, figures: Figures) {
        let Some(results) = self.scenarios.last_mut() else {
            return;
        };
        match results.rounds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rounds)) => rounds.push(figures),
            None => results.rounds.push((name, vec![figures])),
        }
    }

    /// Minimum, median and maximum of each figure of the scenario begun last, and every contender's ratio to the first.
    pub(crate) fn summary(&self) -> String {
        let columns: [Column; 3] = [
            ("lines/s", |figures| figures.lines_per_second),
            ("CPU us per line", |figures| figures.cpu_us_per_line),
            ("memory MiB", |figures| {
                figures.peak_memory_kib as f64 / 1024.0
            }),
        ];
        let Some(Results { scenario, rounds }) = self.scenarios.last() else {
            return String::new();
        };
        let mut text = format!(
            "{:<16} {:<9} {:>12} {:>12} {:>12}  ratio of medians   goal {} us\n",
            scenario.name, "contender", "min", "median", "max", scenario.goal
        );
        for (title, figure) in columns {
            let mut first = None;
            for (name, rounds) in rounds {
                let Some([min, median, max]) = spread(rounds.iter().map(figure)) else {
                    continue;
                };
                let reference = *first.get_or_insert(median);
                let _ = writeln!(
                    text,
                    "{title:<16} {name:<9} {min:>12.3} {median:>12.3} {max:>12.3}  {:.3}",
                    median / reference
                );
            }
        }
        text
    }

    /// Writes everything as one JSON document into `directory`; gives its path.
    pub(crate) fn save(&self, directory: &Path) -> Result<PathBuf> {
        let mut text = String::from("{\n");
        for (name, value) in &self.facts {
            let _ = writeln!(text, "  {}: {value},", quote(name));
        }
        let scenarios: Vec<_> = self.scenarios.iter().map(Results::encode).collect();
        let _ = writeln!(
            text,
            "  \"scenarios\": {{\n{}\n  }}\n}}",
            scenarios.join(",\n")
        );

        let path = directory.join(format!("{}.json", self.stamp));
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Results {
    /// A member of a JSON object.
    fn encode(&self) -> String {
        let rounds = self.rounds.iter().map(|(name, rounds)| {
            let rounds: Vec<_> = rounds.iter().map(encode).collect();
            format!(
                "        {}: [\n          {}\n        ]",
                quote(name),
                rounds.join(",\n          ")
            )
        });
        format!(
            "    {}: {{\n      \"title\": {},\n      \"goal_us\": {},\n      \"rounds\": {{\n{}\n      }}\n    }}",
            quote(self.scenario.name),
            quote(self.scenario.title),
            self.scenario.goal,
            rounds.collect::<Vec<_>>().join(",\n"),
        )
    }
}

fn encode(figures: &Figures) -> String {
    format!(
        "{{\"seconds\": {:.6}, \"lines_per_second\": {:.0}, \"cpu_us_per_line\": {:.6}, \
         \"peak_memory_kib\": {}, \"doubled\": {}}}",
        figures.seconds,
        figures.lines_per_second,
        figures.cpu_us_per_line,
        figures.peak_memory_kib,
        figures.doubled,
    )
}

/// Minimum, median (the lower one of two) and maximum.
fn spread(values: impl Iterator<Item = f64>) -> Option<[f64; 3]> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = values.get(values.len().saturating_sub(1) / 2)?;
    Some([*values.first()?, *median, *values.last()?])
}

/// A JSON string; nothing here holds a control character.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The first line a program prints, or "unknown".
fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .next()
        .unwrap_or("unknown")
        .to_owned()
}

fn processor() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    model
        .map_or("unknown", |text| text.trim_start_matches([' ', '\t', ':']))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_rounds_is_their_least_middle_and_greatest() {
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter()), Some([1.0, 2.0, 3.0]));
        assert_eq!(spread([4.0, 1.0].into_iter()), Some([1.0, 1.0, 4.0]));
        assert_eq!(spread(std::iter::empty()), None);
    }
}
