//! Expressions of Ruby in the parameters of filters: compiled with the configuration, evaluated on each thread.

use std::hash::{BuildHasher, RandomState};

use millrun_config::{Diagnostic, Diagnostics, Span};
use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, Program, RubyError, SystemWorld};

use super::template::hostname;

/// The evaluator of one thread of a filter.
pub(super) fn evaluator(worker: u32) -> Evaluator<SystemWorld> {
    // The standard library's hashers begin with a random key of the system's.
    let seed = RandomState::new().hash_one(worker);
    let worker = worker.to_string();
    Evaluator::new(SystemWorld::new(hostname(), worker, Zone::local(), seed))
}

/// Reports an expression that does not compile, which stands in `text` at `span`.
pub(super) fn report(error: &RubyError, text: &str, span: Span, diagnostics: &mut Diagnostics) {
    let fault = Diagnostic::error(format!("in an expression: {}", error.message));
    diagnostics.push(placed(fault, error, text, span));
}

/// Warns of the names in `program` that nothing defines: each event that comes to one goes to `@ERROR`.
pub(super) fn warn_of_names(
    program: &Program,
    text: &str,
    span: Span,
    diagnostics: &mut Diagnostics,
) {
    for error in program.undefined_names() {
        let fault = Diagnostic::warning(error.message.clone());
        diagnostics.push(placed(fault, error, text, span));
    }
}

fn placed(fault: Diagnostic, error: &RubyError, text: &str, span: Span) -> Diagnostic {
    let label = match error.label.as_str() {
        "" => "here",
        label => label,
    };
    // A value in quotes, or of several lines, is longer where it is written than what it means.
    let is_as_written = span.range().len() == text.len();
    let place = match is_as_written {
        true => {
            let start = span.start as usize;
            Span::new(
                span.file,
                start + error.range.start,
                start + error.range.end,
            )
        }
        false => span,
    };
    let fault = fault.at(place, label);
    match &error.hint {
        Some(hint) => fault.hint(hint.clone()),
        None => fault,
    }
}
