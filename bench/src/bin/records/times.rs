//! Nanoseconds of CPU: each loop and its floor alternately. What others do on the machine still shows, in the caches.

use std::hint::black_box;

use nix::time::{ClockId, clock_gettime};

use crate::{EVENTS, Goal, Work, loops};

const ROUNDS: usize = 60;

/// Prints the loops whose names hold `part`.
pub(crate) fn print(part: &str) {
    println!(
        "{:<34} {:>9} {:>9} {:>8}",
        "loop", "ns/event", "floor", "goal"
    );
    for found in loops()
        .into_iter()
        .filter(|found| found.name.contains(part))
    {
        let (mut work, mut floor) = (found.make)(EVENTS);
        let (mut best, mut best_floor) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            best = best.min(nanoseconds(&mut work));
            best_floor = best_floor.min(nanoseconds(&mut floor));
        }
        let goal = match found.goal {
            Goal::Any => None,
            Goal::Nanoseconds(most) => Some(most),
            Goal::OrTwiceTheFloor(most) => Some(most.min(best_floor * 2.0)),
        };
        let verdict = match goal {
            Some(goal) if best > goal => format!("{goal:>8.0}  missed"),
            Some(goal) => format!("{goal:>8.0}"),
            None => format!("{:>8}", "-"),
        };
        println!("{:<34} {best:>9.1} {best_floor:>9.1} {verdict}", found.name);
    }
}

/// What one event costs in a round.
fn nanoseconds(work: &mut Work) -> f64 {
    let start = cpu();
    black_box(work());
    (cpu() - start) * 1e9 / f64::from(EVENTS)
}

/// Seconds of CPU that this thread has had.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}
