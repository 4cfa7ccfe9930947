//! Where the captures of a match lie, in memory that the caller keeps.

use std::sync::Arc;

use pcre2::bytes::CaptureLocations;

use super::splitter_run::{UNSET, Way};

/// The places of a match and of its captures, with the memory that matching needs.
///
/// Made by [`Regex::spans`](crate::Regex::spans) for that expression and used again for every line.
pub struct Spans {
    /// Start and end of each capture, the whole match first.
    pub(super) slots: Vec<usize>,
    pub(super) ways: Vec<Way>,
    /// Made when the first line reaches PCRE2.
    pub(super) locations: Option<CaptureLocations>,
}

impl Spans {
    pub(super) fn new(captures: usize) -> Self {
        Spans {
            slots: vec![UNSET; (captures + 1) * 2],
            ways: Vec::new(),
            locations: None,
        }
    }

    /// Start and end, in bytes of the line, of a capture by number; 0 is the whole match. Nothing for a group that took
    /// no part in the match.
    #[must_use]
    #[inline]
    pub fn get(&self, number: usize) -> Option<(usize, usize)> {
        match self.slots.get(number * 2..number * 2 + 2)? {
            [start, end] if *start != UNSET && *end != UNSET => Some((*start, *end)),
            _ => None,
        }
    }

    /// The span of a name: of several groups that bear it, the last that took part.
    #[must_use]
    #[inline]
    pub fn named(&self, name: &CaptureName) -> Option<(usize, usize)> {
        name.numbers
            .iter()
            .rev()
            .find_map(|&number| self.get(number))
    }
}

impl std::fmt::Debug for Spans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries((0..self.slots.len() / 2).map(|number| self.get(number)))
            .finish()
    }
}

/// The name of one or several groups; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureName {
    pub(super) name: Arc<str>,
    pub(super) numbers: Arc<[usize]>,
}

impl CaptureName {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The capture numbers of the groups, in order.
    #[must_use]
    pub fn numbers(&self) -> &[usize] {
        &self.numbers
    }
}
