//! The reference page of a plugin or section, made of its declaration.

use std::fmt::Write as _;

use crate::{DefaultValue, Kind, Legacy, Occurrence, Parameter, Schema, Section};

/// Deepest section shown; deeper ones are the same again.
const MAX_SECTION_DEPTH: usize = 4;

/// What a page is made of.
pub struct ReferencePage<'a> {
    /// Its first line, for example ``output `forward` ``.
    pub title: &'a str,
    /// The `@type` of the plugin, if it is one: one declaration may serve several.
    pub plugin_type: Option<&'a str>,
    /// The declaration.
    pub schema: &'static Schema,
    /// Where a section is described that the declaration leaves to others, in Markdown.
    pub elsewhere: &'a dyn Fn(&str) -> Option<String>,
}

impl ReferencePage<'_> {
    /// The page in Markdown.
    #[must_use]
    pub fn text(&self) -> String {
        let schema = self.schema;
        let mut page = format!("# {}\n\n", self.title);
        paragraphs(schema.doc, &mut page);
        let example = example(schema, self.plugin_type);
        page.push_str(&format!("```text\n{example}```\n"));
        self.body(schema, "", 0, &mut page);
        if !schema.legacy.is_empty() {
            let names: Vec<_> = schema
                .legacy
                .iter()
                .map(|legacy| legacy_name(*legacy))
                .collect();
            put(
                &mut page,
                format_args!(
                    "\nOld files write {} as flat parameters; they are read with a warning that \
                     shows the new form.\n",
                    names.join(", ")
                ),
            );
        }
        page
    }

    fn body(&self, schema: &'static Schema, path: &str, depth: usize, page: &mut String) {
        let mut parameters = schema.all_parameters().peekable();
        if parameters.peek().is_some() {
            if path.is_empty() {
                page.push_str("\n## Parameters\n");
            }
            page.push_str("\n| Name | Type | Default | |\n|---|---|---|---|\n");
            for parameter in parameters {
                row(parameter, page);
            }
        }
        for section in schema.all_sections() {
            let path = format!("{path}<{}>", section.name);
            put(page, format_args!("\n## `{path}`\n\n"));
            paragraphs(section.doc, page);
            put(page, format_args!("{}\n", occurrence(section)));
            match section.schema {
                Some(inner) if depth < MAX_SECTION_DEPTH => {
                    self.body(inner, &format!("{path} "), depth + 1, page);
                }
                Some(_) => {}
                None => {
                    if let Some(elsewhere) = (self.elsewhere)(section.name) {
                        put(page, format_args!("\n{elsewhere}\n"));
                    }
                }
            }
        }
    }
}

/// The first line of a declaration's documentation.
#[must_use]
pub fn summary(schema: &Schema) -> &'static str {
    schema.doc.lines().next().unwrap_or("").trim()
}

fn legacy_name(legacy: Legacy) -> String {
    match legacy {
        Legacy::Conditions => "`<regexp>`, `<exclude>`".to_owned(),
        _ => format!("`<{}>`", legacy.section_name()),
    }
}

/// The section with what must be written.
fn example(schema: &'static Schema, plugin_type: Option<&str>) -> String {
    let argument = match schema.directive {
        "match" | "filter" => " PATTERN",
        _ => "",
    };
    let mut text = format!("<{}{argument}>\n", schema.directive);
    if let Some(plugin_type) = plugin_type {
        text.push_str(&format!("  @type {plugin_type}\n"));
    }
    required(schema, "  ", 0, &mut text);
    text.push_str(&format!("</{}>\n", schema.directive));
    text
}

fn required(schema: &'static Schema, indent: &str, depth: usize, text: &mut String) {
    let must_be = |parameter: &&Parameter| parameter.default == DefaultValue::Required;
    for parameter in schema.all_parameters().filter(must_be) {
        let value = parameter.name.to_uppercase();
        put(text, format_args!("{indent}{} {value}\n", parameter.name));
    }
    for section in schema.all_sections() {
        let is_required = section.is_required || section.occurrence == Occurrence::Once;
        if is_required && !section.is_initialised && depth < MAX_SECTION_DEPTH {
            put(text, format_args!("{indent}<{}>\n", section.name));
            if let Some(inner) = section.schema {
                required(inner, &format!("{indent}  "), depth + 1, text);
            }
            put(text, format_args!("{indent}</{}>\n", section.name));
        }
    }
}

fn row(parameter: &Parameter, page: &mut String) {
    let default = match parameter.default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::Nil => "–".to_owned(),
        DefaultValue::Text("") => "empty".to_owned(),
        DefaultValue::Text(text) => cell(&format!("`{text}`")),
    };
    let mut notes = vec![cell(&one_line(parameter.doc))];
    if let Some(alias) = parameter.alias {
        notes.push(format!("Old name: `{alias}`."));
    }
    if let Some(reason) = parameter.deprecated {
        notes.push(format!("Deprecated: {}.", cell(reason)));
    }
    if let Some(reason) = parameter.obsolete {
        notes.push(format!("Removed: {}.", cell(reason)));
    }
    if parameter.is_secret {
        notes.push("Shown nowhere.".to_owned());
    }
    put(
        page,
        format_args!(
            "| `{}` | {} | {default} | {} |\n",
            parameter.name,
            kind(parameter.kind),
            notes.join(" ")
        ),
    );
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Enum(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Kind::Size => "size in bytes".to_owned(),
        Kind::Time => "time in seconds".to_owned(),
        other => cell(&other.to_string().replace('<', " of ").replace('>', "")),
    }
}

fn occurrence(section: &Section) -> &'static str {
    match (section.occurrence, section.is_initialised) {
        (Occurrence::Once, false) => "Exactly once.",
        (Occurrence::Optional, _) | (Occurrence::Once, true) => "At most once.",
        (Occurrence::Many, _) if section.is_required => "At least once.",
        (Occurrence::Many, _) => "Any number of times.",
    }
}

/// The paragraphs of a documentation comment, whose lines may begin with a blank.
fn paragraphs(doc: &str, page: &mut String) {
    for line in doc.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line).trim_end();
        page.push_str(line);
        page.push('\n');
    }
    page.push('\n');
}

fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text that neither ends a table's cell nor is taken for HTML; between backticks the latter
/// cannot happen.
fn cell(text: &str) -> String {
    let text = text.replace('|', "\\|").replace('\n', " ");
    let parts = text
        .split('`')
        .enumerate()
        .map(|(index, part)| match index % 2 {
            0 => part.replace('<', "\\<"),
            _ => part.to_owned(),
        });
    parts.collect::<Vec<_>>().join("`")
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = text.write_fmt(words);
}
