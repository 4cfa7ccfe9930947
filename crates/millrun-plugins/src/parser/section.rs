//! From a `<parse>` section to the parser it names.

use std::path::Path;

use millrun_config::{Diagnostic, Diagnostics, Element, Entry, Regexp, Schema, Value, nearest};
use millrun_pattern::{Flags, Matcher, Regex, TimeType};

use super::{
    Apache2Parser, CriParser, CsvEngine, CsvParser, FirstLine, GrokNames, GrokOptions, GrokParser,
    JsonParser, LineParser, LtsvDelimiter, LtsvParser, MsgpackParser, MultiFormatParser,
    MultilineParser, NoneParser, RegexpParser, Settings, SetupError, SyslogEngine, SyslogFormat,
    SyslogOptions, SyslogParser, TextKind, TsvParser, apache_error_parser, apache_parser,
    nginx_parser,
    parameters::{
        Apache2Parameters, BuiltInParameters, CriParameters, CsvEngineName, CsvParameters,
        GrokParameters, JsonParameters, LtsvParameters, MsgpackParameters, MultiFormatParameters,
        MultilineParameters, NoneParameters, ParserParameters, RegexpParameters, SyslogEngineName,
        SyslogFormatName, SyslogParameters, TsvParameters,
    },
};
use crate::time_section::TimeTypeName;

/// The parsers of this build, and what they may be told.
pub(crate) const PARSERS: [(&str, &Schema); 17] = [
    ("apache", BuiltInParameters::SCHEMA),
    ("apache2", Apache2Parameters::SCHEMA),
    ("apache_error", BuiltInParameters::SCHEMA),
    ("cri", CriParameters::SCHEMA),
    ("csv", CsvParameters::SCHEMA),
    ("grok", GrokParameters::SCHEMA),
    ("json", JsonParameters::SCHEMA),
    ("ltsv", LtsvParameters::SCHEMA),
    ("msgpack", MsgpackParameters::SCHEMA),
    ("multi_format", MultiFormatParameters::SCHEMA),
    ("multiline", MultilineParameters::SCHEMA),
    ("multiline_grok", GrokParameters::SCHEMA),
    ("nginx", BuiltInParameters::SCHEMA),
    ("none", NoneParameters::SCHEMA),
    ("regexp", RegexpParameters::SCHEMA),
    ("syslog", SyslogParameters::SCHEMA),
    ("tsv", TsvParameters::SCHEMA),
];

/// The parser of the `<parse>` section of `plugin`, or of the legacy parameter `format`; `None`
/// when a diagnostic says why not.
pub fn parse_section(
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
    Builder {
        section,
        text,
        diagnostics,
    }
    .build(name)
}

/// A parser from its name and the section that configures it.
struct Builder<'s> {
    section: &'s Element,
    text: TextKind,
    diagnostics: &'s mut Diagnostics,
}

type Parser = Box<dyn LineParser>;

impl Builder<'_> {
    fn build(mut self, name: &str) -> Option<Parser> {
        match name {
            "none" => self.none(),
            "json" => self.json(),
            "nginx" => self.built_in(nginx_parser),
            "apache" => self.built_in(apache_parser),
            "apache_error" => self.built_in(apache_error_parser),
            "apache2" => self.apache2(),
            "regexp" => self.regexp(),
            "csv" => self.csv(),
            "tsv" => self.tsv(),
            "ltsv" => self.ltsv(),
            "msgpack" => self.msgpack(),
            "syslog" => self.syslog(),
            "multiline" => self.multiline(),
            "multi_format" => self.multi_format(),
            "cri" => self.cri(),
            "grok" => self.grok(false),
            "multiline_grok" => self.grok(true),
            literal if literal.starts_with('/') => self.literal(literal),
            other => {
                self.unknown(other);
                None
            }
        }
    }

    fn none(&mut self) -> Option<Parser> {
        let parameters = NoneParameters::read(self.section, self.diagnostics)?;
        let settings = self.settings(parameters.parser)?;
        Some(Box::new(NoneParser::new(
            &parameters.message_key,
            &settings,
        )))
    }

    fn json(&mut self) -> Option<Parser> {
        let parameters = JsonParameters::read(self.section, self.diagnostics)?.parser;
        let settings = self.settings(parameters)?;
        self.boxed(JsonParser::new(settings))
    }

    fn apache2(&mut self) -> Option<Parser> {
        let parameters = Apache2Parameters::read(self.section, self.diagnostics)?.parser;
        let settings = self.settings(parameters)?;
        self.boxed(Apache2Parser::new(settings))
    }

    fn msgpack(&mut self) -> Option<Parser> {
        let parameters = MsgpackParameters::read(self.section, self.diagnostics)?.parser;
        let settings = self.settings(parameters)?;
        self.boxed(MsgpackParser::new(settings))
    }

    fn built_in(
        &mut self,
        built_in: fn(Settings) -> Result<RegexpParser, SetupError>,
    ) -> Option<Parser> {
        let parameters = BuiltInParameters::read(self.section, self.diagnostics)?;
        let settings = self.settings(parameters.parser)?;
        let Some(mut expression) = parameters.expression else {
            return self.boxed(built_in(settings));
        };
        expression.ignore_case |= parameters.ignorecase;
        expression.multi_line |= parameters.multiline;
        let regex = self.compile(&expression, "expression")?;
        self.boxed(RegexpParser::new(regex, settings))
    }

    fn regexp(&mut self) -> Option<Parser> {
        let parameters = RegexpParameters::read(self.section, self.diagnostics)?;
        let mut expression = parameters.expression;
        expression.ignore_case |= parameters.ignorecase;
        expression.multi_line |= parameters.multiline;
        let settings = self.settings(parameters.parser)?;
        let regex = self.compile(&expression, "expression")?;
        self.boxed(RegexpParser::new(regex, settings))
    }

    /// An expression in the place of the parser's name.
    fn literal(&mut self, literal: &str) -> Option<Parser> {
        let mut section = self.section.clone();
        let span = section.span_of("@type");
        section.insert(Entry {
            name: "expression".to_owned(),
            name_span: span,
            value: Value::text(literal, span),
        });
        self.of(&section).regexp()
    }

    fn csv(&mut self) -> Option<Parser> {
        let parameters = CsvParameters::read(self.section, self.diagnostics)?;
        let settings = self.settings(parameters.parser)?;
        let engine = match parameters.parser_engine {
            CsvEngineName::Normal => CsvEngine::Normal,
            CsvEngineName::Fast => CsvEngine::Fast,
        };
        let parser = CsvParser::new(&parameters.keys, &parameters.delimiter, engine, settings);
        self.boxed(parser)
    }

    fn tsv(&mut self) -> Option<Parser> {
        let parameters = TsvParameters::read(self.section, self.diagnostics)?;
        let settings = self.settings(parameters.parser)?;
        self.boxed(TsvParser::new(
            &parameters.keys,
            &parameters.delimiter,
            settings,
        ))
    }

    fn ltsv(&mut self) -> Option<Parser> {
        let parameters = LtsvParameters::read(self.section, self.diagnostics)?;
        let settings = self.settings(parameters.parser)?;
        let delimiter = match &parameters.delimiter_pattern {
            None => LtsvDelimiter::Text(parameters.delimiter),
            Some(pattern) => {
                let regex = self.compile(pattern, "delimiter_pattern")?;
                let spans = regex.spans();
                LtsvDelimiter::Pattern(Box::new(regex), spans)
            }
        };
        self.boxed(LtsvParser::new(
            delimiter,
            &parameters.label_delimiter,
            settings,
        ))
    }

    fn syslog(&mut self) -> Option<Parser> {
        let parameters = SyslogParameters::read(self.section, self.diagnostics)?;
        let settings = self.settings(parameters.parser)?;
        let options = SyslogOptions {
            format: match parameters.message_format {
                SyslogFormatName::Rfc3164 => SyslogFormat::Rfc3164,
                SyslogFormatName::Rfc5424 => SyslogFormat::Rfc5424,
                SyslogFormatName::Auto => SyslogFormat::Auto,
            },
            engine: match parameters.parser_engine {
                SyslogEngineName::Regexp => SyslogEngine::Regexp,
                SyslogEngineName::String => SyslogEngine::String,
            },
            with_priority: parameters.with_priority,
            rfc5424_time_format: Some(parameters.rfc5424_time_format),
            support_colonless_ident: parameters.support_colonless_ident,
        };
        self.boxed(SyslogParser::new(options, settings))
    }

    fn multiline(&mut self) -> Option<Parser> {
        let parameters = MultilineParameters::read(self.section, self.diagnostics)?;
        let (text, estimate) = (self.text, parameters.parser.estimate_current_event);
        let source = self.joined_formats(parameters.formats())?;
        let first_line = match &parameters.format_firstline {
            None => None,
            Some(literal) => {
                let source = self
                    .between_slashes(literal, "format_firstline")?
                    .to_owned();
                let compiled = Matcher::compile(&source, Flags::default());
                Some(FirstLine::new(self.sound(compiled, "format_firstline")?))
            }
        };
        let flags = Flags {
            multi_line: true,
            ..Flags::default()
        };
        let regex = self.sound(Regex::compile(&source, flags), "format1")?;
        let settings = self.settings(parameters.parser)?;
        let parser = RegexpParser::new(regex, settings).map(|parser| {
            let unmatched = parameters.unmatched_lines.as_deref();
            MultilineParser::new(parser, first_line, unmatched, text, estimate)
        });
        self.boxed(parser)
    }

    /// The expression of the parts, which must come one after the other from 1 on.
    fn joined_formats(&mut self, formats: [Option<&str>; 20]) -> Option<String> {
        let mut joined = String::new();
        let mut missing = None;
        for (index, format) in formats.into_iter().enumerate() {
            let name = format!("format{}", index + 1);
            match (format, missing.take()) {
                (Some(part), None) => joined.push_str(self.between_slashes(part, &name)?),
                (Some(_), Some(gap)) => {
                    let fault = format!("Jump of format index found. {gap} is missing.");
                    self.fault(fault, &name);
                    return None;
                }
                (None, gap) => missing = Some(gap.unwrap_or(name)),
            }
        }
        Some(joined)
    }

    fn between_slashes<'l>(&mut self, literal: &'l str, name: &str) -> Option<&'l str> {
        let source = literal
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        if source.is_none() {
            let fault = format!("format should be Regexp, need //, in {name}: '{literal}'");
            self.fault(fault, name);
        }
        source
    }

    fn multi_format(&mut self) -> Option<Parser> {
        let parameters = MultiFormatParameters::read(self.section, self.diagnostics)?;
        let mut parsers = Vec::new();
        for pattern in &parameters.pattern {
            // The parser's parameters stand beside its name, which is none of them.
            let mut pattern = pattern.clone();
            let format = pattern.remove("format");
            let name = format.as_ref().and_then(|entry| entry.value.as_text());
            let Some(name) = name.or_else(|| pattern.plugin_type()).map(str::to_owned) else {
                let fault = Diagnostic::error("a <pattern> names its parser");
                let place = fault.at(pattern.span(), "which parser is meant?");
                self.diagnostics
                    .push(place.hint("write a line like: format json"));
                return None;
            };
            parsers.push(self.of(&pattern).build(&name)?);
        }
        Some(Box::new(MultiFormatParser::new(parsers)))
    }

    fn cri(&mut self) -> Option<Parser> {
        let parameters = CriParameters::read(self.section, self.diagnostics)?;
        let mut keeps = parameters.parser;
        keeps.keep_time_key |= self.section.value("keep_time_key").is_none();
        let settings = self.settings(keeps)?;
        let message = match parameters.parse {
            None => None,
            Some(mut section) => {
                // What tells no time happened when the line says.
                let name = "estimate_current_event";
                if section.value(name).is_none() {
                    let span = section.span();
                    section.insert(Entry {
                        name: name.to_owned(),
                        name_span: span,
                        value: Value::text("false", span),
                    });
                }
                let name = section.plugin_type().unwrap_or("none").to_owned();
                Some(self.of(&section).build(&name)?)
            }
        };
        self.boxed(CriParser::new(
            message,
            parameters.merge_cri_fields,
            settings,
        ))
    }

    fn grok(&mut self, is_multiline: bool) -> Option<Parser> {
        let parameters = GrokParameters::read(self.section, self.diagnostics)?;
        let mut names = GrokNames::default();
        if let Some(path) = &parameters.custom_pattern_path {
            self.sound(add_files(path, &mut names), "custom_pattern_path")?;
        }
        let options = GrokOptions {
            failure_key: parameters.grok_failure_key,
            name_key: parameters.grok_name_key,
        };
        let mut parser = GrokParser::new(options, self.text);
        if is_multiline {
            let first_line = match &parameters.multiline_start_regexp {
                None => None,
                Some(pattern) => {
                    let compiled = Matcher::compile(&pattern.source, flags(pattern));
                    Some(FirstLine::new(
                        self.sound(compiled, "multiline_start_regexp")?,
                    ))
                }
            };
            parser.take_blocks(first_line);
        }
        if parameters.grok_pattern.is_none() && parameters.grok.is_empty() {
            let fault = "grok_pattern is required, or a <grok> section with a pattern";
            self.fault(fault.to_owned(), "grok_pattern");
            return None;
        }
        if let Some(pattern) = &parameters.grok_pattern {
            let expression = self.sound(names.expand(pattern), "grok_pattern")?;
            let settings = self.settings(parameters.parser.clone())?;
            self.sound(parser.push(None, expression, settings), "grok_pattern")?;
        }
        for section in parameters.grok {
            let expression = self.sound(names.expand(&section.pattern), "pattern")?;
            let mut settings = self.settings(parameters.parser.clone())?;
            settings.time_key = section.time_key.or(settings.time_key);
            settings.time_format = section.time_format.or(settings.time_format);
            settings.timezone = section.timezone.or(settings.timezone);
            settings.keep_time_key = section.keep_time_key.unwrap_or(settings.keep_time_key);
            let pushed = parser.push(section.name.as_deref(), expression, settings);
            self.sound(pushed, "pattern")?;
        }
        Some(Box::new(parser))
    }

    /// A builder from a section within this one.
    fn of<'b>(&'b mut self, section: &'b Element) -> Builder<'b> {
        Builder {
            section,
            text: self.text,
            diagnostics: self.diagnostics,
        }
    }

    fn settings(&mut self, parameters: ParserParameters) -> Option<Settings> {
        let time = parameters.time;
        let null_value_pattern = match parameters.null_value_pattern {
            None => None,
            Some(pattern) => {
                let compiled = Matcher::compile(&pattern.source, flags(&pattern));
                Some(self.sound(compiled, "null_value_pattern")?)
            }
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
            text: self.text,
        })
    }

    fn compile(&mut self, expression: &Regexp, name: &str) -> Option<Regex> {
        self.sound(Regex::compile(&expression.source, flags(expression)), name)
    }

    /// What was made of a parameter, or a diagnostic at its place.
    fn sound<T, E: ToString>(&mut self, made: Result<T, E>, name: &str) -> Option<T> {
        made.map_err(|error| self.fault(error.to_string(), name))
            .ok()
    }

    fn boxed<P: LineParser + 'static>(&mut self, parser: Result<P, SetupError>) -> Option<Parser> {
        match parser {
            Ok(parser) => Some(Box::new(parser)),
            Err(error) => {
                let fault = Diagnostic::error(error.to_string());
                let written = error.parameter().and_then(|name| self.section.value(name));
                let (span, label) = match written {
                    Some(value) => (value.span, ""),
                    None => (self.section.span(), "this parser"),
                };
                self.diagnostics.push(fault.at(span, label));
                None
            }
        }
    }

    fn fault(&mut self, message: String, name: &str) {
        let span = self.section.span_of(name);
        let what = if name.ends_with("pattern") {
            "this pattern"
        } else {
            "this expression"
        };
        self.diagnostics
            .push(Diagnostic::error(message).at(span, what));
    }

    fn unknown(&mut self, name: &str) {
        let names = PARSERS.map(|(name, _)| name);
        let hint = match nearest(name, names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("this build has: {}", names.join(", ")),
        };
        let span = self.section.span_of("@type");
        self.diagnostics.push(
            Diagnostic::error(format!("Unknown parser plugin '{name}'"))
                .at(span, "no parser of this name")
                .hint(hint),
        );
    }
}

fn flags(expression: &Regexp) -> Flags {
    Flags {
        ignore_case: expression.ignore_case,
        multi_line: expression.multi_line,
        ..Flags::default()
    }
}

/// Adds the names of a file, or of the files of a directory in their order.
fn add_files(path: &Path, names: &mut GrokNames) -> Result<(), String> {
    let fault = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| fault(path, error))?;
        files = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.is_file());
        files.sort();
    }
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| fault(&file, error))?;
        names.add(&text);
    }
    Ok(())
}
