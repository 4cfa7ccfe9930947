//! Embedded Ruby in a configuration: `#{…}` goes to the evaluator of `millrun-ruby`.
//!
//! Whoever reads a configuration in this program reads it by [`load`], so that `check` and `explain`
//! say about an expression what the collector makes of it.

use std::hash::{BuildHasher, RandomState};

use millrun_config::{
    Disk, Environment, Evaluate, EvaluateError, Evaluated, Includes, LoadError, LoadOptions, Loaded,
};
use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, Place, Program, RubyError, SystemWorld};

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
    millrun_config::load(options, &mut Ruby::new(environment), includes)
}

/// The evaluator behind the seam of `millrun-config`.
struct Ruby(Evaluator<SystemWorld>);

impl Ruby {
    fn new(environment: &Environment) -> Self {
        let worker = environment
            .worker_id
            .map_or_else(String::new, |id| id.to_string());
        // The standard library's hashers begin with a random key of the system's.
        let seed = RandomState::new().hash_one(std::process::id());
        let host = environment.hostname.as_str();
        Self(Evaluator::new(SystemWorld::new(
            host,
            worker,
            Zone::local(),
            seed,
        )))
    }
}

impl Evaluate for Ruby {
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError> {
        let program = Program::expression(code, Place::Configuration).map_err(located)?;
        let result = self.0.text(&program).map_err(located)?;
        Ok(match result {
            millrun_ruby::Evaluated::Text(text) => Evaluated::Text(text),
            millrun_ruby::Evaluated::Nil => Evaluated::Nil,
            millrun_ruby::Evaluated::Default => Evaluated::Default,
        })
    }
}

fn located(error: RubyError) -> EvaluateError {
    EvaluateError {
        message: error.message,
        label: error.label,
        hint: error.hint,
        range: error.range,
    }
}
