//! Stages: what they hold is neither lost nor doubled.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may be blunt, as tests may"
)]

mod support;

use std::path::Path;

use millrun_core::DeliveryError;

use support::Bench;

const JOIN: &str = "<source>\n@type script\n</source>
    <filter **>\n@type join\n</filter>\n<filter **>\n@type drop_x\n</filter>
    <match **>\n@type direct\nname d\n</match>";

fn start(text: &str) -> (Bench, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Bench::start(text, directory.path()), directory)
}

#[test]
fn what_is_held_goes_on_with_a_later_batch() {
    let (bench, _directory) = start(JOIN);
    bench.emit("t", &["a", "b-"]).unwrap();
    bench.emit("t", &["c-"]).unwrap();
    bench.emit("t", &["d", "x"]).unwrap();
    assert_eq!(bench.world.arrived(), ["d: t a", "d: t b-c-d"]);
    bench.stop();
}

#[test]
fn what_waited_long_enough_goes_on_behind_its_filter() {
    let (bench, _directory) = start(JOIN);
    bench.emit("soon", &["a-"]).unwrap();
    assert_eq!(bench.world.wait_for(1), ["d: soon a-"]);
    bench.emit("soon", &["b"]).unwrap();
    assert_eq!(bench.world.wait_for(2), ["d: soon a-", "d: soon b"]);
    bench.stop();
}

#[test]
fn a_stop_gives_out_what_is_held() {
    let (bench, _directory) = start(JOIN);
    bench.emit("t", &["a-"]).unwrap();
    let world = std::sync::Arc::clone(&bench.world);
    bench.stop();
    assert_eq!(world.arrived(), ["d: t a-"]);
}

#[test]
fn a_batch_that_failed_leaves_the_stage_as_it_was() {
    let (bench, _directory) = start(JOIN);
    bench
        .world
        .answer([DeliveryError::Retriable("down".into())]);
    bench.emit("t", &["a-"]).unwrap();
    bench.emit("t", &["b", "c-"]).unwrap_err();
    // The source repeats it.
    bench.emit("t", &["b", "c-"]).unwrap();
    bench.emit("t", &["d"]).unwrap();
    assert_eq!(bench.world.arrived(), ["d: t a-b", "d: t c-d"]);
    bench.stop();
}

/// What a kill -9 leaves behind.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn a_crash_finds_what_was_held_in_the_ledger() {
    let (bench, directory) = start(JOIN);
    bench.emit("t", &["a", "b-"]).unwrap();
    let crashed = tempfile::tempdir().unwrap();
    copy(directory.path(), crashed.path());
    bench.stop();

    let bench = Bench::start(JOIN, crashed.path());
    let known = bench.world.arrived().len();
    let arrived = bench.world.wait_for(known + 1);
    assert_eq!(arrived.last().unwrap(), "d: t b-");
    bench.stop();
}

const RETAG: &str = "<source>\n@type script\n</source>
    <match new.**>\n@type direct\nname d\n</match>
    <match keep.**>\n@type join_and_retag\n</match>
    <match **>\n@type retag\n</match>";

#[test]
fn an_output_may_emit_again_under_other_tags() {
    let (bench, _directory) = start(RETAG);
    bench.emit("t", &["1"]).unwrap();
    bench.emit("keep.t", &["2-"]).unwrap();
    bench.emit("keep.t", &["3"]).unwrap();
    bench.emit("keep.soon", &["4-"]).unwrap();
    assert_eq!(
        bench.world.wait_for(3),
        ["d: new.t 1", "d: new.keep.t 2-3", "d: new.keep.soon 4-"]
    );
    bench.stop();
}

#[test]
fn tags_that_lead_in_a_circle_cost_the_event_and_not_its_source() {
    let (bench, _directory) = start(RETAG);
    bench.emit("circle", &["1"]).unwrap();
    bench.emit("t", &["2"]).unwrap();
    assert_eq!(bench.world.arrived(), ["d: new.t 2"]);
    bench.stop();
}
