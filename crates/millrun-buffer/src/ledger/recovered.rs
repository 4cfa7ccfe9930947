use std::io;
use std::path::Path;
use std::sync::Arc;

use super::common::Common;
use super::file::{self, LedgerFile};
use super::low_water::LowWater;
use super::record::Record;
use super::state::State;
use super::{Ledger, SourceState, Store};
use crate::disk::SharedDisk;
use crate::{Durability, LedgerError};

/// What was read of all ledgers of a worker.
#[derive(Default)]
pub(crate) struct Recovered {
    state: State,
    generation: u64,
    next_source: u32,
}

/// What reading one ledger file gave.
pub(crate) enum LedgerRead {
    /// Its state is taken over; so many bytes at its end were no whole record, and so many between others.
    Whole { torn: usize, damaged: usize },
    /// It does not begin as a ledger.
    Unknown,
}

impl Recovered {
    /// Reads ledger files. Those of an older generation than the newest are leftovers of an interrupted recovery.
    pub(crate) fn read(files: &[Vec<u8>]) -> (Self, Vec<LedgerRead>) {
        let reads: Vec<_> = files.iter().map(|bytes| file::read(bytes)).collect();
        let generation = reads
            .iter()
            .flatten()
            .map(|read| read.generation)
            .max()
            .unwrap_or(0);
        let mut recovered = Self {
            generation,
            ..Self::default()
        };
        let mut answers = Vec::new();
        for read in reads {
            let Some(read) = read else {
                answers.push(LedgerRead::Unknown);
                continue;
            };
            if read.generation == generation {
                recovered.state.join(read.state);
            }
            answers.push(LedgerRead::Whole {
                torn: read.torn,
                damaged: read.damaged,
            });
        }
        recovered.state.forget_strangers();
        let last = recovered.state.sources.keys().next_back();
        recovered.next_source = last.map_or(0, |number| number.0.saturating_add(1));
        (recovered, answers)
    }

    /// What was read.
    pub(super) fn into_state(self) -> State {
        self.state
    }

    /// Makes one ledger per shard; the first one knows all that was recovered, nothing is written yet.
    pub(crate) fn into_ledgers(self, shards: usize) -> (Vec<Arc<Ledger>>, u64) {
        let common = Common::of(&self.state, self.next_source);
        let mut states = vec![self.state];
        states.resize_with(shards.max(1), State::default);
        let ledger = |state| Arc::new(Ledger::new(Store::Recovering, state, common.clone()));
        (
            states.into_iter().map(ledger).collect(),
            self.generation.saturating_add(1),
        )
    }
}

impl Ledger {
    /// Writes the state, together with that of `with`, and takes transactions from now on.
    pub(crate) fn start(
        &self,
        disk: SharedDisk,
        path: &Path,
        generation: u64,
        durability: Durability,
        with: &[Arc<Self>],
    ) -> io::Result<()> {
        let mut inner = self.inner();
        let others: Vec<State> = with
            .iter()
            .map(|other| other.inner().state.clone())
            .collect();
        let create = |state: &State| {
            LedgerFile::create(disk, path.to_owned(), generation, durability, state)
        };
        let file = if others.iter().all(|other| *other == State::default()) {
            create(&inner.state)?
        } else {
            let mut state = inner.state.clone();
            others.into_iter().for_each(|other| state.join(other));
            create(&state)?
        };
        inner.store = Store::File(file);
        Ok(())
    }

    /// A source by its key.
    pub(crate) fn find_source(&self, key: &str) -> Option<SourceState> {
        self.sources()
            .into_iter()
            .find(|source| *source.key == *key)
    }

    /// All sources.
    pub(crate) fn sources(&self) -> Vec<SourceState> {
        let inner = self.inner();
        let all = inner
            .state
            .sources
            .iter()
            .map(|(number, source)| SourceState {
                number: *number,
                key: source.key.clone(),
                incarnations: source.incarnations.to_map(),
            });
        all.collect()
    }

    /// Takes over a recovered source.
    pub(crate) fn adopt_source(&self, source: &SourceState) -> Result<(), LedgerError> {
        let mut inner = self.inner();
        if !inner.state.sources.contains_key(&source.number) {
            let number = source.number;
            let lives = source.incarnations.iter();
            let lives = lives.map(|(incarnation, life)| life.record(number, *incarnation));
            let name = Record::Source {
                source: number,
                key: source.key.clone(),
            };
            let records: Vec<_> = lives.chain([name]).collect();
            inner.write_synced(&records)?;
        }
        for (incarnation, life) in &source.incarnations {
            let tracker = LowWater::new(life.low_water);
            inner
                .trackers
                .entry((source.number, *incarnation))
                .or_insert(tracker);
        }
        Ok(())
    }
}
