//! What a check says, as the editor's diagnostics, file by file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millrun_config::{Diagnostic, Severity, Span};
use serde_json::{Value, json};

use super::place;
use super::workspace::Analysis;

/// The findings of a configuration by the files they are in; a file without any has an empty list,
/// so that the editor forgets old ones.
pub(super) fn by_file(main: &Path, analysis: &Analysis) -> BTreeMap<PathBuf, Vec<Value>> {
    let sources = &analysis.sources;
    let mut files: BTreeMap<PathBuf, Vec<Value>> = sources
        .files()
        .map(|source| (source.path().to_owned(), Vec::new()))
        .collect();
    for finding in analysis.diagnostics.iter() {
        let label = finding.primary.as_ref();
        let source = label.and_then(|label| sources.file(label.span.file));
        let path = source.map_or(main, |source| source.path());
        let findings = files.entry(path.to_owned()).or_default();
        findings.push(self::finding(finding, analysis));
    }
    files
}

fn finding(finding: &Diagnostic, analysis: &Analysis) -> Value {
    let sources = &analysis.sources;
    let range = |span: Span| place::span_range(sources, span);
    let mut message = finding.message.clone();
    if let Some(hint) = &finding.hint {
        message.push_str(&format!("\nhelp: {hint}"));
    }
    let related: Vec<_> = finding
        .secondary
        .iter()
        .filter_map(|label| {
            let location = place::location(sources, label.span)?;
            Some(json!({"location": location, "message": label.text}))
        })
        .collect();
    json!({
        "range": match &finding.primary {
            Some(label) => range(label.span),
            None => place::range("", 0, 0),
        },
        "severity": match finding.severity {
            Severity::Error => 1,
            Severity::Warning => 2,
        },
        "source": "millrun",
        "message": message,
        "relatedInformation": related,
    })
}
