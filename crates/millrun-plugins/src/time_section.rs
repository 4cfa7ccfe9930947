//! The time parameters that parsers and formatters share (fluentd.md section 3.8).

use millrun_config::{Diagnostic, Diagnostics, Element, parameters, words};
use millrun_pattern::Zone;

words! {
    /// What a time looks like.
    pub enum TimeTypeName {
        /// Text, as time_format says.
        String = "string",
        /// Whole seconds since 1970.
        Unixtime = "unixtime",
        /// Seconds since 1970 with a fraction.
        Float = "float",
        /// time_format, then time_format_fallbacks.
        Mixed = "mixed",
    }
}

parameters! {
    /// How times are read or written.
    pub struct TimeParameters in "parse" {
        /// What a time looks like.
        time_type: Option<TimeTypeName>;
        /// The format, in Ruby's strptime and strftime dialect.
        time_format: Option<String>;
        /// Times without an offset are local.
        localtime: bool = "true";
        /// Times without an offset are UTC.
        utc: bool = "false";
        /// The zone of times without an offset: +09:00, +0900, +09 or Area/City.
        timezone: Option<String>;
        /// Formats tried behind time_format, with time_type mixed.
        time_format_fallbacks: Vec<String> = "";
    }
}

impl TimeParameters {
    /// The zone the parameters mean; `None` when a diagnostic says why not.
    pub(crate) fn zone(&self, section: &Element, diagnostics: &mut Diagnostics) -> Option<Zone> {
        if let Some(name) = &self.timezone {
            let zone = Zone::parse(name);
            return zone
                .map_err(|error| {
                    let span = section
                        .value("timezone")
                        .map_or(section.span(), |value| value.span);
                    diagnostics.push(Diagnostic::error(error.to_string()).at(span, "this zone"));
                })
                .ok();
        }
        Some(if self.utc || !self.localtime {
            Zone::UTC
        } else {
            Zone::local()
        })
    }
}
