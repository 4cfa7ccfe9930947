//! The sink's side: what a ledger does, in memory, with a death at any call.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use millrun_buffer::{Fingerprint, Identity, SourceNumber};
use millrun_core::Filled;
use millrun_event::Entries;

use super::super::life::Life;
use super::super::sink::{Lost, Piece, Recovered, Refused, Sink};

use super::disk::*;

#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) low_water: u64,
    pub(super) position: u64,
    pub(super) marks: Vec<Range<u64>>,
}

/// What a ledger does, in memory. Also what survives a crash.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) lives: BTreeMap<(SourceNumber, u32), Kept>,
    pub(super) sources: HashMap<PathBuf, (SourceNumber, u32)>,
    pub(super) lines: Vec<u64>,
    pub(super) truncated: u64,
    pub(super) dice: Dice,
    /// Calls until the process is dead; then every call fails.
    pub(super) calls_left: u64,
    pub(super) is_full: bool,
    pub(super) world: Rc<RefCell<World>>,
}

impl Keeper {
    pub(super) fn live(&mut self) -> Result<(), Refused> {
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.calls_left == 0 {
            Err(Refused::Failed("dead".to_owned()))
        } else {
            Ok(())
        }
    }

    /// The process is gone: what only memory chunks had comes again, what file chunks had is
    /// marked.
    pub(super) fn crash(&mut self) {
        for life in self.lives.values_mut() {
            life.position = life.low_water;
        }
    }
}

impl Sink for Keeper {
    fn recovered(&mut self) -> Vec<Recovered> {
        let recover = |(&(source, incarnation), life): (&(SourceNumber, u32), &Kept)| Recovered {
            path: life.path.clone(),
            source,
            incarnation,
            identity: life.identity,
            position: life.low_water,
            marks: life.marks.clone(),
        };
        self.lives.iter().map(recover).collect()
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
        self.live()?;
        {
            let world = self.world.borrow();
            let mut content = world.inodes[&identity.inode].borrow_mut();
            (content.is_known, content.has_life, content.is_missed) = (true, true, false);
        }
        let count = self.sources.len() as u32;
        let newest = self
            .sources
            .entry(path.to_owned())
            .or_insert((SourceNumber(count), 0));
        newest.1 += 1;
        let path = path.to_owned();
        let kept = Kept {
            path,
            identity,
            low_water: start,
            position: start,
            marks: Vec::new(),
        };
        let newest = *newest;
        assert!(self.lives.insert(newest, kept).is_none());
        let world = self.world.borrow();
        world.trace(|_| format!("life {} of inode {} from {start}", newest.1, identity.inode));
        Ok(newest)
    }

    fn identify(
        &mut self,
        source: SourceNumber,
        incarnation: u32,
        fingerprint: Fingerprint,
    ) -> Result<(), Refused> {
        self.live()?;
        let life = self.lives.get_mut(&(source, incarnation)).unwrap();
        assert!(life.identity.fingerprint.length < fingerprint.length);
        life.identity.fingerprint = fingerprint;
        let world = self.world.borrow();
        let mut content = world.inodes[&life.identity.inode].borrow_mut();
        // Not where the number is another file's by now, or the content another one: the life may be
        // read on in a copy.
        content.was_begun |= fingerprint.fits(&content.bytes);
        drop(content);
        Ok(())
    }

    fn emit(
        &mut self,
        tag: &str,
        events: Filled<'_>,
        piece: Piece,
        lost: Lost,
    ) -> Result<(), Refused> {
        let events = events.events;
        self.live()?;
        if self.is_full || self.dice.roll(10) == 0 {
            return Err(Refused::Full);
        }
        assert!(tag.starts_with("t.d.in.log"));
        let life = self
            .lives
            .get_mut(&(piece.source, piece.incarnation))
            .unwrap();
        assert_eq!(piece.range.start, life.position, "ranges follow each other");
        let overlaps =
            |mark: &&Range<u64>| mark.start < piece.range.end && piece.range.start < mark.end;
        let replayed = life.marks.iter().find(overlaps).cloned();
        if let Some(mark) = &replayed {
            let is_within = mark.start <= piece.range.start && piece.range.end <= mark.end;
            assert!(is_within, "{:?} straddles {mark:?}", piece.range);
        }
        life.position = piece.range.end;
        self.truncated += lost.truncated;
        let world = self.world.borrow();
        world.trace(|_| format!("takes {piece:?}, had {replayed:?}"));
        drop(world);
        if replayed.is_none() {
            for entry in Entries::new(events.bytes) {
                let message = entry.unwrap().record().field(b"message").unwrap();
                let line = message.text().unwrap();
                self.lines
                    .push(number_of(line).unwrap_or_else(|| {
                        panic!("torn line {:?}", String::from_utf8_lossy(line))
                    }));
            }
            if !piece.range.is_empty() {
                life.marks.push(piece.range);
            }
        }
        if self.dice.roll(3) > 0 {
            life.low_water = life.position;
            life.marks.retain(|mark| mark.end > life.position);
        }
        Ok(())
    }

    fn forget(&mut self, source: SourceNumber, incarnation: u32) {
        let world = self.world.borrow();
        world.trace(|_| format!("forgets life {incarnation}"));
        if self.calls_left > 0 {
            assert!(self.lives.remove(&(source, incarnation)).is_some());
        }
    }

    fn low_water(&self, life: &Life) -> u64 {
        self.lives
            .get(&(life.source, life.incarnation))
            .map_or(0, |life| life.low_water)
    }

    fn has_room(&self) -> bool {
        !self.is_full
    }
}
