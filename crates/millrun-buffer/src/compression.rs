use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// How the bytes of a chunk are kept (`compress`): one gzip member or zstd frame for each append, back to back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    Text,
    /// As gzip members.
    Gzip,
    /// As zstd frames.
    Zstd,
}

impl Compression {
    /// How bytes are kept that begin so; nothing where neither compression makes such a beginning.
    pub(crate) fn told_by(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Appends to `out` what `stored` was made of, at most `limit` bytes of it.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where the bytes are damaged or more than the limit come out of them.
    pub fn unpack(self, stored: &[u8], limit: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let damaged = |error: io::Error| {
            let text = format!("the chunk cannot be decompressed: {error}");
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let read = match self {
            Self::Text => {
                out.extend_from_slice(stored);
                return Ok(());
            }
            Self::Gzip => read_to(MultiGzDecoder::new(stored), limit, out),
            Self::Zstd => {
                zstd::Decoder::with_buffer(stored).and_then(|decoder| read_to(decoder, limit, out))
            }
        };
        match read.map_err(damaged)? {
            read if read > limit => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the chunk is longer than {limit} bytes decompressed (decompression_size_limit)"
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Reads one byte beyond the limit at most, and tells how many came.
fn read_to(source: impl Read, limit: u64, out: &mut Vec<u8>) -> io::Result<u64> {
    let read = source.take(limit.saturating_add(1)).read_to_end(out)?;
    Ok(read as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packer;

    #[test]
    fn damage_and_bombs_are_told_in_words() {
        let mut out = Vec::new();
        for (compression, stored) in [(Compression::Gzip, b"text"), (Compression::Zstd, b"text")] {
            let error = compression.unpack(stored, 100, &mut out).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let text = error.to_string();
            let start = "the chunk cannot be decompressed: ";
            assert!(text.starts_with(start), "{text}");
        }
        let mut packer = Packer::default();
        let bomb = packer.pack(Compression::Gzip, &[0; 10_000]).unwrap();
        let error = Compression::Gzip.unpack(bomb, 9_999, &mut out).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the chunk is longer than 9999 bytes decompressed (decompression_size_limit)"
        );
    }
}
