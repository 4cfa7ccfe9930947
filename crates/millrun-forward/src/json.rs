//! JSON mode: a connection whose first byte is `{` or `[` (fluentd.md section 5.2).
//!
//! The text is a row of arrays and objects; each is transcoded to msgpack and then read like any
//! message, and its acknowledgement is JSON too. The framer looks at every byte once.

use crate::frame::Found;

/// Finds the end of one JSON array or object after the other, by brackets and quotes alone; the
/// transcoder checks what lies between.
#[derive(Debug, Default)]
pub(crate) struct JsonFramer {
    scanned: u64,
    depth: u64,
    is_in_text: bool,
    is_escaped: bool,
}

impl JsonFramer {
    /// Passes over the beginning of `bytes`, which follow what was passed over before; answers how
    /// many bytes it took and why it stopped there. White space before a value belongs to it.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> (usize, Found) {
        for (at, byte) in bytes.iter().enumerate() {
            if self.is_in_text {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.is_in_text = false,
                    _ => {}
                }
                continue;
            }
            let is_end = match byte {
                b'{' | b'[' => {
                    self.depth += 1;
                    false
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.depth == 0
                }
                b'"' => {
                    self.is_in_text = true;
                    false
                }
                // A value that is neither array nor object; the transcoder will say what is wrong.
                b' ' | b'\t' | b'\r' | b'\n' => false,
                _ => self.depth == 0,
            };
            if is_end {
                let taken = at + 1;
                let len = self.scanned + taken as u64;
                *self = Self::default();
                return (taken, Found::End { len });
            }
        }
        self.scanned += bytes.len() as u64;
        (bytes.len(), Found::More)
    }

    /// Length of the value so far, in bytes.
    pub(crate) fn size_so_far(&self) -> u64 {
        self.scanned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ends_however_the_text_is_cut() {
        let text = br#"["a\"]",{"k":[1]}] {"x":"\\"}["#;
        let expected = [18, 29];
        for cut in 0..=text.len() {
            let (mut framer, mut ends, mut start) = (JsonFramer::default(), Vec::new(), 0);
            for (base, piece) in [(0, &text[..cut]), (cut, &text[cut..])] {
                let mut piece = piece;
                let mut at = base;
                loop {
                    let (taken, found) = framer.advance(piece);
                    at += taken;
                    piece = &piece[taken..];
                    let Found::End { len } = found else { break };
                    start += len as usize;
                    assert_eq!(start, at);
                    ends.push(at);
                }
            }
            assert_eq!(ends, expected, "cut at {cut}");
        }
    }
}
