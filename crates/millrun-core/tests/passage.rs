//! A batch through the graph: filters, labels, copies, and all or nothing.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may be blunt, as tests may"
)]

mod support;

use millrun_core::DeliveryError;

use support::Bench;

fn bench(text: &str) -> (Bench, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Bench::start(text, directory.path()), directory)
}

#[test]
fn filters_before_the_first_match_apply_and_those_behind_it_do_not() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <filter a.**>\n@type drop_x\n</filter>
         <match a.**>\n@type direct\nname first\n</match>
         <match **>\n@type direct\nname second\n</match>
         <filter **>\n@type drop_x\n</filter>",
    );
    bench.emit("a.b", &["1", "x", "2"]).unwrap();
    bench.emit("b", &["x"]).unwrap();
    assert_eq!(
        bench.world.arrived(),
        ["first: a.b 1", "first: a.b 2", "second: b x"]
    );
    bench.stop();
}

#[test]
fn a_label_is_a_router_of_its_own() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <match **>\n@type relabel\n@label @L\n</match>
         <label @L>\n<filter **>\n@type drop_x\n</filter>
         <match a>\n@type direct\nname l\n</match>\n</label>",
    );
    bench.emit("a", &["x", "1"]).unwrap();
    // Nothing in the label takes b, and the root is not asked again.
    bench.emit("b", &["1"]).unwrap();
    assert_eq!(bench.world.arrived(), ["l: a 1"]);
    bench.stop();
}

#[test]
fn labels_that_lead_in_a_circle_end_in_an_error() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <match **>\n@type relabel\n@label @L\n</match>
         <label @L>\n<match **>\n@type relabel\n@label @ROOT\n</match>\n</label>",
    );
    assert_eq!(
        bench.emit("a", &["1"]).unwrap_err(),
        "the event passed 64 labels and copies: the labels lead in a circle"
    );
    bench.stop();
}

#[test]
fn every_store_of_a_copy_has_the_batch() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <match **>\n@type copy
         <store>\n@type direct\nname a\n</store>
         <store ignore_if_prev_success>\n@type direct\nname b\n</store>
         <store>\n@type direct\nname c\n</store>\n</match>",
    );
    bench.emit("t", &["1"]).unwrap();
    assert_eq!(bench.world.arrived(), ["a: t 1", "c: t 1"]);
    bench.stop();
}

#[test]
fn a_store_that_may_fail_does_not_stop_the_others() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <match **>\n@type copy
         <store ignore_error>\n@type direct\nname a\n</store>
         <store ignore_if_prev_success>\n@type direct\nname b\n</store>\n</match>",
    );
    bench
        .world
        .answer([DeliveryError::Retriable("down".into())]);
    bench.emit("t", &["1"]).unwrap();
    assert_eq!(bench.world.arrived(), ["b: t 1"]);
    bench.stop();
}

#[test]
fn a_batch_that_one_output_refuses_reaches_no_buffer() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <match **>\n@type copy
         <store>\n@type keep\nname kept\n</store>
         <store>\n@type direct\nname direct\n</store>\n</match>",
    );
    bench
        .world
        .answer([DeliveryError::Retriable("down".into())]);
    assert_eq!(bench.emit("t", &["1"]).unwrap_err(), "down");
    // The source repeats it, and then it is there once.
    bench.emit("t", &["1"]).unwrap();
    bench.flush();
    assert_eq!(bench.world.wait_for(2), ["direct: t 1", "kept: t 1"]);
    bench.stop();
}

#[test]
fn a_full_buffer_tells_the_source() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <match **>\n@type keep\n<buffer>\ntotal_limit_size 10\n</buffer>\n</match>",
    );
    bench.emit("t", &["1"]).unwrap();
    let error = bench.emit("t", &["2"]).unwrap_err();
    assert!(error.contains("has too many data"), "{error}");
    bench.stop();
}

#[test]
fn what_a_filter_cannot_handle_goes_to_the_error_label_in_the_same_transaction() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <filter **>\n@type reject_x\n</filter>
         <match **>\n@type direct\nname good\n</match>
         <label @ERROR>\n<match **>\n@type direct\nname bad\n</match>\n</label>",
    );
    bench.emit("t", &["1", "x", "2"]).unwrap();
    assert_eq!(
        bench.world.arrived(),
        ["good: t 1", "good: t 2", "bad: t x"]
    );
    bench.stop();
}

#[test]
fn an_event_larger_than_a_chunk_goes_to_the_error_label_and_is_not_lost() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <match **>\n@type keep\nname good\n<buffer tag>\nchunk_limit_size 30\nflush_mode immediate\n</buffer>\n</match>
         <label @ERROR>\n<match **>\n@type direct\nname bad\n</match>\n</label>",
    );
    let long = "x".repeat(40);
    bench.emit("t", &["1", &long, "2"]).unwrap();
    let mut arrived = bench.world.wait_for(3);
    arrived.sort();
    let bad = format!("bad: t {long}");
    assert_eq!(arrived, [&*bad, "good: t 1", "good: t 2"]);
    bench.stop();
}

#[test]
fn an_error_event_on_the_way_of_error_events_goes_nowhere_again() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <filter **>\n@type reject_x\n</filter>
         <match **>\n@type direct\nname good\n</match>
         <label @ERROR>\n<filter **>\n@type reject_x\n</filter>
         <match **>\n@type direct\nname bad\n</match>\n</label>",
    );
    bench.emit("t", &["x"]).unwrap();
    assert_eq!(bench.world.arrived(), Vec::<String>::new());
    bench.stop();
}

#[test]
fn without_an_error_label_the_others_pass() {
    let (bench, _directory) = bench(
        "<source>\n@type script\n</source>
         <filter **>\n@type reject_x\n</filter>
         <match **>\n@type direct\nname good\n</match>",
    );
    bench.emit("t", &["x", "1"]).unwrap();
    assert_eq!(bench.world.arrived(), ["good: t 1"]);
    bench.stop();
}

#[test]
fn no_match_is_no_error_of_the_source() {
    let (bench, _directory) =
        bench("<source>\n@type script\n</source>\n<match a>\n@type direct\n</match>");
    bench.emit("b", &["1"]).unwrap();
    assert_eq!(bench.world.arrived(), Vec::<String>::new());
    bench.stop();
}
