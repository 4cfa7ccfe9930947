//! Acceptance 24: kill -9 of supervisor, server and workers at random instants, and what /proc says then.
//!
//! One round is the life of one supervised server with a log and a pid file. After each kill of a server or
//! a worker everything is there again, no more and no less; after the last kill, of the supervisor in half
//! of the rounds, nothing is: no process, no zombie, no file but the log and a pid file that the next round
//! takes over. Descriptors are looked at in every process that there is.
//!
//! `SERVERENGINE_KILL_ROUNDS=1000 SERVERENGINE_KILL_RECORD=DIR cargo test --test processes acceptance_24`
//! is the long form (`bench/kills`); with a record the outcome is kept in that folder.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::driver::{Driver, assert_gone_within, send_if_there};
use crate::proc;

crate::tests![acceptance_24_random_kills_leave_nothing_and_lose_nobody];

const ROUNDS_ENV: &str = "SERVERENGINE_KILL_ROUNDS";
const SEED_ENV: &str = "SERVERENGINE_KILL_SEED";
const RECORD_ENV: &str = "SERVERENGINE_KILL_RECORD";

/// Rounds of the short form.
const ROUNDS: u64 = 12;

const WORKERS: usize = 3;

/// Kills before the last one of a round, at most.
const BLOWS_MAX: u64 = 4;

/// What the acceptance test allows.
const GONE: Duration = Duration::from_secs(1);

/// How long a tree may take to be complete again; the machine may be busy.
const WHOLE: Duration = Duration::from_secs(20);

fn acceptance_24_random_kills_leave_nothing_and_lose_nobody() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|it| it.parse::<u64>().ok())
    };
    let rounds = number(ROUNDS_ENV).unwrap_or(ROUNDS);
    let seed = number(SEED_ENV).unwrap_or(0x5eed);
    let mut random = Random(seed);
    let mut tally = Tally::default();
    // Of what runs, not of what is being edited when it ends.
    let commit = said_by("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    let start = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    for round in 0..rounds {
        play(round, &folder, &mut random, &mut tally);
        if rounds > ROUNDS && round % 50 == 49 {
            println!("  {} rounds, {:?}, {tally:?}", round + 1, start.elapsed());
        }
    }
    println!("  seed {seed}: {rounds} rounds, {tally:?}");
    if let Ok(folder) = std::env::var(RECORD_ENV) {
        tally.keep(Path::new(&folder), &commit, rounds, seed, start.elapsed());
    }
}

/// What was done and seen.
#[derive(Debug, Default)]
struct Tally {
    kills: BTreeMap<&'static str, u64>,
    gone_max: Duration,
    whole_max: Duration,
    processes_looked_at: u64,
}

fn play(round: u64, folder: &TempDir, random: &mut Random, tally: &mut Tally) {
    let (pid_file, log) = (folder.path().join("pid"), folder.path().join("log"));
    let _ = fs::remove_file(&log);
    // Every third one has workers that are programs, every third one a worker in reserve.
    let tree = Tree {
        runs_programs: round % 3 == 2,
        reserves: usize::from(round % 3 == 1),
    };
    let kind = match (tree.runs_programs, tree.reserves) {
        (true, _) => "type=spawn program=waits",
        (false, 0) => "",
        (false, _) => "reserve=1",
    };
    let mut driver = Driver::start(&format!(
        "workers={WORKERS} supervisor=1 kill=200 no_backoff=1 logger={} pid_path={} {kind}",
        log.display(),
        pid_file.display()
    ));
    let mut killed = Vec::new();
    // The start is a good moment, too: every other round does not wait for its end.
    if random.below(2) == 0 {
        whole(&driver, tree, &killed, tally);
    }
    for _ in 0..=random.below(BLOWS_MAX) {
        sleep(Duration::from_micros(random.below(30_000)));
        let family = proc::descendants(driver.pid());
        let victims: Vec<_> = family
            .iter()
            .filter_map(|it| Some((*it, role(&driver, *it)?)))
            .collect();
        if victims.is_empty() {
            continue;
        }
        let (victim, role) = victims[random.below(victims.len() as u64) as usize];
        send_if_there(victim, Signal::SIGKILL);
        killed.push(victim);
        *tally.kills.entry(role).or_default() += 1;
        // Half of them in quick succession.
        if random.below(2) == 0 {
            whole(&driver, tree, &killed, tally);
        }
    }
    let last = whole(&driver, tree, &killed, tally);
    for pid in &last {
        allowed_only(&driver, *pid, tree);
        tally.processes_looked_at += 1;
    }
    // Those that were killed meanwhile had their say.
    let said = fs::read_to_string(&log).unwrap_or_default();
    let works = said.lines().filter_map(|it| it.strip_suffix(" works"));
    let workers = works.filter_map(|it| it.rsplit(' ').next()?.parse().ok());
    let everybody: Vec<u32> = last.into_iter().chain(workers).collect();
    let is_killed = random.below(2) == 0;
    if is_killed {
        driver.kill();
        *tally.kills.entry("supervisor").or_default() += 1;
    } else {
        driver.signal(Signal::SIGTERM);
        assert_eq!(driver.ends().code(), Some(0), "{}", driver.text());
    }
    tally.gone_max = tally.gone_max.max(assert_gone_within(&everybody, GONE));
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "log")
        .collect();
    // What a killed process leaves is its pid file, which the next one takes over.
    left.retain(|name| !(is_killed && name == "pid"));
    assert_eq!(left, Vec::<String>::new(), "files left behind");
}

/// What there is, beside the processes that there always are.
#[derive(Clone, Copy)]
struct Tree {
    runs_programs: bool,
    reserves: usize,
}

/// Waits until everything is there, once, and nobody is a zombie, or was killed and is about to learn of it.
/// Returns all below the supervisor.
fn whole(driver: &Driver, tree: Tree, killed: &[u32], tally: &mut Tally) -> Vec<u32> {
    let start = Instant::now();
    loop {
        let family = proc::descendants(driver.pid());
        let mut roles: BTreeMap<&str, usize> = BTreeMap::new();
        for pid in &family {
            if let Some(role) = role(driver, *pid) {
                *roles.entry(role).or_default() += 1;
            }
        }
        let is_dying = |pid: &u32| !proc::runs(*pid) || killed.contains(pid);
        let zombies = family.iter().any(is_dying);
        let mut expected = BTreeMap::from([("logger", 1), ("server", 1), ("worker", WORKERS)]);
        if tree.reserves > 0 {
            expected.insert("reserve", tree.reserves);
        }
        if roles == expected && !zombies {
            tally.whole_max = tally.whole_max.max(start.elapsed());
            return family;
        }
        assert!(
            start.elapsed() < WHOLE,
            "not whole: {roles:?}, zombies: {zombies}, {family:?}\n{}",
            driver.text()
        );
        sleep(Duration::from_millis(1));
    }
}

/// Says what a process below the supervisor is. `None`: it is not anything yet, or what a program started.
fn role(driver: &Driver, pid: u32) -> Option<&'static str> {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let parent = proc::parent_of(pid)?;
    let grandparent = proc::parent_of(parent)?;
    match comm.trim() {
        "logger" => Some("logger"),
        _ if parent == driver.pid() => Some("server"),
        "sh" => Some("worker"),
        "subject:reserve" if grandparent == driver.pid() => Some("reserve"),
        name if name.starts_with("subject:") && grandparent == driver.pid() => Some("worker"),
        _ => None,
    }
}

/// Holds the descriptors of a process against the list of what it may have. One that is just being born
/// (a loader that opens a library, say) has a moment.
fn allowed_only(driver: &Driver, pid: u32, tree: Tree) {
    let start = Instant::now();
    loop {
        let Err(wrong) = check_descriptors(driver, pid, tree) else {
            return;
        };
        assert!(start.elapsed() < GONE, "{wrong}");
        sleep(Duration::from_millis(5));
    }
}

fn check_descriptors(driver: &Driver, pid: u32, tree: Tree) -> Result<(), String> {
    let Some(role) = role(driver, pid) else {
        return Ok(());
    };
    let open = proc::descriptors_of(pid);
    let inherited = proc::descriptors_of(std::process::id());
    let mut count = BTreeMap::from([("pipe", 0), ("socket", 0), ("anon_inode", 0), ("log", 0)]);
    for (number, target) in &open {
        if *number > 2 && inherited.get(number) != Some(target) {
            let kind = target.split([':', '[']).next().unwrap();
            let kind = kind.rsplit('/').next().unwrap();
            *count.entry(kind).or_default() += 1;
        }
    }
    let all = WORKERS + tree.reserves;
    let is_allowed = count.keys().len() == 4
        && match role {
            // What the test program allows: descriptor 7.
            "worker" if tree.runs_programs => open.keys().copied().eq([0, 1, 2, 7]),
            // Lines; the life-line; signalfd.
            "worker" | "reserve" => {
                (count["pipe"], count["socket"], count["anon_inode"]) == (1, 1, 1)
            }
            // Lines, and of each worker the ends that a new logger would need; the test program itself
            // leaks one for each program it starts. The supervisor, the logger, and a life-line for each
            // worker that has one. epoll, signalfd, and a pidfd for each worker.
            "server" => {
                (count["pipe"] == 1 + 2 * all || tree.runs_programs)
                    && (2..=2 + all).contains(&count["socket"])
                    && count["anon_inode"] == 2 + all
            }
            // Of supervisor, server and workers, two each, and those of one who just went.
            "logger" => {
                count["pipe"] <= 2 * (2 + all) + 2
                    && (count["socket"], count["anon_inode"], count["log"]) == (1, 0, 1)
            }
            _ => false,
        };
    if is_allowed && (role == "logger" || count["log"] == 0) {
        Ok(())
    } else {
        Err(format!("{role} {pid} has {count:?}: {open:?}"))
    }
}

impl Tally {
    fn keep(&self, folder: &Path, commit: &str, rounds: u64, seed: u64, elapsed: Duration) {
        let date = said_by("date", &["-u", "+%Y-%m-%dT%H-%M-%SZ"]);
        let mut text = String::from("{\n  \"scenario\": \"engine, kill -9 at random instants\",\n");
        let mut fact = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  \"{name}\": {value},");
        };
        fact("date", format!("\"{date}\""));
        fact("commit", format!("\"{commit}\""));
        fact("seed", seed.to_string());
        fact("rounds", rounds.to_string());
        fact("seconds", format!("{:.1}", elapsed.as_secs_f64()));
        for (role, kills) in &self.kills {
            fact(&format!("kills of {role}"), kills.to_string());
        }
        fact(
            "processes whose descriptors were looked at",
            self.processes_looked_at.to_string(),
        );
        fact(
            "longest until nobody was left ms",
            format!("{:.1}", self.gone_max.as_secs_f64() * 1e3),
        );
        fact(
            "longest until all were there ms",
            format!("{:.1}", self.whole_max.as_secs_f64() * 1e3),
        );
        text.push_str("  \"survivors\": 0, \"missing\": 0, \"zombies\": 0, \"files left\": 0\n}\n");
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(format!("{date}-{commit}-kills.json")), text).unwrap();
    }
}

pub(crate) fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    let output = output.map(|it| it.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

/// Random numbers that come again with the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
