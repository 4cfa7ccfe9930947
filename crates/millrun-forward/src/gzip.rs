//! Gzip payloads: expanded against a limit, compressed into a caller's buffer.

use std::fmt;
use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Why a payload could not be expanded.
#[derive(Debug)]
pub(crate) enum Unexpandable {
    NotGzip(io::Error),
    TooLarge,
}

impl fmt::Display for Unexpandable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGzip(error) => write!(f, "it is no gzip: {error}"),
            Self::TooLarge => f.write_str("it expands too far"),
        }
    }
}

/// Expands all members of `payload` into `out`, which is cleared before. The room taken follows
/// what comes out, so a bomb costs `limit` bytes at most.
pub(crate) fn expand(payload: &[u8], limit: u64, out: &mut Vec<u8>) -> Result<(), Unexpandable> {
    out.clear();
    if payload.is_empty() {
        return Ok(());
    }
    MultiGzDecoder::new(payload)
        .take(limit.saturating_add(1))
        .read_to_end(out)
        .map_err(Unexpandable::NotGzip)?;
    if out.len() as u64 > limit {
        return Err(Unexpandable::TooLarge);
    }
    Ok(())
}

/// Compresses `payload` into `out`, which is cleared before, as one gzip member.
///
/// # Errors
///
/// None that a memory buffer can cause; passed on rather than swallowed.
pub fn compress(payload: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    let mut encoder = GzEncoder::new(out, Compression::default());
    encoder.write_all(payload)?;
    encoder.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_every_member() {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        compress(b"first ", &mut one).unwrap();
        compress(b"second", &mut two).unwrap();
        one.extend_from_slice(&two);
        let mut out = b"old".to_vec();
        expand(&one, 12, &mut out).unwrap();
        assert_eq!(out, b"first second");
        assert!(matches!(
            expand(&one, 11, &mut out),
            Err(Unexpandable::TooLarge)
        ));
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let mut bomb = Vec::new();
        compress(&vec![0; 4 << 20], &mut bomb).unwrap();
        let mut out = Vec::new();
        assert!(matches!(
            expand(&bomb, 64 << 10, &mut out),
            Err(Unexpandable::TooLarge)
        ));
        assert!(out.capacity() <= 256 << 10);
    }

    #[test]
    fn cut_off_and_foreign_bytes_are_refused() {
        let mut whole = Vec::new();
        compress(b"some text", &mut whole).unwrap();
        let mut out = Vec::new();
        for len in 1..whole.len() {
            assert!(expand(&whole[..len], 1 << 20, &mut out).is_err(), "{len}");
        }
        assert!(expand(b"plain", 1 << 20, &mut out).is_err());
    }
}
