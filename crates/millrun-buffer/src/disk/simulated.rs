use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile, Open, SharedDisk};
use crate::{Random, Timestamp};

/// A file system in memory that can run full and dies at a planned step.
///
/// A step is one operation that changes something. The step at which it dies is done in part: a write leaves a
/// prefix of its bytes. Every later operation fails; [`SimulatedDisk::reopen`] is the disk that the next process finds.
///
/// It models a killed process: what was written stays. Lost pages of a power loss are not modelled.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

/// When a simulated disk dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// The number of changes that succeed before.
    pub after_steps: u64,
    /// Decides how much of the last one is done.
    pub seed: u64,
}

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Arc<Mutex<Vec<u8>>>>,
    directories: BTreeSet<PathBuf>,
    steps: u64,
    crash: Option<Crash>,
    crashed: bool,
    /// The count of steps at which one fails.
    fail_at: Option<u64>,
    space_left: Option<u64>,
}

impl SimulatedDisk {
    /// An empty disk that lives until it is told otherwise.
    #[allow(
        clippy::new_without_default,
        reason = "a disk is a thing one makes on purpose"
    )]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// The same disk as the crate takes it.
    pub fn shared(&self) -> SharedDisk {
        Arc::new(self.clone())
    }

    /// Plans the death of the disk, counted in steps from now.
    pub fn crash(&self, crash: Crash) {
        let mut state = self.state();
        state.crash = Some(Crash {
            after_steps: state.steps + crash.after_steps,
            ..crash
        });
    }

    /// Whether the disk has died.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// The number of changes so far.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Makes one change fail, counted in steps from now, and the disk live on.
    ///
    /// A write leaves a part or all of its bytes, anything else does not happen.
    pub fn fail_once(&self, after_steps: u64) {
        let mut state = self.state();
        state.fail_at = Some(state.steps + after_steps);
    }

    /// Leaves `bytes` of free space, or endless space.
    pub fn limit_space(&self, bytes: Option<u64>) {
        self.state().space_left = bytes;
    }

    /// The disk as the next process finds it, with no death planned.
    pub fn reopen(&self) -> Self {
        let state = self.state();
        let files = state
            .files
            .iter()
            .map(|(path, content)| (path.clone(), Arc::new(Mutex::new(lock(content).clone()))))
            .collect();
        let directories = state.directories.clone();
        Self(Arc::new(Mutex::new(State {
            files,
            directories,
            ..State::default()
        })))
    }

    /// The content of a file, whatever the state of the disk.
    pub fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        self.state()
            .files
            .get(path)
            .map(|content| lock(content).clone())
    }

    /// Replaces a file behind everybody's back, as another program would.
    pub fn poke(&self, path: &Path, content: &[u8]) {
        self.state()
            .files
            .insert(path.to_owned(), Arc::new(Mutex::new(content.to_vec())));
    }

    /// The names of all files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().files.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl State {
    /// Counts a change; tells how the last one before death ends.
    fn step(&mut self) -> io::Result<Step> {
        self.alive()?;
        if let Some(crash) = self.crash.filter(|crash| self.steps >= crash.after_steps) {
            self.crashed = true;
            return Ok(Step::Last(Random::from_seed(crash.seed ^ self.steps)));
        }
        self.steps += 1;
        if self.fail_at.is_some_and(|at| self.steps > at) {
            self.fail_at = None;
            return Ok(Step::Failed(Random::from_seed(self.steps)));
        }
        Ok(Step::Whole)
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(died()) } else { Ok(()) }
    }
}

enum Step {
    Whole,
    /// It fails and the disk lives on.
    Failed(Random),
    Last(Random),
}

impl Step {
    /// For changes that happen wholly or not at all.
    fn happens(&mut self) -> bool {
        match self {
            Self::Whole => true,
            Self::Failed(_) => false,
            Self::Last(random) => random.below(2) == 1,
        }
    }

    fn end(self) -> io::Result<()> {
        match self {
            Self::Whole => Ok(()),
            Self::Failed(_) => Err(io::Error::other("the simulated disk has a fault")),
            Self::Last(_) => Err(died()),
        }
    }
}

impl Disk for SimulatedDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state
            .directories
            .extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state();
        state.alive()?;
        let inside = |path: &&PathBuf| path.parent() == Some(directory);
        Ok(state.files.keys().filter(inside).cloned().collect())
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.state().directories.contains(path)
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.state();
        state.directories.contains(path) || state.files.contains_key(path)
    }

    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.alive()?;
        let content = match (state.files.get(path).cloned(), open) {
            (Some(_), Open::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, Open::Existing) => return Err(io::ErrorKind::NotFound.into()),
            (Some(content), Open::Existing) => content,
            (existing, _) => {
                let mut step = state.step()?;
                let content = existing.unwrap_or_default();
                if step.happens() {
                    lock(&content).clear();
                    state.files.insert(path.to_owned(), content.clone());
                }
                step.end()?;
                content
            }
        };
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            content,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let mut step = state.step()?;
        if step.happens() {
            let content = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.files.insert(to.to_owned(), content);
        }
        step.end()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let mut step = state.step()?;
        if step.happens() {
            state.files.remove(path).ok_or(io::ErrorKind::NotFound)?;
        }
        step.end()
    }

    fn sync_dir(&self, _directory: &Path) -> io::Result<()> {
        self.state().alive()
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.state().alive()?;
        Ok(Some(Box::new(())))
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    content: Arc<Mutex<Vec<u8>>>,
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let mut step = state.step()?;
        let mut written = bytes.len();
        if let Step::Failed(random) | Step::Last(random) = &mut step {
            // The whole of it as often as any part.
            let part = random.below(bytes.len() as u64 + 1) as usize;
            written = if random.below(2) == 0 {
                part
            } else {
                bytes.len()
            };
        }
        let mut content = lock(&self.content);
        let mut full = false;
        if let Some(space) = state.space_left {
            let growth = (offset + written as u64).saturating_sub(content.len() as u64);
            full = growth > space;
            written -= growth.saturating_sub(space).min(written as u64) as usize;
            state.space_left = Some(space.saturating_sub(growth));
        }
        let start = offset as usize;
        if content.len() < start + written {
            content.resize(start + written, 0);
        }
        if let (Some(target), Some(bytes)) = (
            content.get_mut(start..start + written),
            bytes.get(..written),
        ) {
            target.copy_from_slice(bytes);
        }
        step.end()?;
        if full {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.state().alive()?;
        let content = lock(&self.content);
        let rest = content.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        for (target, byte) in bytes.iter_mut().zip(rest) {
            *target = *byte;
        }
        Ok(read)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let mut step = state.step()?;
        if step.happens() {
            let mut content = lock(&self.content);
            let before = content.len() as u64;
            content.resize(length as usize, 0);
            state.space_left = state
                .space_left
                .map(|space| space + before.saturating_sub(length));
        }
        step.end()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().alive()
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.state().alive()?;
        Ok(lock(&self.content).len() as u64)
    }

    fn modified(&self) -> io::Result<Timestamp> {
        self.disk.state().alive()?;
        Ok(Timestamp::default())
    }

    fn as_std(&self) -> Option<&std::fs::File> {
        None
    }
}

fn died() -> io::Error {
    io::Error::other("the simulated disk has died")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
