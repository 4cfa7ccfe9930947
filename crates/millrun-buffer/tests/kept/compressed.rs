use std::path::PathBuf;

use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{BufferConfig, ChunkFormat, Compression, Metadata, Timestamp};

use crate::common::{START, Worker, drain};

fn config(compression: Compression) -> BufferConfig {
    BufferConfig {
        compression,
        ..BufferConfig::file("/buffers", "/backup")
    }
}

fn data_path(disk: &SimulatedDisk) -> PathBuf {
    let mut paths = disk.paths().into_iter();
    paths
        .find(|path| path.to_string_lossy().ends_with(".log"))
        .unwrap()
}

#[test]
fn a_member_that_a_crash_tore_is_cut_at_the_last_whole_append() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let disk = SimulatedDisk::new();
        let mut worker = Worker::start(&disk, &[config(compression)]);
        worker.put(0, "a", "one\n").unwrap();
        let path = data_path(&disk);
        let mut bytes = disk.peek(&path).unwrap();
        let member = bytes.clone();
        bytes.extend_from_slice(&member[..member.len() / 2]);
        disk.poke(&path, &bytes);
        let disk = disk.reopen();
        let mut worker = Worker::start(&disk, &[config(compression)]);
        assert_eq!(worker.resumed[0].staged, 1);
        worker.put(0, "a", "two\n").unwrap();
        worker.buffers[0].enqueue_all();
        assert_eq!(drain(&worker.buffers[0]), ["one\ntwo\n"], "{compression:?}");
    }
}

#[test]
fn a_chunk_is_read_as_it_was_kept_when_compress_has_changed() {
    let all = [Compression::Text, Compression::Gzip, Compression::Zstd];
    let changes = all.iter().flat_map(|from| all.map(|to| (*from, to)));
    for (from, to) in changes.filter(|(from, to)| from != to) {
        let config = |compression| BufferConfig {
            format: ChunkFormat::Values,
            ..config(compression)
        };
        let disk = SimulatedDisk::new();
        let mut worker = Worker::start(&disk, &[config(from)]);
        worker.put(0, "a", "one\n").unwrap();
        let disk = disk.reopen();
        let mut worker = Worker::start(&disk, &[config(to)]);
        // What is kept in another way does not grow on.
        let resumed = &worker.resumed[0];
        assert_eq!((resumed.staged, resumed.queued), (0, 1), "{from:?} {to:?}");
        let later = Timestamp::from_secs(START.as_secs() + 1);
        let metadata = Metadata::with_tag("a");
        worker.put_at(0, &metadata, "two\n", later).unwrap();
        worker.buffers[0].enqueue_all();
        let drained = drain(&worker.buffers[0]);
        assert_eq!(drained, ["one\n", "two\n"], "{from:?} {to:?}");
    }
}
