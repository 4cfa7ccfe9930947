//! One life of a file's content, being read.
//!
//! ```text
//! 0 ─── fingerprint ──▶ ≤ 1 KiB
//! 0 ───────────── emitted ─────────────▶ position ── no newline ──▶ scanned ──── unread ───▶ size
//! ```
//!
//! The fingerprint covers what was emitted, never more: bytes that were not taken may still be
//! taken back by their writer, and that is no new life.
//!
//! A file may be truncated and written anew between any two system calls. So a block is read
//! first, and then the head of the file is looked at: if the head still is the one known, nothing
//! was replaced before that look, and the block is sound. Where the two reads overlap they must
//! agree, since the overlap is what the fingerprint is extended with.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::time::SystemTime;

use memchr::{memchr, memrchr};
use millrun_buffer::{Fingerprint, Identity, SourceNumber};

use super::block::Block;
use super::files::{FileId, FileSystem, Stat};

/// A line longer than this is dropped and counted as oversized, whatever `max_line_size` says: it
/// is held in memory as a whole.
pub(crate) const LINE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What identifies a life, and how far it was read. Outlives the open file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// The name under which it was first followed: its tag and its place in the position file
    /// come from it.
    pub(crate) path: PathBuf,
    /// The directories in which the file is searched when it has lost that name.
    pub(crate) homes: Vec<PathBuf>,
    pub(crate) source: SourceNumber,
    pub(crate) incarnation: u32,
    pub(crate) identity: Identity,
    /// Everything before was emitted.
    pub(crate) position: u64,
    /// Ranges that an earlier process emitted as one batch each, beyond the position: what is
    /// read here is cut at their ends, so that a replayed batch never straddles one.
    pub(crate) marks: Vec<Range<u64>>,
}

impl Life {
    pub(crate) fn id(&self) -> FileId {
        FileId {
            device: self.identity.device,
            inode: self.identity.inode,
        }
    }

    /// True when the file `id`, which begins with `head`, is this life beyond doubt. Where nothing
    /// was read, the content cannot tell it from a later file with the same number.
    pub(crate) fn is_certainly(&self, id: FileId, size: u64, head: &[u8]) -> bool {
        let fingerprint = &self.identity.fingerprint;
        let is_possible = self.id() == id && size >= self.position && fingerprint.fits(head);
        is_possible && fingerprint.length > 0
    }
}

/// A life with its file open.
#[derive(Debug)]
pub(crate) struct Reader<F> {
    pub(crate) life: Life,
    pub(crate) file: F,
    /// The file is another one than the life's and holds the same bytes.
    pub(crate) is_copy: bool,
    /// There is no newline between the position and here; nothing is known where it is smaller.
    scanned: u64,
    /// Size and time of the file when it was last read to its end: while both stay, nothing is
    /// read. Content of the same length within the same tick of the file system's clock, some
    /// milliseconds, is noticed only when the file changes again.
    drained: Option<(u64, SystemTime)>,
    head: Vec<u8>,
    /// What the last look found, to be noted when nothing more is to be had of it.
    looked: (u64, SystemTime),
    /// Up to where lines wait for others that may belong to them.
    held: u64,
}

/// What a look at the file gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// The block begins with these bytes of the file: whole lines. The rest of the answer is what
    /// the fingerprint becomes when they are emitted.
    Lines(Range<u64>, Fingerprint),
    /// One line longer than [`LINE_BYTES_MAX`], which nobody may have.
    Oversized(Range<u64>, Fingerprint),
    /// Progress without a whole line: look again soon.
    Searching,
    /// There is nothing more for now.
    AtEnd,
    /// The content is another one: a new life begins at 0. So many bytes of the old one were
    /// known to exist and had not been read.
    Replaced(u64),
}

/// How what is read must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a newline: the rest of the line is still to be written.
    Newline,
    /// As it ends: nobody writes to this file any more. Only what an earlier look has already
    /// found is taken so; what has come since shows that somebody does write.
    AsItIs,
    /// With a newline, and what would wait for further lines waits no longer.
    Group,
}

impl<F> Reader<F> {
    pub(crate) fn new(life: Life, file: F) -> Self {
        Self {
            life,
            file,
            is_copy: false,
            scanned: 0,
            drained: None,
            head: Vec::new(),
            looked: (0, SystemTime::UNIX_EPOCH),
            held: 0,
        }
    }

    /// True when the file is as it was when it was last read to its end.
    pub(crate) fn is_drained(&self, stat: &Stat) -> bool {
        self.drained == Some((stat.size, stat.modified))
    }

    /// True when the file is another than when it was read to its end, which it once was.
    pub(crate) fn has_more(&self, stat: &Stat) -> bool {
        self.drained.is_some() && !self.is_drained(stat)
    }

    /// How far the file was looked at: what grows makes this grow.
    pub(crate) fn seen(&self) -> u64 {
        self.life.position.max(self.scanned).max(self.held)
    }

    /// Takes note that the lines up to `end` wait for others.
    pub(crate) fn hold(&mut self, end: u64) {
        self.held = end;
        self.drained = Some(self.looked);
    }

    /// True when lines wait for others.
    pub(crate) fn is_holding(&self) -> bool {
        self.held > self.life.position
    }

    /// Forgets that the file was read to its end, as before a last look at an unfinished line.
    pub(crate) fn look_again(&mut self) {
        self.drained = None;
    }

    /// Reads on from the position. The position stays where it is until [`Reader::advance`].
    pub(crate) fn read<S: FileSystem<File = F>>(
        &mut self,
        files: &S,
        block: &mut Block,
        ending: Ending,
    ) -> io::Result<Read> {
        let stat = files.stat_open(&self.file)?;
        if stat.size < self.life.position {
            return Ok(Read::Replaced(self.unread_before(0)));
        }
        if self.is_drained(&stat) {
            return Ok(Read::AtEnd);
        }
        self.looked = (stat.size, stat.modified);
        if stat.size < self.scanned {
            // The writer took back a line that it had not finished.
            self.scanned = 0;
        }
        let is_long = self.scanned.saturating_sub(self.life.position) >= block.size() as u64;
        let read = if is_long {
            self.read_long(files, block, ending)?
        } else {
            self.read_block(files, block, ending)?
        };
        match read {
            Read::AtEnd => self.drained = Some((stat.size, stat.modified)),
            Read::Lines(..) | Read::Oversized(..) | Read::Searching | Read::Replaced(_) => {}
        }
        Ok(read)
    }

    /// Takes note that everything before `end` was emitted.
    pub(crate) fn advance(&mut self, end: u64) {
        self.life.position = end;
        self.life.marks.retain(|mark| mark.end > end);
    }

    /// Begins a new life with the same file: from 0, with nothing known of its content.
    pub(crate) fn begin_again(&mut self, source: SourceNumber, incarnation: u32) {
        self.life.source = source;
        self.life.incarnation = incarnation;
        self.life.identity.fingerprint = Fingerprint::default();
        self.life.position = 0;
        self.life.marks.clear();
        self.scanned = 0;
        self.held = 0;
        self.drained = None;
    }

    fn read_block<S: FileSystem<File = F>>(
        &mut self,
        files: &S,
        block: &mut Block,
        ending: Ending,
    ) -> io::Result<Read> {
        let position = self.life.position;
        let cut = self.next_cut();
        let wanted = cut.map_or(block.size(), |cut| {
            usize::try_from(cut - position)
                .unwrap_or(usize::MAX)
                .min(block.size())
        });
        let count = files.read_at(&self.file, position, block.room(wanted))?;
        let bytes = block.filled(count);
        if !self.head_fits(files, position, bytes)? {
            return Ok(Read::Replaced(count as u64));
        }
        let is_cut = cut == Some(position.saturating_add(count as u64));
        let length = match memrchr(b'\n', bytes) {
            _ if is_cut => count,
            Some(newline) => newline + 1,
            None if count == 0 => return Ok(Read::AtEnd),
            None if ending == Ending::AsItIs && self.scanned == position + count as u64 => count,
            None => {
                self.scanned = position + count as u64;
                return Ok(if count < wanted {
                    Read::AtEnd
                } else {
                    Read::Searching
                });
            }
        };
        Ok(self.lines(position..position + length as u64))
    }

    /// Goes on in a line that is longer than the block: looks for its end first, then reads it.
    fn read_long<S: FileSystem<File = F>>(
        &mut self,
        files: &S,
        block: &mut Block,
        ending: Ending,
    ) -> io::Result<Read> {
        let position = self.life.position;
        let from = self.scanned;
        let wanted = block.size();
        let count = files.read_at(&self.file, from, block.room(wanted))?;
        let bytes = block.filled(count);
        if !self.head_fits(files, from, bytes)? {
            return Ok(Read::Replaced((from - position) + count as u64));
        }
        let found = memchr(b'\n', bytes);
        self.scanned = from + found.unwrap_or(count) as u64;
        let end = match found {
            Some(newline) => from + newline as u64 + 1,
            None if count == wanted => return Ok(Read::Searching),
            None if ending == Ending::AsItIs && count == 0 => from,
            None => return Ok(Read::AtEnd),
        };
        let end = self.next_cut().map_or(end, |cut| cut.min(end));
        if end - position > LINE_BYTES_MAX {
            return Ok(Read::Oversized(position..end, self.fingerprint_at(end)));
        }
        let length = usize::try_from(end - position).unwrap_or(usize::MAX);
        // One byte more shows whether the end is the file's.
        let count = files.read_at(&self.file, position, block.room(length.saturating_add(1)))?;
        let bytes = block.filled(count);
        if !self.head_fits(files, position, bytes)? {
            return Ok(Read::Replaced(count as u64));
        }
        let is_whole = match bytes.get(..length) {
            Some([.., b'\n']) => true,
            Some(_) if self.next_cut() == Some(end) => true,
            Some(_) => ending == Ending::AsItIs && count == length,
            None => false,
        };
        if !is_whole {
            // Content of which nothing was emitted yet was replaced: what is known of it is old.
            self.scanned = 0;
            return Ok(Read::Searching);
        }
        Ok(self.lines(position..end))
    }

    fn lines(&self, range: Range<u64>) -> Read {
        let fingerprint = self.fingerprint_at(range.end);
        Read::Lines(range, fingerprint)
    }

    /// The end of the next piece that an earlier process emitted, or its start.
    fn next_cut(&self) -> Option<u64> {
        let ends = self
            .life
            .marks
            .iter()
            .flat_map(|mark| [mark.start, mark.end]);
        ends.filter(|end| *end > self.life.position).min()
    }

    /// Reads the head of the file into `self.head` and tells whether it is the known one and
    /// agrees with `bytes`, which were read before it from `offset` on.
    fn head_fits<S: FileSystem<File = F>>(
        &mut self,
        files: &S,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<bool> {
        self.head.resize(Fingerprint::LENGTH_MAX, 0);
        let count = files.read_at(&self.file, 0, &mut self.head)?;
        self.head.truncate(count);
        if !self.life.identity.fingerprint.fits(&self.head) {
            return Ok(false);
        }
        let overlap = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.head.get(offset..));
        // The head may be longer by now, and shorter only if it was replaced.
        Ok(overlap.is_none_or(|overlap| {
            let expected = bytes.len().min(Fingerprint::LENGTH_MAX - offset as usize);
            bytes.get(..expected) == overlap.get(..expected)
        }))
    }

    /// The fingerprint of everything before `end`.
    pub(crate) fn fingerprint_at(&self, end: u64) -> Fingerprint {
        let known = self.life.identity.fingerprint;
        let length = usize::try_from(end)
            .unwrap_or(usize::MAX)
            .min(Fingerprint::LENGTH_MAX);
        match self.head.get(..length) {
            Some(head) if length > known.length as usize => Fingerprint::of(head),
            _ => known,
        }
    }

    /// Bytes known to have existed behind the position that are gone, when the file has `size`.
    fn unread_before(&self, size: u64) -> u64 {
        let seen = self.drained.map_or(0, |(size, _)| size).max(self.scanned);
        seen.saturating_sub(self.life.position.max(size))
    }
}
