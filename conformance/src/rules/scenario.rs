//! Rules of the live kinds.

use super::Rule;

/// Where a running program deviates.
pub(super) const RULES: &[Rule] = &[];
