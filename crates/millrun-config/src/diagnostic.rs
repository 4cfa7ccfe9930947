//! What reading a configuration has to say: errors and warnings with their places.
//!
//! Nothing here stops at the first error. Whoever reads hands a [`Diagnostics`] down, everybody
//! adds to it, and at the end one look at [`Diagnostics::has_errors`] decides.

use crate::{Sources, Span, render};

/// Most findings kept; a file that is no configuration at all should not fill the memory.
pub const MAX_DIAGNOSTICS: usize = 500;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration works; something in it probably does not do what was meant.
    Warning,
    /// The configuration cannot be used.
    Error,
}

/// What happens to a value that Fluentd takes although it looks like a mistake
/// (`--strict-config-value`, `<system> strict_config_value`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// It is converted as Fluentd does; where the result surprises, a warning says so.
    #[default]
    Lax,
    /// It is an error.
    Strict,
}

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What was expected there, or what stands there; may be empty.
    pub text: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What happened, in one sentence without a full stop.
    pub message: String,
    /// Where it happened. Without it the message must name the place itself.
    pub primary: Option<Label>,
    /// Other places that have to do with it.
    pub secondary: Vec<Label>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// A warning without a place yet.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        Self {
            severity,
            message,
            primary: None,
            secondary: Vec::new(),
            hint: None,
        }
    }

    /// Says where it happened, and what was expected there (may be empty).
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds another place that has to do with it.
    #[must_use]
    pub fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The finding with its source lines, for a person.
    #[must_use]
    pub fn render(&self, sources: &Sources, style: RenderStyle) -> String {
        render::diagnostic(self, sources, style)
    }

    /// The finding for a log that gives the severity itself: what is looked for by its beginning begins the line, the place
    /// stands behind it.
    #[must_use]
    pub fn log_line(&self, sources: &Sources) -> String {
        match &self.primary {
            Some(label) => format!("{} ({})", self.message, sources.place(label.span)),
            None => self.message.clone(),
        }
    }

    /// The finding on one line, `file:line:column: error: message`, for a log or an editor.
    #[must_use]
    pub fn one_line(&self, sources: &Sources) -> String {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        match &self.primary {
            Some(label) => format!("{}: {word}: {}", sources.place(label.span), self.message),
            None => format!("{word}: {}", self.message),
        }
    }
}

/// How findings are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderStyle {
    /// Without colours, for files and pipes.
    Plain,
    /// With colours, for a terminal.
    Terminal,
}

/// The findings of one reading, in the order they were made.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    strictness: Strictness,
    findings: Vec<Diagnostic>,
    /// How many of them are warnings.
    warnings: usize,
}

impl Diagnostics {
    /// No findings yet, with the given strictness.
    #[must_use]
    pub fn new(strictness: Strictness) -> Self {
        Self {
            strictness,
            findings: Vec::new(),
            warnings: 0,
        }
    }

    /// Whether a value that looks like a mistake is an error.
    #[must_use]
    pub fn strictness(&self) -> Strictness {
        self.strictness
    }

    /// Changes the strictness for what is read from now on (it is written in the file itself).
    pub fn set_strictness(&mut self, strictness: Strictness) {
        self.strictness = strictness;
    }

    /// Adds a finding. An exact repetition (the same include read twice) is kept once, and only
    /// the first [`MAX_DIAGNOSTICS`] are kept; behind them an error takes the place of the last
    /// warning, so that no number of warnings hides that a configuration cannot be used.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let is_warning = diagnostic.severity == Severity::Warning;
        let is_full = self.findings.len() >= MAX_DIAGNOSTICS;
        // Said before anything is compared: a text that is all errors must not cost more for it.
        if is_full && (is_warning || self.warnings == 0) || self.findings.contains(&diagnostic) {
            return;
        }
        if is_full {
            let is_warning = |finding: &Diagnostic| finding.severity == Severity::Warning;
            if let Some(last) = self.findings.iter().rposition(is_warning) {
                self.findings.remove(last);
                self.warnings -= 1;
            }
        }
        self.warnings += usize::from(is_warning);
        self.findings.push(diagnostic);
    }

    /// Whether any finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// All findings in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter()
    }

    /// The errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.iter()
            .filter(|finding| finding.severity == Severity::Error)
    }

    /// The warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.iter()
            .filter(|finding| finding.severity == Severity::Warning)
    }

    /// Brings the findings into the order of the files and lines they are about.
    pub fn sort_by_place(&mut self) {
        self.findings.sort_by_key(|finding| {
            finding
                .primary
                .as_ref()
                .map(|label| (label.span.file, label.span.start))
        });
    }

    /// Adds all findings of another reading.
    pub fn extend(&mut self, other: Diagnostics) {
        for finding in other.findings {
            self.push(finding);
        }
    }

    /// All findings with their source lines, an empty line between two.
    #[must_use]
    pub fn render(&self, sources: &Sources, style: RenderStyle) -> String {
        let texts: Vec<_> = self
            .iter()
            .map(|finding| finding.render(sources, style))
            .collect();
        texts.join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_beyond_the_limit_do_not_hide_an_error() {
        let mut diagnostics = Diagnostics::default();
        for number in 0..MAX_DIAGNOSTICS + 10 {
            diagnostics.push(Diagnostic::warning(format!("warning {number}")));
        }
        diagnostics.push(Diagnostic::error("an error"));
        assert_eq!(diagnostics.iter().count(), MAX_DIAGNOSTICS);
        assert_eq!(diagnostics.errors().count(), 1);
    }
}
