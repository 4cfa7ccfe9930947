//! Many schedules on all cores but at most two, and one schedule with its story.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{EVENTS_MIN, Tally, World};

/// As many as the test command can afford.
const SCHEDULES: u64 = 1_000_000;
/// Names how many schedules are run instead.
const SCHEDULES_VARIABLE: &str = "SERVERENGINE_SCHEDULES";
/// Names the seed of one schedule that is told.
const SCHEDULE_VARIABLE: &str = "SERVERENGINE_SCHEDULE";
/// Threads that play; other tests want to run, too.
const THREADS_MAX: usize = 2;
/// Schedules that a thread takes at a time.
const CHUNK: u64 = 1_000;

impl Tally {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.lives += other.lives;
        self.children += other.children;
        self.stops += other.stops;
        self.kills += other.kills;
        self.commands += other.commands;
        self.overlaps += other.overlaps;
        self.freezes += other.freezes;
    }
}

/// Plays the schedules of a range of seeds.
fn play_all(seeds: std::ops::Range<u64>, tally: &mut Tally) {
    let mut world = World::new();
    for seed in seeds {
        if let Err(rule) = world.play(seed) {
            panic!(
                "the schedule of seed {seed} broke {rule:?} at {:?}: {:?}\n\
                 its story: {SCHEDULE_VARIABLE}={seed}",
                world.now, world.state
            );
        }
        assert!(world.tally.events >= u64::from(EVENTS_MIN), "seed {seed}");
        tally.add(&world.tally);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn a_million_random_schedules_keep_the_rules() {
    if let Some(seed) = number(SCHEDULE_VARIABLE) {
        let mut world = World::new();
        world.tells = true;
        assert_eq!(world.play(seed), Ok(()));
        return;
    }
    let schedules = number(SCHEDULES_VARIABLE).unwrap_or(SCHEDULES);
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let mut total = Tally::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let players = (0..threads.min(THREADS_MAX)).map(|_| {
            scope.spawn(|| {
                let mut tally = Tally::default();
                loop {
                    let first = next.fetch_add(CHUNK, Ordering::Relaxed);
                    if first >= schedules {
                        return tally;
                    }
                    play_all(first..schedules.min(first + CHUNK), &mut tally);
                }
            })
        });
        for player in players.collect::<Vec<_>>() {
            match player.join() {
                Ok(tally) => total.add(&tally),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    println!(
        "{schedules} schedules in {:.1?}: {total:?}",
        start.elapsed()
    );
    assert!(total.events >= schedules * u64::from(EVENTS_MIN));
    // The schedules are worth something: children come and go, and everything occurs.
    assert!(total.children > schedules * 10);
    let rare = total.kills.min(total.overlaps).min(total.freezes);
    assert!(rare > schedules / 100, "{total:?}");
}
