//! Regular expressions among the parameters of filters.

use millrun_config::{Diagnostic, Diagnostics, Element, Regexp};
use millrun_pattern::{Flags, Matcher};

/// Compiles the parameter `name` of `element`; what is wrong with it is reported.
pub(super) fn compile(
    name: &str,
    regexp: &Regexp,
    element: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<Matcher> {
    let flags = Flags {
        ignore_case: regexp.ignore_case,
        multi_line: regexp.multi_line,
        ..Flags::default()
    };
    match Matcher::compile(&regexp.source, flags) {
        Ok(matcher) => Some(matcher),
        Err(error) => {
            let fault = Diagnostic::error(format!("{name}: {error}"));
            diagnostics.push(fault.at(element.span_of(name), "this pattern"));
            None
        }
    }
}
