mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::file::{Content, SimulatedFile};
use crate::Random;
use crate::disk::{Disk, DiskFile, Open, SharedDisk};

/// A file system in memory that can run full and dies at a planned step.
///
/// A step is one operation that changes something. The step at which it dies is done in part: a write leaves a
/// prefix of its bytes. Every later operation fails.
///
/// After a killed process ([`SimulatedDisk::reopen`]) what was written is there. After a loss of power
/// ([`SimulatedDisk::lose_power`]) only what was synced is sure to be: of the rest, any blocks and any directory's names may be.
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
    files: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    /// The names as they were synced.
    durable: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
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
    ///
    /// What is on it counts as synced: losses of power do not add up over lives.
    pub fn reopen(&self) -> Self {
        let state = self.state();
        let files = state.files.iter();
        Self::holding(
            files.map(|(path, file)| (path.clone(), lock(file).bytes.clone())),
            &state,
        )
    }

    /// The disk as the machine finds it after a loss of power; `random` decides what reached the medium.
    pub fn lose_power(&self, random: &mut Random) -> Self {
        let state = self.state();
        let mut files = BTreeMap::new();
        for directory in &state.directories {
            // Names reach the medium in order, so a directory is as it was synced, or as it is.
            let names = if random.below(2) == 0 {
                &state.durable
            } else {
                &state.files
            };
            for (path, file) in names
                .iter()
                .filter(|(path, _)| path.parent() == Some(directory))
            {
                files.insert(path.clone(), lock(file).after_power_loss(random));
            }
        }
        Self::holding(files.into_iter(), &state)
    }

    fn holding(files: impl Iterator<Item = (PathBuf, Vec<u8>)>, state: &State) -> Self {
        let disk = Self(Arc::default());
        for (path, bytes) in files {
            disk.poke(&path, &bytes);
        }
        disk.state().directories.clone_from(&state.directories);
        disk
    }

    /// The content of a file, whatever the state of the disk.
    pub fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        self.state()
            .files
            .get(path)
            .map(|file| lock(file).bytes.clone())
    }

    /// Replaces a file behind everybody's back, as another program would.
    pub fn poke(&self, path: &Path, content: &[u8]) {
        let content = Content {
            bytes: content.to_vec(),
            durable: content.to_vec(),
        };
        let file = Arc::new(Mutex::new(content));
        let mut state = self.state();
        state.directories.extend(path.parent().map(Path::to_owned));
        state.files.insert(path.to_owned(), Arc::clone(&file));
        state.durable.insert(path.to_owned(), file);
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
                    lock(&content).bytes.clear();
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

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        let mut step = state.step()?;
        if step.happens() {
            let inside = |path: &Path| path.parent() == Some(directory);
            state.durable.retain(|path, _| !inside(path));
            let names: Vec<_> = state
                .files
                .iter()
                .filter(|(path, _)| inside(path))
                .map(|(path, file)| (path.clone(), Arc::clone(file)))
                .collect();
            state.durable.extend(names);
        }
        step.end()
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.state().alive()?;
        Ok(Some(Box::new(())))
    }
}

fn died() -> io::Error {
    io::Error::other("the simulated disk has died")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
