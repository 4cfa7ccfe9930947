//! The ways in which our contender, the program `idle-engine` of `bench/subject`, is started.

/// As what it runs.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    /// A server over its workers, and no more.
    Bare,
    /// With a worker in reserve.
    Reserve,
    /// Supervised, logged, restarted one by one: all that there is.
    Supervised,
}

impl Subject {
    /// Returns its command line, without the program.
    pub(crate) fn arguments(self, workers: usize) -> Vec<String> {
        let mut words = vec![workers.to_string()];
        words.extend(match self {
            Self::Bare => None,
            Self::Reserve => Some("reserve".to_owned()),
            Self::Supervised => Some("%DIR%/log".to_owned()),
        });
        words
    }
}
