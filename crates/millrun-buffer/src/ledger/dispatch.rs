//! Where chunks were sent, under which number.
//!
//! ```text
//! Dispatch   chunk → receiver, sender instance, sequence, since      recorded before the first byte is sent
//! ```
//!
//! **A sender instance is one life of one output's way to one receiver, as one ledger sees it**: 16 bytes of the system's
//! randomness, made when the first chunk goes that way. Its numbers count up from 0. The pair is recorded with each chunk, so a chunk
//! has the same pair in every later life of the process, as long as it stays with its receiver. Why not one instance for ever, or
//! a number made of the chunk's id:
//!
//! * Two chunks never share a pair. Chunk ids hold a time and few random bits where a number could be taken from them; counters
//!   that go on after a crash repeat themselves when a loss of power has taken the end of the ledger, when a state directory is restored from a
//!   backup, or when it is copied with a whole machine. A receiver would then answer for chunks it has never seen.
//! * The lowest number that may still be sent is that of the lowest dispatch alive. Chunks that were never sent get their number at
//!   their first dispatch, which is higher than all before, so they never fall below it. And a receiver that is away for days holds
//!   back no number at the others.
//!
//! Dispatches of memory chunks are not recorded: the chunks do not outlive the process either.

use std::fs::File;
use std::io::{self, Read as _};

use super::Ledger;
use super::record::Record;
use crate::{Chunk, ChunkId, LedgerError, LossKey, POSSIBLE_DOUBLE, Timestamp};

/// Where a chunk was sent. From then on it is in doubt: the receiver has it or has it not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The receiver, by the name its output has for it.
    pub receiver: Box<str>,
    /// The sender instance.
    pub sender: [u8; 16],
    /// The number of the chunk, unique for the instance.
    pub sequence: u64,
    /// When it was first sent there.
    pub since: Timestamp,
}

/// What a message says of the chunk it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The sender instance.
    pub sender: [u8; 16],
    /// The number of the chunk.
    pub sequence: u64,
    /// The lowest number that the instance may still send.
    pub lowest: u64,
    /// The chunk has not been sent to this receiver before.
    pub is_new: bool,
    /// The receiver that may have it too: it was sent there before and did not answer. That is counted as
    /// [`POSSIBLE_DOUBLE`](crate::POSSIBLE_DOUBLE).
    pub moved_from: Option<Box<str>>,
}

/// A way to a receiver in this life.
#[derive(Debug)]
pub(super) struct Way {
    sender: [u8; 16],
    next: u64,
}

impl Ledger {
    /// Where a chunk was sent, if it may have arrived there.
    pub(crate) fn dispatch(&self, chunk: ChunkId) -> Option<Dispatch> {
        let inner = self.inner();
        let of_file = inner.state.dispatches.get(&chunk);
        of_file
            .or_else(|| inner.memory_dispatches.get(&chunk))
            .cloned()
    }

    /// Gives a chunk its number on the way of `output` to `receiver`, or tells the one it has.
    ///
    /// One that was sent to another receiver gets a new number, and the old one is forgotten.
    pub(crate) fn address(
        &self,
        chunk: &Chunk,
        output: &str,
        receiver: &str,
        now: Timestamp,
    ) -> Result<Ticket, LedgerError> {
        let (chunk, count, in_memory) = (chunk.id(), chunk.count(), chunk.in_memory().is_some());
        let mut guard = self.inner();
        let inner = &mut *guard;
        let before = inner.state.dispatches.get(&chunk);
        let before = before.or_else(|| inner.memory_dispatches.get(&chunk));
        let known = before.filter(|known| *known.receiver == *receiver);
        let moved_from = before
            .filter(|before| *before.receiver != *receiver)
            .map(|before| before.receiver.clone());
        let (sender, sequence, is_new) = match known {
            Some(known) => (known.sender, known.sequence, false),
            None => {
                let way = match inner.ways.entry((output.into(), receiver.into())) {
                    std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::hash_map::Entry::Vacant(new) => {
                        let sender = instance().map_err(LedgerError::NoRandomness)?;
                        new.insert(Way { sender, next: 0 })
                    }
                };
                let (sender, sequence) = (way.sender, way.next);
                // Counted also where recording fails: a number is never given twice.
                way.next += 1;
                let dispatch = Dispatch {
                    receiver: receiver.into(),
                    sender,
                    sequence,
                    since: now,
                };
                let double = moved_from.as_ref().map(|_| {
                    let (plugin, reason) = (output.into(), POSSIBLE_DOUBLE.into());
                    let losses = vec![(LossKey { plugin, reason }, count)];
                    Record::Losses { losses }
                });
                if in_memory {
                    let double: Vec<_> = double.into_iter().collect();
                    inner.write(&double)?;
                    inner.memory_dispatches.insert(chunk, dispatch);
                } else {
                    let dispatch = Record::Dispatch { chunk, dispatch };
                    let records: Vec<_> = double.into_iter().chain([dispatch]).collect();
                    inner.write_synced(&records)?;
                }
                (sender, sequence, true)
            }
        };
        let all = inner.state.dispatches.values();
        let all = all.chain(inner.memory_dispatches.values());
        let of_sender = all.filter(|other| other.sender == sender);
        let lowest = of_sender.map(|other| other.sequence).min();
        Ok(Ticket {
            sender,
            sequence,
            lowest: lowest.unwrap_or(sequence),
            is_new,
            moved_from,
        })
    }

    /// The chunk did not leave after all, or never will: its number is of no use any more.
    ///
    /// That is not recorded. After a crash the chunk is in doubt, which only delays it.
    pub(crate) fn withdraw(&self, chunk: ChunkId) {
        let mut inner = self.inner();
        inner.state.dispatches.remove(&chunk);
        inner.memory_dispatches.remove(&chunk);
    }
}

/// 16 bytes that nobody else has.
///
/// They come from the system: what the standard library seeds its maps with is inherited by forked workers, so that one life
/// would be named like the one before.
fn instance() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
