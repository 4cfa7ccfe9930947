//! Filters: what happens to events between a source and an output.

mod concat;
mod dedot;
mod delete;
mod each_record;
mod expression;
mod flatten_hash;
#[cfg(feature = "geoip")]
mod geoip;
mod grep;
mod parser;
mod pattern;
mod record_modifier;
mod record_transformer;
mod sampling;
mod stdout;
mod tag_parts;
mod template;
#[cfg(test)]
pub(crate) mod tests;
mod throttle;

pub(crate) use tag_parts::TagParts;
pub(crate) use template::hostname;

use millrun_config::Element;
use millrun_core::Registry;
use millrun_pattern::Level;

/// The regular expressions of a filter's own section, and which engine runs each.
pub(crate) fn patterns(element: &Element) -> Vec<(String, Level)> {
    match element.plugin_type() {
        Some("grep") => grep::patterns(element),
        Some("concat") => concat::patterns(element),
        _ => Vec::new(),
    }
}

pub(crate) fn register(registry: &mut Registry) {
    registry.add_filter("concat", concat::ConcatParameters::SCHEMA, concat::build);
    registry.add_filter("dedot", dedot::DedotParameters::SCHEMA, dedot::build);
    registry.add_filter(
        "flatten_hash",
        flatten_hash::FlattenHashParameters::SCHEMA,
        flatten_hash::build,
    );
    #[cfg(feature = "geoip")]
    registry.add_filter("geoip", geoip::GeoipParameters::SCHEMA, geoip::build);
    #[cfg(not(feature = "geoip"))]
    registry.add_absent("filter", "geoip", "geoip");
    registry.add_filter("grep", grep::GrepParameters::SCHEMA, grep::build);
    registry.add_filter(
        "parser",
        parser::ParserFilterParameters::SCHEMA,
        parser::build,
    );
    registry.add_filter(
        "record_modifier",
        record_modifier::RecordModifierParameters::SCHEMA,
        record_modifier::build,
    );
    registry.add_filter(
        "record_transformer",
        record_transformer::RecordTransformerParameters::SCHEMA,
        record_transformer::build,
    );
    registry.add_filter(
        "sampling",
        sampling::SamplingParameters::SCHEMA,
        sampling::build,
    );
    registry.add_filter("stdout", stdout::StdoutParameters::SCHEMA, stdout::build);
    registry.add_filter(
        "throttle",
        throttle::ThrottleParameters::SCHEMA,
        throttle::build,
    );
}
