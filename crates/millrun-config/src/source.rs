//! Where a piece of configuration was written: files, byte ranges, lines and columns.
//!
//! A [`Span`] is small and `Copy`; it means something only together with the [`Sources`] that gave
//! out its [`FileId`]. Everything read from a configuration carries one, also through `@include`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Longest text accepted as one file. Offsets inside a file fit in 32 bits because of it.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

/// One text of a configuration, given out by [`Sources::add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// A range of bytes in one file; `start <= end`, both on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file the bytes are in.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `file`. Offsets beyond 32 bits are cut; [`MAX_FILE_BYTES`] keeps
    /// real ones far below.
    #[must_use]
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(end).unwrap_or(u32::MAX).max(start);
        Self { file, start, end }
    }

    /// The shortest span that covers both; `self` when they are in different files.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file {
            return self;
        }
        Self {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// The bytes as a range of the file's text.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A place as people count: both numbers start at 1, the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

/// One text of a configuration.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    text: String,
    included_at: Vec<Span>,
    /// Where lines begin; found when the first place is asked for.
    lines: OnceLock<Vec<u32>>,
}

impl Source {
    /// The name it was read under; a file system path unless the text came from elsewhere.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text, without a byte-order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where lines begin. CR, LF and CRLF each end one.
    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let mut bytes = self.text.bytes().zip(1..).peekable();
            let mut starts = vec![0];
            while let Some((byte, next)) = bytes.next() {
                let ends_line = match byte {
                    b'\n' => true,
                    b'\r' => bytes.peek().is_none_or(|(byte, _)| *byte != b'\n'),
                    _ => false,
                };
                if ends_line {
                    starts.push(next);
                }
            }
            starts
        })
    }

    /// The line of a byte, from 0, and where it begins.
    fn line_of(&self, offset: u32) -> (usize, usize) {
        let lines = self.lines();
        let line = lines
            .partition_point(|start| *start <= offset)
            .saturating_sub(1);
        (line, lines.get(line).copied().unwrap_or(0) as usize)
    }

    /// The whole lines that two bytes are in and those between, and the number of the first of them, from 1. One more line
    /// stands before them: what is said of the end of the text is shown behind its last line.
    pub(crate) fn lines_around(&self, first: u32, last: u32) -> (usize, std::ops::Range<usize>) {
        let line = self.line_of(first).0.saturating_sub(1);
        let (last, _) = self.line_of(last.max(first));
        let place = |line: usize| self.lines().get(line).copied().map(|start| start as usize);
        let start = place(line).unwrap_or(0);
        let end = place(last + 1).unwrap_or(self.text.len());
        (line + 1, start..end.max(start))
    }

    /// The operands of the directives that include it; none for a file that was asked for.
    #[must_use]
    pub fn included_at(&self) -> &[Span] {
        &self.included_at
    }
}

/// All texts a configuration was read from, in the order of reading.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
    /// The files of a path; of one path there may be several texts.
    by_path: BTreeMap<PathBuf, Vec<u32>>,
}

impl Sources {
    /// Keeps a text and gives the id its spans carry. A byte-order mark is dropped; a text longer
    /// than [`MAX_FILE_BYTES`] is cut there (callers refuse it before). The same text of the same
    /// path is kept once.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: &str) -> FileId {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = text
            .get(..text.floor_char_boundary(MAX_FILE_BYTES))
            .unwrap_or(text);
        let path = path.into();
        let ids = self.by_path.entry(path.clone()).or_default();
        let known = ids.iter().copied().find(|id| {
            let file = self.files.get(*id as usize);
            file.is_some_and(|file| file.text == text)
        });
        if let Some(known) = known {
            return FileId(known);
        }
        let id = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        ids.push(id);
        self.files.push(Source {
            path,
            text: text.to_owned(),
            included_at: Vec::new(),
            lines: OnceLock::new(),
        });
        FileId(id)
    }

    /// As [`add`](Self::add), for a file that a directive includes.
    pub(crate) fn add_included(&mut self, path: &Path, text: &str, operand: Span) -> FileId {
        let id = self.add(path, text);
        if let Some(source) = self.files.get_mut(id.0 as usize) {
            source.included_at.push(operand);
        }
        id
    }

    /// The file of an id, unless the id came from other sources.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    /// All files in the order of reading.
    pub fn files(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }

    /// All files with their ids.
    pub fn files_with_ids(&self) -> impl Iterator<Item = (FileId, &Source)> {
        (0..).map(FileId).zip(&self.files)
    }

    /// The text under a span, empty if the span is not of these sources.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file)
            .and_then(|file| file.text.get(span.range()))
            .unwrap_or("")
    }

    /// Where a span starts, as people count. CR, LF and CRLF each end a line.
    #[must_use]
    pub fn position(&self, span: Span) -> Position {
        let Some(source) = self.file(span.file) else {
            return Position { line: 1, column: 1 };
        };
        let end = source.text.floor_char_boundary(span.start as usize);
        let (line, start) = source.line_of(u32::try_from(end).unwrap_or(u32::MAX));
        let before = source.text.get(start..end).unwrap_or("");
        Position {
            line: line + 1,
            column: before.chars().count() + 1,
        }
    }

    /// `file:line:column`, the form editors and people jump to.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        let Position { line, column } = self.position(span);
        let path = self.file(span.file).map_or(Path::new(""), Source::path);
        format!("{}:{line}:{column}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_lf_crlf_or_cr() {
        let mut sources = Sources::default();
        let file = sources.add("a.conf", "a\r\nbé\rc\nd");
        let place = |offset| sources.place(Span::new(file, offset, offset));
        assert_eq!(place(0), "a.conf:1:1");
        assert_eq!(place(3), "a.conf:2:1");
        assert_eq!(place(6), "a.conf:2:3");
        assert_eq!(place(7), "a.conf:3:1");
        assert_eq!(place(9), "a.conf:4:1");
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        let mut sources = Sources::default();
        let file = sources.add("a.conf", "\u{feff}k v");
        assert_eq!(sources.text(Span::new(file, 0, 1)), "k");
    }
}
