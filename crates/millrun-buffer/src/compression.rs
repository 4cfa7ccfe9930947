use std::io::{self, Read, Write as _};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

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

/// The level of zstd, its own default.
const ZSTD_LEVEL: i32 = 3;

impl Compression {
    /// What is kept of `bytes`; `scratch` holds it where it is not the same.
    pub fn pack<'a>(self, bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        match self {
            Self::Text => return Ok(bytes),
            Self::Gzip => {
                scratch.clear();
                let mut encoder = GzEncoder::new(&mut *scratch, flate2::Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish()?;
            }
            Self::Zstd => *scratch = zstd::bulk::compress(bytes, ZSTD_LEVEL)?,
        }
        Ok(scratch)
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

    #[test]
    fn what_is_appended_in_pieces_comes_back_whole() {
        for compression in [Compression::Text, Compression::Gzip, Compression::Zstd] {
            let (mut stored, mut scratch) = (Vec::new(), Vec::new());
            for piece in [b"first".as_slice(), b"", b"second"] {
                stored.extend_from_slice(compression.pack(piece, &mut scratch).unwrap());
            }
            let mut out = Vec::new();
            compression.unpack(&stored, 11, &mut out).unwrap();
            assert_eq!(out, b"firstsecond", "{compression:?}");
        }
    }

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
        let mut scratch = Vec::new();
        let bomb = Compression::Gzip.pack(&[0; 10_000], &mut scratch).unwrap();
        let error = Compression::Gzip.unpack(bomb, 9_999, &mut out).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the chunk is longer than 9999 bytes decompressed (decompression_size_limit)"
        );
    }
}
