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

/// Follows every way from every label; a label met again on the way closes a circle. The way is kept in a list, not in
/// calls: a configuration may have thousands of labels, each leading to the next.
fn circles(ways: &Ways<'_>, diagnostics: &mut Diagnostics) {
    let mut finished = BTreeSet::new();
    for start in ways.keys() {
        let mut path = Vec::new();
        // Where each label of the path stands in it.
        let mut places = BTreeMap::new();
        if !finished.contains(start) {
            places.insert(*start, 0);
            path.push((*start, ways_of(start, ways)));
        }
        while let Some((label, rest)) = path.last_mut() {
            let Some(((next, section), others)) = rest.split_first() else {
                finished.insert(*label);
                places.remove(label);
                path.pop();
                continue;
            };
            *rest = others;
            if let Some(place) = places.get(next) {
                let passed = path.iter().skip(*place).map(|(label, _)| *label);
                let circle: Vec<_> = passed.chain([*next]).collect();
                diagnostics.push(circle_of(&circle, section));
            } else if !finished.contains(next) {
                places.insert(next, path.len());
                path.push((next, ways_of(next, ways)));
            }
        }
    }
}

fn ways_of<'w, 'a>(label: &str, ways: &'w Ways<'a>) -> &'w [(&'a str, &'a Element)] {
    ways.get(label).map_or(&[], Vec::as_slice)
}

fn circle_of(circle: &[&str], section: &Element) -> Diagnostic {
    let message = format!("events can go round in a circle: {}", circle.join(" → "));
    let warning = Diagnostic::warning(message).at(section.span_of("@label"), "back again");
    warning.hint("an event that comes by too often ends with an error")
}
