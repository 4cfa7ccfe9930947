//! The writer's side: files that change, and the file system that shows them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::super::files::{Entry, FileId, FileSystem, Stat};

pub(super) const DEVICE: u64 = 1;
/// Small, so that lines are longer than it at times.
pub(super) const BLOCK: usize = 64;
pub(super) const GENERATIONS: usize = 3;

/// A small generator, so that a schedule is one number.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
}

#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) modified: u64,
    pub(super) born: u64,
    /// The ledger has a life of this file, of this content or of one before it.
    pub(super) has_life: bool,
    /// Something was read of this content: its fingerprint is known.
    pub(super) was_begun: bool,
    /// The follower had a chance: it recorded its first sight while the file stood at the path.
    pub(super) is_known: bool,
    /// It never had: the file was renamed before that. Nobody can know whose lines these are.
    pub(super) is_missed: bool,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) dice: Dice,
    /// Actions come between calls only while this is set.
    pub(super) is_busy: bool,
    pub(super) clock: u64,
    pub(super) next_line: u64,
    /// The rest of a line that was begun, and the file it belongs to.
    pub(super) unfinished: Option<(u64, Vec<u8>)>,
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) inodes: BTreeMap<u64, Rc<RefCell<Content>>>,
    pub(super) open: HashMap<u64, Rc<()>>,
    pub(super) has_pattern: bool,
    pub(super) has_births: bool,
    /// Lines that were in content that went away, read or not.
    pub(super) may_be_lost: BTreeSet<u64>,
    /// Prints what happens, to find out why a schedule fails.
    pub(super) is_traced: bool,
}

pub(super) fn name(generation: usize) -> PathBuf {
    let suffix = if generation == 0 {
        String::new()
    } else {
        format!(".{generation}")
    };
    PathBuf::from(format!("/d/in.log{suffix}"))
}

impl World {
    pub(super) fn create(&mut self) -> u64 {
        self.create_at(name(0))
    }

    fn create_at(&mut self, path: PathBuf) -> u64 {
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
        self.clock += 1;
        let content = Content {
            born: self.clock,
            modified: self.clock,
            ..Content::default()
        };
        self.inodes.insert(inode, Rc::new(RefCell::new(content)));
        self.names.insert(path, inode);
        inode
    }

    pub(super) fn lines_of(&self, inode: u64) -> Vec<u64> {
        let content = self.inodes[&inode].borrow();
        content
            .bytes
            .split(|byte| *byte == b'\n')
            .filter_map(number_of)
            .collect()
    }

    pub(super) fn change(&mut self, inode: u64, change: impl FnOnce(&mut Vec<u8>)) {
        self.clock += 1;
        let mut content = self.inodes[&inode].borrow_mut();
        content.modified = self.clock;
        change(&mut content.bytes);
    }

    pub(super) fn line(&mut self) -> Vec<u8> {
        let number = self.next_line;
        self.next_line += 1;
        let padding = match self.dice.roll(8) {
            0 => self.dice.roll(4 * BLOCK as u64),
            _ => self.dice.roll(12),
        };
        format!("{number}:{}\n", "x".repeat(padding as usize)).into_bytes()
    }

    pub(super) fn append(&mut self, inode: u64) {
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
    pub(super) fn finish_line(&mut self) {
        if let Some((inode, rest)) = self.unfinished.take() {
            self.change(inode, |bytes| bytes.extend_from_slice(&rest));
        }
    }

    /// The content of a file goes away. What comes after it is another life, to be seen anew.
    pub(super) fn loses(&mut self, inode: u64) {
        let lines = self.lines_of(inode);
        self.may_be_lost.extend(lines);
        let mut content = self.inodes[&inode].borrow_mut();
        (content.is_known, content.was_begun) = (false, false);
    }

    pub(super) fn remove(&mut self, path: &Path) {
        if let Some(inode) = self.names.remove(path) {
            self.loses(inode);
            self.inodes[&inode].borrow_mut().has_life = false;
            self.excuse();
        }
    }

    /// Where no file is left of which something is known, nobody can tell which of the others are
    /// younger than it was.
    pub(super) fn excuse(&mut self) {
        let contents = || self.names.values().map(|inode| &self.inodes[inode]);
        if self.has_pattern || contents().any(|content| content.borrow().has_life) {
            return;
        }
        for content in contents() {
            let mut content = content.borrow_mut();
            content.is_missed = !content.is_known;
        }
    }

    /// Compresses the oldest generation. Its lines must come as long as something was read of it.
    fn pack(&mut self) {
        let plain = name(GENERATIONS);
        let Some(inode) = self.names.get(&plain).copied() else {
            return;
        };
        let bytes = self.inodes[&inode].borrow().bytes.clone();
        let was_begun = self.inodes[&inode].borrow().was_begun;
        let packed = PathBuf::from("/d/in.log.3.gz");
        self.remove(&packed);
        let lines = self.lines_of(inode);
        let was_lost: Vec<u64> = lines
            .iter()
            .copied()
            .filter(|line| self.may_be_lost.contains(line))
            .collect();
        self.remove(&plain);
        let new = self.create_at(packed);
        {
            let mut content = self.inodes[&new].borrow_mut();
            (content.bytes, content.is_known) = (bytes, true);
        }
        if was_begun && !self.has_pattern {
            for line in lines {
                if !was_lost.contains(&line) {
                    self.may_be_lost.remove(&line);
                }
            }
        }
    }

    pub(super) fn trace(&self, text: impl FnOnce(&Self) -> String) {
        if self.is_traced {
            println!("{}", text(self));
        }
    }

    fn shown(&self) -> String {
        let file = |(path, inode): (&PathBuf, &u64)| {
            let lines = self.lines_of(*inode);
            let (path, content) = (path.display(), self.inodes[inode].borrow());
            let (first, last) = (lines.first(), lines.last());
            format!(
                "\n    {path}: inode {inode}, {} bytes, lines {first:?} to {last:?}, born {}, modified {}, \
                 known {}, life {}, begun {}, missed {}",
                content.bytes.len(),
                content.born,
                content.modified,
                content.is_known,
                content.has_life,
                content.was_begun,
                content.is_missed
            )
        };
        self.names.iter().map(file).collect()
    }

    pub(super) fn act(&mut self) {
        self.finish_line();
        let current = self.names.get(&name(0)).copied();
        let action = self.dice.roll(16);
        self.trace(|world| format!("action {action} on {}", world.shown()));
        match (action, current) {
            (0..=7, Some(inode)) => self.append(inode),
            (8, _) => {
                // A late write to a file that was rotated away.
                let generation = 1 + self.dice.roll(GENERATIONS as u64) as usize;
                if let Some(inode) = self.names.get(&name(generation)).copied() {
                    self.append(inode);
                }
            }
            (9..=10, Some(_)) => {
                self.excuse();
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
            // A pattern that matches compressed files is a mistake of whoever wrote it.
            (14, _) if !self.has_pattern => self.pack(),
            (_, None) => {
                let inode = self.create();
                self.append(inode);
            }
            _ => {}
        }
    }
}

pub(super) fn number_of(line: &[u8]) -> Option<u64> {
    let digits = line.iter().position(|byte| *byte == b':')?;
    std::str::from_utf8(&line[..digits]).ok()?.parse().ok()
}

#[derive(Clone)]
pub(super) struct Disk(pub(super) Rc<RefCell<World>>);

pub(super) struct OpenFile {
    pub(super) inode: u64,
    pub(super) content: Rc<RefCell<Content>>,
    pub(super) _open: Rc<()>,
}

impl Disk {
    pub(super) fn world(&self) -> std::cell::RefMut<'_, World> {
        let mut world = self.0.borrow_mut();
        if world.is_busy && world.dice.roll(6) == 0 {
            world.act();
        }
        world
    }
}

pub(super) fn absent() -> io::Error {
    io::ErrorKind::NotFound.into()
}

pub(super) fn stat_of(world: &World, inode: u64, content: &Rc<RefCell<Content>>) -> Stat {
    let is_current = |named: &&u64| **named == inode && Rc::ptr_eq(&world.inodes[named], content);
    let content = content.borrow();
    Stat {
        id: FileId {
            device: DEVICE,
            inode,
        },
        size: content.bytes.len() as u64,
        modified: SystemTime::UNIX_EPOCH + Duration::from_secs(content.modified),
        born: world
            .has_births
            .then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(content.born)),
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

    fn open_packed(&self, path: &Path) -> io::Result<(OpenFile, u32)> {
        let file = self.open(path)?;
        let length = file.content.borrow().bytes.len() as u32;
        Ok((file, length))
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
