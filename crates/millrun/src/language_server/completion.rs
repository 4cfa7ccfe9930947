//! What may be written at the cursor.
//!
//! ```text
//! <par|          the sections that may stand here        </pa|       the section that is open
//! @type ta|      the plugins of the section              @label @|   the labels there are
//! po|            the parameters not written yet          compress g| the words it takes
//! ```

use millrun_config::{Element, Kind, Schema};
use millrun_core::Registry;
use serde_json::{Value, json};

use super::cursor::Cursor;
use super::describe::{self, COMMON, DIRECTIVES};
use super::place;

/// The protocol's numbers for kinds of items.
const CLASS: u32 = 7;
const MODULE: u32 = 9;
const PROPERTY: u32 = 10;
const ENUM_MEMBER: u32 = 20;
const REFERENCE: u32 = 18;

/// The items at a cursor.
pub(super) fn items(cursor: &Cursor<'_>, root: &Element, registry: &Registry) -> Vec<Value> {
    let cursor = &outside_of_its_tag(cursor);
    let Some(section) = cursor.section() else {
        return Vec::new();
    };
    let line = cursor.before();
    let mut list = List {
        cursor,
        written: 0,
        items: Vec::new(),
    };
    if line.starts_with("</") {
        list.written = line.len();
        if section.name() != "ROOT" {
            list.push(&format!("</{}>", section.name()), MODULE, "", String::new());
        }
    } else if let Some(name) = line.strip_prefix('<') {
        list.written = line.len();
        if !name.contains(char::is_whitespace) {
            sections(section, cursor.schema(registry), &mut list);
        }
    } else if let Some((key, value)) = line.split_once(char::is_whitespace) {
        let value = value.trim_start();
        list.written = value.len();
        values(
            key,
            section,
            root,
            cursor.schema(registry),
            registry,
            &mut list,
        );
    } else {
        list.written = line.len();
        names(section, cursor.schema(registry), registry, &mut list);
    }
    list.items
}

/// Whoever writes in an opening tag is still in the section outside of it.
fn outside_of_its_tag<'a>(cursor: &Cursor<'a>) -> Cursor<'a> {
    let mut chain = cursor.chain.clone();
    let tag = cursor.section().map(Element::span);
    let is_in_tag = tag.is_some_and(|tag| {
        let range = tag.start as usize + 1..tag.end as usize;
        tag.file == cursor.file && range.contains(&cursor.offset)
    });
    if is_in_tag {
        chain.pop();
    }
    Cursor { chain, ..*cursor }
}

struct List<'a> {
    cursor: &'a Cursor<'a>,
    /// How many bytes before the cursor an item takes the place of.
    written: usize,
    items: Vec<Value>,
}

impl List<'_> {
    fn push(&mut self, label: &str, kind: u32, detail: &str, documentation: String) {
        let Cursor { text, offset, .. } = *self.cursor;
        let range = place::range(text, offset.saturating_sub(self.written), offset);
        self.items.push(json!({
            "label": label,
            "kind": kind,
            "detail": detail,
            "documentation": {"kind": "markdown", "value": documentation},
            "textEdit": {"range": range, "newText": label},
        }));
    }
}

fn sections(outer: &Element, schema: Option<&'static Schema>, list: &mut List<'_>) {
    let allowed: &[&str] = match outer.name() {
        "ROOT" => &["source", "match", "filter", "label", "system", "worker"],
        "worker" => &["source", "match", "filter", "label"],
        "label" => &["match", "filter"],
        _ => &[],
    };
    for (name, doc) in DIRECTIVES {
        if allowed.contains(&name) {
            list.push(&format!("<{name}>"), MODULE, "directive", doc.to_owned());
        }
    }
    for section in schema.into_iter().flat_map(Schema::all_sections) {
        let name = format!("<{}>", section.name);
        list.push(&name, MODULE, "section", describe::section(section));
    }
}

fn values(
    key: &str,
    section: &Element,
    root: &Element,
    schema: Option<&'static Schema>,
    registry: &Registry,
    list: &mut List<'_>,
) {
    match key {
        "@type" | "type" => {
            for name in registry.plugin_names(section.name()) {
                if let Some(schema) = registry.plugin(section.name(), name) {
                    let detail = millrun_config::summary(schema);
                    list.push(name, CLASS, detail, describe::plugin(name, schema));
                }
            }
        }
        "@label" => {
            let mut labels = Vec::new();
            collect_labels(root, &mut labels);
            labels.push("@ROOT");
            for label in labels {
                list.push(label, REFERENCE, "label", String::new());
            }
        }
        "@log_level" => {
            for word in millrun_config::LogLevel::WORDS {
                list.push(word, ENUM_MEMBER, "", String::new());
            }
        }
        _ => {
            let parameter = schema.and_then(|schema| schema.parameter(key));
            let words: &[&str] = match parameter.map(|parameter| parameter.kind) {
                Some(Kind::Enum(words)) => words,
                Some(Kind::Bool) => &["true", "false"],
                _ => &[],
            };
            for word in words {
                list.push(word, ENUM_MEMBER, key, String::new());
            }
        }
    }
}

/// The names of the labels of a tree, also of those within `<worker>`.
fn collect_labels<'a>(outer: &'a Element, labels: &mut Vec<&'a str>) {
    for element in outer.elements() {
        match element.name() {
            "label" if !labels.contains(&element.argument()) => labels.push(element.argument()),
            "worker" => collect_labels(element, labels),
            _ => {}
        }
    }
}

fn names(
    section: &Element,
    schema: Option<&'static Schema>,
    registry: &Registry,
    list: &mut List<'_>,
) {
    let is_written = |name: &str| section.entry(name).is_some();
    let is_plugin = !registry.plugin_names(section.name()).is_empty();
    for (name, doc) in COMMON {
        if is_plugin && !is_written(name) {
            list.push(name, PROPERTY, "every plugin", doc.to_owned());
        }
    }
    for parameter in schema.into_iter().flat_map(Schema::all_parameters) {
        if !is_written(parameter.name) && parameter.obsolete.is_none() {
            let detail = describe::title(parameter);
            list.push(
                parameter.name,
                PROPERTY,
                &detail,
                describe::parameter(parameter),
            );
        }
    }
}
