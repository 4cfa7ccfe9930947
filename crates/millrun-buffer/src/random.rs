use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

/// A small seedable generator (SplitMix64) for chunk ids and retry jitter; not for secrets.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator whose output is determined by `seed`.
    pub const fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator seeded by the randomness the standard library gives to its hash maps, by the process and by the time:
    /// forked workers inherit the first.
    pub fn from_entropy() -> Self {
        let (state, now) = (RandomState::new(), SystemTime::now());
        let seed = |half: u8| state.hash_one((half, std::process::id(), now));
        Self {
            state: seed(0) ^ seed(1).rotate_left(32),
        }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits().checked_rem(bound).unwrap_or(0)
    }

    /// A number of `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
