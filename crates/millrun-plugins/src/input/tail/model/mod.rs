//! A world of files that change between any two looks at them, and the test that no line of it is
//! lost or doubled.
//!
//! The writer appends numbered lines, rotates by renaming, truncates, rewrites and removes; each
//! call of the follower into the file system may be preceded by such an action. The process may
//! die at any call of the sink. What the sink was given is held against what was written.

mod disk;
mod keeper;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use millrun_core::BatchRing;
use millrun_event::EventTime;

use super::block::Block;
use super::encode::Encoder;
use super::follow::{Follower, Settings};
use super::paths::Paths;
use super::pump::{Pump, refusals};
use super::team::Team;
use super::throttle::Throttle;
use super::watch::Turn;
use crate::repeats::Repeats;

use self::disk::*;
use self::keeper::*;

fn follower(disk: &Disk, has_pattern: bool, open_on_every_update: bool) -> Follower<Disk> {
    let path = if has_pattern {
        "/d/in.log*"
    } else {
        "/d/in.log"
    };
    let settings = Settings {
        plugin_id: "model".to_owned(),
        tag: "t.*".to_owned(),
        paths: Paths {
            include: vec![path.to_owned()],
            ..Paths::default()
        },
        rotate_wait: Duration::from_secs(5),
        read_from_head: true,
        ignore_repeated_permission_error: false,
        multiline_flush_interval: None,
        open_on_every_update,
        read_missed_rotations: true,
        dated: Box::new(str::to_owned),
    };
    let pump = Pump {
        files: disk.clone(),
        encoder: Encoder::plain("model", "message", None),
        plugin_id: "model".to_owned(),
        clock: || EventTime::new(1, 1),
        lines_max: None,
        block: Block::new(BLOCK),
        ring: BatchRing::default(),
        repeats: Repeats::default(),
        refusals: refusals(),
        team: Team::new(Vec::new()),
        throttle: Throttle::default(),
    };
    Follower::new(settings, pump)
}

fn run(seed: u64, has_pattern: bool, has_births: bool, open_on_every_update: bool) {
    let disk = Disk(Rc::new(RefCell::new(World {
        dice: Dice(seed),
        is_busy: true,
        clock: 0,
        next_line: 1,
        unfinished: None,
        names: BTreeMap::new(),
        inodes: BTreeMap::new(),
        open: HashMap::new(),
        has_pattern,
        has_births,
        may_be_lost: BTreeSet::new(),
        is_traced: std::env::var_os("MILLRUN_TAIL_TRACE").is_some(),
    })));
    let mut keeper = Keeper {
        lives: BTreeMap::new(),
        sources: HashMap::new(),
        lines: Vec::new(),
        truncated: 0,
        dice: Dice(seed ^ 0xdead_beef),
        calls_left: u64::MAX,
        is_full: false,
        world: Rc::clone(&disk.0),
    };
    let start = Instant::now();
    let mut seconds = 0;
    let mut dice = Dice(seed.rotate_left(17));
    for process in 0..6 {
        let is_last = process == 5;
        keeper.calls_left = if is_last {
            u64::MAX
        } else {
            1 + dice.roll(120)
        };
        let mut follower = follower(&disk, has_pattern, open_on_every_update);
        disk.0.borrow().trace(|_| format!("process {process}"));
        follower.recover(Vec::new(), &mut keeper);
        for step in 0..120 {
            if is_last && step == 40 {
                let mut world = disk.0.borrow_mut();
                world.finish_line();
                world.is_busy = false;
                keeper.is_full = false;
            }
            if keeper.calls_left == 0 {
                break;
            }
            let now = start + Duration::from_secs(seconds);
            match dice.roll(8) {
                0 => {
                    disk.0.borrow_mut().finish_line();
                    seconds += 1 + dice.roll(6);
                }
                1..=2 if disk.0.borrow().is_busy => disk.0.borrow_mut().act(),
                3 => {
                    disk.0.borrow().trace(|_| "refresh".to_owned());
                    follower.refresh(now, SystemTime::UNIX_EPOCH, &mut keeper);
                }
                4 => follower.check_all(now, &mut keeper),
                5 if !is_last || step < 40 => keeper.is_full = dice.roll(4) == 0,
                _ => {
                    let _ = follower.work(now, &mut keeper);
                }
            }
        }
        if is_last {
            for _ in 0..40 {
                seconds += 6;
                let now = start + Duration::from_secs(seconds);
                follower.refresh(now, SystemTime::UNIX_EPOCH, &mut keeper);
                for _ in 0..1000 {
                    if follower.work(now, &mut keeper) == Turn::Idle {
                        break;
                    }
                }
            }
        }
        drop(follower);
        keeper.crash();
        // While nobody watches.
        for _ in 0..if is_last { 0 } else { dice.roll(6) } {
            disk.0.borrow_mut().act();
        }
    }
    let world = disk.0.borrow();
    let missed = world
        .inodes
        .iter()
        .filter(|(_, content)| content.borrow().is_missed);
    let missed: BTreeSet<u64> = missed
        .flat_map(|(inode, _)| world.lines_of(*inode))
        .collect();
    let mut seen = BTreeSet::new();
    for line in &keeper.lines {
        assert!(seen.insert(*line), "line {line} came twice");
    }
    let mut expected: BTreeSet<u64> = (1..world.next_line).collect();
    expected.retain(|line| !world.may_be_lost.contains(line) && !missed.contains(line));
    let missing: Vec<_> = expected.difference(&seen).collect();
    // Late writes make a file younger than its successor where only the last change is kept.
    assert!(
        missing.is_empty() || !has_births,
        "lost {missing:?} of {}",
        world.next_line
    );
}

/// How many schedules of each kind a run plays; `MILLRUN_TAIL_SCHEDULES` says otherwise, and
/// `MILLRUN_TAIL_SEED` where they begin; `MILLRUN_TAIL_TRACE` prints what happens. The gate's are always the same ones: it must not depend
/// on luck.
const SCHEDULES: u64 = 64;

fn play(has_pattern: bool, has_births: bool, visits: bool) {
    let number = |name, default| {
        let text = std::env::var(name);
        text.map_or(default, |text| text.parse().unwrap())
    };
    let first: u64 = number("MILLRUN_TAIL_SEED", 0);
    for seed in first..first + number("MILLRUN_TAIL_SCHEDULES", SCHEDULES) {
        let outcome = std::panic::catch_unwind(|| run(seed, has_pattern, has_births, visits));
        assert!(outcome.is_ok(), "the schedule of seed {seed} failed");
    }
}

#[test]
fn each_line_comes_exactly_once_or_went_with_its_file() {
    play(false, true, false);
}

#[test]
fn rotated_names_that_match_the_pattern_double_nothing() {
    play(true, true, false);
}

#[test]
fn without_times_of_birth_nothing_comes_twice() {
    play(false, false, false);
}

#[test]
fn files_that_are_open_for_looks_only_lose_and_double_nothing() {
    play(false, true, true);
    play(true, true, true);
    play(false, false, true);
}

/// A file that was read to its end, quiet and about to be closed grew, lost its name and was
/// compressed in the same moment: it is read on before it is closed.
#[test]
fn a_line_written_between_the_end_of_a_file_and_its_close_comes() {
    for seed in [1_358, 3_698_953_527_871_554_523] {
        run(seed, false, true, false);
    }
}
