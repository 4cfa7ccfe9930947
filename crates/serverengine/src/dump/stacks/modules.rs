//! The files whose code is mapped into this process, by what `/proc/self/maps` says.
//!
//! ```text
//! 55e0c0a00000-55e0c0a52000 r--p 00000000 fe:00 1234   /usr/bin/app      the file's head: where it begins
//! 55e0c0a52000-55e0c0b90000 r-xp 00051000 fe:00 1234   /usr/bin/app
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::elf;
use crate::sys;

/// Longest head of a file that is looked at in memory: its header and its list of segments.
const HEAD_LEN: usize = 4096;

/// All files, in the order of their addresses.
#[derive(Debug, Default)]
pub(super) struct Modules(Vec<Module>);

/// One file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    path: String,
    start: u64,
    end: u64,
    /// What to add to an address in the file to get the one in memory.
    bias: u64,
    segments: Vec<elf::Segment>,
}

impl Modules {
    pub(super) fn of_this_process() -> Self {
        let maps = fs::read("/proc/self/maps").unwrap_or_default();
        let mut modules = parse(&String::from_utf8_lossy(&maps));
        for module in &mut modules {
            let mut head = vec![0; HEAD_LEN];
            let length = sys::read_own_memory(module.start, &mut head).unwrap_or(0);
            module.segments = elf::segments(head.get(..length).unwrap_or_default());
            let first = module.segments.iter().find(|it| it.is_loaded());
            let first = first.map_or(0, |it| it.address.wrapping_sub(it.offset));
            module.bias = module.start.wrapping_sub(first);
        }
        Self(modules)
    }

    pub(super) fn all(&self) -> &[Module] {
        &self.0
    }

    /// Returns the number of the file that an address belongs to.
    #[cfg(feature = "backtrace")]
    pub(super) fn position(&self, address: u64) -> Option<usize> {
        self.0.iter().position(|it| it.contains(address))
    }
}

impl Module {
    pub(super) fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// Returns the address within the file of one in memory.
    pub(super) fn own_address(&self, address: u64) -> u64 {
        address.wrapping_sub(self.bias)
    }

    /// Returns the address in memory of one within the file.
    #[cfg(feature = "backtrace")]
    pub(super) fn address(&self, own: u64) -> u64 {
        own.wrapping_add(self.bias)
    }

    #[cfg(feature = "backtrace")]
    pub(super) fn segments(&self) -> &[elf::Segment] {
        &self.segments
    }

    pub(super) fn short_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Opens the file itself. One that was removed or replaced is not opened, but for the program's own,
    /// which the kernel keeps.
    pub(super) fn open(&self) -> io::Result<File> {
        let program = fs::read_link("/proc/self/exe").unwrap_or_default();
        if program == Path::new(&self.path) {
            return File::open("/proc/self/exe");
        }
        if !self.path.starts_with('/') || self.path.ends_with(" (deleted)") {
            return Err(io::ErrorKind::NotFound.into());
        }
        File::open(PathBuf::from(&self.path))
    }
}

/// Mappings of one file from its head on belong together. What is nobody's file is left out.
fn parse(maps: &str) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    for line in maps.lines() {
        let Some((start, end, offset, path)) = mapping(line) else {
            continue;
        };
        match modules.last_mut() {
            Some(module) if module.path == path && offset > 0 => module.end = end,
            _ if offset == 0 && (path.starts_with('/') || path == "[vdso]") => {
                modules.push(Module {
                    path: path.to_owned(),
                    start,
                    end,
                    bias: start,
                    segments: Vec::new(),
                });
            }
            _ => {}
        }
    }
    modules
}

fn mapping(line: &str) -> Option<(u64, u64, u64, &str)> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let offset = fields.nth(1)?;
    let path = fields.nth(2)?.trim_start();
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?, number(offset)?, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_a_file_are_one_module() {
        let maps = "\
            55e0000-55e5000 r--p 00000000 fe:00 12                         /usr/bin/an app\n\
            55e5000-55f0000 r-xp 00005000 fe:00 12                         /usr/bin/an app\n\
            55f0000-5600000 rw-p 00000000 00:00 0                          [heap]\n\
            7f00000-7f10000 r--p 00000000 fe:00 13                         /lib/libc.so.6\n\
            7f10000-7f20000 r-xp 00010000 fe:00 13                         /lib/libc.so.6\n\
            7f20000-7f30000 rw-p 00000000 00:00 0 \n\
            7f30000-7f32000 r-xp 00000000 00:00 0                          [vdso]\n\
            nonsense\n";
        let found = parse(maps);
        let ranges = found.iter().map(|it| (it.short_name(), it.start, it.end));
        assert_eq!(
            ranges.collect::<Vec<_>>(),
            [
                ("an app", 0x55e_0000, 0x55f_0000),
                ("libc.so.6", 0x7f0_0000, 0x7f2_0000),
                ("[vdso]", 0x7f3_0000, 0x7f3_2000),
            ]
        );
    }

    #[test]
    fn this_process_has_its_program_among_them() {
        let modules = Modules::of_this_process();
        let here = this_process_has_its_program_among_them as fn() as usize as u64;
        let own = modules.all().iter().find(|it| it.contains(here)).unwrap();
        assert!(own.segments.iter().any(elf::Segment::is_loaded));
        assert!(own.open().is_ok());
    }
}
