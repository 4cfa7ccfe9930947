mod file;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use self::file::{Content, SimulatedFile};
use self::names::Names;
use crate::Random;
use crate::disk::{Disk, DiskFile, Open, SharedDisk};

/// A file system in memory that can run full, as one process sees it, which dies at a planned step.
///
/// A step is one operation that changes something. The step at which the process dies is done in part: a write leaves a
/// prefix of its bytes. Every later operation of this process fails; others ([`SimulatedDisk::another_process`]) go on.
///
/// After a killed process what was written is there. After a loss of power ([`SimulatedDisk::lose_power`]) only
/// what was synced is sure to be: of the rest, any blocks and any directory's names may be.
#[derive(Clone)]
pub struct SimulatedDisk {
    files: Arc<Mutex<Files>>,
    process: Arc<Mutex<Process>>,
}

/// When a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// The number of changes that succeed before.
    pub after_steps: u64,
    /// Decides how much of the last one is done.
    pub seed: u64,
}

/// What a faulty disk says it has done and has not: it shows whether a test would notice code that does not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Nothing is ever cut.
    Truncations,
    /// Nothing is ever synced.
    Syncs,
    /// One write in eight to a ledger does not happen.
    LedgerWrites,
}

#[derive(Default)]
struct Files {
    names: Names,
    /// The names as they were synced.
    durable: Names,
    directories: BTreeSet<OsString>,
    locks: BTreeMap<PathBuf, Weak<()>>,
    space_left: Option<u64>,
    next_inode: u64,
    lie: Option<Lie>,
}

#[derive(Default)]
struct Process {
    steps: u64,
    crash: Option<Crash>,
    crashed: bool,
    /// The count of steps at which one fails.
    fail_at: Option<u64>,
}

impl SimulatedDisk {
    /// An empty disk, and a process that lives until it is told otherwise.
    #[allow(
        clippy::new_without_default,
        reason = "a disk is a thing one makes on purpose"
    )]
    pub fn new() -> Self {
        Self {
            files: Arc::default(),
            process: Arc::default(),
        }
    }

    /// The same disk as another process sees it, whose death is another one's.
    pub fn another_process(&self) -> Self {
        Self {
            files: Arc::clone(&self.files),
            process: Arc::default(),
        }
    }

    /// The same disk as the crate takes it.
    pub fn shared(&self) -> SharedDisk {
        Arc::new(self.clone())
    }

    /// Plans the death of the process, counted in steps from now.
    pub fn crash(&self, crash: Crash) {
        let mut process = self.process();
        process.crash = Some(Crash {
            after_steps: process.steps + crash.after_steps,
            ..crash
        });
    }

    /// Whether the process has died.
    pub fn has_crashed(&self) -> bool {
        self.process().crashed
    }

    /// The number of changes so far.
    pub fn steps(&self) -> u64 {
        self.process().steps
    }

    /// Makes one change fail, counted in steps from now, and the process live on.
    ///
    /// A write leaves a part or all of its bytes, anything else does not happen.
    pub fn fail_once(&self, after_steps: u64) {
        let mut process = self.process();
        process.fail_at = Some(process.steps + after_steps);
    }

    /// Leaves `bytes` of free space, or endless space.
    pub fn limit_space(&self, bytes: Option<u64>) {
        self.files().space_left = bytes;
    }

    /// Makes the disk a faulty one.
    pub fn lie_about(&self, lie: Lie) {
        self.files().lie = Some(lie);
    }

    /// A copy of the disk as the next process finds it, with no death planned.
    ///
    /// What is on it counts as synced: losses of power do not add up over lives.
    pub fn reopen(&self) -> Self {
        let files = self.files();
        let contents = files.names.all().map(|(path, file)| {
            let content = lock(file);
            (path, content.inode, content.bytes.clone())
        });
        Self::holding(contents, &files)
    }

    /// The disk as the machine finds it after a loss of power; `random` decides what reached the medium.
    pub fn lose_power(&self, random: &mut Random) -> Self {
        let files = self.files();
        let mut left = Vec::new();
        let mut directories: Vec<_> = files.directories.iter().map(Path::new).collect();
        directories.sort_unstable();
        for directory in directories {
            // Names reach the medium in order, so a directory is as it was synced, or as it is.
            let names = if random.below(2) == 0 {
                &files.durable
            } else {
                &files.names
            };
            for (path, file) in names.inside(directory) {
                let content = lock(file);
                left.push((path, content.inode, content.after_power_loss(random)));
            }
        }
        Self::holding(left.into_iter(), &files)
    }

    fn holding(contents: impl Iterator<Item = (PathBuf, u64, Vec<u8>)>, before: &Files) -> Self {
        let disk = Self::new();
        let mut files = disk.files();
        for (path, inode, bytes) in contents {
            files.put(&path, inode, bytes);
        }
        files.directories.clone_from(&before.directories);
        (files.next_inode, files.lie) = (before.next_inode, before.lie);
        drop(files);
        disk
    }

    /// The content of a file, whatever the state of the process.
    pub fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        self.files()
            .names
            .get(path)
            .map(|file| lock(file).bytes.clone())
    }

    /// Replaces a file behind everybody's back, as another program would.
    pub fn poke(&self, path: &Path, content: &[u8]) {
        let mut files = self.files();
        files.next_inode += 1;
        let inode = files.next_inode;
        files.put(path, inode, content.to_vec());
    }

    /// The names of all files.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = self.files().names.all().map(|(path, _)| path).collect();
        paths.sort_unstable();
        paths
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        lock(&self.files)
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        lock(&self.process)
    }
}

impl Files {
    fn put(&mut self, path: &Path, inode: u64, bytes: Vec<u8>) {
        let content = Content {
            durable: bytes.clone(),
            bytes,
            inode,
        };
        let file = Arc::new(Mutex::new(content));
        let directory = path.parent().map(|parent| parent.as_os_str().to_owned());
        self.directories.extend(directory);
        self.names.insert(path, Arc::clone(&file));
        self.durable.insert(path, file);
    }
}

impl Process {
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
        self.process().alive()?;
        let mut files = self.files();
        if !files.directories.contains(path.as_os_str()) {
            let ancestors = path.ancestors();
            let names = ancestors.map(|ancestor| ancestor.as_os_str().to_owned());
            files.directories.extend(names);
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.process().alive()?;
        let files = self.files();
        Ok(files
            .names
            .inside(directory)
            .map(|(path, _)| path)
            .collect())
    }

    fn list_directories(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.process().alive()?;
        let files = self.files();
        let all = files.directories.iter().map(PathBuf::from);
        Ok(all
            .filter(|path| path.parent() == Some(directory))
            .collect())
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.files().directories.contains(path.as_os_str())
    }

    fn exists(&self, path: &Path) -> bool {
        let files = self.files();
        files.directories.contains(path.as_os_str()) || files.names.get(path).is_some()
    }

    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut process = self.process();
        process.alive()?;
        let mut files = self.files();
        let is_taken = matches!(open, Open::New | Open::Append { must_be_new: true });
        let content = match (files.names.get(path).cloned(), open) {
            (Some(_), _) if is_taken => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, Open::Existing) => return Err(io::ErrorKind::NotFound.into()),
            (Some(content), Open::Existing | Open::Append { .. }) => content,
            (existing, _) => {
                let mut step = process.step()?;
                files.next_inode += 1;
                let inode = files.next_inode;
                let content = existing.unwrap_or_else(|| {
                    Arc::new(Mutex::new(Content {
                        inode,
                        ..Content::default()
                    }))
                });
                if step.happens() {
                    lock(&content).bytes.clear();
                    files.names.insert(path, content.clone());
                }
                step.end()?;
                content
            }
        };
        drop(process);
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            content,
            is_ledger: path
                .extension()
                .is_some_and(|extension| extension == "ledger" || extension == "tmp"),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut step = self.process().step()?;
        let mut files = self.files();
        if step.happens() {
            let content = files.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            files.names.insert(to, content);
        }
        step.end()
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut step = self.process().step()?;
        let mut files = self.files();
        if step.happens() {
            if files.names.get(to).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let content = files.names.get(from).cloned();
            files
                .names
                .insert(to, content.ok_or(io::ErrorKind::NotFound)?);
        }
        step.end()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut step = self.process().step()?;
        let mut files = self.files();
        if step.happens() {
            files.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        }
        step.end()
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut step = self.process().step()?;
        let mut files = self.files();
        if step.happens() && files.lie != Some(Lie::Syncs) {
            let files = &mut *files;
            files.durable.copy_directory(directory, &files.names);
        }
        step.end()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.process().alive()?;
        let mut files = self.files();
        if files
            .locks
            .get(path)
            .is_some_and(|lock| lock.strong_count() > 0)
        {
            return Ok(None);
        }
        let held = Arc::new(());
        files.locks.insert(path.to_owned(), Arc::downgrade(&held));
        Ok(Some(Box::new(held)))
    }
}

fn died() -> io::Error {
    io::Error::other("the simulated disk has died")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
