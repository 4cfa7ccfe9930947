//! The answers of the addresses that were looked up last.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::database::{Database, Path};

/// How many addresses' answers are kept. When there are as many, they are forgotten together: what is asked for often
/// is soon there again.
pub const ADDRESSES_KEPT_MAX: usize = 4096;

/// What the same paths led to, by address.
#[derive(Debug, Default)]
pub struct Answers {
    known: HashMap<IpAddr, Answer>,
    none: Answer,
}

/// What the paths led to from one address.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    values: Vec<u8>,
    /// Where each value ends; one without a value ends where it begins.
    ends: Vec<usize>,
}

impl Answer {
    /// What the path of this number led to, as one msgpack value.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&[u8]> {
        let end = *self.ends.get(number)?;
        let start = match number.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.values
            .get(start..end)
            .filter(|value| !value.is_empty())
    }
}

impl Answers {
    /// What `paths` lead to from `address`. They must be the same at every call.
    pub fn of(&mut self, database: &Database, paths: &[Path], address: IpAddr) -> &Answer {
        if !self.known.contains_key(&address) {
            if self.known.len() >= ADDRESSES_KEPT_MAX {
                self.known.clear();
            }
            let mut answer = Answer::default();
            database.look_up(address, paths, |value| {
                answer.values.extend_from_slice(value.unwrap_or_default());
                answer.ends.push(answer.values.len());
            });
            self.known.insert(address, answer);
        }
        self.known.get(&address).unwrap_or(&self.none)
    }

    /// What paths lead to from no address: nothing.
    #[must_use]
    pub fn none(&self) -> &Answer {
        &self.none
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_up_to_their_limit_and_stay_right() {
        let bytes = include_bytes!("../tests/places.mmdb").to_vec();
        let database = Database::from_bytes(bytes).unwrap();
        let paths = ["nothing", "country.iso_code", "city.names.en"].map(Path::parse);
        let mut answers = Answers::default();
        for number in 0..10_000u32 {
            let address = IpAddr::V4((0xc000_0200 + number % 6000).into());
            let answer = answers.of(&database, &paths, address);
            let is_known = number % 6000 < 256;
            assert_eq!(answer.get(0), None);
            assert_eq!(
                answer.get(1),
                is_known.then_some(&b"\xa2XM"[..]),
                "{number}"
            );
            assert_eq!(answer.get(2).is_some(), is_known);
            assert_eq!(answer.get(3), None);
            assert!(answers.known.len() <= ADDRESSES_KEPT_MAX);
        }
        assert_eq!(answers.none().get(0), None);
    }
}
