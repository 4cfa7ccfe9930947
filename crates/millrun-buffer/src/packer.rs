use std::fmt;
use std::io;

use flate2::{Compress, FlushCompress, Status};
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use crate::Compression;

/// Makes one gzip member or zstd frame after the other, and keeps for the next what it took for the first.
#[derive(Default)]
pub struct Packer {
    deflate: Option<Compress>,
    zstd: Option<Compressor<'static>>,
    packed: Vec<u8>,
}

/// The level of zstd, its own default.
const ZSTD_LEVEL: i32 = 3;

/// How a gzip member begins: deflate, no name, no time, from a system that is not said.
const MEMBER_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The least room that deflate is given at once, in bytes.
const ROOM_MIN: usize = 256;

impl Packer {
    /// What is kept of `bytes`: they themselves, or one member or frame.
    ///
    /// # Errors
    /// None that a memory buffer can cause; passed on rather than swallowed.
    pub fn pack<'a>(
        &'a mut self,
        compression: Compression,
        bytes: &'a [u8],
    ) -> io::Result<&'a [u8]> {
        match compression {
            Compression::Text => return Ok(bytes),
            Compression::Gzip => self.member(bytes)?,
            Compression::Zstd => self.frame(bytes)?,
        }
        Ok(&self.packed)
    }

    /// What others made last, back to back.
    pub(crate) fn join<'a>(&mut self, others: impl Iterator<Item = &'a Self>) -> &[u8] {
        self.packed.clear();
        others.for_each(|other| self.packed.extend_from_slice(&other.packed));
        &self.packed
    }

    fn member(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fresh = || Compress::new(flate2::Compression::default(), false);
        let deflate = self.deflate.get_or_insert_with(fresh);
        deflate.reset();
        let packed = &mut self.packed;
        packed.clear();
        packed.extend_from_slice(&MEMBER_HEAD);
        loop {
            let taken = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
            let rest = bytes.get(taken..).unwrap_or_default();
            packed.reserve(rest.len() / 2 + ROOM_MIN);
            if deflate.compress_vec(rest, packed, FlushCompress::Finish)? == Status::StreamEnd {
                break;
            }
        }
        packed.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        // The length is kept modulo 2^32.
        packed.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        let compressor = match &mut self.zstd {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(ZSTD_LEVEL)?),
        };
        self.packed.clear();
        self.packed.reserve(compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, &mut self.packed)?;
        Ok(())
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const ALL: [Compression; 3] = [Compression::Text, Compression::Gzip, Compression::Zstd];

    #[test]
    fn what_is_appended_in_pieces_comes_back_whole() {
        for compression in ALL {
            let (mut stored, mut packer) = (Vec::new(), Packer::default());
            for piece in [b"first".as_slice(), b"", b"second"] {
                stored.extend_from_slice(packer.pack(compression, piece).unwrap());
            }
            let mut out = Vec::new();
            compression.unpack(&stored, 11, &mut out).unwrap();
            assert_eq!(out, b"firstsecond", "{compression:?}");
        }
    }

    #[test]
    fn what_is_packed_tells_how() {
        for compression in ALL {
            let mut packer = Packer::default();
            let told = Compression::told_by(packer.pack(compression, b"\x92event").unwrap());
            assert_eq!(
                told,
                (compression != Compression::Text).then_some(compression)
            );
        }
    }

    proptest! {
        #[test]
        fn members_are_those_of_an_encoder_of_their_own(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 1..6),
            times in 1_usize..60,
        ) {
            let mut packer = Packer::default();
            for piece in pieces {
                let piece = piece.repeat(times);
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&piece).unwrap();
                let expected = encoder.finish().unwrap();
                prop_assert_eq!(packer.pack(Compression::Gzip, &piece).unwrap(), expected);
            }
        }
    }
}
