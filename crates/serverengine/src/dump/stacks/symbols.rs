//! Names of functions, from a file's symbol table.
//!
//! The table is read once, piece by piece, and only the names that are wanted: of a program of a hundred
//! megabytes that is a few milliseconds and no memory to speak of.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::elf::{self, HEADER_LEN, SYMBOL_LEN, Section, Symbol};
use super::modules::Module;

/// How much of the table is read at once.
const PIECE_LEN: usize = 4096 * SYMBOL_LEN;

/// Longest name that is read, in bytes.
const NAME_LEN_MAX: usize = 1024;

/// Most entries of a table that are looked at.
const SYMBOLS_MAX: u64 = 16 * 1024 * 1024;

/// Returns the function that each address is in, and how far. `wanted` is sorted.
pub(super) fn names(module: &Module, wanted: &[u64]) -> BTreeMap<u64, (String, u64)> {
    let Ok(file) = module.open() else {
        return BTreeMap::new();
    };
    find(&file, wanted).unwrap_or_default()
}

fn find(file: &File, wanted: &[u64]) -> Option<BTreeMap<u64, (String, u64)>> {
    let sections = sections(file)?;
    let table = sections
        .iter()
        .find(|it| it.has_all_symbols())
        .or_else(|| sections.iter().find(|it| it.has_exported_symbols()))?;
    let texts = sections.get(usize::try_from(table.link).ok()?)?;
    let found = functions(file, table, wanted);
    let names = found.into_iter().filter_map(|(address, symbol)| {
        let name = name(file, texts, symbol.name)?;
        Some((address, (name, address.wrapping_sub(symbol.address))))
    });
    Some(names.collect())
}

fn sections(file: &File) -> Option<Vec<Section>> {
    let mut header = [0; HEADER_LEN];
    file.read_exact_at(&mut header, 0).ok()?;
    let (offset, size, count) = elf::section_list(&header)?;
    let mut bytes = vec![0; size.checked_mul(count)?];
    file.read_exact_at(&mut bytes, offset).ok()?;
    let entries = bytes.chunks_exact(size.max(1));
    Some(entries.map_while(elf::section).collect())
}

/// For each address the function that contains it, or else the last one of unknown length before it.
fn functions(file: &File, table: &Section, wanted: &[u64]) -> BTreeMap<u64, Symbol> {
    let mut found: BTreeMap<u64, Symbol> = BTreeMap::new();
    let mut piece = vec![0; PIECE_LEN];
    let len = table.len.min(SYMBOLS_MAX * SYMBOL_LEN as u64);
    let mut place = 0;
    while place < len {
        let length = usize::try_from(len - place)
            .unwrap_or(PIECE_LEN)
            .min(PIECE_LEN);
        let bytes = piece.get_mut(..length).unwrap_or_default();
        if file
            .read_exact_at(bytes, table.offset.saturating_add(place))
            .is_err()
        {
            break;
        }
        for symbol in bytes.chunks_exact(SYMBOL_LEN).filter_map(elf::function) {
            let first = wanted.partition_point(|it| *it < symbol.address);
            let end = symbol.address.saturating_add(symbol.len.max(1));
            let inside = wanted.iter().skip(first).take_while(|it| **it < end);
            for address in inside {
                found.entry(*address).or_insert(symbol);
            }
        }
        place += length as u64;
    }
    found
}

fn name(file: &File, texts: &Section, place: u32) -> Option<String> {
    let mut bytes = vec![0; NAME_LEN_MAX];
    let left = texts.len.checked_sub(place.into())?;
    bytes.truncate(usize::try_from(left).unwrap_or(NAME_LEN_MAX));
    file.read_exact_at(&mut bytes, texts.offset.checked_add(place.into())?)
        .ok()?;
    let name = bytes.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::modules::Modules;
    use super::*;

    #[test]
    fn a_function_of_this_program_has_its_name() {
        let modules = Modules::of_this_process();
        let here = a_function_of_this_program_has_its_name as fn() as usize as u64;
        let own = modules.all().iter().find(|it| it.contains(here)).unwrap();
        let address = own.own_address(here) + 3;
        let names = names(own, &[1, address]);
        let (name, offset) = &names[&address];
        assert!(
            name.contains("a_function_of_this_program_has_its_name"),
            "{name}"
        );
        assert_eq!(*offset, 3);
        assert!(!names.contains_key(&1));
    }
}
