//! Declarations in words, as Markdown, for completion and hover.

use millrun_config::{DefaultValue, Kind, Parameter, Schema, Section};

/// The directives and where they may stand.
pub(super) const DIRECTIVES: [(&str, &str); 6] = [
    ("source", "Where events come from."),
    (
        "match",
        "Where events of the tags in its pattern go; the first that takes a tag ends the search.",
    ),
    (
        "filter",
        "What happens to events of the tags in its pattern on their way.",
    ),
    ("label", "A route of its own, which `@label` leads to."),
    ("system", "What holds for the whole instance."),
    ("worker", "What only the workers it names run."),
];

/// The parameters every plugin takes.
pub(super) const COMMON: [(&str, &str); 4] = [
    ("@type", "Which plugin this is."),
    (
        "@id",
        "Its name in log lines and on disk, unique in the configuration.",
    ),
    (
        "@log_level",
        "The least severity of its log lines: trace, debug, info, warn, error, fatal.",
    ),
    ("@label", "The label its events go to."),
];

/// `port (integer, default 24224)`.
pub(super) fn title(parameter: &Parameter) -> String {
    let default = match parameter.default {
        DefaultValue::Required => ", required".to_owned(),
        DefaultValue::Nil => String::new(),
        DefaultValue::Text("") => ", default empty".to_owned(),
        DefaultValue::Text(text) => format!(", default {text}"),
    };
    format!("{}{default}", kind(parameter.kind))
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Size => "size in bytes".to_owned(),
        Kind::Time => "time in seconds".to_owned(),
        Kind::Enum(words) => words.join(" or "),
        other => other.to_string(),
    }
}

/// A parameter with everything its declaration says.
pub(super) fn parameter(parameter: &Parameter) -> String {
    let mut text = format!(
        "**{}**: {}\n\n{}",
        parameter.name,
        title(parameter),
        words(parameter.doc)
    );
    if let Some(reason) = parameter.deprecated {
        text.push_str(&format!("\n\nDeprecated: {reason}."));
    }
    if let Some(reason) = parameter.obsolete {
        text.push_str(&format!("\n\nRemoved: {reason}."));
    }
    if let Some(alias) = parameter.alias {
        text.push_str(&format!("\n\nOld name: `{alias}`."));
    }
    text
}

/// A section of a plugin.
pub(super) fn section(section: &Section) -> String {
    format!("**\\<{}\\>**\n\n{}", section.name, words(section.doc))
}

/// A plugin, with the details of its documentation.
pub(super) fn plugin(name: &str, schema: &Schema) -> String {
    let lines = schema
        .doc
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let doc = lines.collect::<Vec<_>>().join("\n");
    format!("**{name}**\n\n{}", doc.trim_end())
}

fn words(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
