use std::fmt;
use std::time::Duration;

use crate::{Random, Timestamp};

/// The number of random bits below the time in the first half of an id.
const RANDOM_BITS: u32 = 12;

/// The 16 bytes that name a chunk: on disk, on the wire and in the ledger.
///
/// ```text
/// bytes 0..8   big endian: microseconds since the epoch << 12 | 12 random bits
/// bytes 8..16  64 random bits
/// ```
///
/// Written as 32 lower-case hexadecimal digits, ids sort by the time they were made. The scheme is Fluentd's
/// (specification section 4.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId([u8; 16]);

impl ChunkId {
    /// The number of hexadecimal digits of an id.
    pub const HEX_LENGTH: usize = 32;

    /// Makes an id for a chunk created at `now`.
    pub fn generate(now: Timestamp, random: &mut Random) -> Self {
        let low_bits = random.bits() & ((1 << RANDOM_BITS) - 1);
        let high = (now.as_micros() << RANDOM_BITS) | low_bits;
        let mut bytes = [0; 16];
        let (first, second) = bytes.split_at_mut(8);
        first.copy_from_slice(&high.to_be_bytes());
        second.copy_from_slice(&random.bits().to_be_bytes());
        Self(bytes)
    }

    /// The id made of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads exactly 32 hexadecimal digits of either case.
    pub fn parse_hex(text: &str) -> Option<Self> {
        if text.len() != Self::HEX_LENGTH || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16)
            .ok()
            .map(|value| Self(value.to_be_bytes()))
    }
}

/// Makes the ids of one buffer, each of which sorts behind the one before: chunks of one transaction share its instant.
#[derive(Debug)]
pub(crate) struct ChunkIds {
    random: Random,
    latest: Timestamp,
}

/// How far the clock may have been set back before ids follow it.
const BACKWARDS_MAX: Duration = Duration::from_secs(1);

impl ChunkIds {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            random,
            latest: Timestamp::default(),
        }
    }

    /// An id for a chunk created at `now`.
    pub(crate) fn next(&mut self, now: Timestamp) -> ChunkId {
        let is_behind = now <= self.latest && self.latest.since(now) < BACKWARDS_MAX;
        self.latest = match is_behind {
            true => self.latest + Duration::from_micros(1),
            false => now,
        };
        ChunkId::generate(self.latest, &mut self.random)
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        let id = ChunkId::parse_hex("660bef6e2ae77bb516f1f2fa1e85f866").unwrap();
        assert_eq!(id.to_string(), "660bef6e2ae77bb516f1f2fa1e85f866");
        for wrong in [
            "",
            "660b",
            "g60bef6e2ae77bb516f1f2fa1e85f866",
            "+60bef6e2ae77bb516f1f2fa1e85f866",
        ] {
            assert_eq!(ChunkId::parse_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_of_one_instant_sort_as_they_were_made() {
        let mut ids = ChunkIds::new(Random::from_seed(1));
        let at = Timestamp::from_secs(1_700_000_000);
        let made: Vec<ChunkId> = (0..100).map(|_| ids.next(at)).collect();
        assert!(made.is_sorted());
        let earlier = ids.next(Timestamp::from_secs(1_600_000_000));
        assert!(earlier < made[0], "a clock that was set back is followed");
    }

    #[test]
    fn later_ids_sort_later_and_same_instants_differ() {
        let mut random = Random::from_seed(1);
        let first = ChunkId::generate(Timestamp::from_secs(1_700_000_000), &mut random);
        let second = ChunkId::generate(Timestamp::from_secs(1_700_000_000), &mut random);
        let third = ChunkId::generate(Timestamp::from_micros(1_700_000_000_000_001), &mut random);
        assert_ne!(first, second);
        assert!(third > first && third > second);
    }
}
