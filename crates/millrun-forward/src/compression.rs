//! Compressed payloads: expanded against a limit, made in a caller's buffer.
//!
//! Both formats are taken as several members or frames back to back, which is what appending to a
//! compressed chunk makes.

use std::fmt;
use std::io::{self, Read, Write as _};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// The level of zstd, its own default.
const ZSTD_LEVEL: i32 = 3;

/// The compression of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// None; `text` on the wire.
    #[default]
    None,
    /// One or more gzip members.
    Gzip,
    /// One or more zstd frames (Fluentd since 1.19).
    Zstd,
}

/// Why a payload could not be expanded.
#[derive(Debug)]
pub(crate) enum Unexpandable {
    NotSo(Compression, io::Error),
    TooLarge,
}

impl fmt::Display for Unexpandable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSo(expected, error) => write!(f, "it is no {}: {error}", expected.word()),
            Self::TooLarge => f.write_str("it expands too far"),
        }
    }
}

impl Compression {
    /// What the option `compressed` calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "text",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The compression that the option `compressed` names; what it does not know is none.
    pub(crate) fn of(word: Option<&[u8]>) -> Self {
        match word {
            Some(b"gzip") => Self::Gzip,
            Some(b"zstd") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Compresses `payload` into `out`, which is cleared before, as one member or frame; copies it where nothing
    /// is to be compressed.
    ///
    /// # Errors
    ///
    /// None that a memory buffer can cause; passed on rather than swallowed.
    pub fn compress(self, payload: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        match self {
            Self::None => out.extend_from_slice(payload),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, flate2::Compression::default());
                encoder.write_all(payload)?;
                encoder.finish()?;
            }
            Self::Zstd => zstd::stream::copy_encode(payload, out, ZSTD_LEVEL)?,
        }
        Ok(())
    }

    /// Expands all members or frames of `payload` into `out`, which is cleared before. The room taken follows
    /// what comes out, so a bomb costs `limit` bytes at most, and zstd's window, which is 128 MiB at most.
    pub(crate) fn expand(
        self,
        payload: &[u8],
        limit: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Unexpandable> {
        out.clear();
        if payload.is_empty() {
            return Ok(());
        }
        let read = match self {
            Self::None => read_to(payload, limit, out),
            Self::Gzip => read_to(MultiGzDecoder::new(payload), limit, out),
            Self::Zstd => {
                zstd::Decoder::with_buffer(payload).and_then(|decoder| read_to(decoder, limit, out))
            }
        };
        match read {
            Err(error) => Err(Unexpandable::NotSo(self, error)),
            Ok(()) if out.len() as u64 > limit => Err(Unexpandable::TooLarge),
            Ok(()) => Ok(()),
        }
    }
}

/// Reads one byte beyond the limit at most.
fn read_to(source: impl Read, limit: u64, out: &mut Vec<u8>) -> io::Result<()> {
    source.take(limit.saturating_add(1)).read_to_end(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

    #[test]
    fn expands_every_member() {
        for compression in BOTH {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            compression.compress(b"first ", &mut one).unwrap();
            compression.compress(b"second", &mut two).unwrap();
            one.extend_from_slice(&two);
            let mut out = b"old".to_vec();
            compression.expand(&one, 12, &mut out).unwrap();
            assert_eq!(out, b"first second");
            assert!(matches!(
                compression.expand(&one, 11, &mut out),
                Err(Unexpandable::TooLarge)
            ));
        }
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        for compression in BOTH {
            let mut bomb = Vec::new();
            compression.compress(&vec![0; 4 << 20], &mut bomb).unwrap();
            let mut out = Vec::new();
            assert!(matches!(
                compression.expand(&bomb, 64 << 10, &mut out),
                Err(Unexpandable::TooLarge)
            ));
            assert!(out.capacity() <= 256 << 10);
        }
    }

    #[test]
    fn cut_off_and_foreign_bytes_are_refused() {
        for compression in BOTH {
            let mut whole = Vec::new();
            compression.compress(b"some text", &mut whole).unwrap();
            let mut out = Vec::new();
            for len in 1..whole.len() {
                let cut = whole.get(..len).unwrap();
                assert!(compression.expand(cut, 1 << 20, &mut out).is_err(), "{len}");
            }
            let error = compression.expand(b"plain", 1 << 20, &mut out).unwrap_err();
            let start = format!("it is no {}: ", compression.word());
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            assert_eq!(
                Compression::of(Some(compression.word().as_bytes())),
                compression
            );
        }
        assert_eq!(Compression::of(Some(b"lz4")), Compression::None);
        assert_eq!(Compression::of(None), Compression::None);
    }
}
