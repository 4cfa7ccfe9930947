use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Before the reasons that wait for a feature.
const NOT_BUILT: &str = "not built yet: ";

/// The cases of a kind that are known not to agree, each with its reason.
///
/// ```text
/// # A comment.
/// not built yet: symlink_path
///     symlink_path with strftime
///     symlink_path existing regular file
/// on purpose: why ours is right
///     the name of a case
/// ```
///
/// A reason stands at the beginning of a line, the cases it holds for are indented below it. A case
/// that is listed and agrees fails like one that is not listed and differs, so no entry outlives
/// its reason.
#[derive(Default)]
pub(crate) struct Expected {
    reasons: BTreeMap<String, String>,
}

impl Expected {
    /// Reads the list of a kind, `<expected>/<kind>.txt`; without a file none is expected.
    pub(crate) fn read(expected: &Path, kind: &str) -> Result<Self> {
        let path = expected.join(format!("{kind}.txt"));
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut reasons = BTreeMap::new();
        let mut reason = None;
        for (index, line) in text.lines().enumerate() {
            let name = line.trim();
            if name.is_empty() || name.starts_with('#') {
                continue;
            }
            if !line.starts_with(' ') {
                reason = Some(name);
                continue;
            }
            let Some(reason) = reason else {
                bail!("line {}: a case needs a reason above it", index + 1);
            };
            if reasons.insert(name.to_owned(), reason.to_owned()).is_some() {
                bail!("line {}: {name:?} is listed twice", index + 1);
            }
        }
        Ok(Self { reasons })
    }

    /// Why a case is not expected to agree.
    pub(crate) fn reason(&self, case: &str) -> Option<&str> {
        self.reasons.get(case).map(String::as_str)
    }

    /// All cases listed.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }
}

/// Whether a reason only waits for a feature.
pub(crate) fn is_not_built(reason: &str) -> bool {
    reason.starts_with(NOT_BUILT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_has_the_reason_above_it() {
        let expected = Expected::parse("# c\nr 1\n  a\n  b: c\n\nnot built yet: r\n  d\n").unwrap();
        assert_eq!(expected.reason("b: c"), Some("r 1"));
        assert_eq!(expected.reason("d").map(is_not_built), Some(true));
        assert_eq!(expected.reason("x"), None);
    }

    #[test]
    fn lists_that_say_nothing_are_refused() {
        let error = |text| Expected::parse(text).err().unwrap().to_string();
        assert_eq!(error("  a\n"), "line 1: a case needs a reason above it");
        assert_eq!(error("r\n  a\n  a\n"), "line 3: \"a\" is listed twice");
    }
}
