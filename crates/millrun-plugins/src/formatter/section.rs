//! From a `<format>` section to the formatter it names.

use millrun_config::{Diagnostic, Diagnostics, Element, Schema, nearest, parameters, words};
use millrun_event::json::FloatText;
use millrun_pattern::{Accessor, Zone};

use super::{
    Csv, EventFormatter, Hash, Json, LineEnd, Ltsv, Msgpack, OutFile, SingleValue, Stdout,
    TimeText, Tsv,
};
use crate::time_section::{TimeParameters, TimeTypeName};

words! {
    /// What ends a line.
    pub enum Newline {
        /// LF.
        Lf = "lf",
        /// CR and LF.
        CrLf = "crlf",
    }
}

parameters! {
    /// What every formatter of lines has.
    pub struct LineParameters in "format" {
        /// What ends a line.
        newline: Newline = "lf";
        /// Whether anything does.
        add_newline: bool = "true";
    }
}

impl LineParameters {
    fn end(&self) -> LineEnd {
        match (self.add_newline, self.newline) {
            (false, _) => LineEnd::Nothing,
            (true, Newline::Lf) => LineEnd::Lf,
            (true, Newline::CrLf) => LineEnd::CrLf,
        }
    }
}

parameters! {
    /// The record as one line of JSON.
    pub struct JsonParameters in "format", type "json" {
        /// How floats look: oj, or json and yajl.
        json_parser: String = "oj";
    }
    flatten {
        /// Line ends.
        line: LineParameters;
    }
}

parameters! {
    /// Time, tag and record.
    pub struct OutFileParameters in "format", type "out_file" {
        /// Whether the time is written.
        output_time: bool = "true";
        /// Whether the tag is written.
        output_tag: bool = "true";
        /// TAB, SPACE or COMMA.
        delimiter: String = "TAB";
    }
    flatten {
        /// How the time is written.
        time: TimeParameters;
        /// Line ends.
        line: LineParameters;
    }
}

parameters! {
    /// Time and tag, then what another formatter makes of the event.
    pub struct StdoutParameters in "format", type "stdout" {
        /// That other formatter; its parameters stand beside.
        output_type: String = "json";
    }
}

parameters! {
    /// One field's text.
    pub struct SingleValueParameters in "format", type "single_value" {
        /// The field.
        message_key: String = "message";
    }
    flatten {
        /// Line ends.
        line: LineParameters;
    }
}

parameters! {
    /// Chosen fields, quoted.
    pub struct CsvParameters in "format", type "csv" {
        /// Which fields, in this order.
        fields: Vec<String> = required;
        /// What stands between them.
        delimiter: String = ",";
        /// Quotes around all of them.
        force_quotes: bool = "true";
        /// Whether a new line ends the line.
        add_newline: bool = "true";
    }
}

parameters! {
    /// Chosen fields, as they are.
    pub struct TsvParameters in "format", type "tsv" {
        /// Which fields, in this order.
        keys: Vec<String> = required;
        /// What stands between them; a TAB without.
        delimiter: Option<String>;
    }
    flatten {
        /// Line ends.
        line: LineParameters;
    }
}

parameters! {
    /// Every field with its label.
    pub struct LtsvParameters in "format", type "ltsv" {
        /// What stands between fields; a TAB without.
        delimiter: Option<String>;
        /// What stands between label and value.
        label_delimiter: String = ":";
        /// What a delimiter within a value becomes.
        replacement: String = " ";
    }
    flatten {
        /// Line ends.
        line: LineParameters;
    }
}

parameters! {
    /// The record as Ruby shows it.
    pub struct HashParameters in "format", type "hash" {
    }
    flatten {
        /// Line ends.
        line: LineParameters;
    }
}

parameters! {
    /// The record's bytes as they are.
    pub struct MsgpackParameters in "format", type "msgpack" {
    }
}

/// The formatters of this build, and what they may be told.
pub(crate) const FORMATTERS: [(&str, &Schema); 9] = [
    ("csv", CsvParameters::SCHEMA),
    ("hash", HashParameters::SCHEMA),
    ("json", JsonParameters::SCHEMA),
    ("ltsv", LtsvParameters::SCHEMA),
    ("msgpack", MsgpackParameters::SCHEMA),
    ("out_file", OutFileParameters::SCHEMA),
    ("single_value", SingleValueParameters::SCHEMA),
    ("stdout", StdoutParameters::SCHEMA),
    ("tsv", TsvParameters::SCHEMA),
];

/// The formatter of the `<format>` section of `plugin`, or of the legacy parameter `format`, or
/// `default`; `None` when a diagnostic says why not.
pub(crate) fn format_section(
    plugin: &Element,
    default: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Box<dyn EventFormatter>> {
    let absent = Element::new("format", "", plugin.span());
    let section = plugin.elements_named("format").next().unwrap_or(&absent);
    let name = section
        .plugin_type()
        .or_else(|| plugin.text("format"))
        .unwrap_or(default);
    build(name, section, diagnostics)
}

fn build(
    name: &str,
    section: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<Box<dyn EventFormatter>> {
    Some(match name {
        "json" => {
            let parameters = JsonParameters::read(section, diagnostics)?;
            Box::new(Json {
                floats: float_text(&parameters.json_parser),
                line_end: parameters.line.end(),
            })
        }
        "out_file" => Box::new(out_file(section, diagnostics)?),
        "stdout" => Box::new(stdout(section, diagnostics)?),
        "single_value" => {
            let parameters = SingleValueParameters::read(section, diagnostics)?;
            let line_end = parameters.line.end();
            Box::new(SingleValue {
                message_key: parameters.message_key,
                line_end,
            })
        }
        "csv" => Box::new(csv(section, diagnostics)?),
        "tsv" => {
            let parameters = TsvParameters::read(section, diagnostics)?;
            let line_end = parameters.line.end();
            let mut tsv = Tsv {
                line_end,
                ..Tsv::new(parameters.keys)
            };
            tsv.delimiter = parameters.delimiter.unwrap_or(tsv.delimiter);
            Box::new(tsv)
        }
        "ltsv" => {
            let parameters = LtsvParameters::read(section, diagnostics)?;
            let line_end = parameters.line.end();
            Box::new(Ltsv {
                delimiter: parameters.delimiter.unwrap_or("\t".to_owned()),
                label_delimiter: parameters.label_delimiter,
                replacement: parameters.replacement,
                line_end,
            })
        }
        "hash" => Box::new(Hash {
            line_end: HashParameters::read(section, diagnostics)?.line.end(),
        }),
        "msgpack" => {
            MsgpackParameters::read(section, diagnostics)?;
            Box::new(Msgpack)
        }
        other => {
            unknown(other, section, diagnostics);
            return None;
        }
    })
}

fn out_file(section: &Element, diagnostics: &mut Diagnostics) -> Option<OutFile> {
    let parameters = OutFileParameters::read(section, diagnostics)?;
    let zone = parameters.time.zone(section, diagnostics)?;
    let time = match (parameters.time.time_type, &parameters.time.time_format) {
        (Some(TimeTypeName::Unixtime), _) => TimeText::unixtime(),
        (Some(TimeTypeName::Float), _) => TimeText::float(),
        (_, None) => TimeText::iso8601(zone),
        (_, Some(format)) => match TimeText::strftime(format, zone) {
            Ok(time) => time,
            Err(error) => {
                let span = section
                    .value("time_format")
                    .map_or(section.span(), |value| value.span);
                diagnostics.push(Diagnostic::error(error.to_string()).at(span, "this format"));
                return None;
            }
        },
    };
    Some(OutFile {
        time: parameters.output_time.then_some(time),
        writes_tag: parameters.output_tag,
        delimiter: OutFile::delimiter_named(&parameters.delimiter),
        line_end: parameters.line.end(),
        ..OutFile::default()
    })
}

fn stdout(section: &Element, diagnostics: &mut Diagnostics) -> Option<Stdout> {
    // The parameters of the inner formatter stand in the same section, so only the inner one
    // can tell which of them are unknown.
    let inner = section.text("output_type").unwrap_or("json");
    if inner == "stdout" {
        unknown(inner, section, diagnostics);
        return None;
    }
    let mut rest = section.clone();
    rest.remove("output_type");
    rest.remove("@type");
    let record = build(inner, &rest, diagnostics)?;
    match Stdout::new(Zone::local(), record) {
        Ok(stdout) => Some(stdout),
        Err(error) => {
            diagnostics.push(Diagnostic::error(error.to_string()).at(section.span(), "here"));
            None
        }
    }
}

fn csv(section: &Element, diagnostics: &mut Diagnostics) -> Option<Csv> {
    let parameters = CsvParameters::read(section, diagnostics)?;
    let mut fields = Vec::with_capacity(parameters.fields.len());
    for field in &parameters.fields {
        match Accessor::parse(field) {
            Ok(accessor) => fields.push(accessor),
            Err(error) => {
                let fault = Diagnostic::error(format!("fields: {error}"));
                diagnostics.push(fault.at(section.span(), "in this section"));
                return None;
            }
        }
    }
    Some(Csv {
        delimiter: Csv::delimiter_named(&parameters.delimiter).to_owned(),
        force_quotes: parameters.force_quotes,
        line_end: if parameters.add_newline {
            LineEnd::Lf
        } else {
            LineEnd::Nothing
        },
        ..Csv::new(fields)
    })
}

/// Only oj prints floats in its own way.
fn float_text(json_parser: &str) -> FloatText {
    if json_parser == "oj" {
        FloatText::Oj
    } else {
        FloatText::Json
    }
}

fn unknown(name: &str, section: &Element, diagnostics: &mut Diagnostics) {
    let span = section
        .value("@type")
        .map_or(section.span(), |value| value.span);
    let names = FORMATTERS.map(|(name, _)| name);
    let hint = match nearest(name, names) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("this build has: {}", names.join(", ")),
    };
    diagnostics.push(
        Diagnostic::error(format!("Unknown formatter plugin '{name}'"))
            .at(span, "no formatter of this name")
            .hint(hint),
    );
}
