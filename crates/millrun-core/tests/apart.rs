//! Batches that several threads filter: their events keep their order, whoever is slow.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may be blunt, as tests may"
)]

mod support;

use support::Bench;

/// What arrives of three large batches of one tag and one small one, good and bad. A thread of its own has a world of its own.
fn arrived(helpers: usize) -> Vec<String> {
    std::thread::spawn(move || arrived_here(helpers))
        .join()
        .unwrap()
}

fn arrived_here(helpers: usize) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "<system>\nhelper_threads {helpers}\n</system>
         <source>\n@type script\n</source>
         <filter **>\n@type dawdle\n</filter>
         <filter **>\n@type dawdle\n</filter>
         <filter **>\n@type drop_x\n</filter>
         <match **>\n@type direct\nname good\n</match>
         <label @ERROR>\n<match **>\n@type direct\nname bad\n</match>\n</label>"
    );
    let bench = Bench::start(&text, directory.path());
    let filler = ".".repeat(60);
    for batch in 0..4 {
        let count = if batch == 3 { 5 } else { 1500 };
        let messages: Vec<String> = (0..count)
            .map(|number| match number % 50 {
                49 => "x".to_owned(),
                _ => format!("{batch} {filler} {number}"),
            })
            .collect();
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        bench.emit("t", &messages).unwrap();
    }
    let arrived = bench.world.arrived();
    bench.stop();
    arrived
}

#[test]
fn with_helpers_the_same_arrives_in_the_same_order() {
    let alone = arrived(0);
    let good = alone.iter().filter(|text| text.starts_with("good")).count();
    assert_eq!((alone.len(), good), (3 * 1320 + 5, 3 * 1170 + 4));
    for helpers in [1, 3] {
        assert!(arrived(helpers) == alone, "with {helpers} helpers");
    }
}
