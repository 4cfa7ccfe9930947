//! The collector's evaluator behind the seam of this crate, in surroundings that are always the same.

use std::{collections::BTreeMap, io};

use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, World};

/// Embedded Ruby that sees these environment variables and nothing else.
pub(crate) fn ruby(variables: &[(&str, &str)]) -> Evaluator<Fixed> {
    let variables = variables.iter();
    Evaluator::new(Fixed {
        variables: variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        zone: Zone::UTC,
    })
}

pub(crate) struct Fixed {
    variables: BTreeMap<String, String>,
    zone: Zone,
}

impl World for Fixed {
    fn variable(&mut self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn variables(&mut self) -> Vec<(String, String)> {
        self.variables.clone().into_iter().collect()
    }

    fn hostname(&mut self) -> String {
        "mill".to_owned()
    }

    fn worker_id(&mut self) -> String {
        "0".to_owned()
    }

    fn now(&mut self) -> (i64, u32) {
        (1_700_000_000, 0)
    }

    fn zone(&mut self) -> &Zone {
        &self.zone
    }

    fn read(&mut self, _: &str, _: u64) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn is_directory(&mut self, _: &str) -> Option<bool> {
        None
    }

    fn directory(&mut self) -> String {
        "/".to_owned()
    }

    fn process_id(&mut self) -> u32 {
        1
    }

    fn random(&mut self) -> u64 {
        4
    }
}
