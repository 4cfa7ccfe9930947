//! The little of ELF that backtraces need: segments, sections, symbols of 64-bit little-endian files.
//!
//! ```text
//!   0  7f 'E' 'L' 'F', class 2 (64 bit), data 1 (little-endian)
//!  32  segments: offset, 40 sections: offset, 54 size and number of segments, 58 size and number of sections
//! segment  0 kind:u32  8 offset  16 address  32 length in the file  40 in memory            (all u64)
//! section  4 kind:u32  24 offset  32 length  40 link:u32  56 length of an entry
//! symbol   0 name:u32  4 kind:u8 (low bits)  6 section:u16  8 address  16 length
//! ```

/// Length of a file's header.
pub(super) const HEADER_LEN: usize = 64;

/// Length of a symbol.
pub(super) const SYMBOL_LEN: usize = 24;

const SEGMENT_LOAD: u32 = 1;
#[cfg(feature = "backtrace")]
const SEGMENT_EH_FRAME: u32 = 0x6474_e550;

const SECTION_SYMBOLS: u32 = 2;
const SECTION_EXPORTED_SYMBOLS: u32 = 11;

const SYMBOL_FUNCTION: u8 = 2;
const SYMBOL_INDIRECT_FUNCTION: u8 = 10;

/// A part of a file that is mapped into memory, or says something of such parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    kind: u32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) len: u64,
}

/// A table in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    kind: u32,
    pub(super) offset: u64,
    pub(super) len: u64,
    /// The section with the names of its entries.
    pub(super) link: u32,
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) name: u32,
    pub(super) address: u64,
    pub(super) len: u64,
}

impl Segment {
    pub(super) fn is_loaded(&self) -> bool {
        self.kind == SEGMENT_LOAD
    }

    #[cfg(feature = "backtrace")]
    pub(super) fn is_eh_frame_header(&self) -> bool {
        self.kind == SEGMENT_EH_FRAME
    }
}

impl Section {
    pub(super) fn has_all_symbols(&self) -> bool {
        self.kind == SECTION_SYMBOLS
    }

    pub(super) fn has_exported_symbols(&self) -> bool {
        self.kind == SECTION_EXPORTED_SYMBOLS
    }
}

/// Returns the segments that a file's head lists, as far as the head goes.
pub(super) fn segments(head: &[u8]) -> Vec<Segment> {
    let list = || {
        let offset = usize::try_from(long(head, 32)?).ok()?;
        let (size, count) = (short(head, 54)?, short(head, 56)?);
        is_ours(head).then_some((offset, usize::from(size), usize::from(count)))
    };
    let Some((offset, size, count)) = list() else {
        return Vec::new();
    };
    let places = (0..count).filter_map(|number| offset.checked_add(number.checked_mul(size)?));
    places
        .map_while(|place| segment(head.get(place..)?))
        .collect()
}

/// Returns where in the file its list of sections is: offset, size of an entry, number.
pub(super) fn section_list(header: &[u8]) -> Option<(u64, usize, usize)> {
    let (size, count) = (short(header, 58)?, short(header, 60)?);
    is_ours(header).then_some((long(header, 40)?, usize::from(size), usize::from(count)))
}

pub(super) fn section(bytes: &[u8]) -> Option<Section> {
    Some(Section {
        kind: word(bytes, 4)?,
        offset: long(bytes, 24)?,
        len: long(bytes, 32)?,
        link: word(bytes, 40)?,
    })
}

/// Returns a symbol if it is a function that is in this file.
pub(super) fn function(bytes: &[u8]) -> Option<Symbol> {
    let kind = bytes.get(4)? & 0xf;
    let symbol = Symbol {
        name: word(bytes, 0)?,
        address: long(bytes, 8)?,
        len: long(bytes, 16)?,
    };
    let is_here = short(bytes, 6)? != 0 && symbol.address != 0;
    (is_here && matches!(kind, SYMBOL_FUNCTION | SYMBOL_INDIRECT_FUNCTION)).then_some(symbol)
}

fn segment(bytes: &[u8]) -> Option<Segment> {
    Some(Segment {
        kind: word(bytes, 0)?,
        offset: long(bytes, 8)?,
        address: long(bytes, 16)?,
        len: long(bytes, 40)?,
    })
}

fn is_ours(header: &[u8]) -> bool {
    header.starts_with(b"\x7fELF\x02\x01")
}

fn short(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(place..)?.first_chunk()?))
}

fn word(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(place..)?.first_chunk()?))
}

fn long(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(place..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_such_file_has_nothing() {
        for bytes in [&b""[..], b"\x7fELF", b"\x7fELF\x01\x01", &[0; 100]] {
            assert_eq!(segments(bytes), []);
            assert_eq!(section_list(bytes), None);
        }
        // A header that claims more than there is.
        let mut head = vec![0xff; 80];
        head.splice(..6, *b"\x7fELF\x02\x01");
        assert_eq!(segments(&head), []);
        assert_eq!(section(&head[8..58]).map(|it| it.kind), Some(u32::MAX));
        assert_eq!(section(&head[8..51]), None);
        assert_eq!(function(&[0; 23]), None);
        assert_eq!(function(&[0; 24]), None, "nowhere");
    }
}
