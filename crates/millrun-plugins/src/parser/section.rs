//! From a `<parse>` section to the parser it names.

use std::time::Duration;

use millrun_config::{Diagnostic, Diagnostics, Element, Hash, Regexp, nearest, parameters};
use millrun_pattern::{Flags, Matcher, Regex, TimeType};

use super::{JsonParser, LineParser, NoneParser, RegexpParser, Settings, TextKind, nginx_parser};
use crate::time_section::{TimeParameters, TimeTypeName};

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
    /// nginx's combined log format.
    pub struct NginxParameters in "parse", type "nginx" {
        /// An expression in the place of the built-in one.
        expression: Option<Regexp>;
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

/// The parsers of this build.
const NAMES: [&str; 4] = ["json", "nginx", "none", "regexp"];

/// The parser of the `<parse>` section of `plugin`, or of the legacy parameter `format`; `None`
/// when a diagnostic says why not.
pub(crate) fn parse_section(
    plugin: &Element,
    text: TextKind,
    diagnostics: &mut Diagnostics,
) -> Option<Box<dyn LineParser>> {
    let absent = Element::new("parse", "", plugin.span());
    let section = plugin.elements_named("parse").next().unwrap_or(&absent);
    let Some(name) = section.plugin_type().or_else(|| plugin.text("format")) else {
        let fault = Diagnostic::error("<parse> section is required.");
        diagnostics.push(
            fault
                .at(section.span(), "which parser is meant?")
                .hint("write a <parse> section with a line like: @type none"),
        );
        return None;
    };
    let parser: Result<Box<dyn LineParser>, _> = match name {
        "none" => {
            let parameters = NoneParameters::read(section, diagnostics)?;
            let settings = settings(parameters.parser, text, section, diagnostics)?;
            return Some(Box::new(NoneParser::new(
                &parameters.message_key,
                &settings,
            )));
        }
        "json" => {
            let parameters = JsonParameters::read(section, diagnostics)?.parser;
            let settings = settings(parameters, text, section, diagnostics)?;
            JsonParser::new(settings).map(|parser| Box::new(parser) as _)
        }
        "nginx" => {
            let parameters = NginxParameters::read(section, diagnostics)?;
            let settings = settings(parameters.parser, text, section, diagnostics)?;
            match parameters.expression {
                None => nginx_parser(settings).map(|parser| Box::new(parser) as _),
                Some(expression) => {
                    let regex = compile(&expression, section, diagnostics)?;
                    RegexpParser::new(regex, settings).map(|parser| Box::new(parser) as _)
                }
            }
        }
        "regexp" => {
            let mut parameters = RegexpParameters::read(section, diagnostics)?;
            parameters.expression.ignore_case |= parameters.ignorecase;
            parameters.expression.multi_line |= parameters.multiline;
            let settings = settings(parameters.parser, text, section, diagnostics)?;
            let regex = compile(&parameters.expression, section, diagnostics)?;
            RegexpParser::new(regex, settings).map(|parser| Box::new(parser) as _)
        }
        other => {
            unknown(other, section, diagnostics);
            return None;
        }
    };
    parser
        .map_err(|error| {
            diagnostics
                .push(Diagnostic::error(error.to_string()).at(section.span(), "this parser"));
        })
        .ok()
}

fn settings(
    parameters: ParserParameters,
    text: TextKind,
    section: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<Settings> {
    let time = parameters.time;
    let null_value_pattern = match parameters.null_value_pattern {
        None => None,
        Some(pattern) => match Matcher::compile(&pattern.source, flags(&pattern)) {
            Ok(matcher) => Some(matcher),
            Err(error) => {
                let span = span_of(section, "null_value_pattern");
                diagnostics.push(Diagnostic::error(error.to_string()).at(span, "this pattern"));
                return None;
            }
        },
    };
    Some(Settings {
        types: parameters.types.map(|types| types.0).unwrap_or_default(),
        time_key: parameters.time_key,
        keep_time_key: parameters.keep_time_key,
        time_type: time.time_type.map(|name| match name {
            TimeTypeName::String => TimeType::Text,
            TimeTypeName::Unixtime => TimeType::Unixtime,
            TimeTypeName::Float => TimeType::Float,
            TimeTypeName::Mixed => TimeType::Mixed,
        }),
        time_format: time.time_format,
        time_format_fallbacks: time.time_format_fallbacks,
        timezone: time.timezone,
        utc: time.utc || !time.localtime,
        null_value_pattern,
        null_empty_string: parameters.null_empty_string,
        estimate_current_event: parameters.estimate_current_event,
        text,
    })
}

fn compile(expression: &Regexp, section: &Element, diagnostics: &mut Diagnostics) -> Option<Regex> {
    Regex::compile(&expression.source, flags(expression))
        .map_err(|error| {
            let span = span_of(section, "expression");
            diagnostics.push(Diagnostic::error(error.to_string()).at(span, "this expression"));
        })
        .ok()
}

fn flags(expression: &Regexp) -> Flags {
    Flags {
        ignore_case: expression.ignore_case,
        multi_line: expression.multi_line,
        ..Flags::default()
    }
}

fn span_of(section: &Element, name: &str) -> millrun_config::Span {
    section
        .value(name)
        .map_or(section.span(), |value| value.span)
}

fn unknown(name: &str, section: &Element, diagnostics: &mut Diagnostics) {
    let hint = match nearest(name, NAMES) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("this build has: {}", NAMES.join(", ")),
    };
    diagnostics.push(
        Diagnostic::error(format!("Unknown parser plugin '{name}'"))
            .at(span_of(section, "@type"), "no parser of this name")
            .hint(hint),
    );
}
