//! Prints a tree: the way Fluentd logs it at start, and the way it can be read again.

use crate::{Content, Element, Entry, Kind, MASK, Notation, Schema, Value, schema::DefaultValue};

/// The schema of a plugin's or a known section's element, if there is one.
pub type SchemaOf<'a> = &'a dyn Fn(&Element) -> Option<&'static Schema>;

/// The configuration as Fluentd prints it after "using configuration file:".
///
/// ```text
/// <ROOT>
///   <source>
///     @type tail
///     path "/var/log/*.log"        declared as a string
///     shared_key xxxxxx            declared as a secret
///     rotate_wait 5s               declared otherwise, or not at all
///     pos_file                     nil, with a blank after the name
///   </source>
/// </ROOT>
/// ```
///
/// `schema_of` gives the schema of an element whose parent's schema does not.
#[must_use]
pub fn dump(root: &Element, schema_of: SchemaOf<'_>) -> String {
    let mut text = String::new();
    dump_element(
        root,
        Context {
            schema: None,
            is_section: false,
        },
        schema_of,
        0,
        &mut text,
    );
    text
}

#[derive(Clone, Copy)]
struct Context {
    schema: Option<&'static Schema>,
    /// A section that a plugin declared, not a plugin. There `@type` is a string like any other.
    is_section: bool,
}

fn dump_element(
    element: &Element,
    context: Context,
    schema_of: SchemaOf<'_>,
    depth: usize,
    text: &mut String,
) {
    let indent = "  ".repeat(depth);
    text.push_str(&format!("{indent}{element}\n"));
    for entry in element.parameters() {
        text.push_str(&format!("{indent}  {}\n", dump_entry(entry, context)));
    }
    for inner in element.elements() {
        let section = context
            .schema
            .and_then(|schema| schema.section(inner.name()));
        let schema = section
            .and_then(|section| section.schema)
            .or_else(|| schema_of(inner));
        let context = Context {
            schema,
            is_section: section.is_some(),
        };
        dump_element(inner, context, schema_of, depth + 1, text);
    }
    text.push_str(&format!("{indent}</{}>\n", element.name()));
}

fn dump_entry(entry: &Entry, context: Context) -> String {
    let name = &entry.name;
    let parameter = context.schema.and_then(|schema| schema.parameter(name));
    let kind = if name == "@type" && context.is_section {
        Some(Kind::String)
    } else {
        parameter.map(|parameter| parameter.kind)
    };
    let is_secret = parameter.is_some_and(|parameter| parameter.is_secret);
    let value = match &entry.value.content {
        Content::Nil | Content::Broken => return format!("{name} "),
        _ if is_secret => MASK.to_owned(),
        Content::Default => match parameter.map(|parameter| parameter.default) {
            Some(DefaultValue::Text(default)) => shown(default, kind),
            _ => String::new(),
        },
        Content::Text(value) => shown(value, kind),
    };
    format!("{name} {value}")
}

fn shown(text: &str, kind: Option<Kind>) -> String {
    match kind {
        Some(Kind::String | Kind::Path) => quoted(text),
        _ => text.to_owned(),
    }
}

/// The items of a root as a configuration that is read back into an equal tree.
#[must_use]
pub fn print(root: &Element) -> String {
    let mut text = String::new();
    print_items(root, "", &mut text);
    text
}

/// A section as it would be written.
pub(crate) fn print_section(element: &Element) -> String {
    let mut text = String::new();
    print_element(element, "", &mut text);
    text
}

fn print_items(element: &Element, indent: &str, text: &mut String) {
    for Entry { name, value, .. } in element.parameters() {
        let line = format!("{indent}{} {}", printed_key(name), printed_value(value));
        text.push_str(line.trim_end_matches(' '));
        text.push('\n');
    }
    for inner in element.elements() {
        print_element(inner, indent, text);
    }
}

fn print_element(element: &Element, indent: &str, text: &mut String) {
    let argument = printed_argument(element.argument());
    text.push_str(&format!("{indent}<{}{argument}>\n", element.name()));
    print_items(element, &format!("{indent}  "), text);
    text.push_str(&format!("{indent}</{}>\n", element.name()));
}

fn printed_key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && !matches!(name, "include" | "@include")
        // A byte-order mark at the start of a file would be taken for one.
        && !name.starts_with(['"', '\'', '#', '<', '\u{feff}'])
        && !name.contains([' ', '\t', '\r', '\n']);
    if is_bare {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn printed_value(value: &Value) -> String {
    let text = match &value.content {
        Content::Nil | Content::Broken => return "\"#{use_nil}\"".to_owned(),
        Content::Default => return "\"#{use_default}\"".to_owned(),
        Content::Text(text) => text,
    };
    let is_literal =
        matches!(value.notation, Notation::Json | Notation::Native) && !text.contains("#{");
    let is_bare = !text.starts_with(['"', '\'', '[', '{', '#'])
        && text.trim_matches([' ', '\t']) == text
        && !text.contains(['\r', '\n'])
        && !text.contains(" #")
        && !text.contains("\t#");
    if is_literal || is_bare {
        text.clone()
    } else {
        quoted(text)
    }
}

fn printed_argument(argument: &str) -> String {
    let is_bare = !argument.starts_with(['"', '\'', '#'])
        && argument.trim_matches([' ', '\t']) == argument
        && !argument.contains(['>', '\r', '\n']);
    match argument {
        "" => String::new(),
        argument if is_bare => format!(" {argument}"),
        argument => format!(" {}", quoted(argument)),
    }
}

/// The text in double quotes, with the escapes the language has.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{c}' => quoted.push_str("\\f"),
            '\u{8}' => quoted.push_str("\\b"),
            '\0' => quoted.push_str("\\0"),
            '#' if characters.peek() == Some(&'{') => quoted.push_str("\\#"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
