//! Writers of msgpack values: free functions that append to a caller's buffer.
//!
//! Each takes the shortest form the format has, except where its name says otherwise.

use crate::time::EventTime;

/// Appends nil.
#[inline]
pub fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Appends a boolean.
#[inline]
pub fn bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// Appends an unsigned integer.
#[inline]
pub fn uint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, value as u8]),
        0x100..=0xffff => tagged(out, 0xcd, &(value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => tagged(out, 0xce, &(value as u32).to_be_bytes()),
        _ => tagged(out, 0xcf, &value.to_be_bytes()),
    }
}

/// Appends a signed integer; positive ones take the unsigned forms, as Ruby's packer does.
#[inline]
pub fn int(out: &mut Vec<u8>, value: i64) {
    match value {
        0.. => uint(out, value.unsigned_abs()),
        -32..0 => out.push(value as i8 as u8),
        -0x80..-32 => out.extend_from_slice(&[0xd0, value as i8 as u8]),
        -0x8000..-0x80 => tagged(out, 0xd1, &(value as i16).to_be_bytes()),
        -0x8000_0000..-0x8000 => tagged(out, 0xd2, &(value as i32).to_be_bytes()),
        _ => tagged(out, 0xd3, &value.to_be_bytes()),
    }
}

/// Appends a double.
#[inline]
pub fn float(out: &mut Vec<u8>, value: f64) {
    tagged(out, 0xcb, &value.to_be_bytes());
}

/// Appends a string. Bytes that are not UTF-8 are allowed, as Ruby's packer allows them.
/// Longer than 4 GiB is cut there, which no limit of the callers lets happen.
#[inline]
pub fn str(out: &mut Vec<u8>, text: &[u8]) {
    let text = cut_to_u32(text);
    str_header(out, text.len() as u32);
    out.extend_from_slice(text);
}

/// The longest string of the shortest form, and so what [`str_head`] copies in two registers.
const SHORT: usize = 32;

/// Appends as a string the first `len` bytes of `text`; all of it, if it is shorter. Where enough stands behind a short
/// string, that is copied with it and cut off again: two registers are copied faster than a number of bytes that is
/// known only then.
#[inline]
pub fn str_head(out: &mut Vec<u8>, text: &[u8], len: usize) {
    match text.first_chunk::<SHORT>() {
        Some(window) if len < SHORT => {
            out.push(0xa0 | len as u8);
            let end = out.len() + len;
            out.extend_from_slice(window);
            out.truncate(end);
        }
        _ => str(out, text.get(..len).unwrap_or(text)),
    }
}

/// Appends the header of a string of `len` bytes; the bytes themselves follow.
#[inline]
pub fn str_header(out: &mut Vec<u8>, len: u32) {
    match len {
        0..=31 => out.push(0xa0 | len as u8),
        32..=0xff => out.extend_from_slice(&[0xd9, len as u8]),
        0x100..=0xffff => tagged(out, 0xda, &(len as u16).to_be_bytes()),
        _ => tagged(out, 0xdb, &len.to_be_bytes()),
    }
}

/// Appends a byte string. Cut at 4 GiB like [`str`](fn@str).
#[inline]
pub fn bin(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = cut_to_u32(bytes);
    bin_header(out, bytes.len() as u32);
    out.extend_from_slice(bytes);
}

/// Appends the header of a byte string of `len` bytes; the bytes themselves follow.
#[inline]
pub fn bin_header(out: &mut Vec<u8>, len: u32) {
    match len {
        0..=0xff => out.extend_from_slice(&[0xc4, len as u8]),
        0x100..=0xffff => tagged(out, 0xc5, &(len as u16).to_be_bytes()),
        _ => tagged(out, 0xc6, &len.to_be_bytes()),
    }
}

/// Appends the header of an array of `len` values.
#[inline]
pub fn array(out: &mut Vec<u8>, len: u32) {
    match len {
        0..=15 => out.push(0x90 | len as u8),
        16..=0xffff => tagged(out, 0xdc, &(len as u16).to_be_bytes()),
        _ => tagged(out, 0xdd, &len.to_be_bytes()),
    }
}

/// Appends the header of a map of `len` pairs.
#[inline]
pub fn map(out: &mut Vec<u8>, len: u32) {
    match len {
        0..=15 => out.push(0x80 | len as u8),
        16..=0xffff => tagged(out, 0xde, &(len as u16).to_be_bytes()),
        _ => tagged(out, 0xdf, &len.to_be_bytes()),
    }
}

/// Appends an event time as extension type 0.
#[inline]
pub fn time(out: &mut Vec<u8>, time: EventTime) {
    out.extend_from_slice(&time.to_bytes());
}

#[inline]
fn tagged<const N: usize>(out: &mut Vec<u8>, marker: u8, bytes: &[u8; N]) {
    out.push(marker);
    out.extend_from_slice(bytes);
}

fn cut_to_u32(bytes: &[u8]) -> &[u8] {
    bytes.get(..u32::MAX as usize).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_head_of_a_text_is_written_as_a_text_of_its_own(
            text in prop::collection::vec(any::<u8>(), 0..80),
            len in 0..90_usize,
        ) {
            let (mut head, mut whole) = (vec![7], vec![7]);
            super::str_head(&mut head, &text, len);
            super::str(&mut whole, &text[..len.min(text.len())]);
            prop_assert_eq!(head, whole);
        }
    }
}
