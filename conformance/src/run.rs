use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::case::Case;
use crate::difference::Difference;
use crate::directory::Directory;
use crate::kind::Kind;
use crate::live::World;
use crate::rules;
use crate::summary::{Deviation, Disagreement, Summary};

/// What a case of a pure kind may take. One that takes longer has met an endless loop.
const PURE_CASE_MAX: Duration = Duration::from_secs(10);
/// What a case of a live kind may take: the longest recorded ones sleep for fifteen seconds, and
/// wait for a program that does not stop for forty.
const LIVE_CASE_MAX: Duration = Duration::from_secs(150);

/// Differences of a case that are told beside the first that no rule knows.
const OTHERS_SHOWN: usize = 7;

/// What to play.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these kinds; all without any.
    pub kinds: Vec<String>,
    /// Only cases whose label or text contains this.
    pub name: Option<String>,
    /// How many live cases are played at once; most of their time is waiting.
    pub jobs: usize,
    /// Of the live kinds that mostly wait, only each so-many-th case, from the first on; all with 0.
    pub sample: usize,
    /// Cases with these labels are part of each sample.
    pub always: Vec<String>,
}

/// Plays the cases of a directory, kind by kind; `done` gets each kind when it is through.
///
/// `program` is asked for the program to play live kinds against when the first of them comes.
///
/// # Errors
/// A directory that cannot be read or holds a malformed line, a kind that is not there, and a
/// program that cannot be had. What a case does is never an error.
pub fn run(
    directory: &Path,
    options: &Options,
    program: impl FnOnce() -> Result<std::path::PathBuf>,
    mut done: impl FnMut(&Summary),
) -> Result<()> {
    let directory = Directory::read(directory)?;
    for wanted in &options.kinds {
        ensure!(
            directory.kinds.iter().any(|(kind, _)| kind == wanted),
            "{} holds no {wanted}.jsonl",
            directory.path.display()
        );
    }
    let is_wanted =
        |kind: &str| options.kinds.is_empty() || options.kinds.iter().any(|w| w == kind);
    let kinds = directory
        .kinds
        .into_iter()
        .filter(|(kind, _)| is_wanted(kind));
    let mut kinds: Vec<(String, Vec<Case>)> = kinds.collect();
    if let Some(part) = &options.name {
        for (_, cases) in &mut kinds {
            cases.retain(|case| case.label().contains(part) || case.text.contains(part));
        }
        kinds.retain(|(_, cases)| !cases.is_empty());
    }
    for (kind, cases) in &mut kinds {
        if options.sample > 1 && Kind::named(kind).is_some_and(Kind::is_slow) {
            cases.retain(|case| {
                case.line % options.sample == 1 || options.always.contains(&case.label())
            });
        }
    }
    let any_live = kinds
        .iter()
        .any(|(kind, _)| Kind::named(kind).is_some_and(Kind::is_live));
    let world = Arc::new(World {
        program: if any_live {
            program()?
        } else {
            "millrun".into()
        },
        network: directory.path.join("network.conf"),
    });
    for (kind, cases) in kinds {
        done(&play(&kind, cases, &world, options.jobs));
    }
    Ok(())
}

/// Plays the cases of one kind.
fn play(name: &str, cases: Vec<Case>, world: &Arc<World>, jobs: usize) -> Summary {
    let mut summary = Summary::of(name);
    let kind = Kind::named(name);
    let cases: Arc<Vec<Case>> = Arc::new(cases);
    let Some(kind) = kind else {
        for case in cases.iter() {
            summary
                .disagreed
                .push(Disagreement::new(case, "a kind that no player knows"));
        }
        return summary;
    };
    let (limit, jobs) = match kind {
        Kind::Pure(_) => (PURE_CASE_MAX, 1),
        Kind::Live(..) => (LIVE_CASE_MAX, jobs.max(1)),
    };
    let mut verdicts = verdicts(&cases, kind, name, world, limit, jobs);
    verdicts.sort_by_key(|(index, _)| *index);
    for (index, verdict) in verdicts {
        let Some(case) = cases.get(index) else {
            continue;
        };
        match verdict {
            Verdict::Agrees => summary.agreed += 1,
            Verdict::Deviates(rules, differences) => {
                summary
                    .deviations
                    .push(Deviation::new(case, rules, differences));
            }
            Verdict::Disagrees(why) => summary.disagreed.push(Disagreement::new(case, why)),
        }
    }
    summary
}

enum Verdict {
    Agrees,
    /// By these rules, in these ways.
    Deviates(Vec<&'static str>, Vec<String>),
    Disagrees(String),
}

/// Plays cases on threads that take one after the other. A case that exceeds its time counts as
/// disagreed, and another thread takes the place of the one that is lost to it.
fn verdicts(
    cases: &Arc<Vec<Case>>,
    kind: Kind,
    name: &str,
    world: &Arc<World>,
    limit: Duration,
    jobs: usize,
) -> Vec<(usize, Verdict)> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (next, sender) = (&next, sender.clone());
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= cases.len() {
                        return;
                    }
                    let verdict = within(limit, cases, index, kind, name, world);
                    // The receiver lives as long as the scope.
                    let _ = sender.send((index, verdict));
                }
            });
        }
        drop(sender);
        receiver.iter().collect()
    })
}

fn within(
    limit: Duration,
    cases: &Arc<Vec<Case>>,
    index: usize,
    kind: Kind,
    name: &str,
    world: &Arc<World>,
) -> Verdict {
    let (sender, receiver) = mpsc::channel();
    let (cases, world, name) = (Arc::clone(cases), Arc::clone(world), name.to_owned());
    thread::spawn(move || {
        let Some(case) = cases.get(index) else {
            return;
        };
        let judged = catch_unwind(AssertUnwindSafe(|| judge(case, kind, &name, &world)));
        let verdict = judged.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Verdict::Disagrees(format!("panics: {}", text.unwrap_or_default()))
        });
        // Nobody waits for it any more when it comes too late.
        let _ = sender.send(verdict);
    });
    receiver
        .recv_timeout(limit)
        .unwrap_or_else(|_| Verdict::Disagrees(format!("takes longer than {limit:?}")))
}

/// A case agrees, or deviates where each difference is recognised by a rule, or disagrees.
fn judge(case: &Case, kind: Kind, name: &str, world: &World) -> Verdict {
    let differences = match kind.play(case, world) {
        Ok(differences) => differences,
        Err(unplayable) => return Verdict::Disagrees(unplayable.to_string()),
    };
    let mut names = Vec::new();
    for difference in &differences {
        match rules::recognise(name, case, difference) {
            Some(rule) if names.contains(&rule.name) => {}
            Some(rule) => names.push(rule.name),
            None => {
                // The one that no rule knows, and the others, which may tell why.
                let others = differences.iter().filter(|other| *other != difference);
                let all = std::iter::once(difference).chain(others.take(OTHERS_SHOWN));
                let all: Vec<String> = all.map(ToString::to_string).collect();
                return Verdict::Disagrees(all.join("\n  "));
            }
        }
    }
    if names.is_empty() {
        Verdict::Agrees
    } else {
        Verdict::Deviates(
            names,
            differences.iter().map(Difference::to_string).collect(),
        )
    }
}
