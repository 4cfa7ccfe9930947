//! Base64 as Ruby's module writes it.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `url` uses `-` and `_`; `lines` breaks behind 60 letters and ends with a newline.
pub(crate) fn encode(bytes: &[u8], url: bool, lines: bool) -> String {
    let letter = |bits: u32| {
        let letter = LETTERS.get(bits as usize & 63).copied().unwrap_or(b'A');
        char::from(match letter {
            b'+' if url => b'-',
            b'/' if url => b'_',
            other => other,
        })
    };
    let mut out = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.push(letter(bits >> 18));
        out.push(letter(bits >> 12));
        out.push(if chunk.len() > 1 {
            letter(bits >> 6)
        } else {
            '='
        });
        out.push(if chunk.len() > 2 { letter(bits) } else { '=' });
        if lines && index % 15 == 14 {
            out.push('\n');
        }
    }
    if lines && !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Takes both alphabets and skips what belongs to neither.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for &byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}
