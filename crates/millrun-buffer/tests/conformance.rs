//! Recorded cases of kinds `retry` and `bytes` (`conformance/cases`): what Fluentd answered, in numbers and in bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may be blunt, as tests may"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use millrun_buffer::disk::{Disk, SimulatedDisk};
use millrun_buffer::{
    Buffer, BufferConfig, Durability, Random, Retry, RetryConfig, RetryKind, StateDirectory,
    Timestamp,
};
use serde_json::Value;

const RETRY: &str = include_str!("../../../conformance/cases/retry.jsonl");
const BYTES: &str = include_str!("../../../conformance/cases/bytes.jsonl");

/// No recorded case tries more often.
const TRIES_MAX: usize = 30;

fn cases(text: &str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

#[test]
fn retries_come_when_fluentds_do() {
    let mut count = 0;
    for case in cases(RETRY) {
        let start = Timestamp::from_secs(1_700_000_000);
        let config = retry_config(&case);
        let mut retry = Retry::first_failure(&config, start);
        let mut next = Vec::new();
        while next.len() < TRIES_MAX {
            next.push((
                retry.next().since(start).as_secs_f64(),
                retry.uses_secondary(),
            ));
            if retry.limit_reached() {
                break;
            }
            let now = retry.next();
            retry.failure(&config, now, &mut Random::from_seed(0));
        }
        let expected = case["out"]["next"].as_array().unwrap();
        assert_eq!(next.len(), expected.len(), "{case}\n{next:?}");
        for (next, expected) in next.iter().zip(expected) {
            // The recording is rounded to milliseconds.
            assert!(
                (next.0 - expected[0].as_f64().unwrap()).abs() < 0.001,
                "{case}\n{next:?}"
            );
            assert_eq!(next.1, expected[1].as_bool().unwrap(), "{case}\n{next:?}");
        }
        assert_eq!(
            retry.limit_reached(),
            case["out"]["limit"].as_bool().unwrap(),
            "{case}"
        );
        count += 1;
    }
    assert_eq!(count, RETRY.lines().count());
}

fn retry_config(case: &Value) -> RetryConfig {
    let seconds = |value: &Value| Duration::from_secs_f64(value.as_f64().unwrap());
    let opts = &case["opts"];
    let has = |name: &str| opts[name].as_bool().unwrap_or(false);
    RetryConfig {
        kind: match case["retry_type"].as_str().unwrap() {
            "periodic" => RetryKind::Periodic,
            "exponential_backoff" => RetryKind::ExponentialBackoff,
            other => panic!("unknown retry type {other}"),
        },
        wait: seconds(&case["retry_wait"]),
        base: opts["backoff_base"].as_f64().unwrap_or(2.0),
        interval_max: opts.get("max_interval").map(seconds),
        timeout: seconds(&case["retry_timeout"]),
        times_max: opts["max_steps"]
            .as_u64()
            .map(|max| u32::try_from(max).unwrap()),
        forever: has("forever"),
        randomize: false,
        secondary_threshold: has("secondary")
            .then(|| opts["secondary_threshold"].as_f64().unwrap_or(0.8)),
    }
}

/// Fluentd's staged chunks are taken over, grow, and look to Fluentd as its own would.
#[test]
fn staged_chunks_of_fluentd_are_taken_over_to_the_byte() {
    let mut count = 0;
    for case in cases(BYTES).filter(|case| case["what"] == "file buffer staged chunk") {
        let disk = SimulatedDisk::new();
        let directory = Path::new("/buffers");
        disk.create_dir_all(directory).unwrap();
        let data_path = directory.join(case["file"].as_str().unwrap());
        let meta_path = PathBuf::from(format!("{}.meta", data_path.display()));
        let (data, meta) = (bytes(&case["chunk_hex"]), bytes(&case["meta_hex"]));
        disk.poke(&data_path, &data);
        disk.poke(&meta_path, &meta);

        let shared = disk.shared();
        let state = StateDirectory::open(&shared, Path::new("/state"), 0, 1, Durability::Process);
        let mut state = state.unwrap();
        let config = BufferConfig::file(directory, "/backup");
        let random = Random::from_seed(1);
        let (buffer, resumed) =
            Buffer::open("out", config, shared, state.ledgers(), random).unwrap();
        state.start().unwrap();
        assert_eq!((resumed.staged, resumed.queued), (1, 0), "{resumed:?}");
        assert!(resumed.notes.is_empty(), "{resumed:?}");
        assert_eq!(disk.peek(&data_path).unwrap(), data);
        assert_eq!(
            disk.peek(&meta_path).unwrap(),
            meta,
            "the meta file was rewritten"
        );

        buffer.enqueue_all();
        let chunk = buffer.take().unwrap();
        let mut scratch = Vec::new();
        assert_eq!(chunk.read(&mut scratch).unwrap(), data);
        assert!(
            case["file"]
                .as_str()
                .unwrap()
                .contains(&chunk.id().to_string())
        );
        assert!(
            chunk
                .metadata()
                .tag
                .as_deref()
                .unwrap()
                .starts_with("t.tmp.")
        );
        let queued = data_path
            .display()
            .to_string()
            .replace("buffer.b", "buffer.q");
        assert_eq!(
            disk.peek(Path::new(&format!("{queued}.meta"))).unwrap(),
            meta
        );
        buffer.delivered(chunk).unwrap();
        let left = disk
            .paths()
            .into_iter()
            .find(|path| path.starts_with(directory));
        assert_eq!(left, None);
        count += 1;
    }
    assert_eq!(count, 3);
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.chunks(2).map(byte).collect()
}
