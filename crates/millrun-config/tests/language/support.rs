//! A small language for tests of what a configuration says.

use std::{collections::BTreeMap, path::PathBuf};

use crate::ruby::ruby;
use millrun_config::{Content, Diagnostics, Element, Parsed, RenderStyle, parse_str};

/// A configuration named `fluent.conf` and the files it may include.
pub(crate) struct Test {
    text: String,
    files: BTreeMap<PathBuf, String>,
}

impl Test {
    /// A configuration; the indentation its lines share is removed, and so is the first newline.
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: unindent(text),
            files: BTreeMap::new(),
        }
    }

    /// Adds a file that can be included.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), unindent(text));
        self
    }

    /// Reads the configuration.
    pub(crate) fn parse(mut self) -> Parsed {
        parse_str("fluent.conf", &self.text, &mut ruby(&[]), &mut self.files)
    }

    /// Expects this to be all that reading the configuration has to say.
    #[track_caller]
    pub(crate) fn says(self, expected: &str) {
        self.reads(|_, _| {}, expected);
    }

    /// Expects this to be all there is to say after the first section was also given to `read`.
    #[track_caller]
    pub(crate) fn reads(self, read: impl FnOnce(&Element, &mut Diagnostics), expected: &str) {
        let Parsed {
            root,
            sources,
            mut diagnostics,
        } = self.parse();
        if let Some(section) = root.elements().first() {
            read(section, &mut diagnostics);
        }
        let said = diagnostics.render(&sources, RenderStyle::Plain);
        let said = said
            .lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n");
        let expected = unindent(expected);
        assert!(
            said == expected.trim_end(),
            "said:\n{said}\n\nexpected:\n{expected}"
        );
    }
}

/// Removes the first line if it is empty, the last one's indentation, and what all lines are
/// indented by.
pub(crate) fn unindent(text: &str) -> String {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let indentation = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let shared = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(indentation)
        .min();
    let lines = text
        .split('\n')
        .map(|line| line.get(shared.unwrap_or(0)..).unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

/// A tree on one line: `a=1 match(x){@type=null}`. A marker stands as `nil` or `default`.
pub(crate) fn shape(element: &Element) -> String {
    let parameters = element.parameters().iter().map(|entry| {
        let value = match &entry.value.content {
            Content::Text(text) => text,
            Content::Nil => "nil",
            Content::Default => "default",
            Content::Broken => "broken",
        };
        format!("{}={value}", entry.name)
    });
    let sections = element
        .elements()
        .iter()
        .map(|inner| format!("{}({}){{{}}}", inner.name(), inner.argument(), shape(inner)));
    parameters.chain(sections).collect::<Vec<_>>().join(" ")
}
