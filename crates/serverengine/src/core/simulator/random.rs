//! Random numbers that come again with the same seed.

use std::time::Duration;

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not begin alike.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    pub(super) fn below(&mut self, limit: u32) -> u32 {
        // xorshift64*; the upper half is scaled rather than divided.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((drawn * u64::from(limit)) >> 32) as u32
    }

    pub(super) fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }

    pub(super) fn millis(&mut self, up_to: u32) -> Duration {
        Duration::from_millis(u64::from(self.below(up_to + 1)))
    }

    pub(super) fn seconds(&mut self, from: u32, up_to: u32) -> Duration {
        Duration::from_secs(u64::from(from + self.below(up_to - from + 1)))
    }
}
