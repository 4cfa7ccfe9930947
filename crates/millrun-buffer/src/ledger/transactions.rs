use std::ops::Range;

use super::peers::Taken;
use super::record::{Commit, CommitOrigin, Record};
use super::{Ledger, Outcome, Store};
use crate::{LedgerError, Origin, SourceNumber};

impl Ledger {
    /// Whether a transaction of this origin may begin, and whether file buffers have it already.
    pub(crate) fn admit(&self, origin: &Origin) -> Result<bool, LedgerError> {
        self.common.check()?;
        let inner = self.inner();
        match &inner.store {
            Store::Recovering => return Err(LedgerError::NotStarted),
            Store::Broken { path, reason, .. } => {
                return Err(LedgerError::Broken {
                    path: path.clone(),
                    reason: reason.clone(),
                });
            }
            Store::Volatile | Store::File(_) => {}
        }
        let Origin::File {
            source,
            incarnation,
            range,
        } = origin
        else {
            return Ok(false);
        };
        let (source_number, incarnation) = (*source, *incarnation);
        let key = (source_number, incarnation);
        let (Some(tracker), Some(known)) = (
            inner.trackers.get(&key),
            inner.state.find(source_number, incarnation),
        ) else {
            return Err(LedgerError::UnknownSource {
                source_number,
                incarnation,
            });
        };
        if range.start != tracker.end() {
            let (expected, actual) = (tracker.end(), range.start);
            return Err(LedgerError::OutOfOrder {
                source_number,
                expected,
                actual,
            });
        }
        if known.straddles(range) {
            let Range { start, end } = *range;
            return Err(LedgerError::Straddles {
                source_number,
                start,
                end,
            });
        }
        Ok(!range.is_empty() && known.is_marked(range))
    }

    /// Commits a transaction.
    pub(crate) fn commit(&self, origin: &Origin, outcome: Outcome) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        let origin_record = match origin {
            Origin::File {
                source,
                incarnation,
                range,
            } => CommitOrigin::File {
                source: *source,
                incarnation: *incarnation,
                range: range.clone(),
                in_memory: outcome.in_memory,
            },
            Origin::Peer {
                sender,
                sequence,
                lowest,
                hash,
            } => CommitOrigin::Peer {
                sender: *sender,
                sequence: *sequence,
                lowest: *lowest,
                taken: Taken {
                    hash: *hash,
                    in_memory: outcome.in_memory,
                },
            },
            Origin::Local { chunk } => CommitOrigin::Local { chunk: *chunk },
            Origin::None => CommitOrigin::None,
        };
        let nothing_to_keep = outcome.appends.is_empty()
            && outcome.checkpoints.is_empty()
            && (outcome.losses.is_empty() || outcome.replay);
        // A position that memory chunks hold back moves at delivery; a chunk of a peer that lies in memory must
        // be taken again after a crash.
        let (holds, outcome_in_memory) = (outcome.holds, outcome.in_memory);
        let origin_moves = match origin {
            Origin::None => false,
            Origin::File { .. } | Origin::Peer { .. } | Origin::Local { .. } => !outcome.in_memory,
        };
        if origin_moves || !nothing_to_keep {
            let losses = if outcome.replay {
                Vec::new()
            } else {
                outcome.losses
            };
            let Outcome {
                appends,
                checkpoints,
                ..
            } = outcome;
            let commit = Commit {
                origin: origin_record,
                appends,
                losses,
                checkpoints,
            };
            let committed = inner.write_synced(&[Record::Commit(commit)]);
            if let Err(LedgerError::Broken { path, reason }) = &committed {
                self.common.break_off(path.clone(), reason.clone());
            }
            committed?;
        }
        if let Origin::Peer {
            sender,
            sequence,
            lowest,
            hash,
        } = origin
            && outcome_in_memory
        {
            let taken = Taken {
                hash: *hash,
                in_memory: false,
            };
            inner
                .memory_peers
                .note(*sender, *lowest, [(*sequence, taken)]);
        }
        if let Origin::File {
            source,
            incarnation,
            range,
        } = origin
            && let Some(tracker) = inner.trackers.get_mut(&(*source, *incarnation))
        {
            // Held before the end moves: a delivery must never find the end free of what is still in memory.
            tracker.hold(range.start, holds);
            tracker.advance(range.end);
        }
        Ok(())
    }

    /// A memory chunk with these origins is now two.
    pub(crate) fn hold_again(&self, origins: &[(SourceNumber, u32, u64)]) {
        let mut inner = self.inner();
        for (source, incarnation, start) in origins {
            if let Some(tracker) = inner.trackers.get_mut(&(*source, *incarnation)) {
                tracker.hold(*start, 1);
            }
        }
    }

    /// A memory chunk with these origins is delivered or dropped.
    pub(crate) fn release(&self, origins: &[(SourceNumber, u32, u64)]) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        let mut records = Vec::new();
        for (source, incarnation, start) in origins {
            let Some(tracker) = inner.trackers.get_mut(&(*source, *incarnation)) else {
                continue;
            };
            tracker.release(*start);
            let position = tracker.position();
            let known = inner
                .state
                .find(*source, *incarnation)
                .map_or(0, |known| known.low_water);
            if position > known {
                let (source, incarnation) = (*source, *incarnation);
                records.push(Record::LowWater {
                    source,
                    incarnation,
                    position,
                });
            }
        }
        if records.is_empty() {
            Ok(())
        } else {
            inner.write(&records)
        }
    }
}
