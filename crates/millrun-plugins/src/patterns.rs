//! Which regular expressions a plugin has, and which engine runs each: what `millrun explain` shows.
//!
//! Parsers are made and asked, so that what is shown is what runs. Of other plugins the section is read.

use millrun_config::{Diagnostics, Element};
use millrun_pattern::Level;

use crate::parser::{TextKind, parse_section};
use crate::{filter, output};

/// The patterns of a `<source>`, `<filter>`, `<match>` or `<store>`, those of its parser first. What is wrong with the
/// section is not told here.
#[must_use]
pub fn patterns(element: &Element) -> Vec<(String, Level)> {
    let mut unheard = Diagnostics::default();
    // To an output, format names a formatter.
    let is_parsed = element.elements_named("parse").next().is_some()
        || (element.name() != "match" && element.text("format").is_some());
    let parser = match is_parsed {
        true => parse_section(element, TextKind::Str, &mut unheard),
        false => None,
    };
    let own = parser.map_or_else(Vec::new, |parser| parser.patterns());
    let own = own
        .into_iter()
        .map(|(name, level)| (name.to_owned(), level));
    let others = match element.name() {
        "filter" => filter::patterns(element),
        _ => output::patterns(element),
    };
    own.chain(others).collect()
}
