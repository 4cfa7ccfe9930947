//! Numbers of chunks on their way to other millruns, and what those remember of them.

use std::time::Duration;

use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{BufferConfig, Metadata, Origin, Seen, Ticket};

use crate::common::{START, Worker, line};

fn file() -> BufferConfig {
    BufferConfig::file("/buffer/out", "/backup")
}

fn ticket_of(worker: &Worker, receiver: &str) -> (millrun_buffer::Chunk, Ticket) {
    worker.buffers[0].enqueue_all();
    let chunk = worker.buffers[0].take().unwrap();
    let ticket = chunk.address("out", receiver, START).unwrap();
    (chunk, ticket)
}

#[test]
fn a_chunk_keeps_its_number_and_its_receiver_in_every_life() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &[file()]);
    worker.put(0, "a", "1\n").unwrap();
    let (chunk, first) = ticket_of(&worker, "one");
    assert!(first.is_new);
    let dispatch = chunk.dispatch().unwrap();
    drop((chunk, worker));

    // Two crashes: what is written again is read again.
    let mut disk = disk;
    for _ in 0..2 {
        disk = disk.reopen();
        let worker = Worker::start(&disk, &[file()]);
        let chunk = worker.buffers[0].take().unwrap();
        assert_eq!(chunk.dispatch(), Some(dispatch.clone()));
        let later = START + Duration::from_secs(60);
        let again = chunk.address("out", "one", later).unwrap();
        assert_eq!(
            again,
            Ticket {
                is_new: false,
                ..first.clone()
            }
        );
        assert_eq!(chunk.dispatch().unwrap().since, START);
    }
}

#[test]
fn each_life_and_each_receiver_counts_for_itself() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &[file()]);
    let mut tickets = Vec::new();
    for receiver in ["one", "two", "one"] {
        worker.put(0, "a", "1\n").unwrap();
        tickets.push(ticket_of(&worker, receiver).1);
    }
    assert_eq!(tickets[0].sender, tickets[2].sender);
    assert_ne!(tickets[0].sender, tickets[1].sender);
    let numbers: Vec<_> = tickets.iter().map(|t| (t.sequence, t.lowest)).collect();
    assert_eq!(numbers, [(0, 0), (0, 0), (1, 0)]);
    drop(worker);

    let mut worker = Worker::start(&disk.reopen(), &[file()]);
    let old: Vec<_> = std::iter::from_fn(|| worker.buffers[0].take()).collect();
    assert_eq!(old.len(), 3);
    // Ids of chunks made at the same time of the same seed would be the same.
    let later = START + Duration::from_secs(1);
    let put = worker.put_at(0, &Metadata::with_tag("b"), "2\n", later);
    put.unwrap();
    let (_, new) = ticket_of(&worker, "one");
    assert!(tickets.iter().all(|ticket| ticket.sender != new.sender));
    assert_eq!((new.sequence, new.lowest), (0, 0));
}

#[test]
fn the_lowest_number_follows_what_is_delivered_dropped_or_sent_elsewhere() {
    for config in [file(), BufferConfig::memory()] {
        let mut worker = Worker::start(&SimulatedDisk::new(), &[config]);
        let mut chunks = Vec::new();
        for _ in 0..4 {
            worker.put(0, "a", "1\n").unwrap();
            chunks.push(ticket_of(&worker, "one").0);
        }
        let lowest = |chunk: &millrun_buffer::Chunk| chunk.address("out", "one", START).unwrap();
        let last = chunks.pop().unwrap();
        assert_eq!(lowest(&last).lowest, 0);
        let [first, second, third] = <[_; 3]>::try_from(chunks).ok().unwrap();
        worker.buffers[0].delivered(second).unwrap();
        assert_eq!(lowest(&last).lowest, 0);
        worker.buffers[0].delivered(first).unwrap();
        assert_eq!(lowest(&last).lowest, 2);
        let moved = third.address("out", "two", START).unwrap();
        assert_eq!((moved.sequence, moved.is_new), (0, true));
        assert_eq!(lowest(&last).lowest, 3);
        // One that did not leave is free, and its number is not given to another one.
        last.withdraw();
        assert_eq!(last.dispatch(), None);
        assert_eq!((lowest(&last).sequence, lowest(&last).lowest), (4, 4));
    }
}

#[test]
fn a_chunk_that_could_not_be_recorded_gets_no_number() {
    let disk = SimulatedDisk::new();
    let mut worker = Worker::start(&disk, &[file()]);
    worker.put(0, "a", "1\n").unwrap();
    worker.buffers[0].enqueue_all();
    let chunk = worker.buffers[0].take().unwrap();
    disk.fail_once(0);
    assert!(chunk.address("out", "one", START).is_err());
    assert_eq!(chunk.dispatch(), None);
}

#[test]
fn a_resend_is_known_by_its_number_and_its_hash_in_every_life() {
    let (disk, sender) = (SimulatedDisk::new(), [9; 16]);
    let origin = |sequence, hash| Origin::Peer {
        sender,
        sequence,
        lowest: 1,
        hash,
    };
    let configs = [file(), BufferConfig::memory()];
    let put = |worker: &mut Worker, buffer: usize, origin: Origin| {
        let mut transaction = worker.shard.begin(origin).unwrap();
        let metadata = Metadata::with_tag("a");
        let targets = if buffer == 2 {
            0..2
        } else {
            buffer..buffer + 1
        };
        for buffer in &worker.buffers[targets] {
            let appended = transaction.append(buffer, &metadata, b"1\n", 1, &mut line, START);
            appended.unwrap();
        }
        transaction.commit().unwrap();
    };
    let mut worker = Worker::start(&disk, &configs);
    put(&mut worker, 0, origin(3, 30));
    put(&mut worker, 1, origin(4, 40));
    put(&mut worker, 2, origin(5, 50));
    let seen = |worker: &Worker| {
        [(0, 1), (3, 30), (3, 31), (4, 40), (5, 50), (6, 60)]
            .map(|(sequence, hash)| worker.state.seen(&sender, sequence, hash).unwrap())
    };
    use Seen::{InFiles, Never, Otherwise, Stored};
    let expected = [Stored, Stored, Otherwise, Stored, Stored, Never];
    assert_eq!(seen(&worker), expected);
    drop(worker);

    // What memory held died: it is taken again, by the memory buffers only where files have it.
    let mut worker = Worker::start(&disk.reopen(), &configs);
    let expected = [Stored, Stored, Otherwise, Never, InFiles, Never];
    assert_eq!(seen(&worker), expected);
    let before = worker.buffers[0].statistics().total_queued_size;
    let mut transaction = worker.shard.begin_replay(origin(5, 50)).unwrap();
    for buffer in &worker.buffers {
        let metadata = Metadata::with_tag("a");
        let appended = transaction.append(buffer, &metadata, b"1\n", 1, &mut line, START);
        appended.unwrap();
    }
    transaction.commit().unwrap();
    assert_eq!(worker.buffers[0].statistics().total_queued_size, before);
    assert_eq!(worker.buffers[1].statistics().total_queued_size, 2);
    assert_eq!(worker.state.seen(&sender, 5, 50).unwrap(), Stored);
}
