//! What wakes the thread: changes the kernel tells of, the request to end, and the time.
//!
//! Notifications only save waiting. Where the kernel gives none (network file systems, a full
//! table of watches) the look once a second finds the same.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_core::Stop;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tracing::warn;

use super::files::FileId;

/// Waking at every write of a busy file would cost more than reading it: when the last wake-up
/// was less than [`BUSY`] ago, this long more is waited for others to come.
const GATHER: Duration = Duration::from_micros(500);
const BUSY: Duration = Duration::from_millis(10);

/// What a wake-up tells.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Paths whose file was written, renamed or removed.
    pub(crate) files: BTreeSet<Arc<Path>>,
    /// Names that appeared in watched directories.
    pub(crate) names: BTreeSet<PathBuf>,
}

/// The sources of wake-ups.
pub(crate) struct Wake {
    stopped: PipeReader,
    inotify: Option<Inotify>,
    targets: HashMap<WatchDescriptor, Target>,
    files: HashMap<Arc<Path>, (FileId, WatchDescriptor)>,
    directories: BTreeSet<PathBuf>,
    last: Instant,
    plugin_id: String,
    is_warned: bool,
}

#[derive(Clone, Debug)]
enum Target {
    File(Arc<Path>),
    Directory(PathBuf),
}

impl Wake {
    /// Wakes when `stop` is set; with `notified` also at changes of what is watched.
    pub(crate) fn new(stop: &Stop, notified: bool, plugin_id: &str) -> io::Result<Self> {
        let (stopped, writer) = io::pipe()?;
        // The closed end is what wakes.
        stop.on_set(move || drop(writer));
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = notified.then(|| Inotify::init(flags)).transpose();
        let inotify = inotify.unwrap_or_else(|error| {
            warn!(plugin_id, %error, "no notifications from the kernel; files are looked at once a second");
            None
        });
        Ok(Self {
            stopped,
            inotify,
            targets: HashMap::new(),
            files: HashMap::new(),
            directories: BTreeSet::new(),
            last: Instant::now(),
            plugin_id: plugin_id.to_owned(),
            is_warned: false,
        })
    }

    /// Watches the file that stands at `path`, which is `id`, instead of the one before.
    pub(crate) fn watch_file(&mut self, path: &Arc<Path>, id: FileId) {
        let Some(inotify) = &self.inotify else { return };
        match self.files.get(path) {
            Some((watched, _)) if *watched == id => return,
            Some((_, descriptor)) => {
                // It may be gone already with its file.
                let _ = inotify.rm_watch(*descriptor);
                self.targets.remove(descriptor);
                self.files.remove(path);
            }
            None => {}
        }
        let flags = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_ATTRIB;
        if let Some(descriptor) = self.add(path, flags) {
            self.files.insert(Arc::clone(path), (id, descriptor));
            self.targets
                .insert(descriptor, Target::File(Arc::clone(path)));
        }
    }

    /// Watches for names that appear in `directory`. True when that begins now.
    pub(crate) fn watch_directory(&mut self, directory: &Path) -> bool {
        if self.inotify.is_none() || self.directories.contains(directory) {
            return false;
        }
        let flags =
            AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
        let Some(descriptor) = self.add(directory, flags) else {
            return false;
        };
        self.directories.insert(directory.to_owned());
        self.targets
            .insert(descriptor, Target::Directory(directory.to_owned()));
        true
    }

    /// Forgets the watches of paths that are not followed any more.
    pub(crate) fn keep(&mut self, is_followed: impl Fn(&Path) -> bool) {
        let Some(inotify) = &self.inotify else { return };
        let targets = &mut self.targets;
        self.files.retain(|path, (_, descriptor)| {
            let keep = is_followed(path);
            if !keep {
                let _ = inotify.rm_watch(*descriptor);
                targets.remove(descriptor);
            }
            keep
        });
    }

    /// Sleeps until something changes, the stop is set, or `timeout` has passed.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Changes {
        // One millisecond more than asked, as poll rounds down and would spin towards a deadline.
        let milliseconds = timeout.as_millis().saturating_add(1).min(60_000) as u16;
        let milliseconds = if timeout.is_zero() { 0 } else { milliseconds };
        let mut descriptors = vec![PollFd::new(self.stopped.as_fd(), PollFlags::POLLIN)];
        descriptors.extend(
            self.inotify
                .as_ref()
                .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)),
        );
        // An interrupted wait is a short one.
        let _ = poll(&mut descriptors, PollTimeout::from(milliseconds));
        let mut ready = descriptors.iter().map(|fd| fd.any().unwrap_or(true));
        let (is_stopped, is_changed) = (ready.next() == Some(true), ready.next() == Some(true));
        drop(ready);
        if !is_changed {
            return Changes::default();
        }
        if !is_stopped && !timeout.is_zero() && self.last.elapsed() < BUSY {
            std::thread::sleep(GATHER);
        }
        self.last = Instant::now();
        self.changes()
    }

    fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        let Some(inotify) = &self.inotify else {
            return changes;
        };
        // One read takes what fits its buffer; the rest wakes again at once.
        let Ok(events) = inotify.read_events() else {
            return changes;
        };
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                // What was not told is found by looking at everything.
                changes.files.extend(self.files.keys().cloned());
                changes.names.extend(self.directories.iter().cloned());
                continue;
            }
            match self.targets.get(&event.wd) {
                Some(Target::File(path)) => {
                    changes.files.insert(Arc::clone(path));
                }
                Some(Target::Directory(directory)) => {
                    changes
                        .names
                        .extend(event.name.map(|name| directory.join(name)));
                }
                None => {}
            }
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                match self.targets.remove(&event.wd) {
                    Some(Target::File(path)) => drop(self.files.remove(&path)),
                    Some(Target::Directory(directory)) => drop(self.directories.remove(&directory)),
                    None => {}
                }
            }
        }
        changes
    }

    fn add(&mut self, path: &Path, flags: AddWatchFlags) -> Option<WatchDescriptor> {
        match self.inotify.as_ref()?.add_watch(path, flags) {
            Ok(descriptor) => Some(descriptor),
            // It is gone again, or not to be read; looking at it says so.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => None,
            Err(error) => {
                if !std::mem::replace(&mut self.is_warned, true) {
                    let plugin_id = &*self.plugin_id;
                    warn!(
                        plugin_id,
                        %error,
                        "no more notifications from the kernel (fs.inotify.max_user_watches); such files are looked at once a second"
                    );
                }
                None
            }
        }
    }
}
