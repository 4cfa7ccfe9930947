//! What stands around a place in a YAML file, told by its lines: while somebody writes, the text is seldom YAML.
//!
//! ```text
//! config:                     parent of the item
//!   - match:                  parent: its indentation is less than the cursor's
//!       $tag: app.**          ┐
//!       $type: file           │ siblings: of the same indentation, up to where an item or another
//!       pa|                   │ mapping begins
//!       compress: gzip        ┘
//!       buffer: {$arg: ti|}   a mapping in braces, on one line
//! ```

use std::ops::Range;

use millrun_config::{Element, Entry, FileId, Span, Value};

/// Keys that stand for parameters with `@`.
const RESERVED: [&str; 4] = ["$type", "$id", "$label", "$log_level"];

/// Keys that stand for a section's argument.
const ARGUMENTS: [&str; 3] = ["$tag", "$name", "$arg"];

/// Deepest nesting that is looked at.
const LEVELS_MAX: usize = 64;

/// What keys mean at the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// `system` and `config`.
    Top,
    /// Directives: an item of `config`.
    Directives,
    /// Parameters and sections.
    Section,
}

/// The surroundings of a place.
pub(super) struct Outline {
    /// The root, and the sections that the place is in from there inwards.
    pub(super) sections: Vec<Element>,
    /// What keys mean there.
    pub(super) level: Level,
    /// The key whose value is at the place; as a parameter is called.
    pub(super) key: Option<String>,
    /// How many bytes before the place belong to the word at it.
    pub(super) written: usize,
    /// The section that the key under the place opens.
    pub(super) opened: Option<Element>,
}

impl Outline {
    /// Looks around a byte of a text.
    pub(super) fn new(file: FileId, text: &str, offset: usize) -> Self {
        let lines = lines(text);
        let here = Here::new(text, offset);
        let mut sections = Vec::new();
        let mut level = None;
        let (mut start, mut column, mut dash) = (here.start, here.column, here.dash);
        while sections.len() < LEVELS_MAX {
            let entries = siblings(&lines, start, column, dash);
            let parent = parent(&lines, start, column);
            level = level.or(Some(match parent {
                Some(parent) if parent.name == "config" => Level::Directives,
                Some(_) => Level::Section,
                None if dash.is_some() || entries.iter().any(|line| line.dash.is_some()) => {
                    Level::Directives
                }
                None => Level::Top,
            }));
            let Some(parent) = parent else {
                break;
            };
            if parent.name != "config" {
                sections.push(section(file, text, parent, &entries));
            }
            (start, column, dash) = (parent.start, parent.indent, parent.dash);
        }
        sections.push(Element::new("ROOT", "", Span::new(file, 0, 0)));
        sections.reverse();
        let mut outline = Self {
            sections,
            level: level.unwrap_or(Level::Top),
            key: None,
            written: 0,
            opened: None,
        };
        outline.look_at_line(file, text, offset, &here);
        outline
    }

    /// What the line itself says: a key, its value, a mapping in braces.
    fn look_at_line(&mut self, file: FileId, text: &str, offset: usize, here: &Here) {
        let Some(content) = text.get(here.content..here.end) else {
            return;
        };
        let line = split(content).map(|parts| Line::new(text, here, parts));
        let before = text.get(here.content..offset).unwrap_or("");
        if let Some(line) = &line
            && let Some(open) = before.rfind('{').filter(|_| !before.contains('}'))
        {
            let inside = here.content + open + 1;
            let items = items(text, inside, here.end);
            self.sections
                .push(section(file, text, line, &items.iter().collect::<Vec<_>>()));
            self.level = Level::Section;
            let item = text.get(inside..offset).unwrap_or("");
            let item = item.rsplit(',').next().unwrap_or("").trim_start();
            return self.look_at_word(item);
        }
        self.look_at_word(before);
        if let Some(line) = line
            && line.is_empty(text)
        {
            self.opened = Some(section(file, text, &line, &[]));
        }
    }

    fn look_at_word(&mut self, before: &str) {
        match split(before) {
            Some((key, value)) => {
                let name = unquoted(before.get(key).unwrap_or(""));
                self.key = Some(parameter_name(name));
                self.written = before.len().saturating_sub(value.start);
            }
            None => self.written = before.len(),
        }
    }
}

/// A line `key: value`, or one of the items in braces.
struct Line {
    /// Where the line begins in the text.
    start: usize,
    /// The column of the key.
    indent: usize,
    /// The column of the first dash before it, where it begins an item.
    dash: Option<usize>,
    key: Range<usize>,
    value: Range<usize>,
    name: String,
}

impl Line {
    fn new(text: &str, here: &Here, (key, value): (Range<usize>, Range<usize>)) -> Self {
        let key = here.content + key.start..here.content + key.end;
        let name = unquoted(text.get(key.clone()).unwrap_or("")).to_owned();
        Self {
            start: here.start,
            indent: here.column,
            dash: here.dash,
            key,
            value: here.content + value.start..here.content + value.end,
            name,
        }
    }

    /// Whether what follows the key begins on the next line or in braces.
    fn is_empty(&self, text: &str) -> bool {
        let value = text.get(self.value.clone()).unwrap_or("");
        value.is_empty() || value.starts_with(['&', '{'])
    }
}

/// The beginning of a line.
struct Here {
    start: usize,
    end: usize,
    /// Where what is behind indentation and dashes begins, in the text and in the line.
    content: usize,
    column: usize,
    dash: Option<usize>,
}

impl Here {
    /// The line that a byte is in.
    fn new(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let rest = text.get(start..).unwrap_or("");
        let line = rest.split(['\n', '\r']).next().unwrap_or("");
        let mut column = line.len() - line.trim_start_matches(' ').len();
        let mut dash = None;
        while let Some(rest) = line.get(column..).and_then(|rest| rest.strip_prefix('-')) {
            let inner = rest.trim_start_matches(' ');
            if !inner.is_empty() && inner.len() == rest.len() {
                break;
            }
            dash = dash.or(Some(column));
            column = line.len() - inner.len();
        }
        Self {
            start,
            end: start + line.len(),
            content: start + column,
            column,
            dash,
        }
    }
}

/// The ranges of a key and of the value behind it in the content of a line.
fn split(content: &str) -> Option<(Range<usize>, Range<usize>)> {
    let end = match content.chars().next()? {
        '#' | '{' | '[' | '|' | '>' => return None,
        quote @ ('"' | '\'') => {
            let rest = content.get(1..)?;
            rest.find(quote)? + 2
        }
        _ => {
            let colons = content.match_indices(':');
            let mut ends = colons.filter(|(at, _)| {
                let next = content.get(at + 1..).unwrap_or("");
                next.is_empty() || next.starts_with([' ', '\r'])
            });
            ends.next()?.0
        }
    };
    let rest = content.get(end..)?.strip_prefix(':')?;
    let start = content.len() - rest.trim_start().len();
    let value = content.get(start..)?;
    let value = match value.starts_with('#') {
        true => "",
        false => value.split(" #").next().unwrap_or(value).trim_end(),
    };
    Some((0..end, start..start + value.len()))
}

/// The items of a mapping in braces from a byte on, as far as it is written on the line.
fn items(text: &str, start: usize, end: usize) -> Vec<Line> {
    let inside = text.get(start..end).unwrap_or("");
    let inside = inside.split('}').next().unwrap_or("");
    let mut at = start;
    let mut found = Vec::new();
    for item in inside.split(',') {
        let blank = item.len() - item.trim_start().len();
        let here = Here {
            start: at,
            end: at + item.len(),
            content: at + blank,
            column: 0,
            dash: None,
        };
        found.extend(split(item.trim_start()).map(|parts| Line::new(text, &here, parts)));
        at += item.len() + 1;
    }
    found
}

/// The lines with a key. Lines of a text block are none.
fn lines(text: &str) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let mut block = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let here = Here::new(text, offset);
        offset += line.len();
        if here.content >= here.end {
            continue;
        }
        if block.is_some_and(|column| here.column > column) {
            continue;
        }
        block = None;
        let content = text.get(here.content..here.end).unwrap_or("");
        if let Some(parts) = split(content) {
            let line = Line::new(text, &here, parts);
            let value = text.get(line.value.clone()).unwrap_or("");
            if value.starts_with(['|', '>']) {
                block = Some(here.column);
            }
            found.push(line);
        }
    }
    found
}

/// The nearest line above that is less indented.
fn parent(lines: &[Line], start: usize, column: usize) -> Option<&Line> {
    let mut above = lines.iter().rev().filter(|line| line.start < start);
    above.find(|line| line.indent < column)
}

/// The lines of the mapping that a line is in, itself included.
fn siblings(lines: &[Line], start: usize, column: usize, dash: Option<usize>) -> Vec<&Line> {
    let (above, below): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.start < start);
    let mut found = Vec::new();
    if dash.is_none() {
        for line in above
            .into_iter()
            .rev()
            .take_while(|line| line.indent >= column)
        {
            if line.indent == column {
                found.push(line);
                if line.dash.is_some() {
                    break;
                }
            }
        }
        found.reverse();
    }
    for line in below {
        let is_next_item = line.start > start && line.dash.is_some_and(|dash| dash < column);
        if line.indent < column || is_next_item {
            break;
        }
        if line.indent == column {
            found.push(line);
        }
    }
    found
}

/// The section of a key, with the parameters of its mapping.
fn section(file: FileId, text: &str, opening: &Line, lines: &[&Line]) -> Element {
    let span = |range: &Range<usize>| Span::new(file, range.start, range.end);
    let value = |line: &Line| unquoted(untagged(text.get(line.value.clone()).unwrap_or("")));
    let argument = lines
        .iter()
        .find(|line| ARGUMENTS.contains(&line.name.as_str()));
    let argument = argument.map_or("", |line| value(line));
    let mut element = Element::new(&opening.name, argument, span(&opening.key));
    for line in lines {
        if !line.is_empty(text) && !ARGUMENTS.contains(&line.name.as_str()) {
            element.insert(Entry {
                name: parameter_name(&line.name),
                name_span: span(&line.key),
                value: Value::text(value(line), span(&line.value)),
            });
        }
    }
    element
}

fn parameter_name(key: &str) -> String {
    match RESERVED.contains(&key) {
        true => key.replacen('$', "@", 1),
        false => key.to_owned(),
    }
}

/// A scalar without its tag.
fn untagged(value: &str) -> &str {
    match value.strip_prefix(['!', '&']) {
        Some(tagged) => tagged
            .split_once(' ')
            .map_or("", |(_, value)| value.trim_start()),
        None => value,
    }
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use millrun_config::Sources;

    use super::*;

    /// The names of the sections around the mark `|`, what keys mean there, and the key before it.
    fn around(text: &str) -> (String, Level, Option<String>, usize) {
        let offset = text.find('|').unwrap();
        let text = text.replacen('|', "", 1);
        let file = Sources::default().add("f.yaml", &text);
        let outline = Outline::new(file, &text, offset);
        let names = outline.sections.iter().map(|section| {
            let entries = section.parameters().iter().map(|entry| entry.name.as_str());
            format!("{section}{:?}", entries.collect::<Vec<_>>())
        });
        (
            names.collect::<Vec<_>>().join(" "),
            outline.level,
            outline.key,
            outline.written,
        )
    }

    #[test]
    fn a_place_is_in_the_mappings_that_are_less_indented() {
        let text = "config:\n  - match:\n      $tag: a\n      $type: file\n      pa|\n      buffer:\n        flush_mode: lazy\n  - source:\n      path: x\n";
        let expected = "<ROOT>[] <match a>[\"@type\"]";
        assert_eq!(around(text), (expected.to_owned(), Level::Section, None, 2));
        let text = text.replace("pa|", "x: y").replace("lazy", "l|azy");
        let expected = "<ROOT>[] <match a>[\"@type\", \"x\"] <buffer>[\"flush_mode\"]";
        let key = Some("flush_mode".to_owned());
        assert_eq!(around(&text), (expected.to_owned(), Level::Section, key, 1));
    }

    #[test]
    fn an_item_of_a_list_is_a_mapping_of_its_own() {
        let text = "config:\n- match:\n    $type: copy\n    store:\n      - $type: file\n        path: x\n      - $type: st|\n        x: y\n";
        let expected = "<ROOT>[] <match>[\"@type\"] <store>[\"@type\", \"x\"]";
        let key = Some("@type".to_owned());
        assert_eq!(around(text), (expected.to_owned(), Level::Section, key, 2));
    }

    #[test]
    fn keys_mean_what_their_place_says() {
        let at = |text: &str| around(text).1;
        assert_eq!(at("sys|"), Level::Top);
        assert_eq!(at("config:\n  - sou|"), Level::Directives);
        assert_eq!(
            at("config:\n  - label:\n      $name: '@X'\n      config:\n        - |"),
            Level::Directives
        );
        assert_eq!(at("- source:\n    path: x\n- |"), Level::Directives);
        assert_eq!(at("system:\n  wor|"), Level::Section);
    }

    #[test]
    fn a_mapping_in_braces_is_one_on_a_line() {
        let text = "config:\n  - source:\n      parse: {keep_time_key: true, $type: js|}\n";
        let expected = "<ROOT>[] <source>[] <parse>[\"keep_time_key\", \"@type\"]";
        let key = Some("@type".to_owned());
        assert_eq!(around(text), (expected.to_owned(), Level::Section, key, 2));
    }

    #[test]
    fn lines_of_a_text_block_are_no_keys() {
        let text = "config:\n  - source:\n      x: |-\n        a: b\n      ta^";
        let text = text.replace("|-", ">").replace('^', "|");
        assert_eq!(around(&text).0, "<ROOT>[] <source>[\"x\"]");
    }
}
