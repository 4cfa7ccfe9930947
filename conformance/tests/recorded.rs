//! The project's own recordings, judged: what disagrees is what `waiting.txt` lists, no more and
//! no less; deviations are few, and every rule finds its cases.
//!
//! Live kinds are played against the millrun of this build. A package's tests cannot ask cargo for
//! another package's program: `cargo test --workspace` builds it, `cargo test -p conformance` alone
//! does not.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use conformance::{Options, Summary, program_beside, rule_names, run};

/// Live cases played at once. Nearly all of their time is waiting.
const JOBS: usize = 24;
/// Of the live kinds that take minutes, each so-many-th case.
const SAMPLE: usize = 5;
/// Of these, cases that are always played: no other ones show that their rules are of use.
const WITNESSES: [&str; 9] = [
    "--version",
    "ack: empty map",
    "flush at shutdown: file flush_at_shutdown true",
    "restart with staged data renamed to queued, meta left staged",
    "retry: forward to closed port: three chunks, max_times 2",
    "supervised HUP with broken config",
    "supervised USR2 with broken config: old one stays",
    "supervisor killed -9: worker ends by itself?",
    "tls transport to plain fake",
];
/// The kinds that need the running program.
const LIVE: [&str; 9] = [
    "buffer",
    "handshake",
    "net_extra",
    "network",
    "out_file",
    "out_forward",
    "process",
    "routing",
    "tail",
];
/// Writes `waiting.txt` anew instead of comparing with it.
const UPDATE: &str = "UPDATE_WAITING";

#[test]
fn the_recordings_are_judged_as_the_list_says() -> Result<()> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = program_beside();
    if program.is_none() {
        // Past the capture of a test's output: a test that did half must not look like one that did all.
        let reason = "no millrun in the target directory; build it with `cargo build`";
        writeln!(io::stderr(), "skipped the live kinds: {reason}")?;
    }
    let summaries = judged(&home.join("cases"), program.as_ref())?;

    let list = home.join("waiting.txt");
    if std::env::var_os(UPDATE).is_some() {
        let known = listed(&std::fs::read_to_string(&list)?, &played(&summaries));
        std::fs::write(&list, waiting(&summaries, &known))?;
        return Ok(());
    }
    let text = std::fs::read_to_string(&list)?;
    let mut found = faults(&summaries, &listed(&text, &played(&summaries)));
    if !found.is_empty() {
        // A live case can be disturbed by what else the machine does: a fault is one that comes again.
        let again = judged(&home.join("cases"), program.as_ref())?;
        let again = faults(&again, &listed(&text, &played(&again)));
        found.retain(|case, _| again.contains_key(case));
    }
    let found: String = found.into_values().collect();
    assert!(found.is_empty(), "{found}");
    deviations_are_few(&summaries);
    if program.is_some() {
        every_rule_has_its_case(&summaries);
    }
    Ok(())
}

/// All kinds, or without a program those that need none.
fn judged(cases: &Path, program: Option<&PathBuf>) -> Result<Vec<Summary>> {
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(cases)? {
        let path = entry?.path();
        let kind = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_played = program.is_some() || !LIVE.contains(&&*kind);
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
            && is_played
        {
            kinds.push(kind.into_owned());
        }
    }
    let options = Options {
        kinds,
        jobs: JOBS,
        sample: SAMPLE,
        always: WITNESSES.map(str::to_owned).to_vec(),
        ..Options::default()
    };
    let mut summaries = Vec::new();
    let program = || program.cloned().context("no program");
    run(cases, &options, program, |summary| {
        summaries.push(summary.clone());
    })?;
    Ok(summaries)
}

/// The list: a line `[kind]`, then a line for each case.
///
/// ```text
/// [kind]
/// a case that disagrees
/// ~ a case that agrees or not, as the machine's load will have it
/// ```
///
/// What goes either way stays on it.
fn waiting(summaries: &[Summary], known: &BTreeSet<(String, String)>) -> String {
    let mut text = "# Cases that disagree, because they wait for a feature. UPDATE_WAITING=1 \
                    cargo test -p conformance\n# writes this list; what it lists and agrees fails \
                    the test like what it lacks and disagrees.\n"
        .to_owned();
    for summary in summaries {
        let of_kind = |(kind, _): &&(String, String)| *kind == summary.kind;
        let either_way = known.iter().filter(of_kind).map(|(_, label)| label);
        let mut labels: BTreeSet<String> = either_way
            .filter(|label| label.starts_with("~ "))
            .cloned()
            .collect();
        for case in &summary.disagreed {
            if !labels.contains(&format!("~ {}", case.label)) {
                labels.insert(case.label.clone());
            }
        }
        if !labels.is_empty() {
            let labels: Vec<String> = labels.into_iter().collect();
            let _ = write!(text, "\n[{}]\n{}\n", summary.kind, labels.join("\n"));
        }
    }
    text
}

/// The kinds that were played.
fn played(summaries: &[Summary]) -> Vec<&str> {
    summaries
        .iter()
        .map(|summary| summary.kind.as_str())
        .collect()
}

/// Kind and label of each case of the list, of the kinds that were played.
fn listed(text: &str, played: &[&str]) -> BTreeSet<(String, String)> {
    let mut kind = "";
    let mut cases = BTreeSet::new();
    for line in text.lines() {
        match line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(name) if !name.contains(' ') => kind = name,
            _ if line.is_empty() || line.starts_with('#') || !played.contains(&kind) => {}
            _ => _ = cases.insert((kind.to_owned(), line.to_owned())),
        }
    }
    cases
}

/// What is wrong, by kind and label.
fn faults(
    summaries: &[Summary],
    listed: &BTreeSet<(String, String)>,
) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    let mut waiting = listed.clone();
    for summary in summaries {
        for case in &summary.disagreed {
            let place = |label: String| (summary.kind.clone(), label);
            let (known, either_way) = (
                place(case.label.clone()),
                place(format!("~ {}", case.label)),
            );
            // Several cases may have one name.
            waiting.remove(&known);
            if !listed.contains(&known) && !listed.contains(&either_way) {
                let (kind, line, label, why) = (&summary.kind, case.line, &case.label, &case.why);
                let text = format!("disagrees: {kind}:{line}: {label}\n  {why}\n");
                found.insert(known, text);
            }
        }
    }
    for (kind, label) in waiting.iter().filter(|(_, label)| !label.starts_with("~ ")) {
        let text = format!("take it off waiting.txt, it agrees: {kind}: {label}\n");
        found.insert((kind.clone(), label.clone()), text);
    }
    found
}

/// Under one in a hundred of the pure kinds, one in ten of the live ones, whatever was chosen to be played.
fn deviations_are_few(summaries: &[Summary]) {
    for (is_live, percent_max) in [(false, 1), (true, 10)] {
        let kinds = summaries
            .iter()
            .filter(|summary| LIVE.contains(&summary.kind.as_str()) == is_live);
        let (mut cases, mut deviations) = (0, 0);
        for summary in kinds {
            cases += summary.cases();
            deviations += summary.deviations.len();
        }
        assert!(
            deviations * 100 <= cases * percent_max,
            "{deviations} of {cases}"
        );
    }
}

fn every_rule_has_its_case(summaries: &[Summary]) {
    let deviations = summaries.iter().flat_map(|summary| &summary.deviations);
    let used: BTreeSet<&str> = deviations.flat_map(|case| case.rules.clone()).collect();
    let unused: Vec<&str> = rule_names()
        .into_iter()
        .filter(|name| !used.contains(name))
        .collect();
    assert_eq!(
        unused, [""; 0],
        "these rules explain no case that was played"
    );
}
