//! Chunks out of a buffer: due, repeated, given up, drained at the end, found again.

mod support;

use std::path::Path;

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
    assert_eq!(backups(directory.path()), 1);
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

fn backups(directory: &Path) -> usize {
    let backup = directory.join("backup/worker0/keep_1");
    std::fs::read_dir(backup).map_or(0, Iterator::count)
}
