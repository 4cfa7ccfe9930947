//! Text with placeholders, compiled.
//!
//! ```text
//! ${tag} ${tag_parts[0]} ${tag_prefix[1]} ${tag_suffix[-1]}      the same for a batch
//! ${time}                                                        2024-02-01 03:04:05 +0900, local
//! ${record["a"]} ${record["a"]["b"][0]} ${record['a']}           of each record
//! ${hostname}                                                    the same for ever
//! ```
//! A text that begins as JSON and is some has placeholders in its strings. A name that is none of these has no value,
//! and a warning says so. (Fluentd knows double quotes and one level of a record only.)
//!
//! With Ruby, every text in which a `${` stands is an expression of `millrun-ruby`; so is one with an escape in it.

use std::sync::Arc;

use millrun_config::Json;
use millrun_event::{EventTime, Record, Value, write};
use millrun_pattern::{Accessor, Segment, TimeFormat, Zone};
use millrun_ruby::{Event, Place, Program, RubyError, SystemWorld};

use super::tag_parts::TagParts;
use crate::formatter::write_ruby_text;

/// What placeholders of a record refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'c> {
    pub(super) tag: &'c TagParts,
    pub(super) time: EventTime,
    pub(super) record: Record<'c>,
}

/// The expressions of one event: they see what those before them did to the record. Without Ruby there are none.
pub(super) type Expressions<'r> = Option<Event<'r, SystemWorld>>;

/// A value with placeholders.
#[derive(Clone, Debug)]
pub(super) enum Template {
    /// msgpack without placeholders.
    Constant(Vec<u8>),
    /// One placeholder, whose value keeps its type.
    Typed(Part),
    Text(Vec<Part>),
    Array(Vec<Template>),
    Map(Vec<(Template, Template)>),
    /// An expression, or text with expressions in it.
    Ruby(Arc<Program>),
}

/// What placeholders are, and what was noticed of them.
#[derive(Debug)]
pub(super) enum Dialect<'n> {
    /// Names; those that are none of ours are noted.
    Names(&'n mut Vec<String>),
    /// Expressions of Ruby.
    Ruby,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    Literal(Vec<u8>),
    Tag,
    OfTag(i64),
    TagPrefix(i64),
    TagSuffix(i64),
    Time(Box<TimeFormat>),
    Record(Vec<Segment>),
    /// A name that is no placeholder.
    Unknown,
}

/// How often a value changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Changes {
    Never,
    WithTag,
    WithRecord,
}

impl Template {
    /// Compiles a value as written.
    ///
    /// # Errors
    /// An expression that is no Ruby of the subset; its place counts in the text it stands in.
    pub(super) fn compile(
        text: &str,
        is_typed: bool,
        dialect: &mut Dialect<'_>,
    ) -> Result<Template, RubyError> {
        if text.starts_with(['{', '['])
            && let Ok(json) = Json::parse(text)
        {
            return Self::of_json(&json, is_typed, dialect);
        }
        Self::of_text(text, is_typed, dialect)
    }

    /// Compiles a text whose value is text.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile).
    pub(super) fn text(text: &str, dialect: &mut Dialect<'_>) -> Result<Template, RubyError> {
        Self::of_text(text, false, dialect)
    }

    fn of_json(
        json: &Json,
        is_typed: bool,
        dialect: &mut Dialect<'_>,
    ) -> Result<Template, RubyError> {
        let mut out = Vec::new();
        match json {
            Json::Null => write::nil(&mut out),
            Json::Bool(truth) => write::bool(&mut out, *truth),
            Json::Integer(number) => write::int(&mut out, *number),
            Json::BigInteger(digits) => write::float(&mut out, digits.parse().unwrap_or(f64::NAN)),
            Json::Float(number) => write::float(&mut out, *number),
            Json::String(text) => return Self::of_text(text, is_typed, dialect),
            Json::Array(values) => {
                let values = values
                    .iter()
                    .map(|value| Self::of_json(value, is_typed, dialect));
                return values.collect::<Result<_, _>>().map(Template::Array);
            }
            Json::Object(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| {
                    let key = Self::text(key, dialect)?;
                    Ok((key, Self::of_json(value, is_typed, dialect)?))
                });
                return pairs.collect::<Result<_, _>>().map(Template::Map);
            }
        }
        Ok(Template::Constant(out))
    }

    fn of_text(
        text: &str,
        is_typed: bool,
        dialect: &mut Dialect<'_>,
    ) -> Result<Template, RubyError> {
        let mut parts = match dialect {
            Dialect::Ruby if text.contains("${") || text.contains('\\') => {
                let program = Program::template(text, is_typed, Place::Record)?;
                return Ok(Template::Ruby(Arc::new(program)));
            }
            Dialect::Ruby if text.is_empty() => Vec::new(),
            Dialect::Ruby => vec![Part::Literal(text.into())],
            Dialect::Names(unknown) => parts(text, unknown),
        };
        Ok(match parts.as_mut_slice() {
            [] => Template::Constant(vec![0xa0]),
            [Part::Literal(text)] => {
                let mut out = Vec::new();
                write::str(&mut out, text);
                Template::Constant(out)
            }
            [_] if is_typed => match parts.pop() {
                Some(part) => Template::Typed(part),
                None => Template::Constant(vec![0xa0]),
            },
            _ => Template::Text(parts),
        })
    }

    /// The expressions in it, in the order in which they are evaluated.
    pub(super) fn programs<'t>(&'t self, found: &mut Vec<&'t Program>) {
        match self {
            Template::Constant(_) | Template::Typed(_) | Template::Text(_) => {}
            Template::Array(values) => values.iter().for_each(|value| value.programs(found)),
            Template::Map(pairs) => {
                for (key, value) in pairs {
                    key.programs(found);
                    value.programs(found);
                }
            }
            Template::Ruby(program) => found.push(program),
        }
    }

    /// How often the value changes.
    pub(super) fn changes(&self) -> Changes {
        match self {
            Template::Constant(_) => Changes::Never,
            Template::Typed(part) => part.changes(),
            Template::Text(parts) => parts
                .iter()
                .map(Part::changes)
                .max()
                .unwrap_or(Changes::Never),
            Template::Array(values) => values
                .iter()
                .map(Template::changes)
                .max()
                .unwrap_or(Changes::Never),
            Template::Map(pairs) => {
                let each = pairs
                    .iter()
                    .map(|(key, value)| key.changes().max(value.changes()));
                each.max().unwrap_or(Changes::Never)
            }
            Template::Ruby(_) => Changes::WithRecord,
        }
    }

    /// Appends the value as msgpack; `scratch` is for text.
    ///
    /// # Errors
    /// An expression that raised or ran into a limit; what was appended before is left.
    pub(super) fn write(
        &self,
        context: &Context<'_>,
        scratch: &mut Scratch,
        expressions: &mut Expressions<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), RubyError> {
        match self {
            Template::Constant(bytes) => out.extend_from_slice(bytes),
            Template::Typed(part) => part.write_typed(context, scratch, out),
            Template::Text(parts) => {
                scratch.text.clear();
                for part in parts {
                    part.push_text(context, scratch);
                }
                write::str(out, &scratch.text);
            }
            Template::Array(values) => {
                write::array(out, u32::try_from(values.len()).unwrap_or(u32::MAX));
                for value in values {
                    value.write(context, scratch, expressions, out)?;
                }
            }
            Template::Map(pairs) => {
                write::map(out, u32::try_from(pairs.len()).unwrap_or(u32::MAX));
                for (key, value) in pairs {
                    key.write(context, scratch, expressions, out)?;
                    value.write(context, scratch, expressions, out)?;
                }
            }
            Template::Ruby(program) => match expressions {
                Some(event) => event.evaluate(program, out)?,
                // Whoever compiled expressions evaluates them in an event.
                None => write::nil(out),
            },
        }
        Ok(())
    }
}

/// Memory for texts, used again for every event.
#[derive(Debug)]
pub(super) struct Scratch {
    text: Vec<u8>,
    zone: Zone,
    /// The time written last, and its text.
    time: Option<u32>,
    time_text: String,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            text: Vec::new(),
            zone: Zone::local(),
            time: None,
            time_text: String::new(),
        }
    }
}

impl Part {
    fn changes(&self) -> Changes {
        match self {
            Part::Literal(_) | Part::Unknown => Changes::Never,
            Part::Tag | Part::OfTag(_) | Part::TagPrefix(_) | Part::TagSuffix(_) => {
                Changes::WithTag
            }
            Part::Time(_) | Part::Record(_) => Changes::WithRecord,
        }
    }

    fn of_tag<'t>(&self, tag: &'t TagParts) -> Option<&'t str> {
        match self {
            Part::Tag => Some(tag.tag()),
            Part::OfTag(index) => tag.part(*index),
            Part::TagPrefix(index) => tag.prefix(*index),
            Part::TagSuffix(index) => tag.suffix(*index),
            _ => None,
        }
    }

    fn write_typed(&self, context: &Context<'_>, scratch: &mut Scratch, out: &mut Vec<u8>) {
        match self {
            Part::Literal(text) => write::str(out, text),
            Part::Unknown => write::nil(out),
            Part::Time(format) => {
                write::str(out, time_text(context.time, format, scratch).as_bytes());
            }
            Part::Record(path) => match lookup(context.record, path) {
                Some(value) => out.extend_from_slice(value.bytes()),
                None => write::nil(out),
            },
            _ => match self.of_tag(context.tag) {
                Some(text) => write::str(out, text.as_bytes()),
                None => write::nil(out),
            },
        }
    }

    fn push_text(&self, context: &Context<'_>, scratch: &mut Scratch) {
        match self {
            Part::Literal(text) => scratch.text.extend_from_slice(text),
            Part::Unknown => {}
            Part::Time(format) => {
                time_text(context.time, format, scratch);
                scratch.text.extend_from_slice(scratch.time_text.as_bytes());
            }
            Part::Record(path) => {
                if let Some(value) = lookup(context.record, path) {
                    // A record that was walked is sound.
                    let _ = write_ruby_text(value, &mut scratch.text);
                }
            }
            _ => {
                let text = self.of_tag(context.tag).unwrap_or_default();
                scratch.text.extend_from_slice(text.as_bytes());
            }
        }
    }
}

fn lookup<'r>(record: Record<'r>, path: &[Segment]) -> Option<Value<'r>> {
    millrun_core::lookup(record.bytes(), path)
}

fn time_text<'s>(time: EventTime, format: &TimeFormat, scratch: &'s mut Scratch) -> &'s str {
    if scratch.time != Some(time.seconds) {
        scratch.time = Some(time.seconds);
        scratch.time_text.clear();
        format.write(
            time.seconds.into(),
            0,
            &scratch.zone,
            &mut scratch.time_text,
        );
    }
    &scratch.time_text
}

/// The parts of a text: literals, and what stands in `${…}` or `__LIKE_THIS__`.
fn parts(text: &str, unknown: &mut Vec<String>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(length) = placeholder_length(rest) {
            let (name, tail) = rest.split_at(length);
            rest = tail;
            let part = part(name);
            if matches!(part, Part::Unknown) {
                unknown.push(name.to_owned());
            }
            if let Part::Literal(text) = part {
                literal.extend_from_slice(&text);
                continue;
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            continue;
        }
        let length = rest.chars().next().map_or(0, char::len_utf8);
        let (character, tail) = rest.split_at(length);
        literal.extend_from_slice(character.as_bytes());
        rest = tail;
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

/// The length of the placeholder that a text begins with.
fn placeholder_length(text: &str) -> Option<usize> {
    if let Some(inside) = text.strip_prefix("${") {
        let length = inside.find('}')?;
        return (length > 0).then_some(length + 3);
    }
    let inside = text.strip_prefix("__")?;
    let name = inside.find(|character: char| !character.is_ascii_uppercase() && character != '_');
    let name = inside.get(..name.unwrap_or(inside.len()))?;
    // The last two underscores close it.
    let name = name.strip_suffix("__").filter(|name| !name.is_empty())?;
    Some(name.len() + 4)
}

fn part(placeholder: &str) -> Part {
    let inside = placeholder
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    let Some(name) = inside.map(str::trim) else {
        return Part::Unknown;
    };
    let indexed = |list: &str| {
        let index = name
            .strip_prefix(list)?
            .strip_prefix('[')?
            .strip_suffix(']')?;
        index.trim().parse::<i64>().ok()
    };
    if let Some(index) = indexed("tag_parts") {
        return Part::OfTag(index);
    }
    if let Some(index) = indexed("tag_prefix") {
        return Part::TagPrefix(index);
    }
    if let Some(index) = indexed("tag_suffix") {
        return Part::TagSuffix(index);
    }
    match name {
        "tag" => Part::Tag,
        "time" => match TimeFormat::compile("%Y-%m-%d %H:%M:%S %z") {
            Ok(format) => Part::Time(Box::new(format)),
            Err(_) => Part::Unknown,
        },
        "hostname" => Part::Literal(hostname().into_bytes()),
        _ => match name
            .strip_prefix("record")
            .map(|path| Accessor::parse(&format!("${path}")))
        {
            Some(Ok(path)) if name.starts_with("record[") => Part::Record(path.segments().to_vec()),
            _ => Part::Unknown,
        },
    }
}

/// The name of this machine; empty where it has none.
pub(crate) fn hostname() -> String {
    let name = nix::unistd::gethostname().ok();
    name.and_then(|name| name.into_string().ok())
        .unwrap_or_default()
}
