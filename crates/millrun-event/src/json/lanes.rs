//! Sixteen bytes looked at at once, in a register of the processor.

use wide::u8x16;

/// How many bytes are looked at at once.
pub(super) const LANES: usize = 16;

/// A bit for each byte, the first one lowest, that JSON text cannot hold as it is: `"`, `\` and control characters.
#[inline]
pub(super) fn escapes(bytes: [u8; LANES]) -> u32 {
    let bytes = u8x16::new(bytes);
    let is_control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    (is_control | ending(bytes)).to_bitmask()
}

/// A bit for each byte, the first one lowest, that ends a run of a string being read: `"` and `\`.
#[inline]
pub(super) fn ends(bytes: [u8; LANES]) -> u32 {
    ending(u8x16::new(bytes)).to_bitmask()
}

#[inline]
fn ending(bytes: u8x16) -> u8x16 {
    bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'))
}

#[inline]
pub(super) fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(bytes: [u8; LANES], is_marked: impl Fn(u8) -> bool) -> u32 {
        let bits = (0..)
            .zip(bytes)
            .map(|(at, byte)| u32::from(is_marked(byte)) << at);
        bits.fold(0, |all, bit| all | bit)
    }

    proptest! {
        #[test]
        fn lanes_see_what_single_bytes_show(
            common in any::<[u8; LANES]>(),
            odd in prop::array::uniform16(prop::sample::select(&b"ab\"\\\x00\x1f\x20\x21\x23\x5b\x5d\x7f\x80\xa2\xdc\xff"[..])),
        ) {
            for bytes in [common, odd] {
                prop_assert_eq!(escapes(bytes), one_by_one(bytes, needs_escape));
                let ends_run = |byte| byte == b'"' || byte == b'\\';
                prop_assert_eq!(ends(bytes), one_by_one(bytes, ends_run));
            }
        }
    }
}
