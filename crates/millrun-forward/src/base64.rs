//! Base64 of chunk ids (RFC 4648 section 4), as Ruby's encoder writes them: with a newline behind.

/// Length of an encoded 16-byte id, newline included.
pub(crate) const ENCODED_LEN: usize = 25;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text under which a chunk travels. Receivers give it back byte for byte, so the newline is
/// part of the id; a receiver that logs ids has seen it from Fluentd for years.
pub(crate) fn encode_id(id: &[u8; 16]) -> [u8; ENCODED_LEN] {
    let mut text = [b'='; ENCODED_LEN];
    for (group, quad) in id.chunks(3).zip(text.chunks_mut(4)) {
        let bits = group
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        // A group of n bytes fills n + 1 letters; the rest stays padding.
        for (letter, shift) in quad.iter_mut().take(group.len() + 1).zip([18, 12, 6, 0]) {
            let index = (bits >> shift & 63) as usize;
            *letter = ALPHABET.get(index).copied().unwrap_or(b'=');
        }
    }
    if let Some(last) = text.last_mut() {
        *last = b'\n';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_like_every_other_encoder() {
        assert_eq!(
            &encode_id(b"abcdefghijklmnop"),
            b"YWJjZGVmZ2hpamtsbW5vcA==\n"
        );
        assert_eq!(&encode_id(&[0xff; 16]), b"/////////////////////w==\n");
        assert_eq!(&encode_id(&[0; 16]), b"AAAAAAAAAAAAAAAAAAAAAA==\n");
    }
}
