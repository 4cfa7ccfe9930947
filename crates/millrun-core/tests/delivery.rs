//! Chunks out of a buffer: due, repeated, given up, drained at the end, found again.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::disk::{RealDisk, SharedDisk};
use millrun_buffer::{Durability, StateDirectory};
use millrun_core::DeliveryError;

use support::Bench;

const SOURCE: &str = "<source>\n@type script\n</source>\n";

fn keep(directory: &Path, buffer: &str) -> Bench {
    let text =
        format!("{SOURCE}<match **>\n@type keep\nname k\n<buffer>\n{buffer}\n</buffer>\n</match>");
    Bench::start(&text, directory)
}

fn retriable() -> DeliveryError {
    DeliveryError::Retriable("down".into())
}

#[test]
fn an_immediate_chunk_arrives_at_once_and_an_old_one_when_it_is_due() {
    for buffer in ["flush_mode immediate", "flush_interval 0.05"] {
        let directory = tempfile::tempdir().unwrap();
        let bench = keep(directory.path(), buffer);
        bench.emit("t", &["1"]).unwrap();
        assert_eq!(
            bench.world.wait_for(1).last().unwrap(),
            "k: t 1",
            "{buffer}"
        );
        bench.stop();
    }
}

#[test]
fn a_failed_chunk_is_sent_again_and_nothing_overtakes_it() {
    let directory = tempfile::tempdir().unwrap();
    let bench = keep(
        directory.path(),
        "flush_mode immediate\nretry_wait 0.05\nretry_randomize false",
    );
    bench.world.answer([retriable(), retriable()]);
    bench.emit("a", &["1"]).unwrap();
    bench.emit("b", &["2"]).unwrap();
    assert_eq!(bench.world.wait_for(2), ["k: a 1", "k: b 2"]);
    bench.stop();
}

/// A flush thread that knows of nothing else sleeps for a minute.
#[test]
fn a_held_chunk_is_sent_when_its_time_has_come_though_nothing_else_comes() {
    let directory = tempfile::tempdir().unwrap();
    let bench = keep(directory.path(), "flush_mode immediate");
    bench.world.answer([DeliveryError::Held {
        reason: "it may be there".into(),
        until: Instant::now() + Duration::from_millis(300),
    }]);
    bench.emit("a", &["1"]).unwrap();
    assert_eq!(bench.world.wait_for(1), ["k: a 1"]);
    bench.stop();
}

/// A pause behind a mebibyte that waits would let one output that is down hold up all others of its source.
#[test]
fn an_output_that_takes_nothing_holds_its_source_up_only_at_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let text = "<source>\n@type script\n</source>\n<match **>\n@type keep\nname down\n<buffer tag>\n\
                flush_mode immediate\nchunk_limit_size 1m\nretry_wait 60\n</buffer>\n</match>\n";
    let bench = Bench::start(text, directory.path());
    let long = "x".repeat(300 << 10);
    for _ in 0..8 {
        bench.emit("t", &[&long]).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while !bench.has_room() {
        assert!(
            Instant::now() < deadline,
            "2.3 MiB wait, of four chunks of one"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..8 {
        bench.emit("t", &[&long]).unwrap();
    }
    assert!(!bench.has_room());
    bench.stop();
}

#[test]
fn an_unconfirmed_chunk_is_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let bench = keep(directory.path(), "flush_mode immediate");
    bench
        .world
        .answer([DeliveryError::Unconfirmed("no answer".into())]);
    bench.emit("a", &["1"]).unwrap();
    assert_eq!(bench.world.wait_for(1), ["k: a 1"]);
    bench.stop();
}

#[test]
fn at_the_retry_limit_only_the_chunk_that_failed_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let bench = keep(
        directory.path(),
        "flush_mode immediate\nretry_wait 0.02\nretry_max_times 1",
    );
    bench.world.answer([retriable(), retriable()]);
    bench.emit("a", &["1"]).unwrap();
    bench.emit("b", &["2"]).unwrap();
    assert_eq!(bench.world.wait_for(1), ["k: b 2"]);
    bench.stop();
    // The limit asks for an end: memory is no more afterwards, here as in Fluentd, and counted.
    assert_eq!(backups(directory.path()), 0);
    assert_eq!(losses(directory.path(), "retry_limit"), 1);
}

#[test]
fn content_that_can_never_pass_goes_to_the_backup() {
    let directory = tempfile::tempdir().unwrap();
    let bench = keep(directory.path(), "flush_mode immediate");
    bench
        .world
        .answer([DeliveryError::Unrecoverable("bad".into())]);
    bench.emit("a", &["1"]).unwrap();
    bench.emit("b", &["2"]).unwrap();
    assert_eq!(bench.world.wait_for(1), ["k: b 2"]);
    bench.stop();
    assert_eq!(backups(directory.path()), 1);
}

#[test]
fn a_stop_delivers_what_is_staged_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let bench = keep(directory.path(), "flush_interval 60");
    bench.emit("a", &["1"]).unwrap();
    bench.emit("b", &["2"]).unwrap();
    let world = std::sync::Arc::clone(&bench.world);
    bench.stop();
    let mut arrived = world.arrived();
    arrived.sort();
    assert_eq!(arrived, ["k: a 1", "k: b 2"]);
}

/// A flush thread that had failed once in its life tried nothing at the end.
#[test]
fn a_stop_long_after_a_failure_delivers_what_is_staged_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let buffer = "flush_interval 60\nretry_wait 0.02\nretry_randomize false";
    let bench = keep(directory.path(), buffer);
    bench.world.answer([retriable()]);
    bench.emit("a", &["1"]).unwrap();
    bench.flush();
    bench.world.wait_for(1);
    for tag in 0..50 {
        bench.emit(&tag.to_string(), &["2"]).unwrap();
    }
    let world = Arc::clone(&bench.world);
    bench.stop();
    assert_eq!(world.arrived().len(), 51);
}

/// A flush thread that slept until the next try ended when the end was asked for meanwhile, without another look at its chunks.
#[test]
fn a_stop_while_a_retry_is_waited_for_tries_what_memory_holds() {
    let directory = tempfile::tempdir().unwrap();
    let bench = keep(directory.path(), "flush_mode immediate\nretry_wait 60");
    bench.world.answer([retriable()]);
    bench.emit("a", &["1"]).unwrap();
    bench.world.wait_for_answers_given();
    bench.emit("b", &["2"]).unwrap();
    let world = Arc::clone(&bench.world);
    bench.stop();
    assert_eq!(world.arrived(), ["k: a 1", "k: b 2"]);
}

/// A destination that is not there does not hold the end up: after one try, and one that may have been under way, it ends.
#[test]
fn a_stop_repeats_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let bench = keep(directory.path(), "flush_interval 60\nretry_wait 10");
    bench
        .world
        .answer(std::iter::repeat_with(retriable).take(10));
    for tag in 0..10 {
        bench.emit(&tag.to_string(), &["1"]).unwrap();
    }
    let world = Arc::clone(&bench.world);
    bench.stop();
    assert_eq!(world.arrived(), Vec::<String>::new());
    let untried = world.answers.lock().unwrap().len();
    assert!(untried >= 8, "{untried}");
}

#[test]
fn chunks_in_files_are_found_again_by_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("buffer");
    let buffer = format!("@type file\npath {}\nflush_interval 60", path.display());
    let bench = keep(directory.path(), &buffer);
    bench.emit("a", &["1", "2"]).unwrap();
    let world = std::sync::Arc::clone(&bench.world);
    bench.stop();
    assert_eq!(world.arrived(), Vec::<String>::new());

    let bench = keep(directory.path(), &buffer);
    bench.flush();
    assert_eq!(bench.world.wait_for(2), ["k: a 1", "k: a 2"]);
    bench.stop();
}

#[test]
fn a_damaged_chunk_is_put_aside_and_the_others_arrive() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("buffer");
    let buffer = format!("@type file\npath {}\nflush_interval 60", path.display());
    let bench = keep(directory.path(), &buffer);
    bench.emit("a", &["damaged"]).unwrap();
    bench.emit("b", &["2"]).unwrap();
    bench.stop();
    for file in files(&path) {
        let mut bytes = std::fs::read(&file).unwrap();
        let is_chunk = file.extension().is_some_and(|extension| extension == "log");
        if is_chunk && bytes.ends_with(b"damaged") {
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&file, bytes).unwrap();
        }
    }
    let bench = keep(directory.path(), &buffer);
    bench.flush();
    assert_eq!(bench.world.wait_for(1), ["k: b 2"]);
    bench.stop();
    assert_eq!(backups(directory.path()), 1);
    assert_eq!(files(&path), Vec::<PathBuf>::new());
}

#[test]
fn a_refused_event_is_found_and_the_rest_flows_on() {
    for buffer in [
        "@type memory",
        "@type file\npath DIR/b",
        "@type file\npath DIR/b\ncompress zstd",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let buffer = buffer.replace("DIR", &directory.path().display().to_string());
        let text = format!(
            "{SOURCE}<match **>\n@type keep\nname picky\n<buffer tag>\n{buffer}\nflush_mode immediate\n</buffer>\n</match>"
        );
        let bench = Bench::start(&text, directory.path());
        bench
            .emit("a", &["1", "2", "bad", "3", "4", "5", "bad"])
            .unwrap();
        bench.emit("b", &["6"]).unwrap();
        let mut arrived = bench.world.wait_for(6);
        arrived.sort();
        let expected: Vec<_> = ["a 1", "a 2", "a 3", "a 4", "a 5", "b 6"]
            .map(|text| format!("picky: {text}"))
            .into();
        assert_eq!(arrived, expected, "{buffer}");
        bench.world.arrived.lock().unwrap().clear();
        bench.stop();
        assert_eq!(backups(directory.path()), 2, "{buffer}");
    }
}

#[test]
fn the_secondary_takes_over_after_its_share_of_the_retry_time() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "{SOURCE}<match **>\n@type keep\nname down\n<buffer tag>\nflush_mode immediate\nretry_wait 0.05\n\
         retry_max_times 3\nretry_secondary_threshold 0.5\n</buffer>\n<secondary>\n@type keep\nname second\n\
         </secondary>\n</match>"
    );
    let bench = Bench::start(&text, directory.path());
    bench.emit("a", &["1"]).unwrap();
    assert_eq!(bench.world.wait_for(1), ["second: a 1"]);
    bench.stop();
    assert_eq!(backups(directory.path()), 0);
}

#[test]
fn an_evacuated_chunk_is_delivered_when_it_is_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("b");
    let buffer = format!(
        "@type file\npath {}\nflush_mode immediate\nretry_max_times 0",
        path.display()
    );
    let bench = keep(directory.path(), &buffer);
    bench.world.answer([retriable()]);
    bench.emit("a", &["1"]).unwrap();
    let evacuated = directory.path().join("buffer/keep_1");
    let deadline = Instant::now() + Duration::from_secs(10);
    while files(&evacuated).len() < 2 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    bench.stop();
    assert_eq!(files(&path), Vec::<PathBuf>::new());
    for file in files(&evacuated) {
        std::fs::rename(&file, path.join(file.file_name().unwrap())).unwrap();
    }
    let bench = keep(directory.path(), &buffer);
    assert_eq!(bench.world.wait_for(1), ["k: a 1"]);
    bench.stop();
}

/// The events that the instance has counted as lost for a reason.
fn losses(root: &Path, reason: &str) -> u64 {
    let disk: SharedDisk = Arc::new(RealDisk);
    let Ok(state) = StateDirectory::open(&disk, root, 0, 1, Durability::Process) else {
        return 0;
    };
    let losses = state.ledgers().iter().flat_map(|ledger| ledger.losses());
    losses
        .filter_map(|(key, count)| (&*key.reason == reason).then_some(count))
        .sum()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

fn backups(directory: &Path) -> usize {
    let backup = directory.join("backup/worker0/keep_1");
    std::fs::read_dir(backup).map_or(0, Iterator::count)
}
