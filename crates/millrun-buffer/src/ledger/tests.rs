use proptest::collection::vec;
use proptest::prelude::*;

use super::codec;
use super::dispatch::Dispatch;
use super::file::read;
use super::incarnation::Incarnation;
use super::peers::Taken;
use super::record::{Commit, CommitOrigin, Extent, Intent, Record};
use super::state::State;
use crate::{ChunkId, Fingerprint, Identity, LossKey, Metadata, SourceNumber, Timestamp};

fn chunk() -> impl Strategy<Value = ChunkId> {
    (0..4_u8).prop_map(|byte| ChunkId::from_bytes([byte; 16]))
}

fn source() -> impl Strategy<Value = SourceNumber> {
    (0..3_u32).prop_map(SourceNumber)
}

fn extent() -> impl Strategy<Value = Extent> {
    (0..9_u64, 0..9_u64, 0..9_u64).prop_map(|(length, count, modified)| Extent {
        hash: (count > 0).then_some(modified as u32),
        length,
        count,
        modified,
    })
}

fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    (0..9_u32, any::<u32>()).prop_map(|(length, hash)| Fingerprint { length, hash })
}

fn losses() -> impl Strategy<Value = Vec<(LossKey, u64)>> {
    let key = "[ab]".prop_map(|name| LossKey {
        plugin: name.as_str().into(),
        reason: "x".into(),
    });
    vec((key, 0..9_u64), 0..3)
}

fn range() -> impl Strategy<Value = std::ops::Range<u64>> {
    (0..30_u64, 0..9_u64).prop_map(|(start, length)| start..start + length)
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let variables = vec(("[a-z]{0,3}", vec(any::<u8>(), 0..4)), 0..3).prop_map(|variables| {
        variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect::<Vec<_>>()
    });
    let tag = prop::option::of("[a-z.]{0,5}".prop_map(Into::into));
    (
        any::<Option<i64>>(),
        tag,
        prop::option::of(variables),
        any::<u32>(),
    )
        .prop_map(|(timekey, tag, variables, seq)| Metadata {
            timekey,
            tag,
            variables,
            seq,
        })
}

fn origin() -> impl Strategy<Value = CommitOrigin> {
    prop_oneof![
        Just(CommitOrigin::None),
        (source(), 0..2_u32, range(), any::<bool>()).prop_map(
            |(source, incarnation, range, in_memory)| CommitOrigin::File {
                source,
                incarnation,
                range,
                in_memory
            }
        ),
        (0..2_u8, 0..9_u64, 0..9_u64).prop_map(|(sender, sequence, lowest)| CommitOrigin::Peer {
            sender: [sender; 16],
            sequence,
            lowest,
            taken: Taken {
                hash: 7,
                in_memory: sequence % 2 == 0,
            },
        }),
        chunk().prop_map(|chunk| CommitOrigin::Local { chunk }),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let text = || "[a-c]{0,2}".prop_map(Box::<str>::from);
    let bytes = || vec(any::<u8>(), 0..4).prop_map(Box::<[u8]>::from);
    prop_oneof![
        (source(), text()).prop_map(|(source, key)| Record::Source { source, key }),
        (
            source(),
            0..2_u32,
            any::<(u64, u64)>(),
            fingerprint(),
            0..30_u64,
            vec(range(), 0..3)
        )
            .prop_map(
                |(source, incarnation, (device, inode), fingerprint, low_water, marks)| {
                    let identity = Identity {
                        device,
                        inode,
                        fingerprint,
                    };
                    Record::Incarnation {
                        source,
                        incarnation,
                        identity,
                        low_water,
                        marks,
                    }
                }
            ),
        (source(), 0..2_u32, fingerprint()).prop_map(|(source, incarnation, fingerprint)| {
            Record::Fingerprint {
                source,
                incarnation,
                fingerprint,
            }
        }),
        (source(), 0..2_u32).prop_map(|(source, incarnation)| Record::IncarnationClosed {
            source,
            incarnation
        }),
        source().prop_map(|source| Record::SourceForgotten { source }),
        (source(), 0..2_u32, 0..30_u64).prop_map(|(source, incarnation, position)| {
            Record::LowWater {
                source,
                incarnation,
                position,
            }
        }),
        (
            text(),
            chunk(),
            metadata(),
            any::<u64>(),
            extent(),
            extent()
        )
            .prop_map(|(buffer, chunk, metadata, created, extent, previous)| {
                Record::Chunk {
                    buffer,
                    chunk,
                    metadata,
                    created: Timestamp::from_micros(created),
                    extent,
                    previous,
                }
            }),
        (
            origin(),
            vec((chunk(), extent()), 0..3),
            losses(),
            vec((text(), bytes()), 0..2)
        )
            .prop_map(|(origin, appends, losses, checkpoints)| {
                Record::Commit(Commit {
                    origin,
                    appends,
                    losses,
                    checkpoints,
                })
            }),
        (chunk(), text()).prop_map(|(chunk, buffer)| Record::Delivered { chunk, buffer }),
        losses().prop_map(|losses| Record::Losses { losses }),
        (0..2_u8, 0..9_u64, vec((0..9_u64, any::<bool>()), 0..4)).prop_map(
            |(sender, lowest, committed)| Record::Peer {
                sender: [sender; 16],
                lowest,
                committed: committed
                    .into_iter()
                    .map(|(sequence, in_memory)| (sequence, Taken { hash: 7, in_memory }))
                    .collect(),
            }
        ),
        (text(), bytes()).prop_map(|(stage, bytes)| Record::Checkpoint { stage, bytes }),
        (chunk(), text(), any::<(u64, u64, u64, u32)>()).prop_map(
            |(chunk, path, (device, inode, length_before, hash))| Record::Intent {
                chunk,
                intent: Intent {
                    path,
                    device,
                    inode,
                    length_before,
                    hash
                }
            }
        ),
        (text(), any::<u32>()).prop_map(|(path, hash)| Record::PositionFile { path, hash }),
        chunk().prop_map(|chunk| Record::Evacuated { chunk }),
        (chunk(), text(), any::<([u8; 16], u64, u64)>()).prop_map(
            |(chunk, receiver, (sender, sequence, since))| Record::Dispatch {
                chunk,
                dispatch: Dispatch {
                    receiver,
                    sender,
                    sequence,
                    since: Timestamp::from_micros(since),
                },
            }
        ),
    ]
}

fn ledger(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    codec::encode_header(7, &mut bytes);
    let mut ends = vec![bytes.len()];
    for record in records {
        let offset = bytes.len() as u64;
        codec::encode(record, offset, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn state(records: &[Record]) -> State {
    let mut state = State::default();
    for record in records {
        state.apply(record);
    }
    state
}

proptest! {
    #[test]
    fn a_ledger_cut_anywhere_reads_as_its_whole_records(
        records in vec(record(), 0..12),
        cut in any::<prop::sample::Index>(),
        garbage in vec(any::<u8>(), 0..40),
    ) {
        let (mut bytes, ends) = ledger(&records);
        let kept = codec::HEADER_LENGTH + cut.index(bytes.len() - codec::HEADER_LENGTH + 1);
        bytes.truncate(kept);
        let whole = ends.iter().filter(|end| **end <= kept).count() - 1;
        let torn = kept - ends[whole];
        // Only whole records may be followed by anything: garbage that completes a torn one cannot be told from it.
        let garbage = if torn == 0 { garbage } else { Vec::new() };
        bytes.extend_from_slice(&garbage);
        let read = read(&bytes).unwrap();
        prop_assert_eq!(read.generation, 7);
        prop_assert_eq!(read.torn, torn + garbage.len());
        prop_assert_eq!(read.state, state(&records[..whole]));
    }

    #[test]
    fn compaction_keeps_the_state(records in vec(record(), 0..40)) {
        let whole = state(&records);
        let mut records = Vec::new();
        whole.each_record(|record| records.push(record.clone()));
        prop_assert_eq!(&state(&records), &whole);
    }

    #[test]
    fn arbitrary_bytes_are_no_panic(mut bytes in vec(any::<u8>(), 0..200), header in any::<bool>()) {
        if header {
            let (mut with_header, _) = ledger(&[]);
            with_header.append(&mut bytes);
            bytes = with_header;
        }
        let _ = read(&bytes);
    }

    #[test]
    fn a_damaged_byte_costs_its_record_only(records in vec(record(), 1..8), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let (mut bytes, ends) = ledger(&records);
        let at = codec::HEADER_LENGTH + at.index(bytes.len() - codec::HEADER_LENGTH);
        bytes[at] ^= flip;
        let hit = ends.iter().filter(|end| **end <= at).count() - 1;
        let read = read(&bytes).unwrap();
        let length = ends[hit + 1] - ends[hit];
        let is_last = hit + 1 == records.len();
        let others: Vec<_> = [&records[..hit], &records[hit + 1..]].concat();
        prop_assert_eq!(read.state, state(&others));
        // Behind the last record there is none that tells damage from a torn end.
        let expected = if is_last { (length, 0) } else { (0, length) };
        prop_assert_eq!((read.torn, read.damaged), expected);
    }

    /// The oracle of marks: a set of bytes.
    #[test]
    fn marks_are_the_bytes_marked_above_the_low_water(steps in vec((any::<bool>(), range()), 0..20)) {
        let mut life = Incarnation::default();
        let (mut marked, mut low_water) = ([false; 64], 0);
        for (is_mark, range) in steps {
            if is_mark {
                life.mark(range.clone());
                range.for_each(|at| marked[at as usize] = true);
            } else {
                life.raise(range.start);
                low_water = low_water.max(range.start);
            }
        }
        let mut covered = [false; 64];
        for mark in &life.marks {
            mark.clone().for_each(|at| covered[at as usize] = true);
        }
        for at in 0..64 {
            prop_assert_eq!(covered[at as usize], marked[at as usize] && at >= low_water, "{}", at);
        }
        let apart = life.marks.windows(2).all(|pair| pair[0].end < pair[1].start);
        prop_assert!(apart && life.marks.iter().all(|mark| !mark.is_empty()), "{:?}", life.marks);
    }
}

#[test]
fn a_checksum_covers_its_place() {
    let record = Record::Losses { losses: Vec::new() };
    let mut bytes = Vec::new();
    codec::encode(&record, 100, &mut bytes);
    assert_eq!(codec::decode(&bytes, 100), Some((record, bytes.len())));
    assert_eq!(codec::decode(&bytes, 101), None);
}
