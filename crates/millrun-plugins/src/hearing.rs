//! What the sections of a plugin have to say when the plugin itself cannot be made.

use millrun_config::{Diagnostics, Element};
use millrun_core::BufferParameters;

use crate::formatter::format_section;
use crate::parser::{TextKind, parse_section};

/// The parameters of a plugin. Where they are faulty nothing is made, and its sections are read only to hear what is wrong
/// in them, too: all of it is to come out in one run.
pub(crate) fn or_hear_sections<T>(
    parameters: Option<T>,
    element: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    if parameters.is_none() {
        let has = |name: &str| element.elements_named(name).next().is_some();
        if has("parse") {
            drop(parse_section(element, TextKind::Str, diagnostics));
        }
        if has("format") {
            drop(format_section(element, "json", diagnostics));
        }
        for buffer in element.elements_named("buffer") {
            BufferParameters::read(buffer, diagnostics);
        }
    }
    parameters
}
