//! How a file comes to be read, and how it ends: opening, recognising, closing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::{Fingerprint, Identity};
use tracing::{info, warn};

use super::files::{FileId, FileSystem, Stat};
use super::follow::{Follower, Over};
use super::life::{Life, Reader};
use super::sink::{Refused, Sink};
use super::watch::Retiring;

/// How long a path is vacant when that is told. Between the renaming of a file and the making of the next one pass
/// milliseconds at the most.
const VACANT_MIN: Duration = Duration::from_millis(200);

/// Most closed lives remembered. What is beyond, oldest first, is forgotten; under a pattern that
/// matches rotated names it would be read again.
pub(crate) const CLOSED_MAX: usize = 16 * 1024;

impl<S: FileSystem> Follower<S> {
    /// Opens what stands at `path`, which has no current file.
    pub(super) fn open(&mut self, path: &Arc<Path>, now: Instant, sink: &mut dyn Sink) {
        match self.try_open(path, now, sink) {
            Ok(()) => {}
            Err(error) if is_absence(&error) => {}
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn try_open(&mut self, path: &Arc<Path>, now: Instant, sink: &mut dyn Sink) -> io::Result<()> {
        let file = self.pump.files.open(path)?;
        let stat = self.pump.files.stat_open(&file)?;
        let Some(watch) = self.watches.get_mut(path).filter(|_| stat.is_regular) else {
            return Ok(());
        };
        if self.open.contains(&stat.id) {
            // It is being read under another name; or it came back to this one.
            let came_back = |retiring: &Retiring<S::File>| {
                retiring.reader.life.id() == stat.id && !retiring.reader.is_copy
            };
            if let Some(index) = watch.retiring.iter().position(came_back) {
                watch.current = watch.retiring.remove(index).map(|retiring| retiring.reader);
                self.queue(path);
            }
            return Ok(());
        }
        watch.is_unreadable = false;
        let from_head = watch.is_new || self.settings.read_from_head;
        let life = match self.life_of(path, &file, &stat, from_head, now, sink)? {
            Ok(life) => life,
            Err(Refused::Full) => return Ok(()),
            Err(Refused::Failed(error)) => return Err(io::Error::other(error)),
        };
        let watch = self.watches.get(path);
        let was_put_down = watch.is_some_and(|watch| watch.put_down == Some(stat.id));
        // Fluentd has two watches on a path that was vacant for a while, and each says so: who counts the lines of a
        // rotation knows two there.
        let vacant_since = watch.and_then(|watch| watch.vacant_since);
        let was_vacant =
            vacant_since.is_some_and(|since| now.saturating_duration_since(since) >= VACANT_MIN);
        let times = 1 + usize::from(was_vacant);
        for _ in 0..if was_put_down { 0 } else { times } {
            info!(
                plugin_id = self.settings.plugin_id,
                "following tail of {}",
                path.display()
            );
        }
        self.open.insert(stat.id);
        self.note_newest(path, &stat);
        if let Some(watch) = self.watches.get_mut(path) {
            watch.current = Some(Reader::new(life, file));
            watch.put_down = None;
            watch.vacant_since = None;
            watch.is_new = true;
        }
        self.queue(path);
        Ok(())
    }

    /// The life of the content of `file`: one that is known, or a new one.
    fn life_of(
        &mut self,
        path: &Arc<Path>,
        file: &S::File,
        stat: &Stat,
        from_head: bool,
        now: Instant,
        sink: &mut dyn Sink,
    ) -> io::Result<Result<Life, Refused>> {
        let mut head = vec![0; Fingerprint::LENGTH_MAX];
        let count = self.pump.files.read_at(file, 0, &mut head)?;
        head.truncate(count);
        let is_certain = |life: &Life| life.is_certainly(stat.id, stat.size, &head);
        if !self.closed.iter().any(is_certain)
            && let Err(refused) = self.take_up_missed(path, Some(stat), now, sink)
        {
            return Ok(Err(refused));
        }
        let mut from_head = from_head;
        while let Some(index) = self.closed.iter().position(|life| life.id() == stat.id) {
            let Some(life) = self.closed.remove(index) else {
                break;
            };
            if stat.size >= life.position && life.identity.fingerprint.fits(&head) {
                return Ok(Ok(life));
            }
            self.leave(&life, now, sink);
            from_head = true;
        }
        let mut imported = self
            .imported
            .iter()
            .filter(|entry| *entry.path == **path && entry.inode != 0);
        let start = match imported.next_back() {
            Some(entry) if entry.inode == stat.id.inode && entry.position <= stat.size => {
                entry.position
            }
            Some(_) => 0,
            None if from_head => 0,
            None => stat.size,
        };
        self.imported
            .retain(|entry| *entry.path != **path || entry.inode != stat.id.inode);
        Ok(self.first_sight(path, stat.id, &head, start, sink))
    }

    /// Begins a new life of the file that was found at `path`.
    pub(super) fn first_sight(
        &self,
        path: &Path,
        id: FileId,
        head: &[u8],
        start: u64,
        sink: &mut dyn Sink,
    ) -> Result<Life, Refused> {
        let taken = usize::try_from(start).unwrap_or(usize::MAX).min(head.len());
        let fingerprint = Fingerprint::of(head.get(..taken).unwrap_or_default());
        let identity = Identity {
            device: id.device,
            inode: id.inode,
            fingerprint,
        };
        let (source, incarnation) = sink.first_sight(path, identity, start)?;
        let (path, homes) = (path.to_owned(), self.homes_of(path));
        Ok(Life {
            path,
            homes,
            source,
            incarnation,
            identity,
            position: start,
            marks: Vec::new(),
        })
    }

    /// Closes a file that was read to its end. One that grew while others had their turn after that
    /// is read on: if its name is gone too, nobody finds it again.
    pub(super) fn close(&mut self, reader: Reader<S::File>, now: Instant, sink: &mut dyn Sink) {
        if reader.is_copy {
            return self.close_copy(&reader.life, &reader.file, sink);
        }
        let stat = self.pump.files.stat_open(&reader.file).ok();
        if stat.is_some_and(|stat| reader.has_more(&stat)) {
            return self.retire_found(reader, now);
        }
        let life = reader.life;
        self.open.remove(&life.id());
        if stat.is_some_and(|stat| stat.links == 0) {
            self.forget(&life, sink);
        } else {
            self.over.push(over(&life, false));
            self.closed.push_back(life);
        }
        while self.closed.len() > CLOSED_MAX {
            if let Some(oldest) = self.closed.pop_front() {
                self.forget(&oldest, sink);
            }
        }
    }

    /// Forgets a life whose file is gone or has other content.
    pub(super) fn forget(&mut self, life: &Life, sink: &mut dyn Sink) {
        self.over.push(over(life, true));
        sink.forget(life.source, life.incarnation);
    }

    pub(super) fn unreadable(&mut self, path: &Arc<Path>, error: &io::Error) {
        let Some(watch) = self.watches.get_mut(path) else {
            return;
        };
        if !watch.is_unreadable {
            let (plugin_id, path) = (&*self.settings.plugin_id, path.display());
            warn!(plugin_id, %error, "{path} unreadable. It is excluded and would be examined next time.");
        }
        watch.is_unreadable = true;
        watch.is_new = true;
    }

    /// Where a file is searched that lost the name `path`: beside it, and beside what it links to.
    pub(super) fn homes_of(&self, path: &Path) -> Vec<PathBuf> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let beside = parent.unwrap_or(Path::new(".")).to_owned();
        let linked = self
            .pump
            .files
            .home(path)
            .ok()
            .filter(|home| *home != beside);
        let mut homes = vec![beside];
        homes.extend(linked);
        homes
    }
}

fn over(life: &Life, is_gone: bool) -> Over {
    let Life {
        path,
        identity,
        position,
        ..
    } = life;
    Over {
        path: path.clone(),
        inode: identity.inode,
        position: *position,
        is_gone,
    }
}

/// True when the error says that there is nothing at the path.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
