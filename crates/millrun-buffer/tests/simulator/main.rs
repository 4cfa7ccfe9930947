//! The delivery contract under everything that can go wrong (the contract, "What proves it").
//!
//! ```text
//! log files ──▶ agent ──┬─▶ file buffer, by tag ─────▶ out_file           exactly once
//!  (renamed,            ├─▶ file buffer, filtered ───▶ out_file           exactly once, drops counted once
//!   truncated,          ├─▶ file buffer ─re-emitted─▶ file buffer ─▶ out_file   exactly once
//!   numbers reused)     ├─▶ file buffer ─▶ network ─▶ receivers ─▶ file buffer ─▶ out_file   exactly once
//!                       ├─▶ file buffer ─▶ who only acknowledges          at least once
//!                       └─▶ memory buffer ─▶ who only acknowledges        at least once
//! ```
//!
//! The commit, recovery and delivery code is the real one: transactions, ledgers, buffers, `Appender`, `Pin`, dispatches and
//! what a receiver knows of them. Simulated are the disk (torn and short writes, a full disk, faults, what
//! was not synced when power fails), the clock, the network (which loses, delays and repeats messages and answers) and the
//! reading of log files. A process may die at every change it makes to its disk, also while it starts;
//! shards change from life to life, receivers have up to three workers, and other numbers of them from start to start. `account` says what must have arrived, and knows nothing of
//! how it travels.
//!
//! `MILLRUN_SCHEDULES=10000000` plays more schedules, from `MILLRUN_SEED_FIRST=1000000` on if that is given, and says after each
//! hundred thousand how far it is: what one run played another one goes on from. `MILLRUN_SEED=123` plays the one that failed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may be blunt, as tests may"
)]

mod account;
mod logs;
mod mill;
mod network;
mod plan;
mod schedule;
mod worker;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use millrun_buffer::disk::Lie;

use self::schedule::{Sabotage, play, replay};

/// The schedules of a plain run.
const SCHEDULES: u64 = 100_000;

/// Schedules of which the result is said at once.
const PART: u64 = 100_000;

/// How many schedules a fault may survive at most to count as noticed.
const SABOTAGED: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn every_line_is_accounted_for_whatever_fails() {
    if let Some(seed) = number("MILLRUN_SEED") {
        return play(seed, Sabotage::None);
    }
    let first = number("MILLRUN_SEED_FIRST").unwrap_or(0);
    let count = number("MILLRUN_SCHEDULES").unwrap_or(SCHEDULES);
    let end = first + count;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    for part in (first..end).step_by(PART as usize) {
        let part_end = end.min(part + PART);
        let next = AtomicU64::new(part);
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= part_end {
                    return;
                }
                let outcome = std::panic::catch_unwind(|| play(seed, Sabotage::None));
                assert!(outcome.is_ok(), "run again with MILLRUN_SEED={seed}");
            }
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            for thread in threads {
                thread.join().expect("every schedule passes");
            }
        });
        println!("schedules {part}..{part_end}: none failed");
    }
    println!("{count} schedules from {first} on, none failed");
}

// Schedules that found faults, by what was wrong.

/// A chunk stood in a file in part, after a full disk, and another one went behind it.
#[test]
fn a_chunk_waits_for_another_one_that_is_in_its_file_in_part() {
    for seed in [31, 175, 486, 685] {
        replay(seed);
    }
}

/// A new file's name, or blocks of it, were lost with the power.
#[test]
fn a_file_whose_last_append_was_lost_with_the_power_is_completed() {
    for seed in [2_987, 3_869] {
        replay(seed);
    }
}

/// A delivery could not be recorded nor its chunk removed, and another chunk went behind it.
#[test]
fn a_chunk_that_stands_whole_is_not_appended_again() {
    replay(1_012_432);
}

/// A commit was written and not synced when its process was killed; the next one believed it and changed files by it,
/// and then it went with the power.
#[test]
fn what_recovery_believes_is_synced() {
    replay(1_001_714);
}

/// A sync failed, so that nobody knew whether a commit had happened, and another shard committed the same again.
#[test]
fn what_one_shard_may_have_committed_no_other_one_commits() {
    for seed in [16_015, 19_887] {
        replay(seed);
    }
}

/// A chunk's data was removed and its meta file not yet, when the process died and nothing said any more that the chunk had
/// been delivered: it looks as if somebody had removed the data, and yet the rest is ours to remove.
#[test]
fn a_meta_file_whose_data_was_removed_first_goes_at_the_next_start() {
    for seed in [1_121, 1_823] {
        play(seed, Sabotage::None);
    }
}

/// A process died while it replaced a meta file, and what it had written stayed beside the chunk, and long after it.
#[test]
fn what_a_crash_leaves_of_a_replaced_meta_file_goes_at_the_next_start() {
    play(1_140_140, Sabotage::None);
}

/// A worker's chunk files had been moved and its ledgers not yet been joined when the first worker died; then there was such a
/// worker again, and nobody ended what had been begun.
#[test]
fn a_take_over_that_was_begun_is_ended_when_there_are_more_workers_again() {
    play(1_040_745, Sabotage::None);
}

/// Chunk files of a vanished worker were renamed into another directory, and after a loss of power they were in neither.
#[test]
fn what_is_taken_over_has_a_name_in_one_directory_after_a_loss_of_power() {
    play(2_023_648, Sabotage::None);
}

/// A chunk file had been renamed shortly before it was taken over, and after a loss of power its old name was there again: it was taken
/// over a second time.
#[test]
fn a_name_that_comes_back_is_not_taken_over_again() {
    play(2_385_759, Sabotage::None);
}

/// Prints what happens in a run of one seed.
fn trace(text: impl FnOnce() -> String) {
    static IS_TRACED: OnceLock<bool> = OnceLock::new();
    if *IS_TRACED.get_or_init(|| number("MILLRUN_SEED").is_some()) {
        println!("{}", text());
    }
}

/// A simulator that nothing fails would prove nothing.
fn is_noticed(sabotage: Sabotage) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let fails = |seed: u64| std::panic::catch_unwind(|| play(seed, sabotage)).is_err();
    let noticed = (0..SABOTAGED).find(|seed| fails(*seed));
    std::panic::set_hook(hook);
    assert!(noticed.is_some(), "{sabotage:?} passes");
}

#[test]
fn commits_that_are_skipped_are_noticed() {
    is_noticed(Sabotage::Disk(Lie::LedgerWrites));
}

#[test]
fn truncations_that_are_skipped_are_noticed() {
    is_noticed(Sabotage::Disk(Lie::Truncations));
}

#[test]
fn syncs_that_are_skipped_are_noticed() {
    is_noticed(Sabotage::Disk(Lie::Syncs));
}

#[test]
fn a_chunk_called_delivered_before_it_is_is_noticed() {
    is_noticed(Sabotage::DeliveredEarly);
}

#[test]
fn a_receiver_that_knows_nothing_of_resends_is_noticed() {
    is_noticed(Sabotage::ForgetsPeers);
}

#[test]
fn a_chunk_in_doubt_that_goes_to_another_receiver_is_noticed() {
    is_noticed(Sabotage::Unpinned);
}

#[test]
fn answers_before_the_commit_are_noticed() {
    is_noticed(Sabotage::AnswersEarly);
}
