//! A world of files that change between any two looks at them, and the test that no line of it is
//! lost or doubled.
//!
//! The writer appends numbered lines, rotates by renaming, truncates, rewrites and removes; each
//! call of the follower into the file system may be preceded by such an action. The process may
//! die at any call of the sink. What the sink was given is held against what was written.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use millrun_buffer::{Fingerprint, Identity, SourceNumber};
use millrun_event::{Entries, EventBuffer, EventTime, Events};
use proptest::prelude::*;

use super::block::Block;
use super::encode::Encoder;
use super::files::{Entry, FileId, FileSystem, Stat};
use super::follow::{Follower, Settings};
use super::life::Life;
use super::paths::Paths;
use super::pump::Pump;
use super::repeats::Repeats;
use super::sink::{Lost, Piece, Recovered, Refused, Sink};
use super::watch::Turn;

const DEVICE: u64 = 1;
/// Small, so that lines are longer than it at times.
const BLOCK: usize = 64;
const GENERATIONS: usize = 3;

/// A small generator, so that a schedule is one number.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    modified: u64,
    /// The follower had a chance: it recorded its first sight while the file stood at the path.
    is_known: bool,
    /// It never had: the file was renamed before that. Nobody can know whose lines these are.
    is_missed: bool,
}

#[derive(Debug)]
struct World {
    dice: Dice,
    /// Actions come between calls only while this is set.
    is_busy: bool,
    clock: u64,
    next_line: u64,
    /// The rest of a line that was begun, and the file it belongs to.
    unfinished: Option<(u64, Vec<u8>)>,
    names: BTreeMap<PathBuf, u64>,
    inodes: BTreeMap<u64, Rc<RefCell<Content>>>,
    open: HashMap<u64, Rc<()>>,
    has_pattern: bool,
    /// Lines that were in content that went away, read or not.
    may_be_lost: BTreeSet<u64>,
    log: Vec<String>,
}

fn name(generation: usize) -> PathBuf {
    let suffix = if generation == 0 {
        String::new()
    } else {
        format!(".{generation}")
    };
    PathBuf::from(format!("/d/in.log{suffix}"))
}

impl World {
    fn create(&mut self) -> u64 {
        let is_free = |inode: &u64| {
            let is_open = self
                .open
                .get(inode)
                .is_some_and(|open| Rc::strong_count(open) > 1);
            let is_named = self.names.values().any(|named| named == inode);
            !is_open && !is_named
        };
        // The lowest one that is free, as real file systems do.
        let inode = (10..).find(is_free).unwrap();
        self.inodes.insert(inode, Rc::default());
        self.names.insert(name(0), inode);
        inode
    }

    fn lines_of(&self, inode: u64) -> Vec<u64> {
        let content = self.inodes[&inode].borrow();
        content
            .bytes
            .split(|byte| *byte == b'\n')
            .filter_map(number_of)
            .collect()
    }

    fn change(&mut self, inode: u64, change: impl FnOnce(&mut Vec<u8>)) {
        self.clock += 1;
        let mut content = self.inodes[&inode].borrow_mut();
        content.modified = self.clock;
        change(&mut content.bytes);
    }

    fn line(&mut self) -> Vec<u8> {
        let number = self.next_line;
        self.next_line += 1;
        let padding = match self.dice.roll(8) {
            0 => self.dice.roll(4 * BLOCK as u64),
            _ => self.dice.roll(12),
        };
        format!("{number}:{}\n", "x".repeat(padding as usize)).into_bytes()
    }

    fn append(&mut self, inode: u64) {
        for _ in 0..=self.dice.roll(6) {
            let line = self.line();
            self.change(inode, |bytes| bytes.extend_from_slice(&line));
        }
        if self.dice.roll(4) == 0 {
            let line = self.line();
            let cut = 1 + self.dice.roll(line.len() as u64 - 1) as usize;
            self.change(inode, |bytes| bytes.extend_from_slice(&line[..cut]));
            self.unfinished = Some((inode, line[cut..].to_vec()));
        }
    }

    /// A writer finishes the line it has begun before it does anything else.
    fn finish_line(&mut self) {
        if let Some((inode, rest)) = self.unfinished.take() {
            self.change(inode, |bytes| bytes.extend_from_slice(&rest));
        }
    }

    /// The content of a file goes away. What comes after it is another life, to be seen anew.
    fn loses(&mut self, inode: u64) {
        let lines = self.lines_of(inode);
        self.may_be_lost.extend(lines);
        self.inodes[&inode].borrow_mut().is_known = false;
    }

    fn remove(&mut self, path: &Path) {
        if let Some(inode) = self.names.remove(path) {
            self.loses(inode);
        }
    }

    fn act(&mut self) {
        self.finish_line();
        let current = self.names.get(&name(0)).copied();
        let action = self.dice.roll(16);
        self.log.push(format!("act {action} current {current:?}"));
        match (action, current) {
            (0..=7, Some(inode)) => self.append(inode),
            (8, _) => {
                // A late write to a file that was rotated away.
                let generation = 1 + self.dice.roll(GENERATIONS as u64) as usize;
                if let Some(inode) = self.names.get(&name(generation)).copied() {
                    self.append(inode);
                }
            }
            (9..=10, Some(inode)) => {
                let mut content = self.inodes[&inode].borrow_mut();
                content.is_missed = !content.is_known && !self.has_pattern;
                drop(content);
                self.remove(&name(GENERATIONS));
                for generation in (0..GENERATIONS).rev() {
                    if let Some(inode) = self.names.remove(&name(generation)) {
                        self.names.insert(name(generation + 1), inode);
                    }
                }
                if self.dice.roll(3) > 0 {
                    let inode = self.create();
                    self.append(inode);
                }
            }
            (11, Some(inode)) => {
                self.loses(inode);
                self.change(inode, Vec::clear);
            }
            (12, Some(inode)) => {
                self.loses(inode);
                self.change(inode, Vec::clear);
                for _ in 0..self.dice.roll(4) {
                    self.append(inode);
                    self.finish_line();
                }
            }
            (13, Some(_)) => self.remove(&name(0)),
            (_, None) => {
                let inode = self.create();
                self.append(inode);
            }
            _ => {}
        }
    }
}

fn number_of(line: &[u8]) -> Option<u64> {
    let digits = line.iter().position(|byte| *byte == b':')?;
    std::str::from_utf8(&line[..digits]).ok()?.parse().ok()
}

#[derive(Clone)]
struct Disk(Rc<RefCell<World>>);

struct OpenFile {
    inode: u64,
    content: Rc<RefCell<Content>>,
    _open: Rc<()>,
}

impl Disk {
    fn world(&self) -> std::cell::RefMut<'_, World> {
        let mut world = self.0.borrow_mut();
        if world.is_busy && world.dice.roll(6) == 0 {
            world.act();
        }
        world
    }
}

fn absent() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn stat_of(world: &World, inode: u64, content: &Rc<RefCell<Content>>) -> Stat {
    let is_current = |named: &&u64| **named == inode && Rc::ptr_eq(&world.inodes[named], content);
    let content = content.borrow();
    Stat {
        id: FileId {
            device: DEVICE,
            inode,
        },
        size: content.bytes.len() as u64,
        modified: SystemTime::UNIX_EPOCH + Duration::from_secs(content.modified),
        links: world.names.values().filter(is_current).count() as u64,
        is_regular: true,
        is_directory: false,
    }
}

impl FileSystem for Disk {
    type File = OpenFile;

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let world = self.world();
        let inode = *world.names.get(path).ok_or_else(absent)?;
        Ok(stat_of(&world, inode, &world.inodes[&inode]))
    }

    fn open(&self, path: &Path) -> io::Result<OpenFile> {
        let mut world = self.world();
        let inode = *world.names.get(path).ok_or_else(absent)?;
        let open = Rc::clone(world.open.entry(inode).or_default());
        Ok(OpenFile {
            inode,
            content: Rc::clone(&world.inodes[&inode]),
            _open: open,
        })
    }

    fn stat_open(&self, file: &OpenFile) -> io::Result<Stat> {
        let world = self.world();
        Ok(stat_of(&world, file.inode, &file.content))
    }

    fn read_at(&self, file: &OpenFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let _world = self.world();
        let content = file.content.borrow();
        let rest = content.bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn list(&self, _: &Path) -> io::Result<Vec<Entry>> {
        let world = self.world();
        let entry = |(path, inode): (&PathBuf, &u64)| Entry {
            path: path.clone(),
            inode: *inode,
        };
        Ok(world.names.iter().map(entry).collect())
    }

    fn home(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.parent().unwrap().to_owned())
    }
}

#[derive(Clone, Debug)]
struct Kept {
    path: PathBuf,
    identity: Identity,
    low_water: u64,
    position: u64,
    marks: Vec<Range<u64>>,
}

/// What a ledger does, in memory. Also what survives a crash.
#[derive(Debug)]
struct Keeper {
    lives: BTreeMap<(SourceNumber, u32), Kept>,
    sources: HashMap<PathBuf, (SourceNumber, u32)>,
    lines: Vec<u64>,
    truncated: u64,
    dice: Dice,
    /// Calls until the process is dead; then every call fails.
    calls_left: u64,
    is_full: bool,
    world: Rc<RefCell<World>>,
}

impl Keeper {
    fn live(&mut self) -> Result<(), Refused> {
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.calls_left == 0 {
            Err(Refused::Failed("dead".to_owned()))
        } else {
            Ok(())
        }
    }

    /// The process is gone: what only memory chunks had comes again, what file chunks had is
    /// marked.
    fn crash(&mut self) {
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
        self.world.borrow().inodes[&identity.inode]
            .borrow_mut()
            .is_known = true;
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
        assert!(self.lives.insert(*newest, kept).is_none());
        Ok(*newest)
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
        Ok(())
    }

    fn emit(
        &mut self,
        tag: &str,
        events: Events<'_>,
        piece: Piece,
        lost: Lost,
    ) -> Result<(), Refused> {
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

fn follower(disk: &Disk, has_pattern: bool) -> Follower<Disk> {
    let path = if has_pattern {
        "/d/in.log*"
    } else {
        "/d/in.log"
    };
    let settings = Settings {
        plugin_id: "model".to_owned(),
        tag: "t.*".to_owned(),
        paths: Paths {
            include: vec![path.to_owned()],
            ..Paths::default()
        },
        rotate_wait: Duration::from_secs(5),
        read_from_head: true,
        ignore_repeated_permission_error: false,
        dated: Box::new(str::to_owned),
    };
    let pump = Pump {
        files: disk.clone(),
        encoder: Encoder::plain("model", "message", None),
        plugin_id: "model".to_owned(),
        clock: || EventTime::new(1, 1),
        lines_max: None,
        block: Block::new(BLOCK),
        events: EventBuffer::default(),
        repeats: Repeats::default(),
    };
    Follower::new(settings, pump)
}

fn run(seed: u64, has_pattern: bool) {
    let disk = Disk(Rc::new(RefCell::new(World {
        dice: Dice(seed),
        is_busy: true,
        clock: 0,
        next_line: 1,
        unfinished: None,
        names: BTreeMap::new(),
        inodes: BTreeMap::new(),
        open: HashMap::new(),
        has_pattern,
        may_be_lost: BTreeSet::new(),
        log: Vec::new(),
    })));
    let mut keeper = Keeper {
        lives: BTreeMap::new(),
        sources: HashMap::new(),
        lines: Vec::new(),
        truncated: 0,
        dice: Dice(seed ^ 0xdead_beef),
        calls_left: u64::MAX,
        is_full: false,
        world: Rc::clone(&disk.0),
    };
    let start = Instant::now();
    let mut seconds = 0;
    let mut dice = Dice(seed.rotate_left(17));
    for process in 0..6 {
        let is_last = process == 5;
        keeper.calls_left = if is_last {
            u64::MAX
        } else {
            1 + dice.roll(120)
        };
        let mut follower = follower(&disk, has_pattern);
        follower.recover(Vec::new(), &mut keeper);
        for step in 0..120 {
            if is_last && step == 40 {
                let mut world = disk.0.borrow_mut();
                world.finish_line();
                world.is_busy = false;
                keeper.is_full = false;
            }
            if keeper.calls_left == 0 {
                break;
            }
            let now = start + Duration::from_secs(seconds);
            match dice.roll(8) {
                0 => {
                    disk.0.borrow_mut().finish_line();
                    seconds += 1 + dice.roll(6);
                }
                1..=2 if disk.0.borrow().is_busy => disk.0.borrow_mut().act(),
                3 => follower.refresh(now, SystemTime::UNIX_EPOCH, &mut keeper),
                4 => follower.check_all(now, &mut keeper),
                5 if !is_last || step < 40 => keeper.is_full = dice.roll(4) == 0,
                _ => {
                    let _ = follower.work(now, &mut keeper);
                }
            }
        }
        if is_last {
            for _ in 0..40 {
                seconds += 6;
                let now = start + Duration::from_secs(seconds);
                follower.refresh(now, SystemTime::UNIX_EPOCH, &mut keeper);
                for _ in 0..1000 {
                    if follower.work(now, &mut keeper) == Turn::Idle {
                        break;
                    }
                }
            }
        }
        drop(follower);
        keeper.crash();
        // While nobody watches.
        for _ in 0..if is_last { 0 } else { dice.roll(6) } {
            disk.0.borrow_mut().act();
        }
    }
    let world = disk.0.borrow();
    let missed = world
        .inodes
        .iter()
        .filter(|(_, content)| content.borrow().is_missed);
    let missed: BTreeSet<u64> = missed
        .flat_map(|(inode, _)| world.lines_of(*inode))
        .collect();
    let mut seen = BTreeSet::new();
    for line in &keeper.lines {
        assert!(seen.insert(*line), "line {line} came twice");
    }
    let mut expected: BTreeSet<u64> = (1..world.next_line).collect();
    expected.retain(|line| !world.may_be_lost.contains(line) && !missed.contains(line));
    let missing: Vec<_> = expected.difference(&seen).collect();
    assert!(
        missing.is_empty(),
        "lost {missing:?} of {}",
        world.next_line
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_line_comes_exactly_once_or_went_with_its_file(seed in any::<u64>()) {
        run(seed, false);
    }

    #[test]
    fn rotated_names_that_match_the_pattern_double_nothing(seed in any::<u64>()) {
        run(seed, true);
    }
}
