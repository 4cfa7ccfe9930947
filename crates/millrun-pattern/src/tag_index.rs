//! Which of many patterns may match a tag, without asking each of them.
//!
//! ```text
//! app.web.**   ┐ by the text that every tag begins with: sorted, each with the longest other
//! app.*.log    ┘ text that it begins with
//! **.log         by the text that every tag ends with: the same, read backwards
//! **  /a|b/      always
//! ```
//!
//! All texts that a tag begins with are the sorted text before it or what that one begins with, so
//! that one search and a few steps find them. What is found is asked; the rest cannot match.

use std::collections::BTreeMap;

use crate::tag_pattern::TagPatterns;

/// An index over the patterns of many directives, by their numbers.
#[derive(Debug, Default)]
pub struct TagIndex {
    starts: Literals,
    ends: Literals,
    always: Vec<usize>,
}

impl TagIndex {
    /// An index of these patterns, which are numbered from 0.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p TagPatterns>) -> Self {
        let mut starts = BTreeMap::new();
        let mut ends = BTreeMap::new();
        let mut always = Vec::new();
        for (number, patterns) in patterns.into_iter().enumerate() {
            for pattern in patterns.alternatives() {
                let (start, end) = pattern.ends();
                let owners: &mut Vec<usize> = match (start, end) {
                    ("", "") => &mut always,
                    ("", end) => ends.entry(end.bytes().rev().collect()).or_default(),
                    (start, _) => starts.entry(start.as_bytes().into()).or_default(),
                };
                if owners.last() != Some(&number) {
                    owners.push(number);
                }
            }
        }
        Self {
            starts: Literals::new(starts),
            ends: Literals::new(ends),
            always,
        }
    }

    /// The numbers of the patterns that may match a tag, in ascending order; all others do not match it.
    #[must_use]
    pub fn candidates(&self, tag: &str) -> Vec<usize> {
        let mut found = self.always.clone();
        self.starts.beginnings_of(tag.as_bytes(), &mut found);
        if !self.ends.texts.is_empty() {
            let reversed: Vec<u8> = tag.bytes().rev().collect();
            self.ends.beginnings_of(&reversed, &mut found);
        }
        in_order(found)
    }

    /// The numbers of the patterns that may match any tag that begins with a text, in ascending order.
    #[must_use]
    pub fn candidates_beginning(&self, text: &str) -> Vec<usize> {
        let mut found = self.always.clone();
        self.starts.beginnings_of(text.as_bytes(), &mut found);
        self.starts.beginning_with(text.as_bytes(), &mut found);
        found.extend(self.ends.owners.iter().flatten());
        in_order(found)
    }
}

fn in_order(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Texts and who has them.
#[derive(Debug, Default)]
struct Literals {
    /// Sorted, each once.
    texts: Vec<Box<[u8]>>,
    /// The patterns with the text of the same place.
    owners: Vec<Vec<usize>>,
    /// The place of the longest other text that the text of the same place begins with.
    beginnings: Vec<Option<usize>>,
}

impl Literals {
    fn new(sorted: BTreeMap<Box<[u8]>, Vec<usize>>) -> Self {
        let mut literals = Self::default();
        // What the last text begins with, the longest last.
        let mut open: Vec<usize> = Vec::new();
        for (text, owners) in sorted {
            let begins = |place: &usize| {
                let other = literals.texts.get(*place);
                other.is_some_and(|other| text.starts_with(other))
            };
            while open.last().is_some_and(|place| !begins(place)) {
                open.pop();
            }
            literals.beginnings.push(open.last().copied());
            open.push(literals.texts.len());
            literals.texts.push(text);
            literals.owners.push(owners);
        }
        literals
    }

    fn place_after(&self, text: &[u8]) -> usize {
        self.texts.partition_point(|other| **other <= *text)
    }

    /// Adds the owners of all texts that `text` begins with.
    fn beginnings_of(&self, text: &[u8], found: &mut Vec<usize>) {
        let mut next = self.place_after(text).checked_sub(1);
        while let Some(place) = next {
            if self
                .texts
                .get(place)
                .is_some_and(|other| text.starts_with(other))
            {
                found.extend(self.owners.get(place).into_iter().flatten());
            }
            next = self.beginnings.get(place).copied().flatten();
        }
    }

    /// Adds the owners of all texts that begin with `text` and are longer.
    fn beginning_with(&self, text: &[u8], found: &mut Vec<usize>) {
        let after = self
            .texts
            .iter()
            .zip(&self.owners)
            .skip(self.place_after(text));
        let longer = after.take_while(|(other, _)| other.starts_with(text));
        found.extend(longer.flat_map(|(_, owners)| owners));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Asking every pattern is the oracle.
        #[test]
        fn nothing_that_matches_is_left_out(
            arguments in prop::collection::vec("[ab.*{},]{0,6}( [ab.*]{1,4})?|/a.b/", 1..12),
            tag in "[ab.]{0,6}",
        ) {
            let patterns: Vec<_> =
                arguments.iter().filter_map(|text| TagPatterns::compile(text).ok()).collect();
            let index = TagIndex::new(&patterns);
            let candidates = index.candidates(&tag);
            prop_assert!(candidates.is_sorted());
            for (number, pattern) in patterns.iter().enumerate() {
                prop_assert!(!pattern.matches(&tag) || candidates.contains(&number));
            }
            for length in 0..=tag.len() {
                let beginning = index.candidates_beginning(&tag[..length]);
                for number in &candidates {
                    let matches = patterns[*number].matches(&tag);
                    prop_assert!(!matches || beginning.contains(number));
                }
            }
        }
    }

    #[test]
    fn hardly_any_of_many_patterns_is_a_candidate() {
        let compile = |text: String| TagPatterns::compile(&text).unwrap();
        let patterns: Vec<_> = (0..1000)
            .flat_map(|number| {
                [
                    compile(format!("app.svc{number}.**")),
                    compile(format!("**.svc{number}.log")),
                    compile(format!("svc{number}.*.x")),
                ]
            })
            .collect();
        let index = TagIndex::new(&patterns);
        // Of svc7, svc77 and svc777 each would do as a beginning.
        assert_eq!(index.candidates("app.svc777.x").len(), 3);
        assert_eq!(index.candidates("x.y.svc777.log").len(), 1);
        assert_eq!(index.candidates("svc777.y.x").len(), 1);
        assert_eq!(index.candidates_beginning("app.svc99").len(), 1012);
    }
}
