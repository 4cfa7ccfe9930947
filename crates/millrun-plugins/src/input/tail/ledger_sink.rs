//! The sink of the product: the emitter, and the ledger behind it.
//!
//! A source's lasting name in the ledger is `in_tail:<owner>:<path>`, the owner being the
//! plugin's `@id`, else its position file, else its number. Bytes of a path that are not text, and
//! the escape itself, are written as `\xx` in hexadecimal.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millrun_buffer::{Fingerprint, Identity, LedgerError, LossKey, Origin, SourceNumber};
use millrun_core::{EmitError, Emitter, Filled, LossReason, Losses};
use tracing::warn;

use super::life::Life;
use super::sink::{Lost, Piece, Recovered, Refused, Sink};

/// An emitter as a tail sees it.
pub(crate) struct LedgerSink {
    emitter: Emitter,
    plugin_id: Arc<str>,
    prefix: String,
    /// Each path's source and its newest incarnation.
    sources: HashMap<PathBuf, (SourceNumber, u32)>,
    losses: Losses,
}

impl LedgerSink {
    /// The sink of the plugin `plugin_id`, whose sources belong to `owner`.
    pub(crate) fn new(emitter: Emitter, plugin_id: Arc<str>, owner: &str) -> Self {
        let prefix = format!("in_tail:{owner}:");
        Self {
            emitter,
            plugin_id,
            prefix,
            sources: HashMap::new(),
            losses: Losses::default(),
        }
    }

    /// The hash of the position file as we last wrote it.
    pub(crate) fn position_file(&self, path: &Path) -> Option<u32> {
        self.emitter.ledger().position_file(&key_of("", path))
    }

    /// Records the hash of the position file as we wrote it.
    pub(crate) fn note_position_file(&self, path: &Path, hash: u32) {
        if let Err(error) = self
            .emitter
            .ledger()
            .note_position_file(&key_of("", path), hash)
        {
            warn!(plugin_id = &*self.plugin_id, %error, "cannot record the position file");
        }
    }
}

impl LedgerSink {
    /// Waits until there may be room again, at most `timeout`.
    pub(crate) fn wait_for_room(&self, timeout: Duration) {
        self.emitter.wait_for_room(timeout);
    }

    /// Counts the losses outside of a transaction.
    fn lose(&self) -> Result<(), Refused> {
        for loss in self.losses.entries() {
            let key = LossKey {
                plugin: loss.plugin.clone(),
                reason: loss.reason.word().into(),
            };
            self.emitter
                .ledger()
                .lose(key, loss.count)
                .map_err(failed)?;
        }
        Ok(())
    }
}

impl Sink for LedgerSink {
    fn recovered(&mut self) -> Vec<Recovered> {
        let mut recovered = Vec::new();
        for known in self.emitter.known_sources() {
            let Some(path) = path_of(&self.prefix, &known.key) else {
                continue;
            };
            let state = match self.emitter.resume_source(&known.key) {
                Ok(Some(state)) => state,
                Ok(None) => continue,
                Err(error) => {
                    warn!(plugin_id = &*self.plugin_id, %error, "cannot resume {}", path.display());
                    continue;
                }
            };
            let newest = state.incarnations.keys().next_back().copied().unwrap_or(0);
            self.sources.insert(path.clone(), (state.number, newest));
            for (incarnation, life) in state.incarnations {
                recovered.push(Recovered {
                    path: path.clone(),
                    source: state.number,
                    incarnation,
                    identity: life.identity,
                    position: life.low_water,
                    marks: life.marks,
                });
            }
        }
        recovered
    }

    fn knows(&self, path: &Path) -> bool {
        self.sources.contains_key(path)
    }

    fn first_sight(
        &mut self,
        path: &Path,
        identity: Identity,
        start: u64,
    ) -> Result<(SourceNumber, u32), Refused> {
        let ledger = self.emitter.ledger();
        let number = match self.sources.get(path) {
            Some((source, newest)) => {
                let next = newest.wrapping_add(1);
                ledger
                    .new_incarnation(*source, next, identity, start)
                    .map_err(failed)?;
                (*source, next)
            }
            None => {
                let key = key_of(&self.prefix, path);
                (
                    ledger.first_sight(&key, identity, start).map_err(failed)?,
                    0,
                )
            }
        };
        self.sources.insert(path.to_owned(), number);
        Ok(number)
    }

    fn identify(
        &mut self,
        source: SourceNumber,
        incarnation: u32,
        fingerprint: Fingerprint,
    ) -> Result<(), Refused> {
        let ledger = self.emitter.ledger();
        ledger
            .extend_fingerprint(source, incarnation, fingerprint)
            .map_err(failed)
    }

    fn emit(
        &mut self,
        tag: &str,
        events: Filled<'_>,
        piece: Piece,
        lost: Lost,
    ) -> Result<(), Refused> {
        let Piece {
            source,
            incarnation,
            range,
        } = piece;
        let Lost {
            unparsable,
            oversized,
            truncated,
        } = lost;
        self.losses.clear();
        for (reason, count) in [
            (LossReason::Unparsable, unparsable),
            (LossReason::Oversized, oversized),
            (LossReason::Truncated, truncated),
        ] {
            self.losses.add(&self.plugin_id, reason, count);
        }
        if range.is_empty() {
            // No transaction: no byte of the file is done with.
            return self.lose();
        }
        let origin = Origin::File {
            source,
            incarnation,
            range,
        };
        let emitted = self
            .emitter
            .emit_with_losses(tag, events, origin, &self.losses);
        emitted.map_err(|error| match error {
            EmitError::Full(_) => Refused::Full,
            error => Refused::Failed(error.to_string()),
        })
    }

    fn forget(&mut self, source: SourceNumber, incarnation: u32) {
        // A record too many costs a search at the next start, no more.
        if let Err(error) = self.emitter.ledger().close_incarnation(source, incarnation) {
            warn!(plugin_id = &*self.plugin_id, %error, "cannot record the end of a file");
        }
    }

    fn low_water(&self, life: &Life) -> u64 {
        let known = self
            .emitter
            .ledger()
            .low_water(life.source, life.incarnation);
        known.unwrap_or(life.position)
    }

    fn has_room(&self) -> bool {
        self.emitter.has_room()
    }
}

fn failed(error: LedgerError) -> Refused {
    Refused::Failed(error.to_string())
}

fn key_of(prefix: &str, path: &Path) -> String {
    let mut key = prefix.to_owned();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => key.push_str("\\5c"),
                character => key.push(character),
            }
        }
        for byte in chunk.invalid() {
            key.push_str(&format!("\\{byte:02x}"));
        }
    }
    key
}

fn path_of(prefix: &str, key: &str) -> Option<PathBuf> {
    let mut rest = key.strip_prefix(prefix)?;
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = after.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_gives_back_its_path(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
            let path = PathBuf::from(OsString::from_vec(bytes));
            let key = key_of("in_tail:a:", &path);
            prop_assert_eq!(path_of("in_tail:a:", &key), Some(path));
            prop_assert_eq!(path_of("in_tail:b:", &key), None);
        }

        #[test]
        fn any_key_is_read_without_panic(key in "\\PC{0,20}") {
            path_of("", &key);
        }
    }
}
