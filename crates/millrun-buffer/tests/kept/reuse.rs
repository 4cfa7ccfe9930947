//! Files that are used again with the data of an earlier chunk in them.

use std::path::{Path, PathBuf};

use millrun_buffer::disk::{Crash, SimulatedDisk};
use millrun_buffer::{BufferConfig, BufferKind, FileLayout, SingleKey};

use crate::common::{Worker, drain};
use crate::flushing::{hurry, immediate, names};

fn config() -> BufferConfig {
    immediate(BufferConfig::file("/buffers", "/backup"))
}

/// A worker with a short chunk that stays staged, in a file that was used before.
fn staged(disk: &SimulatedDisk, config: &BufferConfig, prepare: impl FnOnce(&Worker)) -> Worker {
    let mut worker = Worker::start(disk, std::slice::from_ref(config));
    prepare(&worker);
    hurry(&mut worker);
    // More chunks at one moment than the pace lets pass.
    while worker.buffers[0].statistics().stage_length == 0 {
        worker.put(0, "a", "a long line\n").unwrap();
        drain(&worker.buffers[0]);
    }
    worker.buffers[0].enqueue_all();
    drain(&worker.buffers[0]);
    worker.put(0, "b", "short\n").unwrap();
    assert_eq!(worker.buffers[0].statistics().stage_length, 1);
    worker
}

/// What stands in the only data file.
fn data(disk: &SimulatedDisk) -> String {
    let is_data = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.starts_with("/buffers/") && !name.ends_with(".meta") && !name.ends_with(".spare")
    };
    let paths: Vec<PathBuf> = disk.paths().into_iter().filter(is_data).collect();
    let [path] = &*paths else {
        panic!("{paths:?}");
    };
    String::from_utf8(disk.peek(path).unwrap()).unwrap()
}

#[test]
fn data_is_written_over_and_cut_when_the_chunk_is_queued() {
    let disk = SimulatedDisk::new();
    let worker = staged(&disk, &config(), |_| {});
    assert_eq!(data(&disk), "short\n line\n", "nothing is gained otherwise");
    worker.buffers[0].enqueue_all();
    assert_eq!(data(&disk), "short\n");
    assert_eq!(drain(&worker.buffers[0]), ["short\n"]);
}

/// The loss of the process between any two steps of the reuse leaves nothing of the earlier chunk.
#[test]
fn what_an_earlier_chunk_left_comes_back_after_no_crash() {
    let mut states = std::collections::BTreeSet::new();
    for steps in 0.. {
        let disk = SimulatedDisk::new();
        let mut worker = staged(&disk, &config(), |_| {});
        worker.buffers[0].enqueue_all();
        drain(&worker.buffers[0]);
        let seed = steps;
        disk.crash(Crash {
            after_steps: steps,
            seed,
        });
        let put = worker.put(0, "c", "new\n").is_ok();
        let put = put && worker.put(0, "c", "er\n").is_ok();
        let crashed = disk.has_crashed();
        drop(worker);
        let disk = disk.reopen();
        let worker = Worker::start(&disk, &[config()]);
        worker.buffers[0].enqueue_all();
        let kept = drain(&worker.buffers[0]).concat();
        assert!(["", "new\n", "new\ner\n"].contains(&&*kept), "{kept:?}");
        assert_eq!(names(&disk), [""; 0]);
        states.insert(kept);
        if !crashed {
            assert!(put);
            break;
        }
    }
    assert_eq!(states.len(), 3, "{states:?}");
}

#[test]
fn a_chunk_that_a_stop_leaves_staged_is_all_that_its_file_holds() {
    let disk = SimulatedDisk::new();
    let worker = staged(&disk, &config(), |_| {});
    worker.buffers[0].close();
    assert_eq!(data(&disk), "short\n");
}

#[test]
fn files_that_people_look_at_hold_their_chunk_alone() {
    let disk = SimulatedDisk::new();
    let _worker = staged(&disk, &config(), |worker| {
        worker.buffers[0].watch(|_, _, _| {});
    });
    assert_eq!(data(&disk), "short\n");
}

#[test]
fn files_without_a_meta_file_hold_their_chunk_alone() {
    let disk = SimulatedDisk::new();
    let mut config = config();
    if let BufferKind::File { layout, .. } = &mut config.kind {
        *layout = FileLayout::Single {
            key: SingleKey::Nothing,
        };
    }
    let _worker = staged(&disk, &config, |_| {});
    assert_eq!(data(&disk), "short\n");
}

#[test]
fn not_all_data_of_large_chunks_is_kept() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &[config()]);
    hurry(&mut worker);
    let line = "x".repeat((5 << 20) - 1) + "\n";
    let mut chunks = Vec::new();
    for _ in 0..10 {
        worker.put(0, "a", &line).unwrap();
        chunks.extend(worker.buffers[0].take());
    }
    for chunk in chunks.drain(..) {
        worker.buffers[0].delivered(chunk).unwrap();
    }
    let length = |path: &Path| disk.peek(path).map_or(0, |bytes| bytes.len());
    let spares = names(&disk);
    let spares = spares.iter().map(|name| Path::new("/buffers").join(name));
    let kept: usize = spares.map(|path| length(&path)).sum();
    assert!((25 << 20..=32 << 20).contains(&kept), "{kept}");
}
