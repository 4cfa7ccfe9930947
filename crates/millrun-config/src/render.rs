//! Draws a finding: the message, its place, the source line with a caret, and the hint.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use crate::{Diagnostic, FileId, RenderStyle, Severity, Sources, Span};

/// Columns a drawn line may take; longer source lines are cut around the caret.
const MAX_COLUMNS: usize = 140;

pub(crate) fn diagnostic(finding: &Diagnostic, sources: &Sources, style: RenderStyle) -> String {
    let level = match finding.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let mut group = Group::with_title(level.primary_title(finding.message.as_str()));
    for file in files(finding) {
        group = group.element(snippet(finding, file, sources));
    }
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    let renderer = match style {
        RenderStyle::Plain => Renderer::plain(),
        RenderStyle::Terminal => Renderer::styled(),
    };
    renderer.term_width(MAX_COLUMNS).render(&[group])
}

/// The files a finding points into, the one of its primary place first.
fn files(finding: &Diagnostic) -> Vec<FileId> {
    let mut files = Vec::new();
    for label in finding.primary.iter().chain(&finding.secondary) {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    files
}

fn snippet<'a>(
    finding: &'a Diagnostic,
    file: FileId,
    sources: &'a Sources,
) -> Snippet<'a, Annotation<'a>> {
    let labels = finding.primary.iter().chain(&finding.secondary);
    let spans = labels.filter(|label| label.span.file == file);
    let starts = spans.clone().map(|label| label.span.start).min();
    let ends = spans.map(|label| label.span.end).max();
    let (path, whole) = match sources.file(file) {
        Some(source) => (source.path().display().to_string(), source.text()),
        None => (String::new(), ""),
    };
    // Only the lines that are pointed at are looked through, not the whole file again for each finding.
    let (line, range) = match (sources.file(file), starts, ends) {
        (Some(source), Some(start), Some(end)) => source.lines_around(start, end),
        _ => (1, 0..whole.len()),
    };
    let offset = range.start;
    let text = whole.get(range).unwrap_or("");
    let mut snippet = Snippet::source(text).path(path).line_start(line);
    let primary = finding
        .primary
        .iter()
        .map(|label| (AnnotationKind::Primary, label));
    let secondary = finding
        .secondary
        .iter()
        .map(|label| (AnnotationKind::Context, label));
    for (kind, label) in primary.chain(secondary) {
        if label.span.file == file {
            let annotation = kind.span(first_line(label.span, offset, text));
            snippet = snippet.annotation(match label.text.as_str() {
                "" => annotation,
                words => annotation.label(words),
            });
        }
    }
    snippet
}

/// The part of a span on its first line: a caret under one line reads better than a bracket
/// around a whole section.
fn first_line(span: Span, offset: usize, text: &str) -> std::ops::Range<usize> {
    let within =
        |place: usize| text.floor_char_boundary(place.saturating_sub(offset).min(text.len()));
    let start = within(span.range().start);
    let end = within(span.range().end).max(start);
    let covered = text.get(start..end).unwrap_or("");
    let length = covered.find(['\r', '\n']).unwrap_or(covered.len());
    start..start + length
}
