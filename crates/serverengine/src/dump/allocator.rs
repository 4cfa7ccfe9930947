//! What the allocator says of itself: the part of a dump that a program can replace, with its allocator.

use std::fs::File;
use std::io;

use crate::sys;

/// Most lines of a C library's own report that are shown.
const LINES_MAX: usize = 1_000;

/// What a dump says of the program's allocator, see [`Config::allocator`](crate::Config::allocator). A
/// program with an allocator of its own (`#[global_allocator]`) implements it for that one.
///
/// It is called in the process that is dumped, in a worker on a thread of its own.
pub trait Allocator: Send + Sync {
    /// Returns lines for a person: what is in use, what is kept free, and blocks by size class.
    fn statistics(&self) -> Vec<String>;

    /// Returns whether there is a heap profile: which code has allocated what is in use.
    fn has_heap_profile(&self) -> bool {
        false
    }

    /// Writes the heap profile into a file that is empty and private to the process's user.
    ///
    /// # Errors
    ///
    /// Why there is none after all; the dump says so.
    fn write_heap_profile(&self, file: &File) -> io::Result<()> {
        let _ = file;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The allocator of the C library, which Rust programs have by default. glibc tells totals, and the free
/// blocks by size, for each of its arenas; others tell nothing. It has no heap profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemAllocator;

impl Allocator for SystemAllocator {
    fn statistics(&self) -> Vec<String> {
        let Some(totals) = sys::allocator_totals() else {
            return vec!["the C library does not tell".to_owned()];
        };
        let kib = |bytes: usize| bytes.div_ceil(1024);
        let mut lines = vec![format!(
            "{} KiB in use, {} KiB free in {} KiB of arenas ({} KiB could be given back), {} KiB in \
             large blocks",
            kib(totals.used),
            kib(totals.free),
            kib(totals.arenas),
            kib(totals.releasable),
            kib(totals.mapped),
        )];
        if let Some(classes) = sys::allocator_classes() {
            lines.extend(free_blocks(&classes).take(LINES_MAX));
        }
        lines
    }
}

/// Puts glibc's XML into words.
///
/// ```text
/// <heap nr="0"> <sizes> <size from="33" to="48" total="144" count="3"/> … </sizes> …
/// ```
fn free_blocks(report: &str) -> impl Iterator<Item = String> {
    let mut arena = "?";
    report.lines().filter_map(move |line| {
        if line.starts_with("<heap ") {
            arena = attribute(line, "nr")?;
        }
        if !line.trim_start().starts_with("<size ") {
            return None;
        }
        let value = |name| attribute(line, name);
        Some(format!(
            "arena {arena}: {} free blocks of {} to {} bytes, {} bytes together",
            value("count")?,
            value("from")?,
            value("to")?,
            value("total")?
        ))
    })
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_blocks_are_said_by_size() {
        let report = "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n  <size from=\"33\" to=\"48\" \
            total=\"144\" count=\"3\"/>\n  <unsorted from=\"1\" to=\"2\" total=\"3\" count=\"4\"/>\n\
            </sizes>\n</heap>\n<heap nr=\"12\">\n  <size from=\"17\" to=\"32\" total=\"32\" \
            count=\"1\"/>\n</heap>\n<size broken\n";
        assert_eq!(
            free_blocks(report).collect::<Vec<_>>(),
            [
                "arena 0: 3 free blocks of 33 to 48 bytes, 144 bytes together",
                "arena 12: 1 free blocks of 17 to 32 bytes, 32 bytes together",
            ]
        );
    }
}
