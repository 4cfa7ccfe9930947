//! What stands around the cursor: the sections it is in, what they may hold, its line.

use std::path::Path;

use millrun_config::{Element, FileId, Schema, Sources};
use millrun_core::{Registry, SystemParameters};

use super::outline::Outline;
use super::place::file_id;
use super::workspace::Analysis;

/// How often an include may stand in an included file; deeper ones are not followed here.
const INCLUDES_MAX: usize = 32;

/// A place in a configuration.
pub(super) struct Cursor<'a> {
    /// The sections it is in, from the root inwards.
    pub(super) chain: Vec<&'a Element>,
    /// The text of its file.
    pub(super) text: &'a str,
    /// The byte it is before.
    pub(super) offset: usize,
    /// Its file.
    pub(super) file: FileId,
    /// What the lines around it say, where the file is YAML.
    pub(super) outline: Option<&'a Outline>,
}

/// What the lines around a byte of a file say, where the file is YAML.
pub(super) fn outline(analysis: &Analysis, path: &Path, offset: usize) -> Option<Outline> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    if !matches!(extension, Some("yaml" | "yml")) {
        return None;
    }
    let file = file_id(&analysis.sources, path)?;
    let text = analysis.sources.file(file)?.text();
    Some(Outline::new(file, text, offset))
}

impl<'a> Cursor<'a> {
    /// The place of a byte of a file of the configuration.
    pub(super) fn new(
        analysis: &'a Analysis,
        outline: Option<&'a Outline>,
        path: &Path,
        offset: usize,
    ) -> Option<Self> {
        let file = file_id(&analysis.sources, path)?;
        let text = analysis.sources.file(file)?.text();
        let chain = match outline {
            Some(outline) => outline.sections.iter().collect(),
            None => chain(&analysis.root, &analysis.sources, file, offset),
        };
        Some(Self {
            chain,
            text,
            offset,
            file,
            outline,
        })
    }

    /// The innermost section.
    pub(super) fn section(&self) -> Option<&'a Element> {
        self.chain.last().copied()
    }

    /// Where the cursor's line begins.
    pub(super) fn line_start(&self) -> usize {
        let before = self.text.get(..self.offset).unwrap_or("");
        before.rfind(['\n', '\r']).map_or(0, |end| end + 1)
    }

    /// The line up to the cursor, without its indentation.
    pub(super) fn before(&self) -> &'a str {
        let line = self.text.get(self.line_start()..self.offset).unwrap_or("");
        line.trim_start()
    }

    /// What the innermost section may hold, if a declaration says.
    pub(super) fn schema(&self, registry: &Registry) -> Option<&'static Schema> {
        schema(&self.chain, registry)
    }
}

/// The declaration of the last section of a chain.
pub(super) fn schema(chain: &[&Element], registry: &Registry) -> Option<&'static Schema> {
    let mut outer: Option<&'static Schema> = None;
    for element in chain {
        let name = element.name();
        let inner = outer.and_then(|schema| schema.section(name));
        outer = match (name, inner.and_then(|section| section.schema)) {
            ("system", _) => Some(SystemParameters::SCHEMA),
            (_, Some(schema)) => Some(schema),
            (_, None) => registry.schema_of(element),
        };
    }
    outer
}

fn chain<'a>(
    root: &'a Element,
    sources: &Sources,
    file: FileId,
    offset: usize,
) -> Vec<&'a Element> {
    let (mut file, mut offset) = (file, offset);
    for _ in 0..INCLUDES_MAX {
        let mut found = vec![root];
        if descend(root, file, offset, &mut found) {
            return found;
        }
        // A file outside of any section of its own belongs where it is included.
        let included_at = sources
            .file(file)
            .map_or(&[][..], |source| source.included_at());
        let Some(span) = included_at.first() else {
            break;
        };
        (file, offset) = (span.file, span.start as usize);
    }
    vec![root]
}

/// Adds the sections that a place is in; false if it is in none of these.
fn descend<'a>(
    outer: &'a Element,
    file: FileId,
    offset: usize,
    found: &mut Vec<&'a Element>,
) -> bool {
    for element in outer.elements() {
        let extent = element.extent();
        let is_in = extent.file == file
            && (extent.start as usize) < offset
            && offset <= extent.end as usize;
        found.push(element);
        if descend(element, file, offset, found) || is_in {
            return true;
        }
        found.pop();
    }
    false
}
