//! The `record_modifier` filter: sets fields to values and expressions, one after the other, and takes others out.
//!
//! ```text
//! <filter app.**>
//!   @type record_modifier
//!   remove_keys password,_moved
//!   <record>
//!     host ${hostname}
//!     user ${record["request"]["user"]}
//!     _moved ${record["user"] = record.delete("user").upcase; nil}
//!   </record>
//!   <replace>
//!     key message
//!     expression /\d{16}/
//!     replace ****
//!   </replace>
//! </filter>
//! ```
//! Every `${…}` is an expression of Ruby that sees, and may change, the record as the fields before it left it. A value
//! that is one expression and nothing else keeps its type. In this order: `<record>`, `remove_keys` or
//! `whitelist_keys`, `char_encoding`, `<replace>`. An event whose expression raises goes to `@ERROR` and no further.

use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{
    Content, Diagnostic, Diagnostics, Element, Entry as Parameter, Regexp, parameters,
};
use millrun_core::{Assembly, Batch, Fate, Filter, LossReason, PluginId, Report};
use millrun_event::{Cursor, Entries, EventBuffer, EventTime, Record, Token, write};
use millrun_pattern::{Accessor, Segment};
use millrun_ruby::{Evaluator, Place, Program, RubyError, SystemWorld};

use super::{delete::delete, expression};
use crate::charset::{Charset, Repertoire, Unreadable, is_ascii};

parameters! {
    /// A text that is put in another's place.
    pub struct ReplaceParameters in "replace" {
        /// The field.
        key: String = required;
        /// What is looked for in its text.
        expression: Regexp = required;
        /// What stands there then; `\1` is a capture.
        replace: String = required;
    }
}

parameters! {
    /// Sets fields to values and expressions, and takes others out.
    pub struct RecordModifierParameters in "filter", type "record_modifier" {
        /// Fields to take out: names, or paths like `$.a.b`.
        remove_keys: Vec<String> = "";
        /// Fields to keep; all others go. Without effect beside remove_keys.
        whitelist_keys: Option<Vec<String>>;
        /// How texts are encoded, or `from:to`: `utf-8`, `euc-jp:utf-8`. Texts of events are UTF-8 in any case; what is
        /// wrong becomes U+FFFD, or a question mark as all that the second one lacks.
        char_encoding: Option<String>;
        /// Not supported: code that runs once. `#{…}` in a value is evaluated at the start.
        prepare_value: Option<String>;
    }
    sections {
        /// Names and values of fields.
        record: Vec<Element>;
        /// A text that is put in another's place.
        replace: Vec<ReplaceParameters>;
    }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = RecordModifierParameters::read(element, assembly.diagnostics)?;
    if let Some(entry) = element.entry("prepare_value") {
        let fault = Diagnostic::error("prepare_value needs a whole Ruby and is not supported");
        let place = fault.at(entry.value.span, "code that runs once, at the start");
        let hint =
            "write the value where it is used; #{…} in a value is evaluated once, at the start";
        assembly.diagnostics.push(place.hint(hint));
        return None;
    }
    let encoding = match &parameters.char_encoding {
        Some(text) => encoding(text, element, assembly.diagnostics)?,
        None => None,
    };
    let mut fields = Vec::new();
    let mut is_sound = true;
    for entry in parameters.record.iter().flat_map(Element::parameters) {
        match field(entry, assembly.diagnostics) {
            Some(field) => fields.push(field),
            None => is_sound = false,
        }
    }
    let mut replaced = Vec::new();
    for (section, replace) in element.elements_named("replace").zip(&parameters.replace) {
        match replacing(replace) {
            Ok(program) => replaced.push((replace.key.clone().into_bytes(), program)),
            Err(error) => {
                let fault = Diagnostic::error(format!("expression: {}", error.message));
                let place = section.span_of("expression");
                assembly.diagnostics.push(fault.at(place, "this pattern"));
                is_sound = false;
            }
        }
    }
    let (mut removed, mut removed_paths) = (Vec::new(), Vec::new());
    for key in &parameters.remove_keys {
        match Accessor::parse(key) {
            Ok(accessor) => match accessor.segments() {
                [Segment::Key(name)] => removed.push(name.as_bytes().to_vec()),
                path => removed_paths.push(path.to_vec()),
            },
            Err(error) => {
                let place = element.span_of("remove_keys");
                let fault = Diagnostic::error(error.to_string());
                assembly.diagnostics.push(fault.at(place, "these keys"));
                is_sound = false;
            }
        }
    }
    let bytes = |keys: Vec<String>| keys.into_iter().map(String::into_bytes).collect::<Vec<_>>();
    is_sound.then(|| {
        Arc::new(RecordModifier {
            id: id.text.clone(),
            fields,
            kept: parameters
                .whitelist_keys
                .filter(|_| parameters.remove_keys.is_empty())
                .map(bytes),
            removed,
            removed_paths,
            encoding,
            replaced,
            worker: assembly.system.worker,
            workspaces: Mutex::default(),
        }) as Arc<dyn Filter>
    })
}

fn field(entry: &Parameter, diagnostics: &mut Diagnostics) -> Option<(Vec<u8>, Program)> {
    // What is broken was reported where it was read.
    if entry.value.content == Content::Broken {
        return None;
    }
    let text = entry.value.as_text().unwrap_or_default();
    match Program::template(text, true, Place::Record) {
        Ok(program) => {
            expression::warn_of_names(&program, text, entry.value.span, diagnostics);
            Some((entry.name.clone().into_bytes(), program))
        }
        Err(error) => {
            expression::report(&error, text, entry.value.span, diagnostics);
            None
        }
    }
}

/// The expression that a replacement is.
fn replacing(replace: &ReplaceParameters) -> Result<Program, RubyError> {
    let mut pattern = String::new();
    let mut characters = replace.expression.source.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                pattern.push('\\');
                pattern.extend(characters.next());
            }
            '/' => pattern.push_str("\\/"),
            '#' => pattern.push_str("\\#"),
            other => pattern.push(other),
        }
    }
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let flags = [
        (replace.expression.ignore_case, 'i'),
        (replace.expression.multi_line, 'm'),
    ];
    let flags: String = flags
        .iter()
        .filter_map(|(is_set, flag)| is_set.then_some(*flag))
        .collect();
    let code = format!(
        "record['{}'].gsub(/{pattern}/{flags}, '{}')",
        quoted(&replace.key),
        quoted(&replace.replace)
    );
    Program::expression(&code, Place::Record)
}

/// What texts are encoded in, and what to do with them.
#[derive(Clone, Debug)]
struct Encoding {
    from: From,
    to: Repertoire,
}

/// What texts are encoded in.
#[derive(Clone, Debug)]
enum From {
    /// ASCII: each other byte is wrong.
    Ascii,
    /// Anything that is read as characters.
    Charset(Charset),
}

/// The parameter `char_encoding`; `Some(None)` where texts stay as they are.
fn encoding(
    text: &str,
    element: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<Option<Encoding>> {
    let (from, to) = match text.split_once(':') {
        Some((from, to)) => (from, Some(to)),
        None => (text, None),
    };
    let read = match to {
        // The bytes are only called something else. They are UTF-8 from then on, as all text in events.
        None => Charset::new(Some(from), None)
            .map(|charset| charset.map(|charset| (From::Charset(charset), Repertoire::Unicode))),
        Some(to) => Repertoire::named(to).and_then(|to| {
            if is_ascii(from) {
                return Ok(Some((From::Ascii, to)));
            }
            let charset = Charset::new(None, Some(from))?;
            Ok(charset.map(|charset| (From::Charset(charset), to)))
        }),
    };
    match read {
        Ok(read) => Some(read.map(|(from, to)| Encoding { from, to })),
        Err(error) => {
            let fault = Diagnostic::error(match error {
                Unreadable::Unknown => {
                    format!("char_encoding `{text}` names an encoding that nobody knows")
                }
                Unreadable::Wide => {
                    format!(
                        "char_encoding `{text}`: texts of events cannot be read as UTF-16 or UTF-32"
                    )
                }
            });
            let place = fault.at(element.span_of("char_encoding"), "here");
            let hint = "write a name such as utf-8, or two such as shift_jis:utf-8";
            diagnostics.push(place.hint(hint));
            None
        }
    }
}

struct RecordModifier {
    id: Arc<str>,
    fields: Vec<(Vec<u8>, Program)>,
    removed: Vec<Vec<u8>>,
    /// What lies deeper, or in arrays.
    removed_paths: Vec<Vec<Segment>>,
    kept: Option<Vec<Vec<u8>>>,
    encoding: Option<Encoding>,
    /// Fields and what their texts become.
    replaced: Vec<(Vec<u8>, Program)>,
    worker: u32,
    /// One for each thread that is at work here.
    workspaces: Mutex<Vec<Workspace>>,
}

struct Workspace {
    evaluator: Evaluator<SystemWorld>,
    record: Vec<u8>,
    next: Vec<u8>,
    encoding: Option<Encoding>,
    text: String,
}

impl Filter for RecordModifier {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = lock().pop();
        let mut workspace = known.unwrap_or_else(|| Workspace {
            evaluator: expression::evaluator(self.worker),
            record: Vec::new(),
            next: Vec::new(),
            encoding: self.encoding.clone(),
            text: String::new(),
        });
        for (seen, entry) in (0..).zip(Entries::new(batch.events.bytes)) {
            let Ok(entry) = entry else {
                let left = batch.events.count.saturating_sub(seen);
                report.lose(&self.id, LossReason::Invalid, u64::from(left));
                break;
            };
            let time = entry.time.to_event_time().filter(|_| !entry.has_metadata);
            let (Some(time), true) = (time, entry.record_is_map()) else {
                out.extend(entry.bytes, 1);
                continue;
            };
            match self.modify(entry.record(), batch.tag, time, &mut workspace) {
                Ok(()) => out.push(time, |out| out.extend_from_slice(&workspace.record)),
                Err(error) => {
                    report.error_event(&self.id, batch.tag, &entry, Fate::Dropped, error);
                }
            }
        }
        lock().push(workspace);
    }
}

impl RecordModifier {
    /// Leaves the changed record in the workspace.
    fn modify(
        &self,
        record: Record<'_>,
        tag: &str,
        time: EventTime,
        workspace: &mut Workspace,
    ) -> Result<(), RubyError> {
        let Workspace {
            evaluator,
            record: changed,
            next,
            encoding,
            text,
        } = workspace;
        changed.clear();
        let mut event = evaluator.event(record, tag, time);
        for (key, program) in &self.fields {
            event.assign(key, program)?;
        }
        event.record(changed)?;
        for path in &self.removed_paths {
            delete(changed, 0, path);
        }
        if !self.removed.is_empty() || self.kept.is_some() {
            next.clear();
            self.write_kept(Record::new(changed), next);
            std::mem::swap(changed, next);
        }
        if let Some(encoding) = encoding {
            next.clear();
            encoding.convert(changed, text, next);
            std::mem::swap(changed, next);
        }
        for (key, program) in &self.replaced {
            // Only texts have something to replace.
            if Record::new(changed)
                .field(key)
                .and_then(|value| value.text())
                .is_none()
            {
                continue;
            }
            next.clear();
            let mut event = evaluator.event(Record::new(changed), tag, time);
            event.assign(key, program)?;
            event.record(next)?;
            std::mem::swap(changed, next);
        }
        Ok(())
    }

    /// The record without what is taken out, in the encoding that is asked for.
    fn write_kept(&self, record: Record<'_>, out: &mut Vec<u8>) {
        let Ok(fields) = record.fields() else {
            return out.extend_from_slice(record.bytes());
        };
        let stays = |key: &[u8]| match &self.kept {
            Some(kept) => kept.iter().any(|name| name == key),
            None => !self.removed.iter().any(|name| name == key),
        };
        let stays = |key: Option<&[u8]>| key.is_none_or(stays);
        let count = fields
            .clone()
            .flatten()
            .filter(|(key, _)| stays(key.text()));
        write::map(out, u32::try_from(count.count()).unwrap_or(u32::MAX));
        for (key, value) in fields.flatten().filter(|(key, _)| stays(key.text())) {
            out.extend_from_slice(key.bytes());
            out.extend_from_slice(value.bytes());
        }
    }
}

impl Encoding {
    /// Writes a value with its texts as UTF-8, made in `text`.
    fn convert(&mut self, value: &[u8], text: &mut String, out: &mut Vec<u8>) {
        let mut cursor = Cursor::new(value);
        while !cursor.is_at_end() {
            let start = cursor.position();
            let Ok(token) = cursor.token() else {
                return;
            };
            match token {
                // ASCII is the same in all encodings but those that switch sets by escapes.
                Token::Str(bytes) | Token::Bin(bytes)
                    if !bytes.is_ascii() || bytes.contains(&0x1b) =>
                {
                    text.clear();
                    self.read(bytes, text);
                    write::str(out, text.as_bytes());
                }
                Token::Bin(bytes) => write::str(out, bytes),
                _ => out.extend_from_slice(cursor.since(start)),
            }
        }
    }

    fn read(&mut self, bytes: &[u8], text: &mut String) {
        let to = self.to;
        let mut push = |character| {
            text.push(if to.has(character) { character } else { '?' });
        };
        match &mut self.from {
            From::Ascii => bytes.iter().for_each(|byte| {
                push(match byte {
                    0..=0x7f => char::from(*byte),
                    _ => char::REPLACEMENT_CHARACTER,
                });
            }),
            From::Charset(charset) => {
                for chunk in charset.utf8(bytes).utf8_chunks() {
                    chunk.valid().chars().for_each(&mut push);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::filter::tests::{filter, play, said, stream};

    fn modified(text: &str, list: &[Value]) -> (Vec<Value>, usize) {
        let filter = filter(&format!("@type record_modifier\n{text}"));
        let played = play(&*filter, "p.q", stream(list).as_events());
        let events = played["events"].as_array().unwrap().iter();
        let failed = played["errors"].as_array().unwrap().len();
        (events.map(|event| event[1].clone()).collect(), failed)
    }

    #[test]
    fn each_field_sees_what_those_before_it_did() {
        let record = "<record>\na ${record[\"n\"] + 1}\nb ${record[\"a\"] * 2}\nc v${record[\"b\"]}\nt ${tag_parts[1]}\n\
                      gone ${record.delete(\"n\")}\nplain text\n</record>";
        assert_eq!(
            modified(record, &[json!({"n": 1, "x": {"y": [1]}})]),
            (
                vec![
                    json!({"x": {"y": [1]}, "a": 2, "b": 4, "c": "v4", "t": "q", "gone": 1, "plain": "text"})
                ],
                0
            )
        );
    }

    #[test]
    fn fields_are_taken_out_or_kept_behind_all_that() {
        let record = "<record>\na ${record[\"n\"]}\n</record>";
        let list = [json!({"n": {"b": 3, "c": [5]}, "m": 2})];
        let n = || list[0]["n"].clone();
        for (keys, expected) in [
            ("remove_keys n, m", json!({"a": n()})),
            ("remove_keys m,$.a.b,$['n']", json!({"a": {"c": [5]}})),
            ("remove_keys m,n,$.a.c[0]", json!({"a": {"b": 3, "c": []}})),
            ("whitelist_keys m", json!({"m": 2})),
            ("whitelist_keys m\nremove_keys a", json!({"n": n(), "m": 2})),
        ] {
            let (events, _) = modified(&format!("{keys}\n{record}"), &list);
            assert_eq!(events, [expected], "{keys}");
        }
    }

    #[test]
    fn texts_are_put_in_place_of_others() {
        let replace =
            "<replace>\nkey m\nexpression /(\\d+)\\/x#{'/\nreplace \"<\\\\1'>\"\n</replace>";
        let named = "<replace>\nkey m\nexpression /^(?<start>.+).{2}(?<end>.+)$/\nreplace \\k<start>ors\\k<end>\n</replace>";
        let (events, _) = modified(named, &[json!({"m": "hoge"})]);
        assert_eq!(events, [json!({"m": "horse"})]);
        let (events, _) = modified(
            replace,
            &[
                json!({"m": "a 12/x#{' b"}),
                json!({"m": 5}),
                json!({"k": 1}),
            ],
        );
        assert_eq!(
            events,
            [json!({"m": "a <12'> b"}), json!({"m": 5}), json!({"k": 1})]
        );
    }

    #[test]
    fn an_expression_that_raises_sends_its_event_to_error() {
        let record = "<record>\na ${record[\"x\"][\"y\"]}\n</record>";
        let (events, failed) = modified(record, &[json!({"n": 1}), json!({"x": {"y": 2}})]);
        assert_eq!((events, failed), (vec![json!({"x": {"y": 2}, "a": 2})], 1));
    }

    #[test]
    fn texts_become_utf_8() {
        use millrun_event::{EventBuffer, EventTime, write};
        for (encoding, expected) in [
            // What Ruby 3.1 answered.
            ("iso-8859-1:utf-8", "é"),
            ("ascii-8bit:utf-8", "\u{fffd}"),
            ("utf-8:utf-8", "\u{fffd}"),
            ("iso-8859-1", "é"),
            ("iso-8859-1:iso-8859-15", "é"),
            ("iso-8859-1:us-ascii", "?"),
            ("koi8-r:windows-1251", "И"),
            ("koi8-r:iso-8859-1", "?"),
        ] {
            let mut given = EventBuffer::default();
            given.push(EventTime::new(1, 0), |out| {
                write::map(out, 1);
                write::str(out, b"m");
                write::array(out, 1);
                write::str(out, b"\xe9");
            });
            let text = format!("@type record_modifier\nchar_encoding {encoding}");
            let played = play(&*filter(&text), "t", given.as_events());
            assert_eq!(
                played["events"][0][1],
                json!({"m": [expected]}),
                "{encoding}"
            );
        }
    }

    #[test]
    fn what_is_not_supported_is_said() {
        assert_eq!(
            said("@type record_modifier\nchar_encoding klingon:utf-8"),
            "error: char_encoding `klingon:utf-8` names an encoding that nobody knows\n --> f.conf:3:15\n  |\n3 | char_encoding klingon:utf-8\n  |               ^^^^^^^^^^^^^ here\n  |\n  = help: write a name such as utf-8, or two such as shift_jis:utf-8"
        );
        let text = said("@type record_modifier\nchar_encoding utf-16le:utf-8");
        assert!(
            text.contains("error: char_encoding `utf-16le:utf-8`: texts of events cannot be read as UTF-16 or UTF-32\n"),
            "{text}"
        );
        let text = said("@type record_modifier\nprepare_value @x = 1");
        assert!(
            text.contains("error: prepare_value needs a whole Ruby and is not supported\n --> f.conf:3:15\n  |\n3 | prepare_value @x = 1\n  |               ^^^^^^ code that runs once, at the start\n  |\n  = help: write the value where it is used; #{…} in a value is evaluated once, at the start"),
            "{text}"
        );
        assert_eq!(
            said("@type record_modifier\n<record>\na ${1 +}\n</record>"),
            "error: in an expression: unexpected end of the expression\n --> f.conf:4:8\n  |\n4 | a ${1 +}\n  |        ^ expected a value"
        );
    }
}
