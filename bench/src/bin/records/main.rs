//! What looking into lines and records costs: nanoseconds, each loop beside a floor, and instructions.
//!
//! ```text
//! records [name]        nanoseconds per event of all loops, or of those whose name holds this
//! records count         instructions per event by callgrind, compared with record_counts.tsv
//! records record        the same, written there
//! records run NAME N    N rounds of one loop, for callgrind
//! ```
//! A floor is the bare work that a loop cannot do without: a copy of the line, a walk over the stream, serde_json's
//! validation. Loop and floor run alternately, and the best round of each counts, since other work on the machine only
//! ever adds time. Instructions are the same on a noisy machine and a quiet one: they show a regression anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark of fixed texts may be blunt"
)]

mod counts;
mod filters;
mod parsers;
mod streams;
mod times;

use anyhow::{Result, bail};

/// Events of one round. Their streams are larger than the second-level cache, so that memory takes part as it does in
/// the collector.
const EVENTS: u32 = 20_000;

/// Events of one round under callgrind, which is fifty times slower and knows no cache.
const EVENTS_COUNTED: u32 = 1_000;

/// A loop to be measured.
struct Loop {
    name: &'static str,
    goal: Goal,
    /// Makes it, for rounds of so many events.
    make: Box<dyn Fn(u32) -> (Work, Work)>,
}

/// One round; answers something that hangs on all of it.
type Work = Box<dyn FnMut() -> usize>;

/// What a loop may cost.
#[derive(Clone, Copy)]
enum Goal {
    /// Anything: it stands here to be seen.
    Any,
    /// So many nanoseconds an event.
    Nanoseconds(f64),
    /// So many, or twice the floor, whichever is less.
    OrTwiceTheFloor(f64),
}

fn loops() -> Vec<Loop> {
    let mut loops = streams::loops();
    loops.extend(parsers::loops());
    loops.extend(filters::loops());
    loops
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => times::print(""),
        ["count"] => return counts::compare(&loops()),
        ["record"] => return counts::record(&loops()),
        ["run", name, rounds] => {
            let Some(found) = loops().into_iter().find(|found| found.name == *name) else {
                bail!("there is no loop {name}");
            };
            let (mut work, _) = (found.make)(EVENTS_COUNTED);
            for _ in 0..rounds.parse::<u32>()? {
                std::hint::black_box(work());
            }
        }
        [name] => times::print(name),
        _ => bail!("expected nothing, a part of a name, count, record, or run NAME ROUNDS"),
    }
    Ok(())
}
