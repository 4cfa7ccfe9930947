//! Files that lost their name: found again by device and inode.
//!
//! Done at the start, when files may have been rotated while nobody watched, and with every
//! refresh, when a file that was read to its end and closed may have grown after all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use millrun_buffer::Fingerprint;
use tracing::info;

use super::files::{Entry, FileSystem, Stat};
use super::follow::Follower;
use super::life::{Life, Reader};
use super::positions::{Stored, UNWATCHED};
use super::rotated::{is_packed, is_rotation_of};
use super::sink::Sink;
use super::watch::{Retiring, Watch};

/// Directories listed once per search; `None` where that failed.
pub(super) type Listings = HashMap<PathBuf, Option<Vec<Entry>>>;

/// Where a file is by now.
pub(super) enum Found {
    At(PathBuf, Stat),
    /// In none of its directories.
    Gone,
    /// A directory could not be listed.
    Unknown,
}

impl<S: FileSystem> Follower<S> {
    /// Looks for the files of closed lives. Those that have more to read are read on under their
    /// old name, those that are gone are forgotten.
    pub(super) fn search(&mut self, now: Instant, sink: &mut dyn Sink) {
        let mut listings = Listings::new();
        let mut replaced = Vec::new();
        for life in std::mem::take(&mut self.closed) {
            match self.find(&life.homes, life.identity.inode, &mut listings) {
                Found::At(path, stat) if stat.id == life.id() => {
                    let is_named = self
                        .watches
                        .get(&*path)
                        .is_some_and(|watch| watch.is_listed);
                    // A look at its path takes it up, or it is as it was left.
                    if is_named || stat.size == life.position || !self.may_read_on(&life) {
                        self.closed.push_back(life);
                    } else {
                        self.read_on(life, &path, now, &mut replaced, sink);
                    }
                }
                Found::Unknown => self.closed.push_back(life),
                Found::At(..) | Found::Gone => {
                    if !self.leave(&life, now, sink) {
                        let (plugin_id, path) = (&*self.settings.plugin_id, life.path.display());
                        let (inode, position) = (life.identity.inode, life.position);
                        info!(
                            plugin_id,
                            inode,
                            position,
                            "a file that was {path} is gone; it was read up to this position"
                        );
                    }
                }
            }
        }
        self.search_replaced(replaced, now, sink);
        for entry in std::mem::take(&mut self.imported) {
            if !self.import(&entry, now, &mut listings, sink) {
                self.imported.push(entry);
            }
        }
        self.search_missed(now, sink);
    }

    /// Paths that the configuration dropped are left alone; those that a date in the
    /// configuration left behind are read to their end.
    pub(super) fn may_read_on(&self, life: &Life) -> bool {
        let is_listed = self
            .watches
            .get(&*life.path)
            .is_some_and(|watch| watch.is_listed);
        is_listed
            || self
                .settings
                .paths
                .include
                .iter()
                .any(|path| path.contains('%'))
    }

    pub(super) fn read_on(
        &mut self,
        life: Life,
        found: &Path,
        now: Instant,
        replaced: &mut Vec<Life>,
        sink: &mut dyn Sink,
    ) {
        let opened = self
            .open_found(found)
            .filter(|(_, stat, _)| stat.id == life.id());
        let Some((file, stat, head)) = opened else {
            // It moved on since it was found: the next search finds it again.
            return self.closed.push_back(life);
        };
        if !life.is_certainly(stat.id, stat.size, &head) {
            let is_other = !life.identity.fingerprint.fits(&head);
            let is_unknown = life.identity.fingerprint.length == 0;
            let is_generation = is_rotation_of(found, &life.path);
            if is_generation && (is_other || is_unknown) {
                // What it is depends on what else stands there.
                return replaced.push(life);
            }
            // The number may be another file's by now; packed bytes would be no lines.
            let is_unreadable = is_unknown && is_packed(found);
            if is_other || is_unreadable || stat.size < life.position {
                self.leave(&life, now, sink);
                return;
            }
        }
        let plugin_id = &*self.settings.plugin_id;
        info!(
            plugin_id,
            "following the rest of {}, which is {} now",
            life.path.display(),
            found.display()
        );
        self.retire_found(Reader::new(life, file), now);
    }

    /// Reads the rest of a file that another program left unread when it was rotated. True when
    /// the entry is of no more use.
    fn import(
        &mut self,
        entry: &Stored,
        now: Instant,
        listings: &mut Listings,
        sink: &mut dyn Sink,
    ) -> bool {
        if entry.position == UNWATCHED || entry.inode == 0 {
            return true;
        }
        let here = self.pump.files.stat(&entry.path).ok();
        let is_listed = self
            .watches
            .get(&*entry.path)
            .is_some_and(|watch| watch.is_listed);
        if !is_listed || here.is_some_and(|stat| stat.id.inode == entry.inode) {
            return false;
        }
        let homes = self.homes_of(&entry.path);
        let Found::At(found, stat) = self.find(&homes, entry.inode, listings) else {
            return false;
        };
        if self.knows_inode(entry.inode) {
            // It is ours by now.
            return false;
        }
        let is_other_device = here.is_some_and(|here| here.id.device != stat.id.device);
        if is_other_device || stat.size <= entry.position {
            return false;
        }
        let opened = self
            .open_found(&found)
            .filter(|(_, now, _)| now.id == stat.id);
        let Some((file, stat, head)) = opened else {
            return false;
        };
        match self.first_sight(&entry.path, stat.id, &head, entry.position, sink) {
            Ok(life) => self.retire_found(Reader::new(life, file), now),
            Err(refused) => {
                let plugin_id = &*self.settings.plugin_id;
                tracing::warn!(plugin_id, error = %refused, "cannot follow {}", found.display());
            }
        }
        // The entry itself stays: it says that what stands at the path now is a newer file.
        false
    }

    pub(super) fn retire_found(&mut self, reader: Reader<S::File>, now: Instant) {
        let path: std::sync::Arc<Path> = reader.life.path.as_path().into();
        if !reader.is_copy {
            self.open.insert(reader.life.id());
        }
        let watch = self.watches.entry(path.clone()).or_insert_with(|| {
            let mut watch = Watch::new(true, now);
            watch.is_listed = false;
            watch
        });
        watch.is_new = true;
        watch.retiring.push_back(Retiring {
            reader,
            quiet_since: now,
        });
        self.queue(&path);
    }

    pub(super) fn open_found(&self, path: &Path) -> Option<(S::File, Stat, Vec<u8>)> {
        let file = self.pump.files.open(path).ok()?;
        let stat = self.pump.files.stat_open(&file).ok()?;
        let mut head = vec![0; Fingerprint::LENGTH_MAX];
        let count = self.pump.files.read_at(&file, 0, &mut head).ok()?;
        head.truncate(count);
        Some((file, stat, head))
    }

    pub(super) fn find(&self, homes: &[PathBuf], inode: u64, listings: &mut Listings) -> Found {
        let mut is_complete = true;
        for home in homes {
            let files = &self.pump.files;
            let listing = listings
                .entry(home.clone())
                .or_insert_with(|| files.list(home).ok());
            let Some(entries) = listing else {
                is_complete = false;
                continue;
            };
            // The number is the name's own, so that links are passed over.
            for entry in entries.iter().filter(|entry| entry.inode == inode) {
                match files.stat(&entry.path) {
                    Ok(stat) if stat.id.inode == inode && stat.is_regular => {
                        return Found::At(entry.path.clone(), stat);
                    }
                    // It moved on since the listing.
                    _ => is_complete = false,
                }
            }
        }
        if is_complete {
            Found::Gone
        } else {
            Found::Unknown
        }
    }
}
