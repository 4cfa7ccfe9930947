//! Two workers of one instance, on the real disk.

use std::path::Path;
use std::sync::Arc;

use millrun_buffer::disk::{RealDisk, SharedDisk};
use millrun_buffer::{Durability, Origin, Seen, Shard, StateDirectory};

const SENDER: [u8; 16] = [9; 16];

fn worker(root: &Path, number: usize) -> StateDirectory {
    let disk: SharedDisk = Arc::new(RealDisk);
    let opened = StateDirectory::open(&disk, root, number, 2, Durability::Process);
    let mut state = opened.unwrap();
    state.ask_neighbours();
    state.start().unwrap();
    state
}

fn commit(state: &StateDirectory, sequence: u64, lowest: u64) {
    let mut shard = Shard::new(1, state.ledgers()[1].clone());
    let origin = Origin::Peer {
        sender: SENDER,
        sequence,
        lowest,
        hash: 7,
    };
    shard.begin(origin).unwrap().commit().unwrap();
}

#[test]
fn what_one_worker_committed_the_other_knows_also_across_compactions_and_starts() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (worker(root.path(), 0), worker(root.path(), 1));
    let seen = |sequence| second.seen(&SENDER, sequence, 7).unwrap();
    let ledger = root.path().join("worker0/ledger/1.ledger");
    let length = || std::fs::metadata(&ledger).unwrap().len();
    let (mut compactions, mut longest) = (0, 0);
    // Looked at rarely, so that compactions pass unseen in between; the ledger is compacted when it is
    // longer than a mebibyte.
    for sequence in 0..60_000 {
        commit(&first, sequence, sequence.saturating_sub(3));
        compactions += u32::from(length() < longest);
        longest = length();
        if sequence % 7_001 == 0 {
            assert_eq!(seen(sequence), Seen::Stored);
            assert_eq!(seen(sequence + 1), Seen::Never);
        }
    }
    assert!(compactions > 2, "{compactions}");
    assert_eq!(seen(59_999), Seen::Stored);
    assert_eq!(second.seen(&SENDER, 59_999, 8).unwrap(), Seen::Otherwise);

    drop(first);
    let first = worker(root.path(), 0);
    commit(&first, 60_000, 60_000);
    assert_eq!([60_000, 60_001].map(seen), [Seen::Stored, Seen::Never]);
    assert_eq!(first.seen(&SENDER, 60_000, 7).unwrap(), Seen::Stored);
}

#[test]
fn a_record_that_is_being_written_is_read_when_it_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (worker(root.path(), 0), worker(root.path(), 1));
    commit(&first, 1, 0);
    drop(first);
    let ledger = root.path().join("worker0/ledger/1.ledger");
    let whole = std::fs::read(&ledger).unwrap();
    for length in [0, 10, 25, whole.len() - 1] {
        std::fs::write(&ledger, &whole[..length]).unwrap();
        assert_eq!(second.seen(&SENDER, 1, 7).unwrap(), Seen::Never, "{length}");
    }
    std::fs::write(&ledger, &whole).unwrap();
    assert_eq!(second.seen(&SENDER, 1, 7).unwrap(), Seen::Stored);
}

#[test]
fn a_sender_has_one_claim_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (worker(root.path(), 0), worker(root.path(), 1));
    let claim = first.claim(&SENDER).unwrap();
    assert!(claim.is_some());
    assert!(second.claim(&SENDER).unwrap().is_none());
    assert!(second.claim(&[8; 16]).unwrap().is_some());
    drop(claim);
    assert!(second.claim(&SENDER).unwrap().is_some());
}
