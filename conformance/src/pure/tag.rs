//! `match`, `rule`: which tags a pattern takes, and the patterns of a directive's argument.

use millrun_pattern::{TagPattern, TagPatterns};

use super::Answer;
use crate::case::{Case, Unplayable};

pub(crate) fn match_pattern(case: &Case) -> Result<Answer, Unplayable> {
    let tag = case.text("tag").unwrap_or_default();
    let pattern = TagPattern::compile(case.need_text("pattern")?);
    Ok(Answer::of(pattern.map(|pattern| pattern.matches(tag))))
}

pub(crate) fn rule(case: &Case) -> Result<Answer, Unplayable> {
    // Where the argument is an error, no tag is given.
    let tag = case.text("tag").unwrap_or_default();
    let patterns = TagPatterns::compile(case.need_text("arg")?);
    Ok(Answer::of(patterns.map(|patterns| patterns.matches(tag))))
}
