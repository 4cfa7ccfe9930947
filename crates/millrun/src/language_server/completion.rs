//! What may be written at the cursor.
//!
//! ```text
//! <par|          the sections that may stand here        </pa|       the section that is open
//! @type ta|      the plugins of the section              @label @|   the labels there are
//! po|            the parameters not written yet          compress g| the words it takes
//! ```
//!
//! In YAML the same names are keys, parameters and sections side by side.

use millrun_config::{Element, Kind, Schema};
use millrun_core::Registry;
use serde_json::{Value, json};

use super::cursor::Cursor;
use super::describe::{self, COMMON, DIRECTIVES};
use super::outline::{Level, Outline};
use super::place;

/// The protocol's numbers for kinds of items.
const CLASS: u32 = 7;
const MODULE: u32 = 9;
const PROPERTY: u32 = 10;
const ENUM_MEMBER: u32 = 20;
const REFERENCE: u32 = 18;

/// What a YAML file consists of.
const TOP: [(&str, &str); 2] = [
    ("system", "What holds for the whole instance."),
    (
        "config",
        "The directives, a list in the order in which they count.",
    ),
];

/// The items at a cursor.
pub(super) fn items(cursor: &Cursor<'_>, root: &Element, registry: &Registry) -> Vec<Value> {
    if let Some(outline) = cursor.outline {
        return items_of_yaml(cursor, outline, root, registry);
    }
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

/// The same in a YAML file, where keys are parameters and sections.
fn items_of_yaml(
    cursor: &Cursor<'_>,
    outline: &Outline,
    root: &Element,
    registry: &Registry,
) -> Vec<Value> {
    let Some(section) = cursor.section() else {
        return Vec::new();
    };
    let schema = cursor.schema(registry);
    let mut list = List {
        cursor,
        written: outline.written,
        items: Vec::new(),
    };
    match (&outline.key, outline.level) {
        (Some(key), _) => values(key, section, root, schema, registry, &mut list),
        (None, Level::Top) => {
            for (name, doc) in TOP {
                list.push(name, MODULE, "section", doc.to_owned());
            }
        }
        (None, Level::Directives) => sections(section, None, &mut list),
        (None, Level::Section) => {
            names(section, schema, registry, &mut list);
            sections(section, schema, &mut list);
        }
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
        let is_yaml = self.cursor.outline.is_some();
        let inserted = match kind {
            PROPERTY if is_yaml => format!("{label}: "),
            MODULE if is_yaml => format!("{label}:"),
            // Without quotes YAML takes no `@`.
            REFERENCE if is_yaml => format!("'{label}'"),
            _ => label.to_owned(),
        };
        let Cursor { text, offset, .. } = *self.cursor;
        let range = place::range(text, offset.saturating_sub(self.written), offset);
        self.items.push(json!({
            "label": label,
            "kind": kind,
            "detail": detail,
            "documentation": {"kind": "markdown", "value": documentation},
            "textEdit": {"range": range, "newText": inserted},
        }));
    }
}

fn sections(outer: &Element, schema: Option<&'static Schema>, list: &mut List<'_>) {
    let outline = list.cursor.outline;
    let written = |name: &str| match outline {
        Some(_) => name.to_owned(),
        None => format!("<{name}>"),
    };
    let allowed: &[&str] = match outer.name() {
        // In YAML, parameters and directives stand in different mappings.
        _ if outline.is_some_and(|outline| outline.level != Level::Directives) => &[],
        "ROOT" if outline.is_some() => &["source", "match", "filter", "label", "worker"],
        "ROOT" => &["source", "match", "filter", "label", "system", "worker"],
        "worker" => &["source", "match", "filter", "label"],
        "label" => &["match", "filter"],
        _ => &[],
    };
    for (name, doc) in DIRECTIVES {
        if allowed.contains(&name) {
            list.push(&written(name), MODULE, "directive", doc.to_owned());
        }
    }
    for section in schema.into_iter().flat_map(Schema::all_sections) {
        let name = written(section.name);
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
            let name = match list.cursor.outline {
                Some(_) => &name.replacen('@', "$", 1),
                None => name,
            };
            list.push(name, PROPERTY, "every plugin", doc.to_owned());
        }
    }
    if list.cursor.outline.is_some() && section.argument().is_empty() {
        let (name, doc) = match section.name() {
            "match" | "filter" => ("$tag", "The patterns of the tags; a list has one each."),
            "label" => ("$name", "The label's name, with its @ in quotes."),
            "system" | "source" => return parameters(section, schema, list),
            _ => ("$arg", "What text files write behind the section's name."),
        };
        list.push(name, PROPERTY, "argument", doc.to_owned());
    }
    parameters(section, schema, list);
}

fn parameters(section: &Element, schema: Option<&'static Schema>, list: &mut List<'_>) {
    let is_written = |name: &str| section.entry(name).is_some();
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
