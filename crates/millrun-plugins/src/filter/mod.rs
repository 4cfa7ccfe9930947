//! Filters: what happens to events between a source and an output.

mod grep;
mod stdout;

use millrun_core::Registry;

pub(crate) fn register(registry: &mut Registry) {
    registry.add_filter("grep", grep::GrepParameters::SCHEMA, grep::build);
    registry.add_filter("stdout", stdout::StdoutParameters::SCHEMA, stdout::build);
}
