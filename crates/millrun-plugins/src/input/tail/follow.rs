//! Which files are followed: paths come and go, files move between names.
//!
//! ```text
//!                     ┌── stands at the path ──┐  renamed, removed   ┌─ retiring ─┐ at its end and quiet for
//! a new file ────────▶│        current         │────────────────────▶│  read on   │ rotate_wait
//!   first_sight       └────────────────────────┘                     └────────────┘──────┐
//!                        ▲ same path or another one of ours       ▲ grew again           ▼
//!                        └────────────────────────────────────────┴────────────────── closed
//! ```
//!
//! A *file* (device, inode, fingerprint) is what is read; a path is only where it is found. So a
//! pattern that also matches the rotated name does not read the file twice, and a file that was
//! rotated while nobody watched is searched by its inode and read to its end. A closed life is
//! remembered until its file is gone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{info, warn};

use super::files::{FileId, FileSystem};
use super::life::{Life, Reader};
use super::listings::Listings;
use super::open::is_absence;
use super::paths::{Listing, Paths, tag_of};
use super::positions::{Keyed, Stored, UNWATCHED};
use super::pump::Pump;
use super::sink::{Recovered, Sink};
use super::watch::{Turn, Waits, Watch, finish};

/// Most paths that get a turn before the thread looks up again.
const ROUND_TURNS_MAX: usize = 32;

/// What the follower is configured with.
pub(crate) struct Settings {
    pub(crate) plugin_id: String,
    pub(crate) tag: String,
    pub(crate) paths: Paths,
    pub(crate) rotate_wait: Duration,
    pub(crate) read_from_head: bool,
    /// One warning per unreadable path, not one per look.
    pub(crate) ignore_repeated_permission_error: bool,
    /// How long lines wait for others that may belong to them.
    pub(crate) multiline_flush_interval: Option<Duration>,
    /// Files are open only while they are looked at.
    pub(crate) open_on_every_update: bool,
    /// Generations that were rotated away before they were seen are read.
    pub(crate) read_missed_rotations: bool,
    /// Puts the present time into a path's `%Y%m%d`.
    pub(crate) dated: Box<dyn Fn(&str) -> String + Send>,
}

/// The end of a life, for the position file.
pub(super) struct Over {
    pub(super) path: PathBuf,
    pub(super) inode: u64,
    pub(super) position: u64,
    /// The file is gone, or its content is another one.
    pub(super) is_gone: bool,
}

/// The files of one source.
pub(crate) struct Follower<S: FileSystem> {
    pub(crate) settings: Settings,
    pub(crate) pump: Pump<S>,
    pub(super) watches: BTreeMap<Arc<Path>, Watch<S::File>>,
    /// Paths that may have something to read, the next one first.
    ready: VecDeque<Arc<Path>>,
    /// The files open in any watch.
    pub(super) open: HashSet<FileId>,
    /// Lives without an open file, oldest first.
    pub(super) closed: VecDeque<Life>,
    /// Positions that another program left in the position file.
    pub(super) imported: Vec<Stored>,
    /// Lives that are over since the last look at the positions.
    pub(super) over: Vec<Over>,
    /// What stands beside the paths.
    pub(super) listings: Listings,
    /// Paths that a limit keeps back, and until when.
    resting: BTreeMap<Arc<Path>, Instant>,
    is_started: bool,
}

impl<S: FileSystem> Follower<S> {
    /// A follower that has looked at nothing yet.
    pub(crate) fn new(settings: Settings, pump: Pump<S>) -> Self {
        Self {
            settings,
            pump,
            watches: BTreeMap::new(),
            ready: VecDeque::new(),
            open: HashSet::new(),
            closed: VecDeque::new(),
            imported: Vec::new(),
            over: Vec::new(),
            listings: Listings::default(),
            resting: BTreeMap::new(),
            is_started: false,
        }
    }

    /// Takes up what earlier processes left: ours in the sink, another program's as `imported`
    /// from the position file, which counts where it is further than ours.
    pub(crate) fn recover(&mut self, imported: Vec<Stored>, sink: &mut dyn Sink) {
        for recovered in sink.recovered() {
            let Recovered {
                path,
                source,
                incarnation,
                identity,
                position,
                marks,
            } = recovered;
            let further = imported.iter().any(|entry| {
                entry.path == path
                    && entry.inode == identity.inode
                    && entry.position != UNWATCHED
                    && entry.position > position
            });
            if further {
                sink.forget(source, incarnation);
                continue;
            }
            let homes = self.homes_of(&path);
            let life = Life {
                path,
                homes,
                source,
                incarnation,
                identity,
                position,
                marks,
            };
            self.closed.push_back(life);
        }
        self.closed
            .make_contiguous()
            .sort_by_key(|life| (life.source, life.incarnation));
        self.imported = imported;
    }

    /// Lists the paths anew, then looks at every one of them.
    pub(crate) fn refresh(&mut self, now: Instant, wall: SystemTime, sink: &mut dyn Sink) {
        let Settings { paths, dated, .. } = &self.settings;
        let Listing { literal, found } = paths.list(&self.pump.files, dated, wall);
        for watch in self.watches.values_mut() {
            watch.is_listed = false;
            // One warning per refresh, or one until it can be read.
            watch.is_unreadable &= self.settings.ignore_repeated_permission_error;
        }
        for path in literal.into_iter().chain(found) {
            let is_started = self.is_started;
            let is_new = || is_started || sink.knows(&path);
            let watch = self.watches.entry(path.as_path().into());
            let watch = watch.or_insert_with(|| Watch::new(is_new(), now));
            watch.is_listed = true;
            self.pump.throttle.join(&path);
        }
        self.search(now, sink);
        self.check_all(now, sink);
        self.is_started = true;
    }

    /// Looks at every path.
    pub(crate) fn check_all(&mut self, now: Instant, sink: &mut dyn Sink) {
        let paths: Vec<Arc<Path>> = self.watches.keys().map(Arc::clone).collect();
        for path in paths {
            self.check(&path, now, sink);
        }
        let throttle = &mut self.pump.throttle;
        self.watches.retain(|path, watch| {
            let is_kept = watch.is_listed || watch.readers().next().is_some();
            if !is_kept {
                throttle.leave(path);
            }
            is_kept
        });
        self.listings.clear();
    }

    /// Looks at what stands at `path` now.
    pub(crate) fn check(&mut self, path: &Arc<Path>, now: Instant, sink: &mut dyn Sink) {
        let Some(watch) = self.watches.get_mut(path) else {
            return;
        };
        let stat = match self.pump.files.stat(path) {
            Ok(stat) if stat.is_regular => Some(stat),
            Ok(_) => {
                if !std::mem::replace(&mut watch.is_unreadable, true) {
                    let (plugin_id, path) = (&*self.settings.plugin_id, path.display());
                    warn!(plugin_id, "{path} is no regular file. It is not followed.");
                }
                None
            }
            Err(error) if is_absence(&error) => None,
            Err(error) => return self.unreadable(path, &error),
        };
        self.find_put_down(path, stat.as_ref(), now, sink);
        let Some(watch) = self.watches.get_mut(path) else {
            return;
        };
        let current = watch.current.as_ref().map(|reader| reader.life.id());
        match (stat, current) {
            (Some(stat), Some(id)) if stat.id == id && watch.is_listed => {
                if watch
                    .current
                    .as_ref()
                    .is_some_and(|reader| !reader.is_drained(&stat) || reader.is_holding())
                {
                    self.queue(path);
                }
            }
            (stat, Some(_)) => {
                let seconds = self.settings.rotate_wait.as_secs_f64();
                let plugin_id = &*self.settings.plugin_id;
                if watch.is_listed {
                    info!(
                        plugin_id,
                        "detected rotation of {}; waiting {seconds} seconds",
                        path.display()
                    );
                }
                watch.retire(now);
                watch.is_new = true;
                watch.vacant_since = (stat.is_none() && watch.is_listed).then_some(now);
                if stat.is_some() && watch.is_listed {
                    self.open(path, now, sink);
                }
            }
            (Some(_), None) if watch.is_listed => self.open(path, now, sink),
            (_, None) => watch.is_new |= self.is_started || stat.is_none(),
        }
        if self
            .watches
            .get(path)
            .is_some_and(|watch| !watch.retiring.is_empty())
        {
            self.queue(path);
        }
    }

    /// Gives paths that may have something to read a turn each, [`ROUND_TURNS_MAX`] at most.
    /// [`Turn::Idle`] means that everything there was is read.
    pub(crate) fn work(&mut self, now: Instant, sink: &mut dyn Sink) -> Turn {
        self.pump.throttle.at(now);
        self.wake_rested(now);
        for _ in 0..self.ready.len().min(ROUND_TURNS_MAX) {
            let Some(path) = self.ready.pop_front() else {
                break;
            };
            let Some(watch) = self.watches.get_mut(&path) else {
                continue;
            };
            watch.is_queued = false;
            let tag = &*self.settings.tag;
            let mut tags = |path: &Path| Arc::from(tag_of(tag, path));
            let mut done = Vec::new();
            let waits = Waits {
                rotate: self.settings.rotate_wait,
                group: self.settings.multiline_flush_interval,
            };
            let turn = watch.turn(&mut self.pump, &mut tags, now, waits, sink, &mut done);
            for reader in done {
                self.close(reader, now, sink);
            }
            match turn {
                Turn::Idle => self.put_down(&path),
                Turn::More => self.queue(&path),
                Turn::Resting(until) => _ = self.resting.insert(path, until),
                Turn::Refused => {
                    // First again when there is room.
                    self.queue(&path);
                    self.ready.rotate_right(1);
                    return Turn::Refused;
                }
            }
        }
        if self.ready.is_empty() {
            Turn::Idle
        } else {
            Turn::More
        }
    }

    /// How long nothing needs to be read that a limit keeps back, if it keeps back anything.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        let until = self.resting.values().min()?;
        Some(until.saturating_duration_since(now))
    }

    fn wake_rested(&mut self, now: Instant) {
        let mut rested = Vec::new();
        self.resting.retain(|path, until| {
            let is_rested = *until <= now;
            if is_rested {
                rested.push(Arc::clone(path));
            }
            !is_rested
        });
        for path in rested {
            self.queue(&path);
        }
    }

    /// Takes what waits for further lines, as nobody will read them here.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) {
        for watch in self.watches.values_mut() {
            let retiring = watch.retiring.iter_mut();
            let retiring = retiring.map(|retiring| &mut retiring.reader);
            for reader in retiring.chain(watch.current.as_mut()) {
                let tag = tag_of(&self.settings.tag, &reader.life.path);
                finish(&mut self.pump, reader, &tag, sink);
            }
        }
    }

    /// Notes that `path` may have something to read.
    pub(crate) fn queue(&mut self, path: &Arc<Path>) {
        if let Some(watch) = self.watches.get_mut(path).filter(|watch| !watch.is_queued) {
            watch.is_queued = true;
            self.ready.push_back(Arc::clone(path));
        }
    }

    /// Notes all files for which time passes without a change: those that lost their path, and
    /// those with lines that wait for others.
    pub(crate) fn queue_waiting(&mut self) {
        let has_retiring = |(path, watch): (&Arc<Path>, &Watch<S::File>)| {
            let is_holding = watch.current.as_ref().is_some_and(Reader::is_holding);
            (is_holding || !watch.retiring.is_empty()).then(|| Arc::clone(path))
        };
        let paths: Vec<_> = self.watches.iter().filter_map(has_retiring).collect();
        for path in paths {
            self.queue(&path);
        }
    }

    /// The followed paths that have a file, and which.
    pub(crate) fn current_files(&self) -> impl Iterator<Item = (&Arc<Path>, FileId)> {
        let current = |(path, watch): (_, &Watch<S::File>)| Some((path, watch.file()?));
        self.watches.iter().filter_map(current)
    }

    /// The file that stands at `path`.
    pub(crate) fn current_file(&self, path: &Path) -> Option<FileId> {
        self.watches.get(path)?.file()
    }

    /// True when the configuration means `path` now.
    pub(crate) fn follows(&self, path: &Path) -> bool {
        self.watches.get(path).is_some_and(|watch| watch.is_listed)
    }

    /// True when some life, open or closed, is of the file `inode`.
    pub(crate) fn knows_inode(&self, inode: u64) -> bool {
        self.open.iter().any(|id| id.inode == inode)
            || self.closed.iter().any(|life| life.identity.inode == inode)
    }

    /// The directories in which a new name matters.
    pub(crate) fn directories(&self) -> BTreeSet<PathBuf> {
        let mut directories = self.settings.paths.watched_directories();
        for path in self.watches.keys() {
            directories.extend(path.parent().map(Path::to_owned));
        }
        directories.remove(Path::new(""));
        directories
    }

    /// What the position file is to say: for each file its path, inode and position, in the order
    /// in which they are to be written. Lives that are over come once, and as [`UNWATCHED`] where
    /// the entry has no file any more.
    pub(crate) fn positions(&mut self, keyed: Keyed, sink: &dyn Sink) -> Vec<Stored> {
        let mut stored = Vec::new();
        for Over {
            path,
            inode,
            position,
            is_gone,
        } in std::mem::take(&mut self.over)
        {
            let has_successor = || {
                self.watches
                    .get(&*path)
                    .is_some_and(|watch| watch.file().is_some() || !watch.retiring.is_empty())
            };
            let position = match keyed {
                Keyed::ByInode if is_gone => UNWATCHED,
                Keyed::ByInode => position,
                Keyed::ByPath if has_successor() => continue,
                Keyed::ByPath => UNWATCHED,
            };
            stored.push(Stored {
                path,
                position,
                inode,
            });
        }
        let put_down: HashSet<FileId> = self.watches.values().filter_map(|w| w.put_down).collect();
        let closed = self.closed.iter();
        let closed = closed.filter(|life| put_down.contains(&life.id()));
        let readers = self.watches.values().flat_map(Watch::readers);
        for life in readers.map(|reader| &reader.life).chain(closed) {
            let position = sink.low_water(life);
            let (path, inode) = (life.path.clone(), life.identity.inode);
            stored.push(Stored {
                path,
                position,
                inode,
            });
        }
        if keyed == Keyed::ByPath {
            // A path has one entry: that of its newest file.
            let newest: HashMap<_, _> = stored
                .iter()
                .enumerate()
                .map(|(at, entry)| (entry.path.clone(), at))
                .collect();
            let mut at = 0;
            stored.retain(|entry| {
                at += 1;
                newest.get(&entry.path) == Some(&(at - 1))
            });
        }
        stored
    }
}
