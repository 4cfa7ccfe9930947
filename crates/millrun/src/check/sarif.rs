//! Findings as SARIF 2.1.0 (OASIS), which code review tools show beside the lines.

use millrun_config::{Diagnostic, Label, Severity, Span};
use serde_json::{Value, json};

use super::FileReport;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn document(reports: &[FileReport]) -> String {
    let results: Vec<_> = reports
        .iter()
        .flat_map(|report| {
            let findings = report.diagnostics.iter();
            findings.map(move |finding| result(report, finding))
        })
        .collect();
    let rule = |id: &str, text: &str| json!({"id": id, "shortDescription": {"text": text}});
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "millrun check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": [
                    rule("configuration-error", "The configuration cannot be used."),
                    rule("configuration-warning", "It works and is probably not what was meant."),
                ],
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn result(report: &FileReport, finding: &Diagnostic) -> Value {
    let (rule, level) = match finding.severity {
        Severity::Error => ("configuration-error", "error"),
        Severity::Warning => ("configuration-warning", "warning"),
    };
    let text = match &finding.hint {
        Some(hint) => format!("{} ({hint})", finding.message),
        None => finding.message.clone(),
    };
    let locations: Vec<_> = match &finding.primary {
        Some(label) => vec![location(report, label)],
        // A finding without a place is about the file itself.
        None => vec![json!({"physicalLocation": {
            "artifactLocation": {"uri": uri(&report.path.display().to_string())}
        }})],
    };
    let related: Vec<_> = finding
        .secondary
        .iter()
        .map(|label| location(report, label))
        .collect();
    json!({
        "ruleId": rule,
        "level": level,
        "message": {"text": text},
        "locations": locations,
        "relatedLocations": related,
    })
}

fn location(report: &FileReport, Label { span, text }: &Label) -> Value {
    let mut location = json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&report.file(*span))},
        "region": region(report, *span),
    }});
    if let (false, Some(location)) = (text.is_empty(), location.as_object_mut()) {
        location.insert("message".to_owned(), json!({"text": text}));
    }
    location
}

fn region(report: &FileReport, span: Span) -> Value {
    let (start, end) = report.range(span);
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A path as a relative or absolute URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
