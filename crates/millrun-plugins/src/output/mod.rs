//! Outputs: where events go.

mod copy;
mod detect_exceptions;
mod exec;
mod file;
mod forward;
#[cfg(feature = "http")]
mod http;
mod null;
#[cfg(test)]
mod queued_chunks;
mod relabel;
mod relay;
mod rewrite_tag_filter;
mod roundrobin;
mod secondary_file;
mod stdout;
mod tag_template;
#[cfg(test)]
mod tests;

pub(crate) use stdout::Printer;

use millrun_config::Element;
use millrun_core::Registry;
use millrun_pattern::Level;

/// The regular expressions of an output's own section, and which engine runs each.
pub(crate) fn patterns(element: &Element) -> Vec<(String, Level)> {
    match element.plugin_type() {
        Some("rewrite_tag_filter") => rewrite_tag_filter::patterns(element),
        _ => Vec::new(),
    }
}

pub(crate) fn register(registry: &mut Registry) {
    registry.add_output("buffer", relay::RelayParameters::SCHEMA, relay::build);
    registry.add_output("copy", copy::CopyParameters::SCHEMA, copy::build);
    registry.add_output(
        "detect_exceptions",
        detect_exceptions::DetectExceptionsParameters::SCHEMA,
        detect_exceptions::build,
    );
    registry.add_output("exec", exec::ExecParameters::SCHEMA, exec::build);
    registry.add_output("file", file::FileParameters::SCHEMA, file::build);
    registry.add_output(
        "forward",
        forward::ForwardParameters::SCHEMA,
        forward::build,
    );
    #[cfg(feature = "http")]
    registry.add_output("http", http::HttpParameters::SCHEMA, http::build);
    #[cfg(not(feature = "http"))]
    registry.add_absent("output", "http", "http");
    registry.add_output("null", null::NullParameters::SCHEMA, null::build);
    registry.add_output(
        "relabel",
        relabel::RelabelParameters::SCHEMA,
        relabel::build,
    );
    registry.add_output(
        "rewrite_tag_filter",
        rewrite_tag_filter::RewriteTagFilterParameters::SCHEMA,
        rewrite_tag_filter::build,
    );
    registry.add_output(
        "roundrobin",
        roundrobin::RoundrobinParameters::SCHEMA,
        roundrobin::build,
    );
    registry.add_output(
        "secondary_file",
        secondary_file::SecondaryFileParameters::SCHEMA,
        secondary_file::build,
    );
    registry.add_output("stdout", stdout::StdoutParameters::SCHEMA, stdout::build);
}
