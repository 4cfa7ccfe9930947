//! Generations of a file that lived wholly while nobody looked.
//!
//! ```text
//! last look                                          next look
//!   in.log    ──renamed──▶ in.log.2                    in.log.2   read on from its position (search)
//!      (new)  in.log ──renamed──▶ in.log.1             in.log.1   this module: read whole, from 0
//!                         (new)   in.log               in.log     read from 0
//! ```
//!
//! Whenever another file is found at a path of which something is known, the directory is searched
//! for what stood there in between. Such a generation
//!
//! * has the path's name and a suffix of rotation, [`super::rotated`], and is a file, no link;
//! * is unknown to the ledger, and no path that is followed for itself;
//! * is younger than the newest known life of the path, or has the number of a known one and not
//!   its content; and is not younger than the file that stands there now:
//!   by birth, or by last change where the file system keeps no births; and its content
//!   was changed after that life began, which an unpacked old file's was not;
//! * was not already there when that life was opened;
//! * is no copy: of a file that is there it does not have the first bytes, and of one that is gone
//!   it does not have the fingerprint.
//!
//! A directory from before the first sight of the path holds nothing of that kind: there is no
//! known life, or all of it is older. Numbers in names tell no order, as some count up and some
//! count down. Each generation is recorded before it is read, the oldest first and all before the
//! file that stands at the path, so that a crash in between is the same search again.
//!
//! `read_missed_rotations false` switches this off.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use millrun_buffer::Fingerprint;
use tracing::{info, warn};

use super::files::{Entry, FileId, FileSystem, Stat};
use super::follow::Follower;
use super::life::{Life, Reader};
use super::positions::Stored;
use super::rotated::is_rotation_of;
use super::sink::{Refused, Sink};
use super::watch::Watch;

/// How often a directory is looked at anew whose names change meanwhile. After that the search is
/// put off to the next look at the path.
const ATTEMPTS_MAX: usize = 4;

/// Most generations taken up at one look; the next look goes on.
const GENERATIONS_MAX: usize = 64;

/// When a file came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    born: Option<SystemTime>,
    modified: SystemTime,
}

impl Age {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            born: stat.born,
            modified: stat.modified,
        }
    }

    fn is_younger_than(&self, other: &Self) -> bool {
        match (self.born, other.born) {
            // A file unpacked or restored is born late and has its old time of change.
            (Some(born), Some(other)) => born > other && self.modified > other,
            _ => self.modified > other.modified,
        }
    }

    /// What ages are ordered by.
    fn instant(&self) -> SystemTime {
        self.born.unwrap_or(self.modified)
    }

    fn newer(self, other: Option<Self>) -> Self {
        other
            .filter(|other| other.instant() > self.instant())
            .unwrap_or(self)
    }
}

/// A file with the path's name and a suffix.
struct Sibling<F> {
    path: PathBuf,
    stat: Stat,
    file: F,
    /// Its first bytes, as many as a fingerprint may cover.
    head: Vec<u8>,
}

/// What a directory says of a path.
struct Family<F> {
    /// The age of the newest file that is known.
    newest: Option<Age>,
    /// First bytes of known files.
    known: Vec<Vec<u8>>,
    unknown: Vec<Sibling<F>>,
    /// Those of `unknown` whose number is known with other content, or with none that was read.
    replaced: Vec<FileId>,
}

impl<S: FileSystem> Follower<S> {
    /// Takes up what stood at `path` after its newest known life and before `current`, if anything
    /// stands there now. Nothing may be recorded of `current` before.
    ///
    /// # Errors
    /// Not all could be recorded; it is to be tried again before `current` is opened.
    pub(super) fn take_up_missed(
        &mut self,
        path: &Arc<Path>,
        current: Option<&Stat>,
        now: Instant,
        sink: &mut dyn Sink,
    ) -> Result<(), Refused> {
        if !self.settings.read_missed_rotations || !sink.knows(path) {
            return Ok(());
        }
        let Some(family) = self.family(path)? else {
            return Ok(());
        };
        let remembered = self.watches.get(path).and_then(|watch| watch.newest);
        let is_replaced = |sibling: &&Sibling<S::File>| family.replaced.contains(&sibling.stat.id);
        let replaced = family.unknown.iter().filter(is_replaced);
        let replaced = replaced.map(|sibling| Age::of(&sibling.stat));
        let oldest = replaced.min_by_key(Age::instant);
        let Some(newest) = family.newest.or(remembered).or(oldest) else {
            let id = current.map(|current| current.id);
            if !self.closed.iter().any(|life| Some(life.id()) == id) {
                self.warn_undecided(path, family.unknown.len());
            }
            return Ok(());
        };
        let newest = newest.newer(remembered);
        let strangers = self.watches.get(path).map(|watch| &watch.strangers);
        let is_missed = |sibling: &Sibling<S::File>| {
            let Sibling { stat, head, .. } = sibling;
            let age = Age::of(stat);
            let is_later = current.is_some_and(|current| {
                stat.id == current.id || age.instant() > Age::of(current).instant()
            });
            let stranger = (stat.id, age.born);
            (age.is_younger_than(&newest) || family.replaced.contains(&stat.id))
                && !is_later
                && !strangers.is_some_and(|strangers| strangers.contains(&stranger))
                && !self.is_copy(path, stat.id, head, &family.known)
        };
        let (mut missed, _): (Vec<_>, Vec<_>) = family.unknown.into_iter().partition(is_missed);
        missed.sort_by_key(|sibling| Age::of(&sibling.stat).instant());
        let has_more = missed.len() > GENERATIONS_MAX;
        for sibling in missed.into_iter().take(GENERATIONS_MAX) {
            self.take_up(path, sibling, now, sink)?;
        }
        if has_more { Err(Refused::Full) } else { Ok(()) }
    }

    /// As [`take_up_missed`](Self::take_up_missed) for all paths at which nothing stands.
    pub(super) fn search_missed(&mut self, now: Instant, sink: &mut dyn Sink) {
        let is_empty = |(path, watch): (&Arc<Path>, &Watch<S::File>)| {
            (watch.is_listed && watch.file().is_none()).then(|| Arc::clone(path))
        };
        let paths: Vec<_> = self.watches.iter().filter_map(is_empty).collect();
        for path in paths {
            if self.pump.files.stat(&path).is_err() {
                // What is refused now is found with the next refresh.
                let _ = self.take_up_missed(&path, None, now, sink);
            }
        }
    }

    /// Notes the age of what was opened at `path`, and which files beside it are no earlier life of
    /// it although they are younger.
    pub(super) fn note_newest(&mut self, path: &Arc<Path>, stat: &Stat) {
        let age = Age::of(stat);
        let mut strangers = Vec::new();
        if self.settings.read_missed_rotations {
            for (_, sibling) in self.siblings(path).unwrap_or_default() {
                let other = Age::of(&sibling);
                if other.instant() > age.instant() && sibling.id != stat.id {
                    strangers.push((sibling.id, other.born));
                }
            }
        }
        // If it was renamed meanwhile, they may be what came after it.
        let is_there = |now: Stat| now.id == stat.id;
        if !strangers.is_empty() && !self.pump.files.stat(path).is_ok_and(is_there) {
            strangers.clear();
        }
        if let Some(watch) = self.watches.get_mut(path) {
            watch.newest = Some(age.newer(watch.newest));
            watch.strangers = strangers;
        }
    }

    /// Takes up what is new in files that stand beside `lives`' paths and were of these lives.
    pub(super) fn search_replaced(&mut self, lives: Vec<Life>, now: Instant, sink: &mut dyn Sink) {
        let paths: BTreeSet<_> = lives.iter().map(|life| life.path.clone()).collect();
        let replaced: Vec<_> = lives
            .iter()
            .map(|life| (life.source, life.incarnation))
            .collect();
        self.closed.extend(lives);
        for path in paths {
            let here = self.pump.files.stat(&path).ok();
            if here.map(|stat| stat.id) != self.current_file(&path) {
                // To be done when that file is opened.
                continue;
            }
            let outcome = self.take_up_missed(&path.as_path().into(), here.as_ref(), now, sink);
            if outcome.is_err() {
                continue;
            }
            let is_done = |life: &Life| {
                life.path == path && replaced.contains(&(life.source, life.incarnation))
            };
            while let Some(index) = self.closed.iter().position(is_done) {
                if let Some(life) = self.closed.remove(index) {
                    self.leave(&life, now, sink);
                }
            }
        }
    }

    /// Begins to read a generation from its head.
    fn take_up(
        &mut self,
        path: &Arc<Path>,
        sibling: Sibling<S::File>,
        now: Instant,
        sink: &mut dyn Sink,
    ) -> Result<(), Refused> {
        let Sibling {
            path: found,
            stat,
            file,
            head,
        } = sibling;
        let life = self.first_sight(path, stat.id, &head, 0, sink)?;
        // Of a file that had the same number before.
        self.leave_closed(stat.id, now, sink);
        let (plugin_id, found, path_shown) =
            (&*self.settings.plugin_id, found.display(), path.display());
        info!(
            plugin_id,
            "following {found}, which was {path_shown} while nobody looked"
        );
        self.retire_found(Reader::new(life, file), now);
        if let Some(watch) = self.watches.get_mut(path) {
            watch.newest = Some(Age::of(&stat).newer(watch.newest));
        }
        Ok(())
    }

    fn leave_closed(&mut self, id: FileId, now: Instant, sink: &mut dyn Sink) {
        while let Some(index) = self.closed.iter().position(|life| life.id() == id) {
            if let Some(life) = self.closed.remove(index) {
                self.leave(&life, now, sink);
            }
        }
    }

    /// What the directory of `path` holds of it; `None` where it cannot be listed.
    fn family(&mut self, path: &Path) -> Result<Option<Family<S::File>>, Refused> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(before) = self.siblings(path) else {
                return Ok(None);
            };
            let Some(family) = self.look_at(path, &before) else {
                continue;
            };
            // A file that was renamed between two looks may have been missed by both.
            let is_same = |after: Vec<(Entry, Stat)>| {
                let entries = |siblings: &[(Entry, Stat)]| -> Vec<Entry> {
                    siblings.iter().map(|(entry, _)| entry.clone()).collect()
                };
                entries(&after) == entries(&before)
            };
            if self.siblings(path).is_some_and(is_same) {
                return Ok(Some(family));
            }
        }
        Err(Refused::Full)
    }

    /// The files beside `path` that have its name and a suffix of rotation, by name.
    fn siblings(&mut self, path: &Path) -> Option<Vec<(Entry, Stat)>> {
        let now = (self.pump.clock)();
        let since = Duration::new(now.seconds.into(), now.nanoseconds);
        let wall = SystemTime::UNIX_EPOCH + since;
        let entries = self.listings.beside(&self.pump.files, path, wall)?;
        let mut siblings = Vec::new();
        for entry in entries {
            if !is_rotation_of(&entry.path, path) || self.follows(&entry.path) {
                continue;
            }
            match self.pump.files.stat(&entry.path) {
                Ok(stat) if stat.is_regular && stat.id.inode == entry.inode => {
                    siblings.push((entry, stat));
                }
                // A link, no file, or moved on; the second listing tells.
                _ => {}
            }
        }
        Some(siblings)
    }

    /// Opens them; `None` when one is another file by now.
    fn look_at(&self, path: &Path, siblings: &[(Entry, Stat)]) -> Option<Family<S::File>> {
        let mut family = Family {
            newest: None,
            known: Vec::new(),
            unknown: Vec::new(),
            replaced: Vec::new(),
        };
        for (entry, stat) in siblings {
            let (file, now, head) = self.open_found(&entry.path)?;
            if now.id != stat.id {
                return None;
            }
            let is_imported =
                |stored: &Stored| stored.path == path && stored.inode == stat.id.inode;
            let is_read = self.open.contains(&stat.id)
                || self
                    .closed
                    .iter()
                    .any(|life| life.is_certainly(now.id, now.size, &head))
                || self.imported.iter().any(is_imported);
            if is_read {
                family.newest = Some(Age::of(&now).newer(family.newest));
                family.known.push(head);
            } else {
                if self.closed.iter().any(|life| life.id() == stat.id) {
                    family.replaced.push(stat.id);
                }
                family.unknown.push(Sibling {
                    path: entry.path.clone(),
                    stat: now,
                    file,
                    head,
                });
            }
        }
        Some(family)
    }

    /// True when `head` begins as a known life of `path` did.
    fn is_copy(&self, path: &Path, id: FileId, head: &[u8], known: &[Vec<u8>]) -> bool {
        let is_beginning = |known: &Vec<u8>| !head.is_empty() && known.starts_with(head);
        let is_of = |print: &Fingerprint| print.length > 0 && print.fits(head);
        let open = self.watches.get(path).into_iter();
        let open = open.flat_map(Watch::readers);
        let lives = open.map(|reader| &reader.life).chain(&self.closed);
        known.iter().any(is_beginning)
            || lives
                .filter(|life| life.path == path && life.id() != id)
                .any(|life| is_of(&life.identity.fingerprint))
    }

    fn warn_undecided(&self, path: &Path, count: usize) {
        if count > 0 {
            let (plugin_id, path) = (&*self.settings.plugin_id, path.display());
            warn!(
                plugin_id,
                count,
                "{path} was rotated while nobody looked, and what was read of it last is gone: \
                 rotated files beside it that are unknown are not read, as they may be older"
            );
        }
    }
}
