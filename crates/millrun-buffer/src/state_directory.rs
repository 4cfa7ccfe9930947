use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{self, Open, SharedDisk};
use crate::ledger::{LedgerRead, Neighbours, Recovered};
use crate::{Claim, Ledger, LedgerError, Seen, SourceState, StateError};

/// No worker has more shards.
pub const SHARDS_MAX: usize = 1024;

/// Workers that are looked for when there are fewer now.
pub const WORKERS_MAX: usize = 256;

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The death of any process at any instant.
    #[default]
    Process,
    /// The loss of power too: chunks are synced before, the ledger at the commit.
    Power,
}

/// The directory in which one worker keeps its ledgers, locked as long as this value lives.
///
/// ```text
/// <root>/worker<N>/lock                     held exclusively; holds the owner's process id
/// <root>/worker<N>/ledger/<shard>.ledger    one per shard
/// <root>/worker<N>/left                     another worker is taking all of this over
/// ```
///
/// Opening reads all ledgers, also those of shards that are not configured any more. Then buffers and sources take over what is
/// theirs, and [`start`](Self::start) writes what is true now as a new generation: the first shard's ledger
/// holds all that was recovered, and is complete before it replaces the old one, so a crash at any instant leaves
/// either the old generation or the new one. When there are fewer workers than before, one of them
/// takes over the directories of the others ([`take_over`](Self::take_over)). It marks them first: chunk files move before the
/// ledgers that know them are gone, so a take-over that a crash cut short is ended before the worker may come again.
pub struct StateDirectory {
    place: Option<Place>,
    ledgers: Vec<Arc<Ledger>>,
    notes: Vec<String>,
    neighbours: Option<Mutex<Neighbours>>,
    kept: Mutex<Vec<Claim>>,
}

struct Place {
    disk: SharedDisk,
    root: PathBuf,
    directory: PathBuf,
    old_ledgers: Vec<PathBuf>,
    generation: u64,
    durability: Durability,
    _lock: Box<dyn Send + Sync>,
    /// Ledgers of workers that there are no more, removed when ours hold what they held.
    left_behind: Vec<PathBuf>,
    /// The directories of these workers.
    taken_over: Vec<TakenOver>,
}

/// The directory of a worker that is taken over.
struct TakenOver {
    base: PathBuf,
    /// There is such a worker again: it is kept out only until the end of the recovery.
    is_there: bool,
    _lock: Box<dyn Send + Sync>,
}

/// The mark in the directory of a worker that is being taken over.
const LEFT: &str = "left";

impl StateDirectory {
    /// Locks and reads `<root>/worker<worker>` for `shards` shards (at least one, at most [`SHARDS_MAX`]).
    pub fn open(
        disk: &SharedDisk,
        root: &Path,
        worker: usize,
        shards: usize,
        durability: Durability,
    ) -> Result<Self, StateError> {
        let base = root.join(format!("worker{worker}"));
        let directory = base.join("ledger");
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { what, path, source }
        };
        disk.create_dir_all(&directory)
            .map_err(failed("make the directory", &directory))?;
        let lock = lock_worker(disk, &base)?;
        if disk.exists(&base.join(LEFT)) {
            return Err(StateError::LeftBehind { directory: base });
        }
        let (old_ledgers, recovered, notes) = read_ledgers(disk, &directory, durability)?;
        let (ledgers, generation) = recovered.into_ledgers(shards.min(SHARDS_MAX));
        let disk = disk.clone();
        let place = Place {
            disk,
            root: root.to_owned(),
            directory,
            old_ledgers,
            generation,
            durability,
            _lock: lock,
            left_behind: Vec::new(),
            taken_over: Vec::new(),
        };
        Ok(Self {
            place: Some(place),
            ledgers,
            notes,
            neighbours: None,
            kept: Mutex::default(),
        })
    }

    /// Takes over what workers know that there are no more, when there are `workers` now. For one worker of an instance, before
    /// its buffers are opened.
    pub fn take_over(&mut self, workers: usize) -> Result<(), StateError> {
        let (Some(place), Some(ledger)) = (&mut self.place, self.ledgers.first()) else {
            return Ok(());
        };
        let listed = place.disk.list_directories(&place.root);
        let listed = listed.map_err(|source| StateError::Io {
            what: "list",
            path: place.root.clone(),
            source,
        })?;
        let number = |base: &PathBuf| -> Option<usize> {
            let name = base.file_name()?.to_str()?;
            name.strip_prefix("worker")?.parse().ok()
        };
        for base in listed {
            let Some(worker) = number(&base).filter(|worker| (1..WORKERS_MAX).contains(worker))
            else {
                continue;
            };
            let is_there = worker < workers.max(1);
            let is_begun = place.disk.exists(&base.join(LEFT));
            let directory = base.join("ledger");
            if (is_there && !is_begun) || !place.disk.is_dir(&directory) {
                continue;
            }
            let lock = lock_worker(&place.disk, &base)?;
            let (ledgers, recovered, notes) =
                read_ledgers(&place.disk, &directory, place.durability)?;
            self.notes.extend(notes);
            if !ledgers.is_empty() {
                mark(&place.disk, &base, place.durability)?;
                ledger.adopt(recovered);
                place.left_behind.extend(ledgers);
                self.notes.push(format!(
                    "there is no worker {worker} any more: what its ledgers in {} know is taken over",
                    directory.display()
                ));
            }
            place.taken_over.push(TakenOver {
                base,
                is_there,
                _lock: lock,
            });
        }
        Ok(())
    }

    /// Whether what a worker left is being taken over, so that its buffers' directories are, too.
    pub fn is_left_behind(disk: &SharedDisk, root: &Path, worker: usize) -> bool {
        let base = root.join(format!("worker{worker}"));
        disk.exists(&base.join(LEFT))
    }

    /// Asks other workers of the instance too what they have committed of other millruns' chunks.
    pub fn ask_neighbours(&mut self) {
        let place = self.place.as_ref();
        let own = place.and_then(|place| Some((place, place.directory.parent()?)));
        self.neighbours = own.map(|(place, own)| {
            Mutex::new(Neighbours::new(
                &place.disk,
                &place.root,
                own,
                place.durability,
            ))
        });
    }

    /// Ledgers without files: nothing survives the process.
    pub fn volatile(shards: usize) -> Self {
        let ledgers = (0..shards.clamp(1, SHARDS_MAX))
            .map(|_| Ledger::volatile())
            .collect();
        Self {
            place: None,
            ledgers,
            notes: Vec::new(),
            neighbours: None,
            kept: Mutex::default(),
        }
    }

    /// The ledgers, one per shard.
    pub fn ledgers(&self) -> &[Arc<Ledger>] {
        &self.ledgers
    }

    /// What the recovery met that a person should know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where a source stands, in whichever shard it is.
    pub fn source(&self, key: &str) -> Option<SourceState> {
        self.ledgers
            .iter()
            .find_map(|ledger| ledger.find_source(key))
    }

    /// All sources of all shards.
    pub fn sources(&self) -> Vec<SourceState> {
        self.ledgers
            .iter()
            .flat_map(|ledger| ledger.sources())
            .collect()
    }

    /// Gives a known source to the ledger of `shard`, which must not be reading it yet.
    ///
    /// Answers where it stands: reading continues at the low-water mark of each incarnation and is cut at its marks.
    pub fn resume_source(
        &self,
        key: &str,
        shard: usize,
    ) -> Result<Option<SourceState>, LedgerError> {
        let Some(target) = self.ledgers.get(shard) else {
            return Ok(None);
        };
        for ledger in &self.ledgers {
            let Some(source) = ledger.find_source(key) else {
                continue;
            };
            // First to the new owner: a crash in between leaves it in two ledgers that agree.
            target.adopt_source(&source)?;
            if !Arc::ptr_eq(ledger, target) {
                ledger.forget_source(source.number)?;
            }
            return Ok(Some(source));
        }
        Ok(None)
    }

    /// Claims a sender before [`seen`](Self::seen) is asked and until its chunk is committed, where
    /// neighbours could commit the same chunk; `None` while one of them has the claim.
    pub fn claim(&self, sender: &[u8; 16]) -> io::Result<Option<Claim>> {
        match &self.neighbours {
            Some(neighbours) => lock(neighbours).claim(sender),
            None => Ok(Some(Claim::nobody_else())),
        }
    }

    /// Keeps a claim until the state is released: nobody knows whether the chunk was committed, so no neighbour may
    /// decide that by what it sees.
    pub fn keep(&self, claim: Claim) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(claim);
    }

    /// Whether any shard has committed a sender's chunk, or any neighbour that is asked.
    pub fn seen(&self, sender: &[u8; 16], sequence: u64, hash: u32) -> io::Result<Seen> {
        let answers = self.ledgers.iter();
        let answers = answers.map(|ledger| ledger.seen(sender, sequence, hash));
        let own = answers.max().unwrap_or(Seen::Never);
        match &self.neighbours {
            Some(neighbours) if own != Seen::Stored => {
                let theirs = lock(neighbours).seen(sender, sequence, hash)?;
                Ok(own.max(theirs))
            }
            _ => Ok(own),
        }
    }

    /// Ends the recovery: call it when all buffers are open, before any source reads.
    pub fn start(&mut self) -> Result<(), StateError> {
        let Some(place) = &mut self.place else {
            return Ok(());
        };
        // The first ledger of the new generation makes all old ones void, so it is first written with what the others
        // are about to hold, and again without it when they do.
        let others = self.ledgers.get(1..).unwrap_or_default();
        let first = self.ledgers.iter().take(1).map(|ledger| (ledger, others));
        let rest = others.iter().map(|ledger| (ledger, [].as_slice()));
        let again = self.ledgers.iter().take(1).filter(|_| !others.is_empty());
        let order = first
            .chain(rest)
            .chain(again.map(|ledger| (ledger, [].as_slice())));
        for (ledger, with) in order {
            let shard = self
                .ledgers
                .iter()
                .position(|other| Arc::ptr_eq(other, ledger));
            let path = place.ledger_path(shard.unwrap_or(0));
            let (disk, generation) = (place.disk.clone(), place.generation);
            ledger
                .start(disk, &path, generation, place.durability, with)
                .map_err(|source| StateError::Io {
                    what: "write the ledger",
                    path,
                    source,
                })?;
        }
        let current: Vec<_> = (0..self.ledgers.len())
            .map(|shard| place.ledger_path(shard))
            .collect();
        let old = place.old_ledgers.iter();
        let old = old.filter(|path| !current.contains(path));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io {
                what: "remove what is recovered",
                path,
                source,
            }
        };
        for path in old.chain(&place.left_behind) {
            disk::remove_if_there(place.disk.as_ref(), path).map_err(failed(path))?;
        }
        for TakenOver { base, .. } in &place.taken_over {
            if place.durability == Durability::Power {
                let directory = base.join("ledger");
                place
                    .disk
                    .sync_dir(&directory)
                    .map_err(failed(&directory))?;
            }
            let mark = base.join(LEFT);
            disk::remove_if_there(place.disk.as_ref(), &mark).map_err(failed(&mark))?;
        }
        place.taken_over.retain(|taken| !taken.is_there);
        Ok(())
    }
}

/// Says that the directory of a worker is being taken over.
fn mark(disk: &SharedDisk, base: &Path, durability: Durability) -> Result<(), StateError> {
    let path = base.join(LEFT);
    let marked = disk.open(&path, Open::Truncated).and_then(|file| {
        if durability == Durability::Power {
            file.sync_data()?;
            disk.sync_dir(base)?;
        }
        Ok(())
    });
    marked.map_err(|source| StateError::Io {
        what: "mark as taken over",
        path,
        source,
    })
}

impl Place {
    fn ledger_path(&self, shard: usize) -> PathBuf {
        self.directory.join(format!("{shard}.ledger"))
    }
}

/// Locks the directory of a worker.
fn lock_worker(disk: &SharedDisk, base: &Path) -> Result<Box<dyn Send + Sync>, StateError> {
    let path = base.join("lock");
    let lock = disk.lock(&path).map_err(|source| StateError::Io {
        what: "lock",
        path: path.clone(),
        source,
    })?;
    lock.ok_or_else(|| {
        let owner = disk::read_all(disk.as_ref(), &path).ok().flatten();
        let owner = owner.map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        let owner = owner.filter(|text| !text.is_empty());
        StateError::Locked {
            directory: base.to_owned(),
            owner: owner.unwrap_or("unknown".into()),
        }
    })
}

/// Reads the ledgers of a worker: their files, what they say, and what a person should know about them.
fn read_ledgers(
    disk: &SharedDisk,
    directory: &Path,
    durability: Durability,
) -> Result<(Vec<PathBuf>, Recovered, Vec<String>), StateError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| StateError::Io { what, path, source }
    };
    let mut paths = disk.list(directory).map_err(failed("list", directory))?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "ledger")
    });
    let mut files = Vec::new();
    for path in &paths {
        let bytes = disk::read_all(disk.as_ref(), path).map_err(failed("read", path))?;
        files.push(bytes.unwrap_or_default());
        // What a killed process wrote and did not sync is believed from here on, so it must not go with the power.
        if durability == Durability::Power {
            let opened = disk.open(path, Open::Existing);
            let synced = opened.and_then(|file| file.sync_data());
            synced.map_err(failed("sync", path))?;
        }
    }
    let (recovered, reads) = Recovered::read(&files);
    let mut notes = Vec::new();
    for (path, read) in paths.iter().zip(reads) {
        match read {
            LedgerRead::Unknown => {
                return Err(StateError::UnknownLedger { path: path.clone() });
            }
            LedgerRead::Whole { torn, damaged } => {
                if damaged > 0 {
                    notes.push(format!(
                        "{damaged} bytes within {} are damaged: what they said is not known any more, so lines may come twice, and a \
                         batch whose source cannot repeat it may be cut off its chunk",
                        path.display()
                    ));
                }
                if torn > 0 {
                    notes.push(format!(
                        "the last {torn} bytes of {} were never committed and are dropped",
                        path.display()
                    ));
                }
            }
        }
    }
    Ok((paths, recovered, notes))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
