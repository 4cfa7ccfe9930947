//! Acceptance 23: sixty-four processes log through rotation, and no line is lost, torn or doubled; not even
//! of those that are killed in the middle of it.
//!
//! `SERVERENGINE_LOG_KILLS=2000 SERVERENGINE_LOG_RECORD=DIR cargo test --test processes acceptance_23` is
//! the long form (`bench/log-torture`); with a record the outcome is kept in that folder.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::driver::{Driver, send_if_there};
use crate::kills::{Random, said_by};
use crate::proc;

crate::tests![
    acceptance_23_sixty_four_processes_lose_tear_and_double_no_line_through_rotation,
    acceptance_23_killed_writers_lose_tear_and_double_nothing_they_said,
];

const KILLS_ENV: &str = "SERVERENGINE_LOG_KILLS";
const RECORD_ENV: &str = "SERVERENGINE_LOG_RECORD";

/// Kills of the short form.
const KILLS: u64 = 40;

fn acceptance_23_sixty_four_processes_lose_tear_and_double_no_line_through_rotation() {
    const WORKERS: usize = 64;
    const LINES: u64 = 150;
    let folder = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(&format!(
        "logger={} rotate=30000 workers={WORKERS} behave=floods lines={LINES}",
        folder.path().join("log").display()
    ));
    let start = Instant::now();
    while text(folder.path()).matches(" works\n").count() < WORKERS {
        assert!(start.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(50));
    }
    driver.signal(Signal::SIGTERM);
    assert_eq!(driver.ends().code(), Some(0));
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert!(files > 20, "only {files} files");
    let seen = Seen::in_log(&text(folder.path()));
    for kind in ["flood", "print"] {
        let writers: Vec<_> = seen.0.keys().filter(|it| it.0 == kind).collect();
        assert_eq!(writers.len(), WORKERS);
    }
    assert!(
        seen.0.values().all(|lines| lines.len() as u64 == LINES),
        "lost"
    );
}

fn acceptance_23_killed_writers_lose_tear_and_double_nothing_they_said() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|it| it.parse::<u64>().ok())
    };
    let kills = number(KILLS_ENV).unwrap_or(KILLS);
    // As fast as a busy machine can write: what is too much is dropped and counted, and proves nothing.
    let (workers, pause) = if kills > KILLS { (64, 15) } else { (16, 3) };
    let folder = tempfile::tempdir().unwrap();
    let (logs, progress) = (folder.path().join("logs"), folder.path().join("progress"));
    fs::create_dir(&logs).unwrap();
    fs::create_dir(&progress).unwrap();
    let start = Instant::now();
    // Killed by the signal, a writer loses what is on its way into the pipe: nothing, it is one system call.
    let mut driver = Driver::start(&format!(
        "logger={} rotate=100000 workers={workers} behave=floods lines=1000000 pause={pause} progress={} no_backoff=1",
        logs.join("log").display(),
        progress.display()
    ));
    let mut random = Random(0x5eed);
    let mut killed = 0;
    while killed < kills {
        sleep(Duration::from_micros(500 + random.below(10_000)));
        let family = proc::descendants(driver.pid());
        let writers: Vec<_> = family
            .into_iter()
            .filter(|pid| {
                let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
                comm.is_ok_and(|it| it.starts_with("subject:"))
            })
            .collect();
        if writers.is_empty() {
            continue;
        }
        send_if_there(
            writers[random.below(writers.len() as u64) as usize],
            Signal::SIGKILL,
        );
        killed += 1;
        assert!(start.elapsed() < Duration::from_secs(600));
    }
    driver.signal(Signal::SIGQUIT);
    assert_eq!(driver.ends().code(), Some(0));
    let text = text(&logs);
    let dropped = text.matches(" lines were dropped here").count();
    assert_eq!(dropped, 0, "the log could not be written as fast");
    let seen = Seen::in_log(&text);
    let mut said = 0;
    for entry in fs::read_dir(&progress).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let (id, pid) = name.split_once('.').unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let count = bytes.first_chunk().map_or(0, |it| u64::from_le_bytes(*it));
        for kind in ["flood", "print"] {
            let key = (kind, id.parse().unwrap(), pid.parse().unwrap());
            let lines = seen.0.get(&key).map_or(0, |it| it.len() as u64);
            // One more may have been said, and not noted.
            assert!(
                (count..=count + 1).contains(&lines),
                "{key:?}: {lines} of {count} lines"
            );
            said += lines;
        }
    }
    let elapsed = start.elapsed();
    let files = fs::read_dir(&logs).unwrap().count();
    println!("  {killed} writers killed, {said} lines in {files} files");
    if let Ok(record) = std::env::var(RECORD_ENV) {
        keep(Path::new(&record), workers, killed, said, files, elapsed);
    }
}

/// Returns all that is in the files of a folder.
fn text(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap();
    files
        // One that is being rotated is counted another time.
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap_or_default())
        .collect()
}

/// The numbers of the lines of each writer: kind of line, worker, pid.
struct Seen(BTreeMap<(&'static str, usize, u32), Vec<u64>>);

impl Seen {
    /// Fails for a line that is torn, doubled, or missing before one that is there.
    fn in_log(text: &str) -> Self {
        let mut seen = BTreeMap::<_, Vec<u64>>::new();
        for line in text.lines() {
            let flood = line.split_once(" -- : flood ");
            let flood = flood.map(|(_, rest)| ("flood", rest));
            let print = line.strip_prefix("print ").map(|rest| ("print", rest));
            let Some((kind, rest)) = flood.or(print) else {
                let is_torn =
                    line.contains("flood ") || line.contains("print ") || line.contains("xxx");
                assert!(!is_torn, "{line}");
                continue;
            };
            let mut words = rest.split(' ');
            let mut next = || words.next().unwrap_or_else(|| panic!("torn: {line}"));
            let (id, pid) = (next().parse().unwrap(), next().parse().unwrap());
            let number: u64 = next().parse().unwrap();
            if kind == "flood" {
                assert_eq!(next().len() as u64, number % 300, "{line}");
            }
            assert_eq!(words.next(), None, "{line}");
            seen.entry((kind, id, pid)).or_default().push(number);
        }
        for (key, numbers) in &mut seen {
            numbers.sort_unstable();
            let complete = (0..numbers.len() as u64).eq(numbers.iter().copied());
            assert!(complete, "{key:?}: lost or doubled: {numbers:?}");
        }
        Self(seen)
    }
}

fn keep(folder: &Path, workers: usize, kills: u64, lines: u64, files: usize, elapsed: Duration) {
    let date = said_by("date", &["-u", "+%Y-%m-%dT%H-%M-%SZ"]);
    let commit = said_by("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{{\n  \"scenario\": \"log through rotation, kill -9 of writers\",\n  \"date\": \"{date}\",\n  \
         \"commit\": \"{commit}\",\n  \"seconds\": {:.1},\n  \"writers at a time\": {workers},\n  \
         \"writers killed\": {kills},\n  \"lines\": {lines},\n  \"files\": {files},\n  \
         \"lost\": 0, \"torn\": 0, \"doubled\": 0\n}}",
        elapsed.as_secs_f64()
    );
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(format!("{date}-{commit}-log.json")), text).unwrap();
}
