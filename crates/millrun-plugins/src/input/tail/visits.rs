//! Files that are open only while they are looked at (`open_on_every_update`).
//!
//! ```text
//! look ──▶ open, read to the end ──▶ put down ──▶ next look ──┬─ the same file: open it again
//!             ▲                                               │
//!             └───────────────────────────────────────────────┤
//!                                                             └─ another one, or none: the old one is searched and
//!                                                                read on for rotate_wait, as any that was rotated
//! ```
//!
//! For shares that show what was written only to whoever opens a file anew, or on which a file that
//! somebody holds open cannot be renamed or removed. What a file put down leaves is its life among the
//! closed ones, so that it is known again by what it begins with, like after a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tracing::info;

use super::files::{FileId, FileSystem, Stat};
use super::follow::Follower;
use super::search::{Found, Listings};
use super::sink::Sink;

impl<S: FileSystem> Follower<S> {
    /// Closes the file that stands at `path` and was read to its end, where files are to be open for
    /// looks only. While lines wait for others it stays open: they are held as those of this reader.
    pub(super) fn put_down(&mut self, path: &Path) {
        if !self.settings.open_on_every_update {
            return;
        }
        let Some(watch) = self.watches.get_mut(path) else {
            return;
        };
        let may_go = |reader: &&mut super::life::Reader<S::File>| !reader.is_holding();
        if watch.current.as_mut().filter(may_go).is_none() {
            return;
        }
        if let Some(reader) = watch.current.take() {
            watch.put_down = Some(reader.life.id());
            self.open.remove(&reader.life.id());
            self.closed.push_back(reader.life);
        }
    }

    /// Looks for the file that was put down at `path`, where another one or none stands there now.
    pub(super) fn find_put_down(
        &mut self,
        path: &Arc<Path>,
        here: Option<&Stat>,
        now: Instant,
        sink: &mut dyn Sink,
    ) {
        let is_other = |id: &mut FileId| here.is_none_or(|stat| stat.id != *id);
        let put_down = self.watches.get_mut(path);
        let Some(id) = put_down.and_then(|watch| watch.put_down.take_if(is_other)) else {
            return;
        };
        let Some(index) = self.closed.iter().position(|life| life.id() == id) else {
            // It was taken up under another name.
            return;
        };
        let (plugin_id, seconds) = (
            &*self.settings.plugin_id,
            self.settings.rotate_wait.as_secs_f64(),
        );
        info!(
            plugin_id,
            "detected rotation of {}; waiting {seconds} seconds",
            path.display()
        );
        let Some(life) = self.closed.remove(index) else {
            return;
        };
        let found = self.find(&life.homes, id.inode, &mut Listings::new());
        let is_named = |found: &Path| {
            let watch = self.watches.get(found);
            watch.is_some_and(|watch| watch.is_listed)
        };
        match found {
            Found::At(found, stat) if stat.id == id && !is_named(&found) => {
                let mut replaced = Vec::new();
                self.read_on(life, &found, now, &mut replaced, sink);
                self.search_replaced(replaced, now, sink);
            }
            // Under another path of ours it is taken up by the look at that; what is gone is parted with by a search.
            Found::At(..) | Found::Gone | Found::Unknown => {
                self.closed.push_back(life);
                self.search(now, sink);
            }
        }
    }
}
