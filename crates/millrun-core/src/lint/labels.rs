//! Labels that nothing leads to, and labels that lead back to themselves.

use std::collections::{BTreeMap, BTreeSet};

use millrun_config::{Diagnostic, Diagnostics, Element};

use crate::assembly::LOG_LABEL;
use crate::view::{View, targets};

/// Labels that the program itself sends events to.
const OWN: [&str; 2] = ["@ERROR", LOG_LABEL];

/// Where each label leads: the next label and the section that says so.
type Ways<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a Element)>>;

pub(super) fn lint(view: &View<'_>, diagnostics: &mut Diagnostics) {
    let scopes = view.scopes();
    let mut ways = Ways::new();
    for scope in &scopes {
        let name = scope.label.map_or("@ROOT", Element::argument);
        let found = scope.rules.iter().flat_map(|rule| targets(rule));
        ways.entry(name).or_default().extend(found);
    }
    unused(view, &ways, diagnostics);
    circles(&ways, diagnostics);
}

fn unused(view: &View<'_>, ways: &Ways<'_>, diagnostics: &mut Diagnostics) {
    let mut pending: Vec<&str> = vec!["@ROOT"];
    pending.extend(OWN);
    pending.extend(view.sources().filter_map(|source| source.text("@label")));
    let mut known = BTreeSet::new();
    while let Some(label) = pending.pop() {
        if known.insert(label) {
            let next = ways.get(label).into_iter().flatten();
            pending.extend(next.map(|(label, _)| *label));
        }
    }
    for label in view.labels() {
        let name = label.argument();
        if !known.contains(name) && !name.is_empty() {
            let warning = Diagnostic::warning(format!("nothing leads to {label}"));
            let hint = format!(
                "write '@label {name}' in a <source>, or in a <match> with '@type relabel'"
            );
            diagnostics.push(warning.at(label.span(), "no event comes here").hint(hint));
        }
    }
}

/// Follows every way from every label; a label met again on the way closes a circle.
fn circles(ways: &Ways<'_>, diagnostics: &mut Diagnostics) {
    let mut finished = BTreeSet::new();
    for start in ways.keys() {
        let mut path = Vec::new();
        follow(start, ways, &mut path, &mut finished, diagnostics);
    }
}

fn follow<'a>(
    label: &'a str,
    ways: &Ways<'a>,
    path: &mut Vec<&'a str>,
    finished: &mut BTreeSet<&'a str>,
    diagnostics: &mut Diagnostics,
) {
    if finished.contains(label) {
        return;
    }
    path.push(label);
    for (next, section) in ways.get(label).into_iter().flatten() {
        if let Some(start) = path.iter().position(|passed| passed == next) {
            let mut circle: Vec<_> = path.iter().skip(start).copied().collect();
            circle.push(next);
            let message = format!("events can go round in a circle: {}", circle.join(" → "));
            let warning = Diagnostic::warning(message).at(section.span_of("@label"), "back again");
            let hint = "an event that comes by too often ends with an error";
            diagnostics.push(warning.hint(hint));
        } else {
            follow(next, ways, path, finished, diagnostics);
        }
    }
    path.pop();
    finished.insert(label);
}
