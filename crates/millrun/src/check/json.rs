//! Findings as one JSON document.
//!
//! ```text
//! {"version": 1, "files": [{"path", "errors", "warnings",
//!    "findings": [{"severity", "message", "hint", "place", "related": [place …]}],
//!    "promises": [{"promise", "reason", "source": {"type", "place"}, "output": {…}}]}]}
//! place = {"file", "line", "column", "end_line", "end_column", "label"}     columns count characters
//! ```

use millrun_config::{Diagnostic, Label, Severity, Span};
use millrun_core::Promise;
use serde_json::{Value, json};

use super::FileReport;

/// The version of the format; it changes when a field changes its meaning.
const VERSION: u32 = 1;

pub(super) fn document(reports: &[FileReport]) -> String {
    let files: Vec<_> = reports.iter().map(file).collect();
    format!("{:#}\n", json!({"version": VERSION, "files": files}))
}

fn file(report: &FileReport) -> Value {
    let findings: Vec<_> = report
        .diagnostics
        .iter()
        .map(|finding| self::finding(report, finding))
        .collect();
    let promises: Vec<_> = report
        .promises
        .iter()
        .map(|promise| self::promise(report, promise))
        .collect();
    json!({
        "path": report.path.display().to_string(),
        "errors": report.errors(),
        "warnings": report.warnings(),
        "findings": findings,
        "promises": promises,
    })
}

fn finding(report: &FileReport, finding: &Diagnostic) -> Value {
    let place = |label: &Label| place(report, label.span, &label.text);
    let related: Vec<_> = finding.secondary.iter().map(place).collect();
    json!({
        "severity": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": finding.message,
        "hint": finding.hint,
        "place": finding.primary.as_ref().map(place),
        "related": related,
    })
}

fn promise(report: &FileReport, promise: &Promise) -> Value {
    json!({
        "promise": promise.name.as_words(),
        "reason": promise.reason,
        "source": {"type": promise.source, "place": place(report, promise.source_span, "")},
        "output": {"type": promise.output, "place": place(report, promise.output_span, "")},
    })
}

fn place(report: &FileReport, span: Span, label: &str) -> Value {
    let (start, end) = report.range(span);
    json!({
        "file": report.file(span),
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "label": label,
    })
}
