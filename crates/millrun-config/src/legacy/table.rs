//! Which flat parameter is called what in which section.

use crate::Legacy;

/// A flat parameter and its name in the section; `None` where it needs a rule of its own.
pub(super) type Row = (&'static str, Option<&'static str>);

const BUFFER: &[Row] = &[
    ("buffer_type", Some("@type")),
    ("buffer_path", Some("path")),
    ("num_threads", Some("flush_thread_count")),
    ("flush_interval", Some("flush_interval")),
    ("try_flush_interval", Some("flush_thread_interval")),
    (
        "queued_chunk_flush_interval",
        Some("flush_thread_burst_interval"),
    ),
    ("disable_retry_limit", Some("retry_forever")),
    ("retry_limit", Some("retry_max_times")),
    ("max_retry_wait", Some("retry_max_interval")),
    ("buffer_chunk_limit", Some("chunk_limit_size")),
    ("buffer_queue_limit", Some("queue_limit_length")),
    ("buffer_queue_full_action", Some("overflow_action")),
    ("flush_at_shutdown", Some("flush_at_shutdown")),
    ("time_slice_format", None),
    ("time_slice_wait", Some("timekey_wait")),
    ("timezone", Some("timekey_zone")),
];

const PARSE: &[Row] = &[
    ("format", None),
    ("types", None),
    ("types_delimiter", None),
    ("types_label_delimiter", None),
    ("keys", Some("keys")),
    ("time_key", Some("time_key")),
    ("time_format", Some("time_format")),
    ("delimiter", Some("delimiter")),
    ("keep_time_key", Some("keep_time_key")),
    ("null_empty_string", Some("null_empty_string")),
    ("null_value_pattern", Some("null_value_pattern")),
    ("json_parser", Some("json_parser")),
    ("label_delimiter", Some("label_delimiter")),
    ("format_firstline", Some("format_firstline")),
    ("format1", Some("format1")),
    ("format2", Some("format2")),
    ("format3", Some("format3")),
    ("format4", Some("format4")),
    ("format5", Some("format5")),
    ("format6", Some("format6")),
    ("format7", Some("format7")),
    ("format8", Some("format8")),
    ("format9", Some("format9")),
    ("format10", Some("format10")),
    ("format11", Some("format11")),
    ("format12", Some("format12")),
    ("format13", Some("format13")),
    ("format14", Some("format14")),
    ("format15", Some("format15")),
    ("format16", Some("format16")),
    ("format17", Some("format17")),
    ("format18", Some("format18")),
    ("format19", Some("format19")),
    ("format20", Some("format20")),
    ("message_key", Some("message_key")),
    ("with_priority", Some("with_priority")),
    ("message_format", Some("message_format")),
    ("rfc5424_time_format", Some("rfc5424_time_format")),
    ("grok_pattern", Some("grok_pattern")),
    ("custom_pattern_path", Some("custom_pattern_path")),
    ("grok_failure_key", Some("grok_failure_key")),
    ("grok_name_key", Some("grok_name_key")),
    ("multiline_start_regexp", Some("multiline_start_regexp")),
];

const FORMAT: &[Row] = &[
    ("format", Some("@type")),
    ("delimiter", Some("delimiter")),
    ("force_quotes", Some("force_quotes")),
    ("keys", Some("keys")),
    ("fields", Some("fields")),
    ("json_parser", Some("json_parser")),
    ("label_delimiter", Some("label_delimiter")),
    ("output_time", Some("output_time")),
    ("output_tag", Some("output_tag")),
    ("timezone", Some("timezone")),
    ("message_key", Some("message_key")),
    ("add_newline", Some("add_newline")),
    ("output_type", Some("output_type")),
    ("time_as_epoch", None),
];

const INJECT: &[Row] = &[
    ("include_time_key", None),
    ("time_key", Some("time_key")),
    ("time_format", Some("time_format")),
    ("timezone", Some("timezone")),
    ("include_tag_key", None),
    ("tag_key", Some("tag_key")),
    ("time_as_epoch", None),
];

const EXTRACT: &[Row] = &[
    ("time_key", Some("time_key")),
    ("time_format", Some("time_format")),
    ("timezone", Some("timezone")),
    ("tag_key", Some("tag_key")),
    ("time_as_epoch", None),
];

impl Legacy {
    /// The section's name.
    #[must_use]
    pub fn section_name(self) -> &'static str {
        match self {
            Self::Buffer | Self::TimeSlicedBuffer => "buffer",
            Self::Parse => "parse",
            Self::Format => "format",
            Self::Inject => "inject",
            Self::Extract => "extract",
            Self::Conditions => "regexp",
            Self::Rules => "rule",
        }
    }

    /// Its flat parameters. `localtime` and `utc` make no section by themselves and are treated
    /// apart.
    pub(super) fn rows(self) -> &'static [Row] {
        match self {
            Self::Buffer | Self::TimeSlicedBuffer => BUFFER,
            Self::Parse => PARSE,
            Self::Format => FORMAT,
            Self::Inject => INJECT,
            Self::Extract => EXTRACT,
            Self::Conditions | Self::Rules => &[],
        }
    }
}
