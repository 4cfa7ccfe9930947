//! The `grok` parser: expressions written with the names of other expressions.
//!
//! ```text
//! %{IP:client} %{WORD:verb} %{NUMBER:took:float}
//!
//! %{NAME}               what the name means
//! %{NAME:field}         the same, captured
//! %{NAME:field:type}    and with a type, as in `types`
//! ```
//! The names are those of [`patterns`] and of the files of `custom_pattern_path`: a name, a space, its expression, a line
//! each. Of several patterns the first that matches counts.

mod patterns;

use std::collections::HashMap;

use millrun_event::{EventTime, write};
use millrun_pattern::{Flags, Level, REGEX_SOURCE_BYTES_MAX, Regex};
use thiserror::Error;

use super::{
    FirstLine, Grouping, LineParser, ParseError, Parsed, RegexpParser, Settings, SetupError,
    TextKind, conversion::write_text,
};

/// How deep names may lead to names.
pub const GROK_DEPTH_MAX: usize = 32;

/// What a record says where nothing matches, with `grok_failure_key`.
const FAILURE: &str = "No grok pattern matched";

/// The expressions that names stand for.
#[derive(Clone, Debug)]
pub struct GrokNames {
    names: HashMap<String, String>,
}

impl Default for GrokNames {
    /// The built-in ones.
    fn default() -> Self {
        let names = patterns::BUILT_IN.iter();
        GrokNames {
            names: names
                .map(|(name, source)| ((*name).to_owned(), (*source).to_owned()))
                .collect(),
        }
    }
}

/// Why a pattern is no expression: the user's configuration is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrokError {
    /// A name without an expression.
    #[error("grok pattern not found: %{{{name}}}; add it to a file of custom_pattern_path")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Names that lead to themselves, or nearly.
    #[error("%{{{name}}} lies more than {GROK_DEPTH_MAX} names deep; does it lead to itself?")]
    TooDeep {
        /// The name that is one too deep.
        name: String,
    },
    /// What all names mean together.
    #[error("the pattern stands for more than {REGEX_SOURCE_BYTES_MAX} bytes of expression")]
    TooLong,
}

/// An expression that names led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrokExpression {
    /// The expression.
    pub source: String,
    /// The fields with types.
    pub types: Vec<(String, String)>,
}

impl GrokNames {
    /// Adds the names of a file's text.
    pub fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            if let Some((name, source)) = line.split_once(char::is_whitespace)
                && !name.starts_with('#')
            {
                self.names
                    .insert(name.to_owned(), source.trim_start().to_owned());
            }
        }
    }

    /// The expression of a pattern.
    ///
    /// # Errors
    /// See [`GrokError`].
    pub fn expand(&self, pattern: &str) -> Result<GrokExpression, GrokError> {
        let mut expression = GrokExpression {
            source: String::new(),
            types: Vec::new(),
        };
        self.expand_into(pattern, 0, &mut expression)?;
        Ok(expression)
    }

    fn expand_into(
        &self,
        pattern: &str,
        depth: usize,
        out: &mut GrokExpression,
    ) -> Result<(), GrokError> {
        let mut rest = pattern;
        while let Some((before, (reference, after))) = next_reference(rest) {
            out.source.push_str(before);
            rest = after;
            let mut parts = reference.splitn(3, ':');
            let name = parts.next().unwrap_or_default();
            let Some(source) = self.names.get(name) else {
                return Err(GrokError::Unknown {
                    name: name.to_owned(),
                });
            };
            if depth == GROK_DEPTH_MAX {
                return Err(GrokError::TooDeep {
                    name: name.to_owned(),
                });
            }
            match (parts.next().filter(|field| !field.is_empty()), parts.next()) {
                (None, _) => out.source.push_str("(?:"),
                (Some(field), kind) => {
                    out.source.push_str("(?<");
                    out.source.push_str(field);
                    out.source.push('>');
                    if let Some(kind) = kind {
                        out.types.push((field.to_owned(), kind.to_owned()));
                    }
                }
            }
            self.expand_into(source, depth + 1, out)?;
            out.source.push(')');
            if out.source.len() > REGEX_SOURCE_BYTES_MAX {
                return Err(GrokError::TooLong);
            }
        }
        out.source.push_str(rest);
        Ok(())
    }
}

/// What stands before the first `%{…}`, within it and behind it.
fn next_reference(text: &str) -> Option<(&str, (&str, &str))> {
    let mut from = 0;
    while let Some(found) = text.get(from..)?.find("%{") {
        let start = from + found;
        let inside = text.get(start + 2..)?;
        let end = inside.find('}')?;
        let reference = inside.get(..end)?;
        // A repeat of a percent sign is none.
        if reference.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            return Some((text.get(..start)?, (reference, inside.get(end + 1..)?)));
        }
        from = start + 2;
    }
    None
}

/// Tries patterns in order.
#[derive(Debug)]
pub struct GrokParser {
    patterns: Vec<Pattern>,
    first_line: Option<FirstLine>,
    is_multiline: bool,
    options: GrokOptions,
    text: TextKind,
}

#[derive(Debug)]
struct Pattern {
    parser: RegexpParser,
    /// What `grok_name_key` says of it.
    name: String,
}

/// What grok says beside what it parses.
#[derive(Clone, Debug, Default)]
pub struct GrokOptions {
    /// `grok_failure_key`: where the record of a line that nothing matches says so.
    pub failure_key: Option<String>,
    /// `grok_name_key`: where the record names the pattern.
    pub name_key: Option<String>,
}

impl GrokParser {
    /// A parser of single lines without patterns yet.
    #[must_use]
    pub fn new(options: GrokOptions, text: TextKind) -> Self {
        GrokParser {
            patterns: Vec::new(),
            first_line: None,
            is_multiline: false,
            options,
            text,
        }
    }

    /// Takes blocks of lines, each begun by a `first_line` if there is one.
    pub fn take_blocks(&mut self, first_line: Option<FirstLine>) {
        self.is_multiline = true;
        self.first_line = first_line;
    }

    /// Adds a pattern behind the others; without a name it is called by its number.
    ///
    /// # Errors
    /// Patterns that stand for no expression, settings that contradict each other or do not compile.
    pub fn push(
        &mut self,
        name: Option<&str>,
        expression: GrokExpression,
        mut settings: Settings,
    ) -> Result<(), SetupError> {
        settings.types.extend(expression.types);
        let flags = Flags {
            multi_line: self.is_multiline,
            ..Flags::default()
        };
        let regex = Regex::compile(&expression.source, flags)?;
        let number = self.patterns.len();
        self.patterns.push(Pattern {
            parser: RegexpParser::new(regex, settings)?,
            name: name.map_or_else(|| number.to_string(), str::to_owned),
        });
        Ok(())
    }
}

impl LineParser for GrokParser {
    fn patterns(&self) -> Vec<(&'static str, Level)> {
        let first = self.first_line.iter();
        let first = first.map(|line| ("multiline_start_regexp", line.level()));
        let patterns = self.patterns.iter();
        first
            .chain(patterns.flat_map(|pattern| pattern.parser.patterns()))
            .collect()
    }

    fn grouping(&self) -> Grouping<'_> {
        match (&self.first_line, self.is_multiline) {
            (Some(first_line), _) => Grouping::FirstLine(first_line),
            (None, true) => Grouping::UntilParsed,
            (None, false) => Grouping::Line,
        }
    }

    fn parse(
        &mut self,
        line: &[u8],
        now: EventTime,
        record: &mut Vec<u8>,
    ) -> Result<Parsed, ParseError> {
        let start = record.len();
        for pattern in &mut self.patterns {
            let event = pattern.parser.parse(line, now, record)?;
            if event == Parsed::Unmatched {
                continue;
            }
            if let Some(key) = &self.options.name_key {
                super::cri::add_pairs(record, start, 1);
                write::str(record, key.as_bytes());
                write::str(record, pattern.name.as_bytes());
            }
            return Ok(event);
        }
        let Some(key) = &self.options.failure_key else {
            return Ok(Parsed::Unmatched);
        };
        write::map(record, 2);
        write::str(record, key.as_bytes());
        write::str(record, FAILURE.as_bytes());
        write::str(record, b"message");
        write_text(line, self.text, record);
        Ok(Parsed::Event { time: Some(now) })
    }
}

/// The names of the built-in patterns.
#[cfg(test)]
pub(super) fn built_in_names() -> impl Iterator<Item = &'static str> {
    patterns::BUILT_IN.iter().map(|(name, _)| *name)
}
