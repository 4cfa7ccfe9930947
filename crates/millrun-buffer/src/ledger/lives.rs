//! The lives of one source.
//!
//! Most sources have one, and a worker may know a million sources: so they lie in a list, which is ordered by their
//! numbers and has room for no more than there are.

use std::collections::BTreeMap;

use super::incarnation::Incarnation;

/// Incarnations by number.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Lives(Vec<(u32, Incarnation)>);

impl Lives {
    pub(super) fn get(&self, number: u32) -> Option<&Incarnation> {
        let place = self.place(number).ok()?;
        self.0.get(place).map(|(_, life)| life)
    }

    /// Does something to one, which begins to exist if it did not.
    pub(super) fn change(&mut self, number: u32, change: impl FnOnce(&mut Incarnation)) {
        match self.place(number) {
            Ok(place) => {
                if let Some((_, life)) = self.0.get_mut(place) {
                    change(life);
                }
            }
            Err(place) => {
                let mut life = Incarnation::default();
                change(&mut life);
                self.0.reserve_exact(1);
                self.0.insert(place, (number, life));
            }
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Ok(place) = self.place(number) {
            self.0.remove(place);
        }
    }

    /// Adds one behind the last.
    pub(super) fn push(&mut self, life: Incarnation) {
        let last = self.0.last().map(|(number, _)| *number);
        let number = last.map_or(0, |last| last.saturating_add(1));
        self.0.push((number, life));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Incarnation)> {
        self.0.iter().map(|(number, life)| (*number, life))
    }

    /// The first that is what is looked for.
    pub(super) fn find(&mut self, is: impl Fn(&Incarnation) -> bool) -> Option<&mut Incarnation> {
        let place = self.0.iter().position(|(_, life)| is(life))?;
        self.0.get_mut(place).map(|(_, life)| life)
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = Incarnation> {
        self.0.into_iter().map(|(_, life)| life)
    }

    pub(super) fn to_map(&self) -> BTreeMap<u32, Incarnation> {
        self.0.iter().cloned().collect()
    }

    fn place(&self, number: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle is the map.
        #[test]
        fn they_are_a_map(steps in prop::collection::vec((0..3_u8, 0..9_u32, 0..99_u64), 0..40)) {
            let (mut lives, mut map) = (Lives::default(), BTreeMap::<u32, Incarnation>::new());
            for (step, number, position) in steps {
                match step {
                    0 => {
                        lives.change(number, |life| life.raise(position));
                        map.entry(number).or_default().raise(position);
                    }
                    1 => {
                        lives.remove(number);
                        map.remove(&number);
                    }
                    _ => {
                        let last = map.keys().next_back().map_or(0, |last| last + 1);
                        lives.push(Incarnation::default());
                        map.insert(last, Incarnation::default());
                    }
                }
                prop_assert_eq!(lives.get(number), map.get(&number));
                prop_assert_eq!(lives.to_map(), map.clone());
                prop_assert!(lives.iter().eq(map.iter().map(|(number, life)| (*number, life))));
            }
        }
    }
}
