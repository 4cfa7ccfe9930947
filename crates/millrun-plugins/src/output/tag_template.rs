//! The tag that a rule gives: text with captures and parts of the old tag, compiled.

use millrun_pattern::Spans;

use crate::filter::{TagParts, hostname};

/// What placeholders stand for.
pub(super) struct Names<'n> {
    pub(super) tag: &'n TagParts,
    /// The text that matched, and where its captures lie.
    pub(super) captures: Option<(&'n [u8], &'n Spans)>,
}

/// A tag with placeholders.
#[derive(Debug, PartialEq)]
pub(super) struct TagTemplate {
    parts: Vec<Part>,
    /// Captures begin with a capital letter.
    capitalize: bool,
}

#[derive(Debug, PartialEq)]
enum Part {
    Literal(String),
    Tag,
    OfTag(i64),
    Capture(usize),
}

impl TagTemplate {
    /// Compiles a tag; placeholders that stand for nothing are added to `unknown`.
    pub(super) fn compile(text: &str, capitalize: bool, unknown: &mut Vec<String>) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let Some((length, part)) = placeholder(rest) else {
                literal.push(character);
                rest = rest.get(character.len_utf8()..).unwrap_or_default();
                continue;
            };
            let (name, tail) = rest.split_at(length);
            rest = tail;
            match part {
                Some(Part::Literal(text)) => literal.push_str(&text),
                Some(part) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(part);
                }
                None => unknown.push(name.to_owned()),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Self { parts, capitalize }
    }

    /// Appends the tag.
    pub(super) fn write(&self, names: &Names<'_>, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Tag => out.push_str(names.tag.tag()),
                Part::OfTag(index) => out.push_str(names.tag.part(*index).unwrap_or_default()),
                Part::Capture(number) => self.write_capture(*number, names, out),
            }
        }
    }

    fn write_capture(&self, number: usize, names: &Names<'_>, out: &mut String) {
        let Some((text, spans)) = names.captures else {
            return;
        };
        let Some((start, end)) = spans.get(number) else {
            return;
        };
        // A tag is text; bytes that are none show as the replacement character.
        let capture = String::from_utf8_lossy(text.get(start..end).unwrap_or_default());
        if !self.capitalize {
            return out.push_str(&capture);
        }
        let mut characters = capture.chars();
        out.extend(characters.next().into_iter().flat_map(char::to_uppercase));
        out.extend(characters.flat_map(char::to_lowercase));
    }
}

/// The length of the placeholder that a text begins with, and what it is, if it is anything.
fn placeholder(text: &str) -> Option<(usize, Option<Part>)> {
    if let Some(digits) = text.strip_prefix('$')
        && digits.starts_with(|first: char| first.is_ascii_digit())
    {
        let length = digits
            .find(|next: char| !next.is_ascii_digit())
            .unwrap_or(digits.len());
        let number = digits.get(..length)?.parse().ok();
        return Some((length + 1, number.map(Part::Capture)));
    }
    if let Some(inside) = text.strip_prefix("${") {
        let name = inside.get(..inside.find('}')?)?;
        return Some((name.len() + 3, named(name)));
    }
    let inside = text.strip_prefix("__")?;
    let name = inside.get(..inside.find("__")?)?;
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase());
    is_name.then(|| (name.len() + 4, named(&name.to_ascii_lowercase())))
}

fn named(name: &str) -> Option<Part> {
    match name {
        "tag" => Some(Part::Tag),
        "hostname" => Some(Part::Literal(hostname())),
        _ => {
            let index = name.strip_prefix("tag_parts[")?.strip_suffix(']')?;
            index.parse().ok().map(Part::OfTag)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_what_they_look_like() {
        let mut unknown = Vec::new();
        let mut parts = TagParts::default();
        parts.set("a.b");
        for (text, expected) in [
            ("x.${tag}.y", "x.a.b.y"),
            ("${tag_parts[1]}-__TAG_PARTS[-2]__", "b-a"),
            ("__TAG__${nope}$", "a.b$"),
            ("a__b__c", "a__b__c"),
            ("$1.x", ".x"),
        ] {
            let template = TagTemplate::compile(text, false, &mut unknown);
            let mut out = String::new();
            let names = Names {
                tag: &parts,
                captures: None,
            };
            template.write(&names, &mut out);
            assert_eq!(out, expected, "{text}");
        }
        assert_eq!(unknown, ["${nope}"]);
    }
}
