mod aside;
mod fill;
mod found;
mod pace;
mod queue;
mod resume;
mod spares;
mod split;
mod stage;
mod statistics;

pub use self::fill::Appended;
pub(crate) use self::fill::Batch;
pub use self::resume::{Broken, DAMAGED, Resumed};
pub use self::split::Cut;
pub use self::statistics::Statistics;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use self::pace::{PACE, Pace};
use self::queue::Queue;
use self::spares::{SPARES_IDLE_MAX, Spares};
use self::stage::Stage;
use crate::chunk::{Allowance, Body, ChunkStage, FileBody, MemoryBody, Packing};
use crate::chunk_id::ChunkIds;
use crate::disk::SharedDisk;
use crate::{
    BufferConfig, BufferKind, Chunk, ChunkId, ChunkPaths, Durability, FileLayout, FlushMode,
    Ledger, LedgerError, LossKey, Metadata, OpenError, OverflowAction, PackHelpers, Random,
    Relayed, Timestamp,
};

/// Memory of delivered chunks kept for new ones, so that the data path never faults in fresh pages.
const POOL_LENGTH_MAX: usize = 4;

/// How much memory the file chunks of a buffer may keep, so that what is delivered at once is not read back, in bytes: a chunk
/// that is filled, one that waits and one on its way.
const FRESH_ROOM_MAX: u64 = 16 << 20;

/// A memory chunk of a larger limit grows as it is filled instead of being reserved at once, in bytes.
const RESERVE_MAX: u64 = 16 << 20;

/// Events of a slice that is over gather for this part of the wait of such slices (or of the slice, if
/// that is shorter); as often as Fluentd looks for slices that are over.
const LATE_SHARE: u32 = 11;

/// How long a disk that refuses to rename a chunk's files is left alone.
const HAND_OUT_PAUSE: Duration = Duration::from_secs(1);

/// The buffer of one output: staged chunks per shard, and one queue.
///
/// Shards fill it through transactions ([`Shard`](crate::Shard)); one thread at a time calls
/// [`enqueue_due`](Self::enqueue_due); flush threads [`take`](Self::take) chunks and say what became of them with
/// [`delivered`](Self::delivered), [`give_back`](Self::give_back) or [`drop_chunk`](Self::drop_chunk).
pub struct Buffer {
    name: Box<str>,
    config: BufferConfig,
    disk: SharedDisk,
    /// Of a file buffer.
    paths: Option<ChunkPaths>,
    stages: Vec<Mutex<Stage>>,
    queue: Queue,
    stage_bytes: AtomicU64,
    /// Queued and in delivery.
    queue_bytes: AtomicU64,
    pool: Mutex<Vec<Vec<u8>>>,
    ids: Mutex<ChunkIds>,
    /// When a chunk was taken for delivery last.
    taken: Mutex<Option<Instant>>,
    /// How many wait for room.
    space: (Mutex<usize>, Condvar),
    pace: Mutex<Pace>,
    spares: Spares,
    fresh: Arc<Allowance>,
    /// Told of each chunk file that is made.
    watcher: OnceLock<Watcher>,
    /// Who helps to compress large appends.
    helpers: OnceLock<Box<dyn PackHelpers>>,
}

/// What is told of a chunk file that was made: what its events have in common, its id, its path.
type Watcher = Box<dyn Fn(&Metadata, ChunkId, &Path) + Send + Sync>;

impl Buffer {
    /// Opens the buffer of the output `name` (its plugin id) and resumes the chunks its files hold.
    ///
    /// Resumed chunks belong to the first of `ledgers`, one per shard, whose recovery must not be finished yet. Tells what a
    /// person should know about them.
    pub fn open(
        name: &str,
        config: BufferConfig,
        disk: SharedDisk,
        ledgers: &[Arc<Ledger>],
        random: Random,
    ) -> Result<(Arc<Self>, Resumed), OpenError> {
        let paths = match &config.kind {
            BufferKind::Memory => None,
            BufferKind::File {
                path,
                layout: FileLayout::Pair { suffix },
                worker,
                ..
            } => Some(ChunkPaths::new(path, suffix, *worker, disk.as_ref())),
            BufferKind::File {
                path,
                layout: FileLayout::Single { key },
                worker,
                ..
            } => {
                let key = key.clone();
                Some(ChunkPaths::single(path, key, *worker, disk.as_ref()))
            }
        };
        let pace = Pace::new(config.burst);
        let buffer = Self {
            name: name.into(),
            config,
            disk,
            paths,
            stages: ledgers.iter().map(|_| Mutex::default()).collect(),
            queue: Queue::default(),
            stage_bytes: AtomicU64::new(0),
            queue_bytes: AtomicU64::new(0),
            pool: Mutex::default(),
            ids: Mutex::new(ChunkIds::new(random)),
            taken: Mutex::default(),
            space: (Mutex::new(0), Condvar::new()),
            pace: Mutex::new(pace),
            spares: Spares::default(),
            fresh: Allowance::new(FRESH_ROOM_MAX),
            watcher: OnceLock::new(),
            helpers: OnceLock::new(),
        };
        let resumed = match ledgers.first() {
            Some(ledger) => buffer.resume(ledger)?,
            None => Resumed::default(),
        };
        Ok((Arc::new(buffer), resumed))
    }

    /// Lets `watcher` know of each chunk file that is made from now on, on the thread that fills it. The first one stays.
    ///
    /// What is watched is for others to look at: such files hold nothing but their chunk at any time.
    pub fn watch(&self, watcher: impl Fn(&Metadata, ChunkId, &Path) + Send + Sync + 'static) {
        let _ = self.watcher.set(Box::new(watcher));
    }

    /// Lets `helpers` compress from now on what is appended, beside the thread that appends. The first ones stay.
    pub fn help(&self, helpers: impl PackHelpers + 'static) {
        let _ = self.helpers.set(Box::new(helpers));
    }

    /// The id of the output.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the buffer was opened.
    pub fn config(&self) -> &BufferConfig {
        &self.config
    }

    /// Whether chunks live in files, so that a commit survives the process.
    pub fn is_file(&self) -> bool {
        self.paths.is_some()
    }

    /// Queues the staged chunks whose time has come and tells how many.
    pub fn enqueue_due(&self, now: Timestamp) -> usize {
        let is_due = |chunk: &Chunk| self.due(chunk).is_some_and(|at| at <= now);
        self.enqueue_where(is_due, || self.may_queue())
    }

    /// Queues staged chunks whose time slice is over, oldest first, and tells how many: what the end of the program does
    /// for buffers that keep the rest. As ever, no more than may be queued by time.
    pub fn enqueue_ended(&self, now: Timestamp) -> usize {
        let is_over = |chunk: &Chunk| self.slice_end(chunk).is_some_and(|end| end <= now);
        self.enqueue_where(is_over, || self.may_queue())
    }

    /// Queues every staged chunk (flush on demand, and at the end) and tells how many.
    pub fn enqueue_all(&self) -> usize {
        self.enqueue_where(|chunk| !chunk.is_empty(), || true)
    }

    /// Queues staged chunks that are such, shard by shard, the oldest first, while more may be queued. What an open
    /// transaction has appended stays staged.
    fn enqueue_where(
        &self,
        is_such: impl Fn(&Chunk) -> bool,
        may_queue: impl Fn() -> bool,
    ) -> usize {
        let mut moved = 0;
        for stage in &self.stages {
            let mut stage = lock(stage);
            for key in stage.oldest_first(|chunk| !chunk.is_dirty() && is_such(chunk)) {
                if !may_queue() {
                    return moved;
                }
                if let Some(chunk) = stage.open.remove(&key) {
                    self.enqueue(chunk);
                    moved += 1;
                }
            }
        }
        moved
    }

    /// When [`enqueue_due`](Self::enqueue_due) has something to do next, as far as is known now.
    pub fn next_due(&self) -> Option<Timestamp> {
        let of_stage = |stage: &Mutex<Stage>| {
            lock(stage)
                .open
                .values()
                .filter_map(|chunk| self.due(chunk))
                .min()
        };
        self.stages.iter().filter_map(of_stage).min()
    }

    /// Takes the head of the queue for delivery.
    ///
    /// Nothing is handed out either while the disk refuses to give its files the names of a queued chunk: under their old
    /// names it would grow again after a crash, and no receiver could tell what it had of it.
    pub fn take(&self) -> Option<Chunk> {
        let mut chunk = self.queue.pop()?;
        if self.hand_out(&mut chunk).is_ok() {
            self.tell_of_room();
            return Some(chunk);
        }
        self.queue.push_front(chunk);
        None
    }

    /// Takes the head of the queue as [`take`](Self::take) does, waiting at most `timeout`, or until
    /// [`close`](Self::close), or until [`next_due`](Self::next_due) may be sooner than it was.
    pub fn take_within(&self, timeout: Duration) -> Option<Chunk> {
        // Files that were set aside are gone as soon as there is nothing to do.
        let timeout = match self.spares.is_empty() {
            true => timeout,
            false => timeout.min(SPARES_IDLE_MAX),
        };
        let Some(mut chunk) = self.queue.pop_within(timeout) else {
            self.spares.remove_all();
            return None;
        };
        if self.hand_out(&mut chunk).is_ok() {
            self.tell_of_room();
            return Some(chunk);
        }
        self.queue
            .push_front_and_wait(chunk, timeout.min(HAND_OUT_PAUSE));
        None
    }

    /// Ends all waiting in [`take_within`](Self::take_within); chunks can still be taken.
    pub fn close(&self) {
        self.queue.close();
        self.space.1.notify_all();
        self.spares.close();
        // What stays staged is left as others expect it.
        for stage in &self.stages {
            for chunk in lock(stage).open.values_mut() {
                let _ = chunk.trim();
            }
        }
    }

    /// Records that a chunk has arrived, then removes it.
    ///
    /// After an error it is gone all the same, but a crash before the removal reached the disk could deliver it again.
    pub fn delivered(&self, chunk: Chunk) -> Result<(), LedgerError> {
        self.finish(chunk, None)
    }

    /// Puts a chunk that could not be delivered back to the head of the queue.
    pub fn give_back(&self, mut chunk: Chunk) {
        // It may be there for long.
        chunk.fresh.clear();
        self.queue.push_front(chunk);
    }

    /// Drops a chunk on purpose and counts its events.
    pub fn drop_chunk(&self, chunk: Chunk, reason: LossKey) -> Result<(), LedgerError> {
        self.finish(chunk, Some(reason))
    }

    /// Waits until a write would not find the buffer full, at most `timeout`; tells whether it would not.
    pub fn wait_for_space(&self, timeout: Duration) -> bool {
        self.wait_until(timeout, Self::has_space)
    }

    /// Waits until a chunk that ended, or was taken, makes `is_met` true, at most `timeout`; tells whether it is.
    pub fn wait_until(&self, timeout: Duration, is_met: impl Fn(&Self) -> bool) -> bool {
        let mut waiters = lock(&self.space.0);
        if is_met(self) {
            return true;
        }
        *waiters += 1;
        let woken = self.space.1.wait_timeout(waiters, timeout);
        *woken.unwrap_or_else(PoisonError::into_inner).0 -= 1;
        is_met(self)
    }

    /// Wakes those who wait for room, if there are any.
    fn tell_of_room(&self) {
        // A waiter looks with the lock held: it has seen what changed before, or is counted now.
        let waiters = *lock(&self.space.0);
        if waiters > 0 {
            self.space.1.notify_all();
        }
    }

    /// Whether a write would not find the buffer full.
    pub fn has_space(&self) -> bool {
        self.size() < self.config.total_limit_size
    }

    /// Bytes that are queued or being delivered.
    pub fn queued_bytes(&self) -> u64 {
        self.queue_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that are queued and that no flush thread has taken yet.
    pub fn waiting_bytes(&self) -> u64 {
        self.queue.bytes()
    }

    /// How many chunks these are.
    pub fn waiting_chunks(&self) -> usize {
        self.queue.len()
    }

    /// Whether no chunk was taken for delivery within this time: the destination stands still, or takes long for one.
    pub fn is_stalled(&self, time: Duration) -> bool {
        lock(&self.taken).is_none_or(|taken| taken.elapsed() >= time)
    }

    fn size(&self) -> u64 {
        let staged = self.stage_bytes.load(Ordering::Relaxed);
        staged.saturating_add(self.queue_bytes.load(Ordering::Relaxed))
    }

    /// Whether one more chunk may be queued because of its time.
    fn may_queue(&self) -> bool {
        let max = self.config.queued_chunks_limit_size;
        max.is_none_or(|max| self.queue.len() < max)
    }

    /// When the time slice of a chunk is over and was waited for.
    fn slice_end(&self, chunk: &Chunk) -> Option<Timestamp> {
        let (start, unit) = chunk.metadata.timekey.zip(self.config.timekey)?;
        let end = u64::try_from(start).unwrap_or(0).saturating_add(unit);
        Some(Timestamp::from_secs(end) + self.config.timekey_wait)
    }

    /// When a staged chunk is to be queued.
    fn due(&self, chunk: &Chunk) -> Option<Timestamp> {
        if chunk.is_empty() {
            return None;
        }
        let slice_over = self.slice_end(chunk).map(|end| {
            // Of a slice long over, as when old lines are read, events still come one by one: a
            // chunk, often a file, of each would be many.
            let unit = self
                .config
                .timekey
                .map_or(Duration::ZERO, Duration::from_secs);
            end.max(chunk.created + self.config.timekey_wait.min(unit) / LATE_SHARE)
        });
        match self.config.flush_mode {
            FlushMode::Lazy => slice_over,
            FlushMode::Interval => {
                let old = chunk.created + self.config.flush_interval;
                Some(slice_over.map_or(old, |at| at.min(old)))
            }
            FlushMode::Immediate if self.is_file() => Some(chunk.created + PACE),
            FlushMode::Immediate => Some(chunk.created),
        }
    }

    /// Moves a committed chunk to the queue.
    fn enqueue(&self, mut chunk: Chunk) {
        // If it fails now, it is tried again before the chunk is handed out.
        let _ = self.seal(&mut chunk);
        self.push(chunk);
    }

    /// The same for a chunk that ended because a write did not fit. It keeps the names of a staged one until it is handed out,
    /// as in Fluentd, unless it is full by itself.
    fn enqueue_rolled(&self, mut chunk: Chunk) {
        if chunk.metadata.seq == 0 && self.is_full(&chunk.extent) {
            self.enqueue(chunk);
        } else {
            // Tried again before it is handed out, too.
            let _ = chunk.trim();
            self.push(chunk);
        }
    }

    fn push(&self, chunk: Chunk) {
        self.stage_bytes.fetch_sub(chunk.len(), Ordering::Relaxed);
        self.queue_bytes.fetch_add(chunk.len(), Ordering::Relaxed);
        self.queue.push(chunk);
    }

    /// Gives the files the names, and the length, of a chunk that does not grow any more.
    fn seal(&self, chunk: &mut Chunk) -> io::Result<()> {
        chunk.trim()?;
        let (Body::File(body), Some(paths)) = (&mut chunk.body, &self.paths) else {
            return Ok(());
        };
        let sealed = paths.data(ChunkStage::Queued, chunk.id, &chunk.metadata);
        if body.data_path() == sealed {
            Ok(())
        } else {
            body.rename(sealed)
        }
    }

    /// Makes sure that a chunk that is about to be delivered never grows again.
    fn hand_out(&self, chunk: &mut Chunk) -> io::Result<()> {
        *lock(&self.taken) = Some(Instant::now());
        self.seal(chunk)?;
        match (chunk.ledger.durability(), &self.paths) {
            (Durability::Power, Some(paths)) => self.disk.sync_dir(paths.directory()),
            _ => Ok(()),
        }
    }

    fn finish(&self, chunk: Chunk, loss: Option<LossKey>) -> Result<(), LedgerError> {
        self.finish_with(chunk, |chunk| self.discard(chunk, loss))
    }

    /// Ends a chunk that is out of the queue, and wakes those who wait for its room.
    fn finish_with(
        &self,
        chunk: Chunk,
        end: impl FnOnce(Chunk) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        self.queue_bytes.fetch_sub(chunk.len(), Ordering::Relaxed);
        let result = end(chunk);
        self.tell_of_room();
        result
    }

    /// Records the end of a chunk and frees what it holds.
    fn discard(&self, chunk: Chunk, loss: Option<LossKey>) -> Result<(), LedgerError> {
        let lost: Vec<_> = loss.map(|key| (key, chunk.count())).into_iter().collect();
        let held = chunk.held();
        let Chunk {
            id,
            body,
            ledger,
            relayed,
            ..
        } = chunk;
        ledger.end_append(id);
        let ended = match body {
            Body::Memory(body) => {
                self.recycle(body);
                ledger.withdraw(id);
                let counted = ledger.count_losses(lost);
                ledger.release(&held).and(counted)
            }
            Body::File(body) => {
                let recorded = ledger.deliver(id, lost);
                match recorded {
                    Ok(()) => self.remove_files(&ledger, id, body),
                    Err(_) => {
                        self.forget_files(&ledger, id, body, FileBody::remove_unsaid);
                    }
                }
                recorded
            }
        };
        let relays = relayed.into_iter().map(Relayed::done);
        relays.fold(ended, Result::and)
    }

    fn remove_files(&self, ledger: &Ledger, id: ChunkId, body: FileBody) {
        let is_kept = self.config.flush_mode == FlushMode::Immediate
            && ledger.durability() == Durability::Process
            && lock(&self.pace).is_busy();
        let left = match is_kept {
            true => {
                let keeps_data = body.has_meta() && self.watcher.get().is_none();
                self.spares.keep(body, keeps_data)
            }
            false => Err(body),
        };
        let Err(body) = left else {
            return ledger.purge(id);
        };
        self.forget_files(ledger, id, body, FileBody::remove);
    }

    fn forget_files(
        &self,
        ledger: &Ledger,
        id: ChunkId,
        mut body: FileBody,
        remove: fn(&mut FileBody) -> io::Result<()>,
    ) {
        let synced = remove(&mut body).and_then(|()| match (ledger.durability(), &self.paths) {
            (Durability::Power, Some(paths)) => self.disk.sync_dir(paths.directory()),
            _ => Ok(()),
        });
        // Files that are still there are removed at the next start, if the ledger still knows them as delivered.
        if synced.is_ok() {
            ledger.purge(id);
        }
    }

    fn packing(&self) -> Packing {
        Packing {
            compression: self.config.compression,
            limit: self.config.decompression_size_limit,
        }
    }

    /// Keeps the memory of a chunk that has ended; what was lent goes back to who lent it.
    fn recycle(&self, body: MemoryBody) {
        let MemoryBody::Own(mut bytes) = body else {
            return;
        };
        let mut pool = lock(&self.pool);
        if pool.len() < POOL_LENGTH_MAX && bytes.capacity() > 0 {
            bytes.clear();
            pool.push(bytes);
        }
    }

    /// Makes room by dropping the oldest queued chunks, where that is wanted; tells whether there is room now.
    fn make_space(&self, dropped: &mut Vec<ChunkId>) -> Result<bool, LedgerError> {
        if self.config.overflow_action != OverflowAction::DropOldestChunk {
            return Ok(false);
        }
        while !self.has_space() {
            let Some(oldest) = self.queue.pop() else {
                return Ok(false);
            };
            let reason = LossKey {
                plugin: self.name.clone(),
                reason: "overflow".into(),
            };
            dropped.push(oldest.id);
            self.finish(oldest, Some(reason))?;
        }
        Ok(true)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
