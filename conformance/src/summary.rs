use crate::case::Case;
use crate::rules;

/// What became of the cases of one kind.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The kind, the name of its file.
    pub kind: String,
    /// Cases in which everything was as recorded.
    pub agreed: usize,
    /// Cases that differ as a rule says, and only so.
    pub deviations: Vec<Deviation>,
    /// All other cases.
    pub disagreed: Vec<Disagreement>,
}

/// A case that differs on purpose.
#[derive(Debug, Clone)]
pub struct Deviation {
    /// What the case is called.
    pub label: String,
    /// Its line in the file.
    pub line: usize,
    /// The names of the rules that its differences follow.
    pub rules: Vec<&'static str>,
    /// These differences, for who looks whether a rule is too wide.
    pub differences: Vec<String>,
}

/// A case that differs and should not.
#[derive(Debug, Clone)]
pub struct Disagreement {
    /// What the case is called.
    pub label: String,
    /// Its line in the file.
    pub line: usize,
    /// The first difference that no rule knows and some of the others, a line each, or why it cannot be played.
    pub why: String,
    /// The whole case.
    pub case: String,
}

impl Deviation {
    pub(crate) fn new(case: &Case, rules: Vec<&'static str>, differences: Vec<String>) -> Self {
        Self {
            label: case.label(),
            line: case.line,
            rules,
            differences,
        }
    }

    /// The reasons of the rules, one to a line.
    pub fn reasons(&self) -> String {
        let reason = |name: &&str| format!("{name}: {}", rules::reason(name));
        self.rules.iter().map(reason).collect::<Vec<_>>().join("; ")
    }
}

impl Disagreement {
    pub(crate) fn new(case: &Case, why: impl Into<String>) -> Self {
        Self {
            label: case.label(),
            line: case.line,
            why: why.into(),
            case: case.text.clone(),
        }
    }
}

impl Summary {
    pub(crate) fn of(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            ..Self::default()
        }
    }

    /// How many cases were judged.
    pub fn cases(&self) -> usize {
        self.agreed + self.deviations.len() + self.disagreed.len()
    }

    /// The line of numbers.
    pub fn line(&self) -> String {
        format!(
            "{}: {} agreed, {} deviations, {} disagreed",
            self.kind,
            self.agreed,
            self.deviations.len(),
            self.disagreed.len()
        )
    }
}
