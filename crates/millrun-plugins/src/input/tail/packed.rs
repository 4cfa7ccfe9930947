//! A compressed file, read as what it holds.
//!
//! ```text
//! in.log ──renamed──▶ in.log.1 ──gzip──▶ in.log.1.gz     another file with another number,
//!   0 … position … end                   0 … position … end    and the same bytes inside
//! ```
//!
//! So a file that was rotated *and* compressed before it was read to its end is read on where it
//! was left. It is known by its fingerprint alone. What lies before the position is unpacked and
//! thrown away; going back means to begin anew.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use millrun_buffer::Fingerprint;

/// Bytes unpacked at once on the way to the position.
const SKIPPED_BYTES: usize = 64 * 1024;

/// The suffix of compressed files.
pub(crate) const PACKED_SUFFIX: &str = ".gz";

/// An open gzip file.
#[derive(Debug)]
pub(crate) struct Packed {
    file: File,
    decoder: MultiGzDecoder<BufReader<File>>,
    /// How many bytes were unpacked.
    at: u64,
    /// The first of them: they are asked for with every block.
    head: Vec<u8>,
    /// All of them, once the end was seen.
    length: Option<u64>,
}

impl Packed {
    pub(crate) fn open(file: File) -> io::Result<Self> {
        let decoder = decoder_of(&file)?;
        let mut packed = Self {
            file,
            decoder,
            at: 0,
            head: Vec::new(),
            length: None,
        };
        let mut head = vec![0; Fingerprint::LENGTH_MAX];
        let count = packed.unpack(&mut head)?;
        head.truncate(count);
        packed.head = head;
        Ok(packed)
    }

    /// The compressed file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The number of bytes it holds, as far as that is known: none is beyond.
    pub(crate) fn length(&self) -> u64 {
        self.length.unwrap_or(u64::MAX)
    }

    /// The lowest 32 bits of the number of bytes that a file of one member holds: its last field.
    pub(crate) fn length_low(&self) -> io::Result<u32> {
        let mut file = &self.file;
        let mut field = [0; 4];
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut field)?;
        Ok(u32::from_le_bytes(field))
    }

    /// Fills `buffer` with what is held from `offset` on; less only at the end.
    pub(crate) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let is_whole = self.head.len() < Fingerprint::LENGTH_MAX;
        let end = start.saturating_add(buffer.len());
        if is_whole || end <= self.head.len() {
            let known = self.head.get(start..).unwrap_or_default();
            let count = known.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..count), known.get(..count)) {
                to.copy_from_slice(from);
            }
            return Ok(count);
        }
        if offset < self.at {
            self.decoder = decoder_of(&self.file)?;
            self.at = 0;
        }
        let mut skipped = vec![0; SKIPPED_BYTES];
        while self.at < offset {
            let wanted = usize::try_from(offset - self.at).unwrap_or(usize::MAX);
            let length = wanted.min(skipped.len());
            if self.unpack(skipped.get_mut(..length).unwrap_or_default())? < length {
                return Ok(0);
            }
        }
        self.unpack(buffer)
    }

    fn unpack(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.decoder.read(rest) {
                Ok(0) => {
                    self.length = Some(self.at);
                    break;
                }
                Ok(count) => {
                    filled += count;
                    self.at += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

fn decoder_of(file: &File) -> io::Result<MultiGzDecoder<BufReader<File>>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(MultiGzDecoder::new(BufReader::new(file)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write as _;

    fn pack(members: &[&[u8]]) -> Packed {
        let mut file = tempfile::tempfile().unwrap();
        for member in members {
            let mut encoder = GzEncoder::new(&mut file, Compression::fast());
            encoder.write_all(member).unwrap();
            encoder.finish().unwrap();
        }
        Packed::open(file).unwrap()
    }

    #[test]
    fn the_last_field_tells_the_length() {
        let mut packed = pack(&[&[b'x'; 5000]]);
        assert_eq!(packed.length_low().unwrap(), 5000);
        assert_eq!(packed.length(), u64::MAX);
        // Asking does not disturb the reading.
        assert_eq!(packed.read_at(4000, &mut [0; 4000]).unwrap(), 1000);
        assert_eq!(packed.length(), 5000);
        assert_eq!(packed.read_at(6000, &mut [0; 10]).unwrap(), 0);
    }

    #[test]
    fn what_is_no_gzip_file_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"plain").unwrap();
        assert!(Packed::open(file).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn reads_as_the_plain_bytes_in_any_order(
            seed in any::<u8>(),
            length in prop_oneof![0usize..2000, 60_000..200_000usize],
            reads in prop::collection::vec((0usize..210_000, 1usize..70_000), 1..8),
        ) {
            let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8 ^ seed).collect();
            let (first, second) = plain.split_at(length / 3);
            let mut packed = pack(&[first, second]);
            for (offset, wanted) in reads {
                let mut buffer = vec![0; wanted];
                let count = packed.read_at(offset as u64, &mut buffer).unwrap();
                let end = length.min(offset.saturating_add(wanted));
                prop_assert_eq!(&buffer[..count], plain.get(offset..end).unwrap_or_default());
            }
        }
    }
}
