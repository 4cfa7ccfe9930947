//! What must have arrived: slow, obvious, and without an idea of how.

use std::collections::{BTreeMap, BTreeSet};

use crate::logs::parse;
use crate::plan::Output;

/// How often each line came to each output, and which may have come twice.
#[derive(Debug, Default)]
pub(crate) struct Account {
    arrived: BTreeMap<Output, BTreeMap<(usize, u32), u64>>,
    may_double: BTreeSet<(usize, u32)>,
    /// A possible double was counted where there is none.
    pub(crate) is_counted_for_nothing: bool,
}

impl Account {
    /// Bytes arrived at an output.
    pub(crate) fn arrive(&mut self, output: Output, bytes: &[u8]) {
        let arrived = self.arrived.entry(output).or_default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let id = parse(line);
            let shown = String::from_utf8_lossy(line);
            let id = id.unwrap_or_else(|| panic!("{output:?}: a torn line {shown:?}"));
            *arrived.entry(id).or_default() += 1;
        }
    }

    /// A chunk in doubt goes to another receiver after its time.
    pub(crate) fn may_double(&mut self, bytes: &[u8]) {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        self.may_double.extend(lines.filter_map(parse));
    }

    pub(crate) fn has_doubts(&self) -> bool {
        !self.may_double.is_empty() || self.is_counted_for_nothing
    }

    /// Holds an output against what was written: so many lines of each source.
    pub(crate) fn check(&self, output: Output, written: &[u32]) {
        let empty = BTreeMap::new();
        let arrived = self.arrived.get(&output).unwrap_or(&empty);
        for (source, lines) in written.iter().enumerate() {
            for number in 0..*lines {
                let id = (source, number);
                let times = arrived.get(&id).copied().unwrap_or(0);
                let may_double =
                    matches!(output, Output::Collected) && self.may_double.contains(&id);
                let is_fine = match (output.takes(number), output.is_exact() && !may_double) {
                    (false, _) => times == 0,
                    (true, true) => times == 1,
                    (true, false) => times >= 1,
                };
                assert!(
                    is_fine,
                    "{output:?}: line {number} of source {source} came {times} times"
                );
            }
        }
        let foreign = arrived
            .keys()
            .find(|(source, number)| written.get(*source).is_none_or(|lines| number >= lines));
        assert_eq!(foreign, None, "{output:?}: nobody wrote this line");
    }
}
