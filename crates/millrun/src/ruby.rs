//! Embedded Ruby in a configuration: `#{…}` goes to the evaluator of `millrun-ruby`.
//!
//! Whoever reads a configuration in this program reads it by [`load`], so that `check` and `explain`
//! say about an expression what the collector makes of it.

use std::hash::{BuildHasher, RandomState};

use millrun_config::{Disk, Environment, Includes, LoadError, LoadOptions, Loaded};
use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, SystemWorld};

/// Reads a configuration from disk, its expressions evaluated on this machine.
///
/// # Errors
/// If the main file cannot be read. Everything else that is wrong is in the diagnostics.
pub(crate) fn load(options: &LoadOptions, environment: &Environment) -> Result<Loaded, LoadError> {
    load_from(options, environment, &mut Disk)
}

/// The same, with files from elsewhere: an editor has texts that are not on disk.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_from(
    options: &LoadOptions,
    environment: &Environment,
    includes: &mut dyn Includes,
) -> Result<Loaded, LoadError> {
    millrun_config::load(options, &mut evaluator(environment), includes)
}

fn evaluator(environment: &Environment) -> Evaluator<SystemWorld> {
    let worker = environment
        .worker_id
        .map_or_else(String::new, |id| id.to_string());
    // The standard library's hashers begin with a random key of the system's.
    let seed = RandomState::new().hash_one(std::process::id());
    let host = environment.hostname.as_str();
    Evaluator::new(SystemWorld::new(host, worker, Zone::local(), seed))
}
