//! The `rewrite_tag_filter` output: gives events new tags by what is in them, and emits them again.
//!
//! ```text
//! <match app.**>
//!   @type rewrite_tag_filter
//!   <rule>                             in file order; the first that matches decides
//!     key level
//!     pattern /^(warn|error)$/
//!     tag $1.${tag}
//!   </rule>
//! </match>
//! ```
//! What no rule takes is dropped, and so is what would keep its tag. In `tag`, `$1` … `$9` are captures of the pattern,
//! `${tag}`, `${tag_parts[0]}` and `${hostname}` what their names say; `__TAG__`, `__TAG_PARTS[0]__` and `__HOSTNAME__`
//! are the same. An event that is given new tags in a circle is counted as lost (`circle`) and stops nothing.

use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{Diagnostic, Diagnostics, Element, Regexp, parameters};
use millrun_core::{
    Assembly, Batch, Emissions, Fate, LossReason, Node, PluginId, Report, Rewrite, Rewriter,
    RouterId, lookup, text_of,
};
use millrun_event::{Entries, Entry};
use millrun_pattern::{Accessor, Flags, Level, MatchError, Regex, Spans};

use super::tag_template::{Names, TagTemplate};
use crate::filter::TagParts;

parameters! {
    /// Which events get which tag.
    pub struct RuleParameters in "rule" {
        /// The field: a name, or a path like `$.a.b`.
        key: String = required;
        /// What it must look like.
        pattern: Regexp = required;
        /// The new tag.
        tag: String = required;
        /// It must not look so.
        invert: bool = "false";
        /// The label that the event goes to; without one it enters where the events of the source do.
        label: Option<String>;
    }
}

parameters! {
    /// Gives events new tags by what is in them, and emits them again.
    pub struct RewriteTagFilterParameters in "match", type "rewrite_tag_filter" {
        /// Captures begin with a capital letter in the new tag.
        capitalize_regex_backreference: bool = "false";
        /// Taken off the tag before `${tag}` stands for it.
        remove_tag_prefix: Option<String>;
        /// What matches is taken off the tag before `${tag}` stands for it.
        remove_tag_regexp: Option<Regexp>;
        /// Without effect: events always go on in batches of one tag.
        emit_mode: String = "batch";
        /// Without effect: the name of this machine is known.
        hostname_command: String = "hostname";
    }
    sections {
        /// A rule.
        rule: Vec<RuleParameters>, required;
    }
    legacy { Rules }
}

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = RewriteTagFilterParameters::read(element, assembly.diagnostics)?;
    let mut rules = Vec::new();
    let mut is_sound = true;
    for (section, rule) in element.elements_named("rule").zip(&parameters.rule) {
        match self::rule(section, rule, &parameters, assembly) {
            Some(rule) => rules.push(rule),
            None => is_sound = false,
        }
    }
    let removed = match &parameters.remove_tag_regexp {
        Some(regexp) => match compile(regexp) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let fault = Diagnostic::error(error);
                let place = element.span_of("remove_tag_regexp");
                assembly.diagnostics.push(fault.at(place, "this pattern"));
                return None;
            }
        },
        None => None,
    };
    let router = match element.entry("@label") {
        Some(label) => assembly.label(label.value.as_text()?, label.value.span)?,
        None => RouterId::ROOT,
    };
    is_sound.then(|| {
        Node::Rewrite(Arc::new(Rewrite {
            id: id.clone(),
            stage: None,
            tags: Arc::new(RewriteTagFilter {
                id: id.text.clone(),
                rules,
                removed,
                removed_prefix: parameters.remove_tag_prefix.clone(),
                workspaces: Mutex::default(),
            }),
            router,
        }))
    })
}

/// The patterns of an output by the fields of their rules, and which engine runs each.
pub(super) fn patterns(element: &Element) -> Vec<(String, Level)> {
    let mut unheard = Diagnostics::default();
    let Some(parameters) = RewriteTagFilterParameters::read(element, &mut unheard) else {
        return Vec::new();
    };
    let removed = parameters.remove_tag_regexp.as_ref();
    let removed = removed.map(|regexp| ("remove_tag_regexp".to_owned(), regexp));
    let rules = parameters.rule.iter();
    let rules = rules.map(|rule| (rule.key.clone(), &rule.pattern));
    removed
        .into_iter()
        .chain(rules)
        .filter_map(|(name, regexp)| Some((name, compile(regexp).ok()?.level())))
        .collect()
}

fn compile(regexp: &Regexp) -> Result<Regex, String> {
    let flags = Flags {
        ignore_case: regexp.ignore_case,
        multi_line: regexp.multi_line,
        ..Flags::default()
    };
    Regex::compile(&regexp.source, flags).map_err(|error| error.to_string())
}

fn rule(
    section: &Element,
    rule: &RuleParameters,
    parameters: &RewriteTagFilterParameters,
    assembly: &mut Assembly<'_>,
) -> Option<Rule> {
    let accessor = match Accessor::parse(&rule.key) {
        Ok(accessor) => accessor,
        Err(error) => {
            let fault = Diagnostic::error(error.to_string());
            let place = fault.at(section.span_of("key"), "this field");
            assembly.diagnostics.push(place);
            return None;
        }
    };
    let regex = match compile(&rule.pattern) {
        Ok(regex) => regex,
        Err(error) => {
            let place = Diagnostic::error(error).at(section.span_of("pattern"), "this pattern");
            assembly.diagnostics.push(place);
            return None;
        }
    };
    let mut unknown = Vec::new();
    let capitalize = parameters.capitalize_regex_backreference;
    let tag = TagTemplate::compile(&rule.tag, capitalize, &mut unknown);
    for name in unknown {
        let fault = Diagnostic::warning(format!("unknown placeholder `{name}` found"));
        let place = fault.at(section.span_of("tag"), "it stands for nothing");
        assembly.diagnostics.push(place);
    }
    let label = match &rule.label {
        Some(label) => Some(assembly.label(label, section.span_of("label"))?),
        None => None,
    };
    Some(Rule {
        accessor,
        regex,
        tag,
        invert: rule.invert,
        label,
    })
}

struct RewriteTagFilter {
    id: Arc<str>,
    rules: Vec<Rule>,
    removed: Option<Regex>,
    removed_prefix: Option<String>,
    /// One for each thread that is at work here.
    workspaces: Mutex<Vec<Workspace>>,
}

struct Rule {
    accessor: Accessor,
    regex: Regex,
    tag: TagTemplate,
    invert: bool,
    label: Option<RouterId>,
}

struct Workspace {
    /// The tag as placeholders see it.
    parts: TagParts,
    shown: String,
    /// Where the captures of each rule's pattern lie.
    spans: Vec<Spans>,
    removed: Option<Spans>,
    /// The new tag.
    tag: String,
}

impl Rewriter for RewriteTagFilter {
    fn rewrite(&self, batch: Batch<'_>, out: &mut Emissions, report: &mut Report<'_>) {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = lock().pop();
        let mut workspace = known.unwrap_or_else(|| Workspace {
            parts: TagParts::default(),
            shown: String::new(),
            spans: self.rules.iter().map(|rule| rule.regex.spans()).collect(),
            removed: self.removed.as_ref().map(Regex::spans),
            tag: String::new(),
        });
        self.begin(batch.tag, &mut workspace);
        for (seen, entry) in (0..).zip(Entries::new(batch.events.bytes)) {
            let Ok(entry) = entry else {
                let left = batch.events.count.saturating_sub(seen);
                report.lose(&self.id, LossReason::Invalid, u64::from(left));
                break;
            };
            match self.decide(&entry, &mut workspace) {
                Ok(Some(rule)) if workspace.tag != batch.tag => {
                    out.buffer(&workspace.tag, rule.label)
                        .extend(entry.bytes, 1);
                }
                Ok(_) => {}
                Err(error) => {
                    report.error_event(&self.id, batch.tag, &entry, Fate::Dropped, error);
                }
            }
        }
        lock().push(workspace);
    }
}

impl RewriteTagFilter {
    /// The tag without what is taken off it.
    fn begin(&self, tag: &str, workspace: &mut Workspace) {
        let shown = &mut workspace.shown;
        shown.clear();
        let rest = self.removed_prefix.as_deref().and_then(|prefix| {
            let rest = tag.strip_prefix(prefix)?;
            Some(rest.strip_prefix('.').unwrap_or(rest))
        });
        shown.push_str(rest.unwrap_or(tag));
        if let (Some(regex), Some(spans)) = (&self.removed, &mut workspace.removed) {
            let mut start = 0;
            // A match that is given up takes nothing off.
            while let Ok(true) = regex.captures_from(shown.as_bytes(), start, spans) {
                let Some((from, to)) = spans.get(0).filter(|(from, to)| from < to) else {
                    break;
                };
                if shown.is_char_boundary(from) && shown.is_char_boundary(to) {
                    shown.replace_range(from..to, "");
                }
                start = from;
            }
        }
        workspace.parts.set(shown);
    }

    /// The rule that takes the event; its tag is in the workspace then.
    fn decide(
        &self,
        entry: &Entry<'_>,
        workspace: &mut Workspace,
    ) -> Result<Option<&Rule>, MatchError> {
        for (rule, spans) in self.rules.iter().zip(&mut workspace.spans) {
            let value = lookup(entry.record_bytes(), rule.accessor.segments());
            let other;
            let text = match value {
                None => &b""[..],
                Some(value) => match value.text() {
                    Some(text) => text,
                    None => {
                        other = text_of(value.bytes());
                        other.as_bytes()
                    }
                },
            };
            // What is missing or empty matches nothing, as in Fluentd's plugin.
            if text.is_empty() && !rule.invert {
                continue;
            }
            if rule.regex.captures_into(text, spans)? == rule.invert {
                continue;
            }
            let names = Names {
                tag: &workspace.parts,
                captures: (!rule.invert).then_some((text, &*spans)),
            };
            workspace.tag.clear();
            rule.tag.write(&names, &mut workspace.tag);
            return Ok(Some(rule));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
