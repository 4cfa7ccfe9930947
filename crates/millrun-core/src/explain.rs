//! The route of a tag, in words: which rules take it, which do not, and where it ends.
//!
//! ```text
//! from <source> of tail (f.conf:1:1)
//! @ROOT
//!   skips    <match x.**> of stdout (f.conf:5:1): 'x.**' does not match
//!   through  <filter **> of grep (f.conf:8:1)
//!     pattern  message: text search: the pattern is a mere text
//!   into     <match app.**> of relabel (f.conf:12:1)
//! @L
//!   into     <match **> of file (f.conf:20:3)
//! ```

use std::fmt::Write as _;

use millrun_config::{Element, Sources, nearest};
use millrun_pattern::{Level, TagPatterns};

use crate::assembly::LOG_LABEL;
use crate::graph::HOPS_MAX;
use crate::log_lines::TAGS;
use crate::system::workers_of;
use crate::view::{View, targets, views};

/// What knows the regular expressions of a plugin's section: what each is for, and which engine runs it.
pub type PatternsOf<'a> = &'a dyn Fn(&Element) -> Vec<(String, Level)>;

/// The routes of a tag through a configuration: one for each place where events enter, with the `patterns` of the
/// plugins on the way.
#[must_use]
pub fn explain(root: &Element, sources: &Sources, tag: &str, patterns: PatternsOf<'_>) -> String {
    let mut text = format!("tag '{tag}'\n");
    for view in views(root, workers_of(root)) {
        if let Some(title) = view.title() {
            put(&mut text, format_args!("\n{title}\n"));
        }
        let mut explanation = Explanation {
            view: &view,
            sources,
            tag,
            patterns,
            text: &mut text,
        };
        explanation.entries();
    }
    text
}

struct Explanation<'a> {
    view: &'a View<'a>,
    sources: &'a Sources,
    tag: &'a str,
    patterns: PatternsOf<'a>,
    text: &'a mut String,
}

impl Explanation<'_> {
    /// Begins where sources begin: at the root, and at each label that a source names.
    fn entries(&mut self) {
        let mut labels: Vec<&str> = Vec::new();
        for source in self.view.sources() {
            let label = source.text("@label").unwrap_or("@ROOT");
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let log = self.log_entry();
        labels.extend(log.filter(|log| !labels.contains(log)));
        if labels.is_empty() {
            labels.push("@ROOT");
        }
        for label in labels {
            self.text.push('\n');
            if log == Some(label) {
                put(
                    self.text,
                    format_args!("from the log lines of this program\n"),
                );
            }
            for source in self.view.sources() {
                if source.text("@label").unwrap_or("@ROOT") == label {
                    self.source(source);
                }
            }
            self.label(label, &mut Vec::new());
        }
    }

    /// Where log lines of the tag's level enter as events.
    fn log_entry(&self) -> Option<&'static str> {
        let is_one = TAGS.iter().any(|(_, tag)| *tag == self.tag);
        let has_label = self.view.scope(LOG_LABEL).is_some();
        is_one.then_some(if has_label { LOG_LABEL } else { "@ROOT" })
    }

    fn source(&mut self, source: &Element) {
        let own = source.text("tag").filter(|tag| !tag.contains(['*', '$']));
        let note = match own {
            Some(own) if own != self.tag => format!("; its tag is '{own}'"),
            _ => String::new(),
        };
        let place = self.place(source);
        put(self.text, format_args!("from {place}{note}\n"));
        self.patterns(source, 1);
    }

    /// Which engine runs each expression of a plugin.
    fn patterns(&mut self, element: &Element, depth: usize) {
        let indent = "  ".repeat(depth);
        for (name, level) in (self.patterns)(element) {
            put(
                self.text,
                format_args!("{indent}pattern  {name}: {level}\n"),
            );
        }
    }

    fn label(&mut self, label: &str, passed: &mut Vec<String>) {
        put(self.text, format_args!("{label}\n"));
        if passed.iter().any(|name| name == label) {
            return self.line("circle", "events come by here again");
        }
        if passed.len() >= HOPS_MAX {
            let text = format!(
                "an event passes {HOPS_MAX} labels at the most and ends here with an error"
            );
            return self.line("too far", &text);
        }
        let Some(scope) = self.view.scope(label) else {
            let names: Vec<_> = self.view.labels().map(Element::argument).collect();
            let near = nearest(label, names).map(|near| format!("; did you mean {near}?"));
            let text = format!("there is no such label{}", near.unwrap_or_default());
            return self.line("nowhere", &text);
        };
        passed.push(label.to_owned());
        let taker = scope.rules.iter().find(|rule| self.rule(rule));
        match taker {
            Some(taker) => {
                self.outputs(taker, 2);
                for (label, _) in targets(taker) {
                    self.label(label, passed);
                }
            }
            None => self.line(
                "nowhere",
                "no <match> takes the tag; its events are dropped",
            ),
        }
        passed.pop();
    }

    /// Says what a rule does with the tag; true if it is the match that takes it.
    fn rule(&mut self, rule: &Element) -> bool {
        let place = self.place(rule);
        let takes = match TagPatterns::compile(rule.argument()) {
            Ok(patterns) => patterns.matches(self.tag),
            Err(error) => {
                self.line("skips", &format!("{place}: {error}"));
                return false;
            }
        };
        let is_match = rule.name() == "match";
        match (takes, is_match) {
            (true, true) => {
                self.line("into", &place);
                self.patterns(rule, 2);
            }
            (true, false) => {
                self.line("through", &place);
                self.patterns(rule, 2);
            }
            (false, _) => {
                let argument = rule.argument();
                self.line("skips", &format!("{place}: '{argument}' does not match"));
            }
        }
        takes && is_match
    }

    /// The outputs inside an output.
    fn outputs(&mut self, output: &Element, depth: usize) {
        for store in output.elements_named("store") {
            let place = self.place(store);
            let indent = "  ".repeat(depth);
            put(self.text, format_args!("{indent}store    {place}\n"));
            self.patterns(store, depth + 1);
            self.outputs(store, depth + 1);
        }
    }

    fn line(&mut self, what: &str, text: &str) {
        put(self.text, format_args!("  {what:<8} {text}\n"));
    }

    fn place(&self, element: &Element) -> String {
        let kind = element.plugin_type().unwrap_or("no type");
        let place = self.sources.place(element.span());
        format!("{element} of {kind} ({place})")
    }
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = text.write_fmt(words);
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_config::{NoIncludes, NoRuby, parse_str};

    const TEXT: &str = "\
<source>
  @type tail
  tag app.web
</source>
<source>
  @type forward
</source>
<match sys.**>
  @type stdout
</match>
<filter app.*>
  @type grep
</filter>
<match app.**>
  @type copy
  <store>
    @type file
  </store>
  <store>
    @type relabel
    @label @L
  </store>
</match>
<label @L>
  <match x>
    @type relabel
    @label @L
  </match>
</label>
";

    fn explained(text: &str, tag: &str) -> String {
        let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
        explain(&parsed.root, &parsed.sources, tag, &|_| Vec::new())
    }

    #[test]
    fn the_route_of_a_tag() {
        assert_eq!(
            explained(TEXT, "app.x"),
            "\
tag 'app.x'

from <source> of tail (f.conf:1:1); its tag is 'app.web'
from <source> of forward (f.conf:5:1)
@ROOT
  skips    <match sys.**> of stdout (f.conf:8:1): 'sys.**' does not match
  through  <filter app.*> of grep (f.conf:11:1)
  into     <match app.**> of copy (f.conf:14:1)
    store    <store> of file (f.conf:16:3)
    store    <store> of relabel (f.conf:19:3)
@L
  skips    <match x> of relabel (f.conf:25:3): 'x' does not match
  nowhere  no <match> takes the tag; its events are dropped
"
        );
    }

    #[test]
    fn circles_and_labels_that_are_not_there() {
        let text = TEXT.replace("<match x>", "<match **>");
        let explained_text = explained(&text, "app.x");
        let end = explained_text.split("@L\n").skip(1).collect::<Vec<_>>();
        assert_eq!(
            end,
            [
                "  into     <match **> of relabel (f.conf:25:3)\n",
                "  circle   events come by here again\n"
            ]
        );
        let text = "<source>\n@type x\n@label @LL\n</source>\n<label @L>\n</label>";
        assert_eq!(
            explained(text, "a"),
            "tag 'a'\n\nfrom <source> of x (f.conf:1:1)\n@LL\n  nowhere  there is no such label; did \
             you mean @L?\n"
        );
    }

    #[test]
    fn log_lines_enter_at_their_label() {
        let text = "<source>\n@type x\n</source>\n<match **>\n@type stdout\n</match>\n";
        assert_eq!(
            explained(text, "fluent.warn"),
            "tag 'fluent.warn'\n\nfrom the log lines of this program\nfrom <source> of x (f.conf:1:1)\n\
             @ROOT\n  into     <match **> of stdout (f.conf:4:1)\n"
        );
        let label = "<label @FLUENT_LOG>\n<match **>\n@type null\n</match>\n</label>";
        let explained = explained(&format!("{text}{label}"), "fluent.warn");
        assert!(
            explained.ends_with(
                "\n\nfrom the log lines of this program\n@FLUENT_LOG\n  into     <match **> of null \
                 (f.conf:8:1)\n"
            ),
            "{explained}"
        );
    }

    #[test]
    fn workers_have_routes_of_their_own() {
        let text = "<worker 0>\n<match **>\n@type stdout\n</match>\n</worker>\n\
                    <system>\nworkers 3\n</system>";
        assert_eq!(
            explained(text, "a"),
            "tag 'a'\n\nworker 0\n\n@ROOT\n  into     <match **> of stdout (f.conf:2:1)\n\n\
             workers 1-2\n\n@ROOT\n  nowhere  no <match> takes the tag; its events are dropped\n"
        );
    }
}
