//! The `forest` plugin made one output of each tag, from a template. Placeholders and the chunk key `tag` do that today.
//!
//! ```text
//! <match app.**>                              <match app.**>
//!   type forest                                 @type file
//!   subtype file                                path /var/log/${tag}.log
//!   <template>                          →       <buffer tag,time>
//!     path /var/log/__TAG__.log                   timekey 3600
//!     time_slice_format %Y%m%d%H                </buffer>
//!   </template>                                 …
//! </match>                                    </match>
//! ```
//!
//! What names the tag's parts in ranges, changes the tag, or differs from tag to tag (`<case>`) has no such form and is
//! an error that says what to write.

use super::entry::{named, plugin_named_at};
use crate::{Diagnostic, Diagnostics, Element, Entry, Legacy, Schema, Span, Value};

/// The parameters of the plugin itself; all others are those every output has.
const OWN: [&str; 7] = [
    "subtype",
    "type",
    "@type",
    "remove_prefix",
    "add_prefix",
    "escape_tag_separator",
    "hostname",
];

/// What stands for the tag in the path of the buffer, which all tags share.
const ALL_TAGS: &str = "all";

/// A section without its `forest`.
pub(super) struct Cleared {
    /// The section of the output that the template describes.
    pub(super) element: Element,
    /// Where the old plugin was named.
    pub(super) named_at: Span,
    /// Whether the template tells tags apart.
    pub(super) uses_tag: bool,
}

/// What is to be written for a section of this plugin. `None` for sections of others, and where there is no other form,
/// which is said.
pub(super) fn clear(element: &Element, diagnostics: &mut Diagnostics) -> Option<Cleared> {
    let is_forest = element.plugin_type() == Some("forest");
    if !is_forest || !matches!(element.name(), "match" | "store") {
        return None;
    }
    let named_at = plugin_named_at(element);
    let mut clearing = Clearing {
        hostname: element.text("hostname"),
        uses_tag: false,
        is_buffer_path: false,
        diagnostics,
        is_sound: true,
    };
    clearing.refuse(element);
    let mut cleared = Element::new(element.name(), element.argument(), element.span());
    match element.entry("subtype") {
        Some(subtype) => {
            cleared.insert(named("@type", subtype));
        }
        None => clearing.error(
            "'subtype' parameter is required",
            element.span(),
            "add a line 'subtype PLUGIN', or write the plugin's own section",
        ),
    }
    for entry in element.parameters() {
        if !OWN.contains(&entry.name.as_str()) {
            cleared.insert(entry.clone());
        }
    }
    for template in element.elements_named("template") {
        for entry in template.parameters() {
            clearing.is_buffer_path = entry.name == "buffer_path";
            let entry = clearing.entry(entry);
            cleared.insert(entry);
        }
        clearing.is_buffer_path = false;
        for inner in template.elements() {
            let inner = clearing.section(inner);
            cleared.push(inner);
        }
    }
    let (uses_tag, is_sound) = (clearing.uses_tag, clearing.is_sound);
    is_sound.then_some(Cleared {
        element: cleared,
        named_at,
        uses_tag,
    })
}

/// Makes `tag` a chunk key of an output; false if it has no buffer, and so none.
pub(super) fn key_by_tag(element: &mut Element, schema: Option<&'static Schema>) -> bool {
    let Some(schema) = schema else {
        // An unknown plugin is reported as one.
        return true;
    };
    if schema.section("buffer").is_none() {
        return false;
    }
    let is_time_sliced = schema.legacy.contains(&Legacy::TimeSlicedBuffer);
    let span = element.span();
    let mut buffers = element.elements_mut().iter_mut();
    match buffers.find(|inner| inner.name() == "buffer") {
        Some(buffer) => {
            let argument = match buffer.argument() {
                "" if is_time_sliced => "tag,time".to_owned(),
                "" => "tag".to_owned(),
                keys if keys.split(',').any(|key| key.trim() == "tag") => return true,
                keys => format!("tag,{keys}"),
            };
            buffer.set_argument(argument);
        }
        None => {
            let keys = if is_time_sliced { "tag,time" } else { "tag" };
            element.push(Element::new("buffer", keys, span));
        }
    }
    true
}

struct Clearing<'a> {
    hostname: Option<&'a str>,
    uses_tag: bool,
    /// The text is where the buffer's chunks are.
    is_buffer_path: bool,
    diagnostics: &'a mut Diagnostics,
    is_sound: bool,
}

impl Clearing<'_> {
    fn error(&mut self, message: impl Into<String>, span: Span, hint: &str) {
        self.is_sound = false;
        let error = Diagnostic::error(message).at(span, "");
        self.diagnostics.push(error.hint(hint));
    }

    /// What has no form without the plugin.
    fn refuse(&mut self, element: &Element) {
        for name in ["remove_prefix", "add_prefix"] {
            if let Some(entry) = element.entry(name) {
                self.error(
                    format!("'{name}' of forest changes tags, which placeholders cannot do"),
                    entry.name_span,
                    "change the tag before, in a <match> with '@type rewrite_tag_filter', or write \
                     ${tag[1]} for a part of it",
                );
            }
        }
        for case in element.elements_named("case") {
            self.error(
                format!("{case} of forest is a section of its own today"),
                case.span(),
                "write a <match> for these tags before this one, with what both <case> and <template> say",
            );
        }
    }

    fn section(&mut self, section: &Element) -> Element {
        let argument = self.text(section.argument(), section.span());
        let mut cleared = Element::new(section.name(), argument, section.span());
        for entry in section.parameters() {
            self.is_buffer_path = section.name() == "buffer" && entry.name == "path";
            let entry = self.entry(entry);
            cleared.insert(entry);
        }
        self.is_buffer_path = false;
        for inner in section.elements() {
            let inner = self.section(inner);
            cleared.push(inner);
        }
        cleared
    }

    fn entry(&mut self, entry: &Entry) -> Entry {
        let Some(text) = entry.value.as_text() else {
            return entry.clone();
        };
        let text = self.text(text, entry.value.span);
        Entry {
            value: Value {
                notation: entry.value.notation,
                ..Value::text(text, entry.value.span)
            },
            ..entry.clone()
        }
    }

    /// A text with the plugin's placeholders as they are written today.
    fn text(&mut self, text: &str, span: Span) -> String {
        let mut cleared = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let Some((placeholder, after)) = placeholder(rest) else {
                let length = rest.chars().next().map_or(1, char::len_utf8);
                let (letter, after) = rest.split_at(length);
                cleared.push_str(letter);
                rest = after;
                continue;
            };
            rest = after;
            match placeholder {
                Placeholder::Tag | Placeholder::Part(_) if self.is_buffer_path => {
                    cleared.push_str(ALL_TAGS);
                }
                Placeholder::Tag => {
                    self.uses_tag = true;
                    cleared.push_str("${tag}");
                }
                Placeholder::Part(part) => {
                    self.uses_tag = true;
                    cleared.push_str(&format!("${{tag[{part}]}}"));
                }
                Placeholder::Hostname => match self.hostname {
                    Some(name) => cleared.push_str(name),
                    None => self.error(
                        "the host's name is not a placeholder of outputs",
                        span,
                        "write the value in double quotes, with #{hostname} in it",
                    ),
                },
                Placeholder::Other(name) => self.error(
                    format!("{name} of forest has no equal among the placeholders of outputs"),
                    span,
                    "write ${tag}, or ${tag[0]} for one part of it",
                ),
            }
        }
        cleared
    }
}

enum Placeholder<'a> {
    Tag,
    /// One part of the tag, by its number.
    Part(&'a str),
    Hostname,
    /// One that can no longer be written.
    Other(&'a str),
}

/// The plugin's placeholder at the start of a text, and what follows it. Others stay as they are.
fn placeholder(text: &str) -> Option<(Placeholder<'_>, &str)> {
    let (name, length) = match text.strip_prefix("${") {
        Some(rest) => {
            let name = rest.split_once('}')?.0;
            (name, name.len() + 3)
        }
        None => {
            let rest = text.strip_prefix("__")?;
            let name = rest.split_once("__")?.0;
            (name, name.len() + 4)
        }
    };
    let (whole, after) = text.split_at_checked(length)?;
    let lower = name.to_ascii_lowercase();
    // Letters keep their places, so that the number is found in the text itself.
    let part = lower
        .strip_prefix("tag_parts[")
        .and_then(|rest| rest.strip_suffix(']'));
    let found = match (lower.as_str(), part) {
        ("tag", _) => Placeholder::Tag,
        ("hostname", _) => Placeholder::Hostname,
        (_, Some(part)) if part.parse::<i32>().is_ok() => {
            let start = "tag_parts[".len();
            Placeholder::Part(name.get(start..start + part.len())?)
        }
        (_, Some(_)) => Placeholder::Other(whole),
        ("escaped_tag", _) => Placeholder::Other(whole),
        _ => return None,
    };
    Some((found, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_in_both_notations() {
        let part = |text| match placeholder(text) {
            Some((Placeholder::Tag, rest)) => format!("tag|{rest}"),
            Some((Placeholder::Part(part), rest)) => format!("{part}|{rest}"),
            Some((Placeholder::Hostname, rest)) => format!("host|{rest}"),
            Some((Placeholder::Other(name), rest)) => format!("other {name}|{rest}"),
            None => "none".to_owned(),
        };
        assert_eq!(part("${tag}.log"), "tag|.log");
        assert_eq!(part("__TAG__.log"), "tag|.log");
        assert_eq!(part("${tag_parts[-1]}x"), "-1|x");
        assert_eq!(part("__TAG_PARTS[2]__"), "2|");
        assert_eq!(part("${tag_parts[1..2]}"), "other ${tag_parts[1..2]}|");
        assert_eq!(part("__HOSTNAME__"), "host|");
        assert_eq!(part("${time}"), "none");
        assert_eq!(part("__é__"), "none");
        assert_eq!(part("${tag"), "none");
    }
}
