use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Result, ensure};

use crate::case::Case;
use crate::compare::{Difference, first_difference};
use crate::expected::{Expected, is_not_built};
use crate::scene;
use crate::step::Unsupported;

/// What to play, and against which program.
#[derive(Debug, Clone)]
pub struct Options {
    /// The millrun to test.
    pub program: PathBuf,
    /// The folder with `cases/` and `expected/`.
    pub home: PathBuf,
    /// Only cases whose names contain this.
    pub filter: Option<String>,
    /// How many cases are played at once. Most of a case's time is waiting.
    pub jobs: usize,
    /// Also compares the log lines whose words are promised.
    pub logs: bool,
}

/// What became of the cases of one kind.
#[derive(Debug, Default)]
pub struct Summary {
    /// The kind, the name of the file of cases.
    pub kind: String,
    /// Cases played or passed over.
    pub cases: usize,
    /// Cases in which the program did what was recorded.
    pub agreeing: usize,
    /// Cases and reasons: the program does something else, on purpose.
    pub on_purpose: Vec<(String, String)>,
    /// Cases and reasons: a feature they need is not built yet.
    pub not_built: Vec<(String, String)>,
    /// Cases and reasons: the runner does not know a step.
    pub not_played: Vec<(String, String)>,
    /// Cases that fail, with the first difference or with what is wrong in the list of expected ones.
    pub failing: Vec<(String, String)>,
}

enum Verdict {
    Agrees,
    Differs(Difference),
    NotPlayed(Unsupported),
    Broken(anyhow::Error),
}

/// Plays the cases of a kind.
pub fn run(options: &Options, kind: &str) -> Result<Summary> {
    let mut cases = Case::read_all(&options.home.join("cases"), kind)?;
    let expected = Expected::read(&options.home.join("expected"), kind)?;
    for name in expected.cases() {
        let known = cases.iter().any(|case| case.name == name);
        ensure!(
            known,
            "expected/{kind}.txt lists {name:?}, which is no case"
        );
    }
    if let Some(filter) = &options.filter {
        cases.retain(|case| case.name.contains(filter));
    }
    let mut summary = Summary {
        kind: kind.to_owned(),
        cases: cases.len(),
        ..Summary::default()
    };
    for (case, verdict) in cases.iter().zip(play_all(options, &cases, &expected)) {
        summary.count(&case.name, verdict, expected.reason(&case.name));
    }
    Ok(summary)
}

/// Plays cases side by side; the verdicts come back in the order of the cases.
fn play_all(options: &Options, cases: &[Case], expected: &Expected) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut verdicts: Vec<(usize, Verdict)> = thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            let (next, sender) = (&next, sender.clone());
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else {
                        return;
                    };
                    let verdict = judge(case, options, expected.either_way(&case.name));
                    // The receiver lives as long as the scope.
                    let _ = sender.send((index, verdict));
                }
            });
        }
        drop(sender);
        receiver.iter().collect()
    });
    verdicts.sort_by_key(|(index, _)| *index);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

/// Plays a case; what stands at the pointer `either_way` is not compared.
fn judge(case: &Case, options: &Options, either_way: Option<&str>) -> Verdict {
    match scene::play(case, &options.program) {
        Err(error) => Verdict::Broken(error),
        Ok(Err(unsupported)) => Verdict::NotPlayed(unsupported),
        Ok(Ok(run)) => first_difference(case, &run, either_way, options.logs)
            .map_or(Verdict::Agrees, Verdict::Differs),
    }
}

impl Summary {
    fn count(&mut self, case: &str, verdict: Verdict, reason: Option<&str>) {
        let (list, text) = match (verdict, reason) {
            (Verdict::Agrees, None) => {
                self.agreeing += 1;
                return;
            }
            (Verdict::Agrees, Some(reason)) => {
                let text = format!("agrees by now; remove it from the list ({reason})");
                (&mut self.failing, text)
            }
            (Verdict::Differs(_), Some(reason)) if is_not_built(reason) => {
                (&mut self.not_built, reason.to_owned())
            }
            (Verdict::Differs(_), Some(reason)) => (&mut self.on_purpose, reason.to_owned()),
            (Verdict::Differs(difference), None) => (&mut self.failing, difference.to_string()),
            (Verdict::NotPlayed(Unsupported(step)), _) => {
                (&mut self.not_played, format!("unknown step {step:?}"))
            }
            (Verdict::Broken(error), _) => (&mut self.failing, format!("{error:#}")),
        };
        list.push((case.to_owned(), text));
    }

    /// One line of numbers.
    pub fn line(&self) -> String {
        format!(
            "{}: {} cases: {} agree, {} differ on purpose, {} not built yet, {} not played, {} fail",
            self.kind,
            self.cases,
            self.agreeing,
            self.on_purpose.len(),
            self.not_built.len(),
            self.not_played.len(),
            self.failing.len(),
        )
    }
}
