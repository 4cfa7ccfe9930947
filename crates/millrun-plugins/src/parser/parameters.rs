//! What `<parse>` sections may say.

use std::path::PathBuf;
use std::time::Duration;

use millrun_config::{Element, Hash, Regexp, parameters, words};

use crate::time_section::TimeParameters;

parameters! {
    /// What every parser has.
    pub struct ParserParameters in "parse" {
        /// Keys and the types of their values: integer, float, bool, time, array, string.
        types: Option<Hash<String>>;
        /// The field the event's time stands in.
        time_key: Option<String>;
        /// Text that matches becomes null.
        null_value_pattern: Option<Regexp>;
        /// Empty text becomes null.
        null_empty_string: bool = "false";
        /// A line that tells no time happened now.
        estimate_current_event: bool = "true";
        /// The time stays in the record, too.
        keep_time_key: bool = "false";
        /// Longest time for one line. Not needed: matching is bounded in steps.
        timeout: Option<Duration>;
    }
    flatten {
        /// How times are read.
        time: TimeParameters;
    }
}

parameters! {
    /// The line as it is, in one field.
    pub struct NoneParameters in "parse", type "none" {
        /// The field.
        message_key: String = "message";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// An object, or an array of objects.
    pub struct JsonParameters in "parse", type "json" {
        /// Without effect: there is one JSON parser here.
        json_parser: String = "oj";
        /// Without effect.
        stream_buffer_size: u64 = "8192";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// A log format with a built-in expression: nginx's and httpd's.
    pub struct BuiltInParameters in "parse" {
        /// An expression in the place of the built-in one.
        expression: Option<Regexp>;
        /// Letters match in either case.
        ignorecase: bool = "false", deprecated = "write the flag i behind the expression";
        /// A dot matches a new line.
        multiline: bool = "false", deprecated = "write the flag m behind the expression";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// The named captures of an expression.
    pub struct RegexpParameters in "parse", type "regexp" {
        /// The expression.
        expression: Regexp = required;
        /// Letters match in either case.
        ignorecase: bool = "false", deprecated = "write the flag i behind the expression";
        /// A dot matches a new line.
        multiline: bool = "false", deprecated = "write the flag m behind the expression";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

words! {
    /// How csv is read.
    pub enum CsvEngineName {
        /// By RFC 4180, strictly.
        Normal = "normal",
        /// As far as quotes go.
        Fast = "fast",
    }
}

words! {
    /// Which form syslog lines have.
    pub enum SyslogFormatName {
        /// RFC 3164.
        Rfc3164 = "rfc3164",
        /// RFC 5424.
        Rfc5424 = "rfc5424",
        /// Either, told by the line.
        Auto = "auto",
    }
}

words! {
    /// How syslog lines that are not quite of the form are read.
    pub enum SyslogEngineName {
        /// As Fluentd's expressions do.
        Regexp = "regexp",
        /// As Fluentd's hand-written code does.
        String = "string",
    }
}

parameters! {
    /// httpd's access log with escaped quotes, numbers and nulls.
    pub struct Apache2Parameters in "parse", type "apache2" {
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// Maps, or arrays of maps.
    pub struct MsgpackParameters in "parse", type "msgpack" {
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// Values between commas.
    pub struct CsvParameters in "parse", type "csv" {
        /// The names of the columns.
        keys: Vec<String> = required;
        /// What stands between values.
        delimiter: String = ",";
        /// How quotes are read: normal or fast.
        parser_engine: CsvEngineName = "normal", alias = "parser_type";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// Values between tabs.
    pub struct TsvParameters in "parse", type "tsv" {
        /// The names of the columns.
        keys: Vec<String> = required;
        /// What stands between values.
        delimiter: String = "\t";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// Labelled values between tabs.
    pub struct LtsvParameters in "parse", type "ltsv" {
        /// What stands between values.
        delimiter: String = "\t";
        /// An expression for what stands between values, in its place.
        delimiter_pattern: Option<Regexp>;
        /// What stands between a label and its value.
        label_delimiter: String = ":";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// Lines of syslog.
    pub struct SyslogParameters in "parse", type "syslog" {
        /// Lines begin with a priority.
        with_priority: bool = "false";
        /// rfc3164, rfc5424 or auto.
        message_format: SyslogFormatName = "rfc3164";
        /// The time format of RFC 5424.
        rfc5424_time_format: String = "%Y-%m-%dT%H:%M:%S.%L%z";
        /// regexp or string: how lines that are not quite of the form are read.
        parser_engine: SyslogEngineName = "regexp", alias = "parser_type";
        /// With the engine string: the first word is the ident, also without a colon.
        support_colonless_ident: bool = "true";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// An expression over several lines.
    pub struct MultilineParameters in "parse", type "multiline" {
        /// What a line that begins an event looks like, between slashes.
        format_firstline: Option<String>;
        /// The key for what stands between matches.
        unmatched_lines: Option<String>;
        /// Part 1 of the expression, between slashes.
        format1: Option<String>;
        /// Part 2 of the expression, between slashes.
        format2: Option<String>;
        /// Part 3 of the expression, between slashes.
        format3: Option<String>;
        /// Part 4 of the expression, between slashes.
        format4: Option<String>;
        /// Part 5 of the expression, between slashes.
        format5: Option<String>;
        /// Part 6 of the expression, between slashes.
        format6: Option<String>;
        /// Part 7 of the expression, between slashes.
        format7: Option<String>;
        /// Part 8 of the expression, between slashes.
        format8: Option<String>;
        /// Part 9 of the expression, between slashes.
        format9: Option<String>;
        /// Part 10 of the expression, between slashes.
        format10: Option<String>;
        /// Part 11 of the expression, between slashes.
        format11: Option<String>;
        /// Part 12 of the expression, between slashes.
        format12: Option<String>;
        /// Part 13 of the expression, between slashes.
        format13: Option<String>;
        /// Part 14 of the expression, between slashes.
        format14: Option<String>;
        /// Part 15 of the expression, between slashes.
        format15: Option<String>;
        /// Part 16 of the expression, between slashes.
        format16: Option<String>;
        /// Part 17 of the expression, between slashes.
        format17: Option<String>;
        /// Part 18 of the expression, between slashes.
        format18: Option<String>;
        /// Part 19 of the expression, between slashes.
        format19: Option<String>;
        /// Part 20 of the expression, between slashes.
        format20: Option<String>;
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
}

parameters! {
    /// The first of several parsers that takes the line.
    pub struct MultiFormatParameters in "parse", type "multi_format" {
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
    sections {
        /// The parsers, each named by format.
        pattern: Vec<Element>, required;
    }
}

parameters! {
    /// Lines of container runtimes.
    pub struct CriParameters in "parse", type "cri" {
        /// With a nested parser: stream and logtag stand in the record, too.
        merge_cri_fields: bool = "true";
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
    sections {
        /// What parses the message.
        parse: Option<Element>;
    }
}

parameters! {
    /// Expressions written with the names of others.
    pub struct GrokParameters in "parse", type "grok" {
        /// The pattern.
        grok_pattern: Option<String>;
        /// A file, or a directory of files, with further names.
        custom_pattern_path: Option<PathBuf>;
        /// Where the record of a line that nothing matches says so.
        grok_failure_key: Option<String>;
        /// Where the record names the pattern that matched.
        grok_name_key: Option<String>;
        /// With multiline_grok: a line that begins an event.
        multiline_start_regexp: Option<Regexp>;
    }
    flatten {
        /// What every parser has.
        parser: ParserParameters;
    }
    sections {
        /// Patterns of which the first that matches counts.
        grok: Vec<GrokSection>;
    }
}

parameters! {
    /// One of several patterns.
    pub struct GrokSection in "grok" {
        /// The pattern.
        pattern: String = required;
        /// What grok_name_key calls it.
        name: Option<String>;
        /// The field the event's time stands in.
        time_key: Option<String>;
        /// The format of times.
        time_format: Option<String>;
        /// The zone of times without an offset.
        timezone: Option<String>;
        /// The time stays in the record, too.
        keep_time_key: Option<bool>;
    }
}

impl MultilineParameters {
    /// The parts of the expression, in order.
    pub(super) fn formats(&self) -> [Option<&str>; 20] {
        [
            &self.format1,
            &self.format2,
            &self.format3,
            &self.format4,
            &self.format5,
            &self.format6,
            &self.format7,
            &self.format8,
            &self.format9,
            &self.format10,
            &self.format11,
            &self.format12,
            &self.format13,
            &self.format14,
            &self.format15,
            &self.format16,
            &self.format17,
            &self.format18,
            &self.format19,
            &self.format20,
        ]
        .map(Option::as_deref)
    }
}
