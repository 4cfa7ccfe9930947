use std::sync::Arc;

use crate::buffer::Batch;
use crate::ledger::Outcome;
use crate::{
    AppendError, Appended, Buffer, Ledger, LedgerError, Lent, LossKey, Metadata, Origin, Relayed,
    Timestamp,
};

/// The thread that owns a set of sources and the staged chunks they fill.
///
/// It runs one [`Transaction`] at a time, which the borrow of `self` makes sure of.
pub struct Shard {
    number: usize,
    ledger: Arc<Ledger>,
}

impl Shard {
    /// Shard `number`, which commits to `ledger`, the one of this number in its
    /// [`StateDirectory`](crate::StateDirectory).
    pub fn new(number: usize, ledger: Arc<Ledger>) -> Self {
        Self { number, ledger }
    }

    /// Its number.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Its ledger, to introduce sources.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Begins a transaction: one batch of one origin, on its way to every buffer it reaches.
    ///
    /// Batches of a file must follow each other without gaps and be cut at recovered marks.
    pub fn begin(&mut self, origin: Origin) -> Result<Transaction<'_>, LedgerError> {
        let replay = self.ledger.admit(&origin)?;
        let outcome = Outcome {
            replay,
            ..Outcome::default()
        };
        Ok(Transaction {
            shard: self,
            origin,
            outcome,
            buffers: Vec::new(),
            relayed: None,
            lent: None,
            open: true,
        })
    }

    /// Begins a transaction that emits a chunk of one of the worker's own buffers again. The shard must be the one whose
    /// ledger knows the chunk.
    pub fn begin_relay(&mut self, relayed: &Arc<Relayed>) -> Result<Transaction<'_>, LedgerError> {
        let mut transaction = self.begin(relayed.origin())?;
        transaction.relayed = Some(Arc::clone(relayed));
        Ok(transaction)
    }
}

impl Shard {
    /// Begins a transaction of a batch that file buffers have from before a crash ([`Seen::InFiles`](crate::Seen::InFiles)):
    /// it goes to memory buffers only.
    pub fn begin_replay(&mut self, origin: Origin) -> Result<Transaction<'_>, LedgerError> {
        let mut transaction = self.begin(origin)?;
        transaction.outcome.replay = true;
        Ok(transaction)
    }
}

/// One batch on its way to all buffers it reaches: it arrives in all or in none.
///
/// A transaction that is dropped without [`commit`](Self::commit) is rolled back.
pub struct Transaction<'a> {
    shard: &'a mut Shard,
    origin: Origin,
    outcome: Outcome,
    buffers: Vec<Arc<Buffer>>,
    /// The chunk that it emits again.
    relayed: Option<Arc<Relayed>>,
    lent: Option<Lent>,
    open: bool,
}

impl Transaction<'_> {
    /// Whether file buffers have this batch already, from before a crash. Appends to them do nothing then.
    pub fn is_replay(&self) -> bool {
        self.outcome.replay
    }

    /// Lends the memory that the batch stands in. A chunk that would take a copy of a part of it may keep it instead; it does
    /// not change until they are done.
    pub fn lend(&mut self, memory: Lent) {
        self.lent = Some(memory);
    }

    /// Appends `count` entries, `bytes` back to back, to the chunk of `metadata`.
    ///
    /// `split` tells the length of the first entry of the bytes it is given; it is asked only when they do not fit into one
    /// chunk. What is larger than a chunk is left out, and told: the caller counts it. After an error nothing of this transaction is in this buffer; the others can be committed still.
    pub fn append(
        &mut self,
        buffer: &Arc<Buffer>,
        metadata: &Metadata,
        bytes: &[u8],
        count: u64,
        split: &mut dyn FnMut(&[u8]) -> Option<usize>,
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        if self.outcome.replay && buffer.is_file() {
            return Ok(Appended::default());
        }
        if !self.buffers.iter().any(|known| Arc::ptr_eq(known, buffer)) {
            self.buffers.push(buffer.clone());
        }
        let batch = Batch {
            bytes,
            count,
            now,
            lent: self.lent.as_ref(),
        };
        let appended = buffer
            .append(self.shard, metadata, batch, split)
            .inspect_err(|_| buffer.roll_back(self.shard.number))?;
        Ok(appended)
    }

    /// Counts events dropped on purpose; the count is part of the commit.
    pub fn lose(&mut self, key: LossKey, count: u64) {
        self.outcome.losses.push((key, count));
    }

    /// Replaces what a stage holds back; part of the commit.
    pub fn checkpoint(&mut self, stage: &str, bytes: &[u8]) {
        self.outcome.checkpoints.push((stage.into(), bytes.into()));
    }

    /// Commits: one ledger record, unless the batch went to memory buffers only.
    ///
    /// After an error everything is rolled back and the same batch can be begun again, with one exception: after
    /// [`LedgerError::Broken`] nobody knows whether the record reached the disk. Then what was appended stays where it is, is not
    /// delivered, and the next start finds out; this shard commits nothing until then.
    pub fn commit(mut self) -> Result<(), AppendError> {
        let Shard { number, ledger } = &*self.shard;
        let mut outcome = std::mem::take(&mut self.outcome);
        let durability = ledger.durability();
        for buffer in &self.buffers {
            buffer.prepare(*number, durability, &self.origin, &mut outcome)?;
        }
        if self.relayed.is_some() && outcome.in_memory {
            // The chunk is not delivered by this: it stays until the memory chunks are.
            self.origin = Origin::None;
        }
        let committed = ledger.commit(&self.origin, outcome);
        if let Err(error) = committed {
            self.open = !matches!(error, LedgerError::Broken { .. });
            return Err(error.into());
        }
        self.open = false;
        for buffer in &self.buffers {
            buffer.settle(*number, &self.origin, self.relayed.as_ref());
        }
        Ok(())
    }

    /// Takes everything back.
    pub fn roll_back(self) {}
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            for buffer in &self.buffers {
                buffer.roll_back(self.shard.number);
            }
        }
    }
}
