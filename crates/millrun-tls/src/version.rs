//! Versions of TLS.

/// A version that can be spoken. Those before 1.2 are broken and cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// The versions offered, from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub oldest: Version,
    /// The newest.
    pub newest: Version,
}

impl Versions {
    /// One version and no other.
    pub const fn only(version: Version) -> Self {
        Self {
            oldest: version,
            newest: version,
        }
    }

    /// Whether `version` is offered.
    pub fn contain(self, version: Version) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }
}
