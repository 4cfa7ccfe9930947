//! Nanoseconds per event of this crate's loops, each beside a floor: the bare work it cannot do
//! without. The two run alternately and the best round of each counts, since other work on the
//! machine only ever adds time.
//!
//! ```text
//! cargo run --release -p millrun-event --example walk_bench
//! ```

use std::hint::black_box;
use std::time::Instant;

use millrun_event::json::{FloatText, transcode, write_value};
use millrun_event::{EventBuffer, EventTime, Events, Record, count_entries, write};

/// Larger than the second-level cache, so that memory takes part as it does in the collector.
const STREAM_BYTES: usize = 16 << 20;
const ROUNDS: usize = 15;
const LINE_BYTES: usize = 186;

const JSON: &str = r#"{"remote":"203.0.113.57","user":null,"method":"GET","path":"/assets/app.js?v=20240214","code":200,"size":18273,"took":0.0123,"referer":"https://www.example.com/start","agent":"Mozilla/5.0 (X11; Linux x86_64) \"x\"","trace":{"id":"4bf92f3577b34da6","sampled":true}}"#;

fn main() {
    println!(
        "{:<34} {:>8} {:>8} {:>6}",
        "loop", "ns/event", "floor", "goal"
    );

    let lines = stream(|record| {
        write::map(record, 1);
        write::str(record, b"message");
        write::str(record, &[b'x'; LINE_BYTES]);
    });
    let sum = || sum_of_words(lines.as_events().bytes);
    let walk = || u64::from(count_entries(lines.as_events().bytes).unwrap_or(0));
    report("walk, 186-byte line (read all)", &lines, walk, sum, 45.0);
    let hop = || hop(lines.as_events());
    report("walk, 186-byte line (hop)", &lines, walk, hop, 45.0);

    let mut record = Vec::new();
    let sound = transcode(JSON.as_bytes(), &mut record);
    assert_eq!(sound, Ok(()), "the sample is JSON");
    let fields = stream(|out| out.extend_from_slice(&record));
    let walk = || u64::from(count_entries(fields.as_events().bytes).unwrap_or(0));
    let sum = || sum_of_words(fields.as_events().bytes);
    report("walk, 12 fields, nested", &fields, walk, sum, f64::NAN);

    let find = || {
        fields_of(fields.as_events(), |record| {
            record
                .field(b"agent")
                .map_or(0, |value| value.bytes().len())
        })
    };
    report("find the 9th field", &fields, find, walk, f64::NAN);

    let mut text = Vec::new();
    let print = || {
        fields_of(fields.as_events(), |record| {
            text.clear();
            let _ = write_value(record.bytes(), FloatText::Oj, &mut text);
            text.len()
        })
    };
    report("print JSON, 260 bytes (walk)", &fields, print, walk, 350.0);

    let count = fields.count();
    let mut out = Vec::new();
    let parse = || {
        repeat(count, || {
            out.clear();
            let _ = transcode(black_box(JSON.as_bytes()), &mut out);
            out.len()
        })
    };
    let validate = || {
        repeat(count, || {
            let sound = serde_json::from_str::<serde::de::IgnoredAny>(black_box(JSON));
            usize::from(sound.is_ok())
        })
    };
    let name = "read JSON, 260 bytes (serde_json)";
    report(name, &fields, parse, validate, 650.0);
}

fn stream(record: impl Fn(&mut Vec<u8>)) -> EventBuffer {
    let mut events = EventBuffer::with_capacity(STREAM_BYTES + 1024);
    while events.len() < STREAM_BYTES {
        events.push(EventTime::new(1_700_000_000, events.count()), &record);
    }
    events
}

fn report(
    name: &str,
    events: &EventBuffer,
    mut work: impl FnMut() -> u64,
    mut floor: impl FnMut() -> u64,
    goal: f64,
) {
    let (mut best_work, mut best_floor) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        best_work = best_work.min(seconds(&mut work));
        best_floor = best_floor.min(seconds(&mut floor));
    }
    let per_event = |seconds: f64| seconds * 1e9 / f64::from(events.count());
    println!(
        "{name:<34} {:>8.1} {:>8.1} {goal:>6}",
        per_event(best_work),
        per_event(best_floor),
    );
}

fn seconds(work: &mut impl FnMut() -> u64) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64()
}

fn repeat(count: u32, mut work: impl FnMut() -> usize) -> u64 {
    (0..count).map(|_| work() as u64).sum()
}

fn fields_of(events: Events<'_>, mut work: impl FnMut(Record<'_>) -> usize) -> u64 {
    millrun_event::Entries::new(events.bytes)
        .filter_map(Result::ok)
        .map(|entry| work(entry.record()) as u64)
        .sum()
}

/// The floor of anything that reads: every byte once.
fn sum_of_words(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum: u64, word| {
        sum.wrapping_add(u64::from_le_bytes(*word))
    })
}

/// The floor of a walk: one length read per entry, nothing checked.
fn hop(events: Events<'_>) -> u64 {
    const HEADER: usize = 1 + EventTime::ENCODED_LEN + 1 + 8;
    let (mut at, mut count) = (0, 0);
    while let Some([0xd9, len]) = events.bytes.get(at + HEADER..at + HEADER + 2) {
        at += HEADER + 2 + usize::from(*len);
        count += 1;
    }
    count
}
