//! Where the program's own log lines go as events, and which of them go nowhere.

use millrun_config::{Diagnostic, Diagnostics, Element};
use millrun_pattern::TagPatterns;

use crate::assembly::LOG_LABEL;
use crate::log_lines::TAGS;
use crate::view::{Scope, View};

pub(super) fn lint(view: &View<'_>, diagnostics: &mut Diagnostics) {
    let (scope, place) = match (view.scope(LOG_LABEL), view.scope("@ROOT")) {
        (Some(label), _) => (label, "@FLUENT_LOG label"),
        (None, Some(root)) => (root, "top level"),
        (None, None) => return,
    };
    let (taken, left_out): (Vec<_>, Vec<_>) = TAGS
        .iter()
        .map(|(_, tag)| (*tag, taker(&scope, tag)))
        .partition(|(_, taker)| taker.is_some());
    let section = match (scope.label, taken.first()) {
        (Some(label), _) => label,
        (None, Some((_, Some(taker)))) => taker,
        // Nothing is written for them: they are lines only.
        (None, _) => return,
    };
    if !left_out.is_empty() {
        let tags: Vec<_> = left_out.iter().map(|(tag, _)| *tag).collect();
        let message = format!(
            "match for some tags of log events are not defined in {place} (to be ignored): {}",
            tags.join(", ")
        );
        let warning = Diagnostic::warning(message).at(section.span(), "these have nowhere to go");
        let hint = "add a <match fluent.**>; with '@type null' for those that are not wanted";
        return diagnostics.push(warning.hint(hint));
    }
    if scope.label.is_none() {
        let message = "define <match fluent.**> to capture fluentd logs in top level is deprecated. \
                       Use <label @FLUENT_LOG> instead";
        let warning = Diagnostic::warning(message);
        let warning = warning.at(
            section.span(),
            "takes the log lines of this program, as events",
        );
        let hint = "add <label @FLUENT_LOG> with a <match **> in it; with '@type null' if they are not wanted";
        diagnostics.push(warning.hint(hint));
    }
}

/// The match that takes a tag.
fn taker<'a>(scope: &Scope<'a>, tag: &str) -> Option<&'a Element> {
    let mut rules = scope.rules.iter().copied();
    // A pattern that does not compile is reported where plugins are made.
    rules.find(|rule| {
        rule.name() == "match"
            && TagPatterns::compile(rule.argument()).is_ok_and(|patterns| patterns.matches(tag))
    })
}
