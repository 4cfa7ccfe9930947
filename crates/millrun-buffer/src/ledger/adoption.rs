//! What a worker left that there is no more: another one takes it over.
//!
//! ```text
//! read, joined with our own, written as our next generation     then the files of the vanished worker are removed
//! ```
//!
//! A crash in between leaves both, and the next start joins them again: what we know ourselves is newer and wins.

use super::Ledger;
use super::incarnation::Incarnation;
use super::recovered::Recovered;
use super::state::{Source, State};
use crate::Identity;

impl Ledger {
    /// Takes over what was read of the ledgers of another worker. Only during the recovery.
    ///
    /// Source numbers of two workers mean different sources, so theirs are given anew.
    pub(crate) fn adopt(&self, recovered: Recovered) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let mut theirs = recovered.into_state();
        for source in std::mem::take(&mut theirs.sources).into_values() {
            let known = inner.state.sources.iter_mut();
            let known = known
                .map(|(_, known)| known)
                .find(|known| *known.key == *source.key);
            match known {
                Some(known) => join_lives(known, source),
                None => {
                    let number = self.common.next_source();
                    inner.state.sources.insert(number, source);
                }
            }
        }
        for (chunk, intent) in &theirs.intents {
            self.begin_append(&intent.path, *chunk);
        }
        join_foreign(&mut inner.state, theirs);
    }
}

/// The lives of one source that two workers have read, one after the other.
fn join_lives(ours: &mut Source, theirs: Source) {
    for life in theirs.incarnations.into_values() {
        let same = |known: &Incarnation| is_same(&known.identity, &life.identity);
        match ours.incarnations.find(same) {
            Some(known) => known.join(&life),
            None => ours.incarnations.push(life),
        }
    }
}

/// Whether both are of one life of one file; a fingerprint that grew cannot be compared, so the file decides.
fn is_same(one: &Identity, other: &Identity) -> bool {
    let is_comparable = one.fingerprint.length == other.fingerprint.length;
    one.device == other.device
        && one.inode == other.inode
        && (!is_comparable || one.fingerprint == other.fingerprint)
}

/// Everything but sources; what we know under the same name stays.
fn join_foreign(ours: &mut State, mut theirs: State) {
    theirs
        .chunks
        .retain(|chunk, _| !ours.chunks.contains_key(chunk));
    theirs
        .intents
        .retain(|chunk, _| !ours.intents.contains_key(chunk));
    theirs
        .dispatches
        .retain(|chunk, _| !ours.dispatches.contains_key(chunk));
    theirs
        .checkpoints
        .retain(|stage, _| !ours.checkpoints.contains_key(stage));
    theirs
        .position_files
        .retain(|path, _| !ours.position_files.contains_key(path));
    ours.join(theirs);
}
