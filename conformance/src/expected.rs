use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Before the reasons that wait for a feature.
const NOT_BUILT: &str = "not built yet: ";
/// Before the reasons of what may happen so or otherwise.
const EITHER_WAY: &str = "either way: ";

/// The cases of a kind that are known not to agree, each with its reason.
///
/// ```text
/// # A comment.
/// not built yet: symlink_path
///     symlink_path with strftime
///     symlink_path existing regular file
/// on purpose: why ours is right
///     the name of a case
/// either way: why it depends on the moment
///     the name of another @ /results/2
/// ```
///
/// A reason stands at the beginning of a line, the cases it holds for are indented below it. A case
/// that is listed and agrees fails like one that is not listed and differs, so no entry outlives
/// its reason. What goes either way is a place in a case (a JSON pointer): it is not compared, the rest
/// of the case must agree.
#[derive(Default)]
pub(crate) struct Expected {
    entries: BTreeMap<String, Entry>,
}

/// What is known of a case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It does not agree, for this reason.
    Differs(String),
    /// What stands at this pointer is not compared.
    EitherWay(String),
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
        let mut entries = BTreeMap::new();
        let mut reason = None;
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let content = line.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if !line.starts_with(' ') {
                reason = Some(content);
                continue;
            }
            let Some(reason) = reason else {
                bail!("line {line_number}: a case needs a reason above it");
            };
            let (name, entry) = match content.rsplit_once(" @ ") {
                Some((name, pointer)) if reason.starts_with(EITHER_WAY) => {
                    (name, Entry::EitherWay(pointer.to_owned()))
                }
                _ if reason.starts_with(EITHER_WAY) => {
                    bail!(
                        "line {line_number}: what goes either way needs a place, `case @ /pointer`"
                    )
                }
                _ => (content, Entry::Differs(reason.to_owned())),
            };
            if entries.insert(name.to_owned(), entry).is_some() {
                bail!("line {line_number}: {name:?} is listed twice");
            }
        }
        Ok(Self { entries })
    }

    /// Why a case is not expected to agree.
    pub(crate) fn reason(&self, case: &str) -> Option<&str> {
        match self.entries.get(case)? {
            Entry::Differs(reason) => Some(reason),
            Entry::EitherWay(_) => None,
        }
    }

    /// The place in a case that is not compared.
    pub(crate) fn either_way(&self, case: &str) -> Option<&str> {
        match self.entries.get(case)? {
            Entry::EitherWay(pointer) => Some(pointer),
            Entry::Differs(_) => None,
        }
    }

    /// All cases listed.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
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
    fn what_goes_either_way_is_a_place_in_a_case() {
        let expected = Expected::parse("either way: r\n  a b @ /results/2\n").unwrap();
        assert_eq!(expected.either_way("a b"), Some("/results/2"));
        assert_eq!(expected.reason("a b"), None);
    }

    #[test]
    fn lists_that_say_nothing_are_refused() {
        let error = |text| Expected::parse(text).err().unwrap().to_string();
        assert_eq!(error("  a\n"), "line 1: a case needs a reason above it");
        assert_eq!(error("r\n  a\n  a\n"), "line 3: \"a\" is listed twice");
        assert_eq!(
            error("either way: r\n  a\n"),
            "line 2: what goes either way needs a place, `case @ /pointer`"
        );
    }
}
