//! What a configuration promises about a line, by the contract's table (DELIVERY): a topology has
//! the weakest promise on each of its ways.
//!
//! ```text
//! source can repeat, file buffer, output knows what it wrote     exactly once
//! source can repeat, file buffer, any other output               at least once
//! source is read again, memory buffer                            at least once
//! source was answered, memory buffer                             lost with the process
//! source cannot repeat, file buffer                              what was committed is kept
//! source cannot repeat, memory only                              lost with the process
//! ```

use std::collections::{HashMap, HashSet};

use millrun_config::{Element, Span};
use millrun_pattern::{TagIndex, TagPatterns};

use crate::graph::HOPS_MAX;
use crate::view::{Scope, views};

/// What happens to a line when any process is killed at any instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromiseName {
    /// It may be lost.
    LostWithProcess,
    /// Once it is committed it arrives; before that it may be lost.
    KeptOnceCommitted,
    /// It arrives, perhaps more than once.
    AtLeastOnce,
    /// It arrives once.
    ExactlyOnce,
}

impl PromiseName {
    /// The promise in words.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::LostWithProcess => "lost with the process",
            Self::KeptOnceCommitted => "kept once committed",
            Self::AtLeastOnce => "at least once",
            Self::ExactlyOnce => "exactly once",
        }
    }
}

/// What holds on the ways from one source to one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The promise.
    pub name: PromiseName,
    /// Why it is not a better one; empty for the best.
    pub reason: &'static str,
    /// The source's plugin.
    pub source: String,
    /// Where the source is written.
    pub source_span: Span,
    /// The output's plugin.
    pub output: String,
    /// Where the output is written.
    pub output_span: Span,
}

/// The promises of a configuration, each way from a source to an output once.
pub(crate) fn promises(root: &Element, workers: u32) -> Vec<Promise> {
    let mut promises = Vec::new();
    let mut known = HashSet::new();
    for view in views(root, workers) {
        let scopes: HashMap<String, Matches<'_>> = view
            .scopes()
            .into_iter()
            .map(|scope| (scope.name().to_owned(), Matches::of(&scope)))
            .collect();
        for source in view.sources() {
            let mut walk = Walk {
                scopes: &scopes,
                source,
                known: &mut known,
                promises: &mut promises,
            };
            walk.label(source.text("@label").unwrap_or("@ROOT"), 0);
        }
    }
    promises
}

/// The matches of a scope, and which of them a tag may meet.
struct Matches<'a> {
    rules: Vec<(&'a Element, TagPatterns)>,
    index: TagIndex,
}

impl<'a> Matches<'a> {
    fn of(scope: &Scope<'a>) -> Self {
        let matches = scope.rules.iter().filter(|rule| rule.name() == "match");
        // Without errors all patterns compile.
        let compiled = matches.filter_map(|rule| {
            let patterns = TagPatterns::compile(rule.argument()).ok()?;
            Some((*rule, patterns))
        });
        let rules: Vec<_> = compiled.collect();
        Self {
            index: TagIndex::new(rules.iter().map(|(_, patterns)| patterns)),
            rules,
        }
    }

    /// Those that may take one of these tags; in doubt they may.
    fn meeting(&self, tags: &Tags<'_>) -> Vec<&'a Element> {
        let found = |numbers: Vec<usize>| {
            let rules = numbers.into_iter();
            rules.filter_map(|number| self.rules.get(number))
        };
        match tags {
            // The first match that takes the only tag is the only one.
            Tags::One(tag) => {
                let mut rules = found(self.index.candidates(tag));
                let first = rules.find(|(_, patterns)| patterns.matches(tag));
                first.map(|(rule, _)| *rule).into_iter().collect()
            }
            Tags::Beginning(text) => found(self.index.candidates_beginning(text))
                .filter(|(rule, _)| may_begin(rule.argument(), text))
                .map(|(rule, _)| *rule)
                .collect(),
        }
    }
}

struct Walk<'a> {
    scopes: &'a HashMap<String, Matches<'a>>,
    source: &'a Element,
    known: &'a mut HashSet<(Span, Span)>,
    promises: &'a mut Vec<Promise>,
}

/// What is known of the tags of a source.
enum Tags<'a> {
    /// The only one.
    One(&'a str),
    /// What they begin with.
    Beginning(&'a str),
}

impl<'a> Tags<'a> {
    fn of(source: &'a Element) -> Self {
        let tag = source.text("tag").unwrap_or("*");
        match tag.find(['*', '$']) {
            Some(end) => Self::Beginning(tag.get(..end).unwrap_or("")),
            None => Self::One(tag),
        }
    }
}

/// Whether a pattern may match a tag that begins with a text.
fn may_begin(argument: &str, text: &str) -> bool {
    let mut patterns = argument.split_ascii_whitespace().peekable();
    let is_empty = patterns.peek().is_none();
    is_empty || patterns.any(|pattern| begin_alike(pattern, text))
}

fn begin_alike(pattern: &str, tag: &str) -> bool {
    if pattern.starts_with('/') {
        return true;
    }
    let (literal, rest) = match pattern.find(['*', '{', '\\']) {
        Some(end) => pattern.split_at(end),
        None => (pattern, ""),
    };
    // The dot before `**` is optional.
    let literal = match rest.starts_with("**") {
        true => literal.strip_suffix('.').unwrap_or(literal),
        false => literal,
    };
    literal.starts_with(tag) || tag.starts_with(literal)
}

impl Walk<'_> {
    fn label(&mut self, label: &str, hops: usize) {
        let Some(scope) = self.scopes.get(label).filter(|_| hops < HOPS_MAX) else {
            return;
        };
        let tags = Tags::of(self.source);
        for rule in scope.meeting(&tags) {
            self.output(rule, hops + 1);
        }
    }

    fn output(&mut self, element: &Element, hops: usize) {
        // Also ends a walk in circles.
        if !self.known.insert((self.source.span(), element.span())) {
            return;
        }
        let kind = element.plugin_type().unwrap_or_default();
        match kind {
            "copy" | "roundrobin" => {
                for store in element.elements_named("store") {
                    self.output(store, hops + 1);
                }
            }
            "relabel" => {
                if let Some(label) = element.text("@label") {
                    self.label(label, hops + 1);
                }
            }
            // They emit again, by default where the events of sources enter. Which tags that will be hangs on the events.
            "rewrite_tag_filter" | "detect_exceptions" => {
                self.emitted_again(element, hops + 1);
            }
            // Its files are emptied only when the events are kept elsewhere; its memory is as any other.
            "buffer" => {
                if keeping(element) == Keeping::Memory {
                    let (name, reason) = promise(self.source, element);
                    self.promised(element, name, reason);
                }
                self.label(element.text("@label").unwrap_or("@ROOT"), hops + 1);
            }
            // What is thrown away on purpose needs no promise.
            "null" => {}
            _ => {
                let (name, reason) = promise(self.source, element);
                self.promised(element, name, reason);
            }
        }
    }

    fn promised(&mut self, output: &Element, name: PromiseName, reason: &'static str) {
        self.promises.push(Promise {
            name,
            reason,
            source: self.source.plugin_type().unwrap_or_default().to_owned(),
            source_span: self.source.span(),
            output: output.plugin_type().unwrap_or_default().to_owned(),
            output_span: output.span(),
        });
    }
}

impl Walk<'_> {
    /// The outputs that events with new tags may reach.
    fn emitted_again(&mut self, output: &Element, hops: usize) {
        let own = output.text("@label").unwrap_or("@ROOT");
        let rules = output.elements_named("rule");
        let labels = rules.filter_map(|rule| rule.text("label"));
        for label in labels.chain([own]) {
            let Some(scope) = self.scopes.get(label).filter(|_| hops < HOPS_MAX) else {
                continue;
            };
            for (rule, _) in &scope.rules {
                self.output(rule, hops + 1);
            }
        }
    }
}

/// What keeps events on their way to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// The output has no buffer.
    Nothing,
    /// A memory buffer.
    Memory,
    /// A file buffer.
    Files,
}

fn promise(source: &Element, output: &Element) -> (PromiseName, &'static str) {
    let kind = output.plugin_type().unwrap_or_default();
    promise_of(
        source.plugin_type().unwrap_or_default(),
        keeping(output),
        kind,
    )
}

fn keeping(output: &Element) -> Keeping {
    let kind = output.plugin_type().unwrap_or_default();
    let buffer = output.elements_named("buffer").next();
    match buffer.map(|buffer| buffer.plugin_type()) {
        Some(Some(buffer)) if buffer.starts_with("file") => Keeping::Files,
        // The default of these outputs is a file buffer.
        Some(None) | None if kind == "file" || kind == "buffer" => Keeping::Files,
        None if kind == "stdout" => Keeping::Nothing,
        Some(_) | None => Keeping::Memory,
    }
}

/// What is promised on the way from a source plugin to an output plugin, and why not more (nothing for the best).
///
/// What each plugin can do, as the contract's table has it; any other one can do least.
#[must_use]
pub fn promise_of(source: &str, keeping: Keeping, output: &str) -> (PromiseName, &'static str) {
    let repeats = matches!(source, "tail" | "forward" | "http" | "systemd");
    let is_read_again = matches!(source, "tail" | "systemd");
    match (repeats, keeping) {
        (true, Keeping::Files) if output == "file" && source == "tail" => {
            (PromiseName::ExactlyOnce, "")
        }
        (true, Keeping::Files) if output == "file" => (
            PromiseName::AtLeastOnce,
            "the source repeats what was not answered",
        ),
        (true, Keeping::Files) if output == "forward" => (
            PromiseName::AtLeastOnce,
            "exactly once only if the receiver is millrun with file buffers",
        ),
        (true, Keeping::Files) => (
            PromiseName::AtLeastOnce,
            "the output only knows that it was answered",
        ),
        (true, Keeping::Nothing) => (
            PromiseName::AtLeastOnce,
            "what was printed is printed again after a crash",
        ),
        (true, Keeping::Memory) if is_read_again => (
            PromiseName::AtLeastOnce,
            "the buffer is memory; the source is read again after a crash",
        ),
        // Its sender was answered when the event was in memory.
        (true, Keeping::Memory) => (
            PromiseName::LostWithProcess,
            "the buffer is memory, and the sender does not repeat what was answered",
        ),
        (false, Keeping::Files) => (
            PromiseName::KeptOnceCommitted,
            "the source cannot repeat what was not committed",
        ),
        (false, Keeping::Memory | Keeping::Nothing) => (
            PromiseName::LostWithProcess,
            "the buffer is memory and the source cannot repeat",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_config::{NoIncludes, NoRuby, parse_str};

    #[test]
    fn each_way_has_its_promise() {
        let text = "
            <source>\n @type tail\n tag a\n </source>
            <source>\n @type udp\n @label @L\n </source>
            <match a>\n @type copy
              <store>\n @type file\n </store>
              <store>\n @type forward\n </store>
              <store>\n @type forward\n <buffer>\n @type file\n </buffer>\n </store>
              <store>\n @type relabel\n @label @L\n </store>
            </match>
            <match **>\n @type never\n </match>
            <label @L>\n <match **>\n @type http\n </match>\n </label>";
        let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
        let found = promises(&parsed.root, 1).into_iter().map(|promise| {
            let Promise {
                name,
                source,
                output,
                ..
            } = promise;
            format!("{source} → {output}: {}", name.as_words())
        });
        assert_eq!(
            found.collect::<Vec<_>>(),
            [
                "tail → file: exactly once",
                "tail → forward: at least once",
                "tail → forward: at least once",
                "tail → http: at least once",
                "udp → http: lost with the process",
            ]
        );
    }

    #[test]
    fn events_with_new_tags_may_reach_any_output_of_their_scope() {
        let text = "
            <source>\n @type tail\n tag a\n </source>
            <match a>\n @type rewrite_tag_filter\n <rule>\n label @L\n </rule>\n </match>
            <match b>\n @type file\n </match>
            <label @L>\n <match **>\n @type forward\n </match>\n </label>";
        let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
        let found = promises(&parsed.root, 1).into_iter();
        let found: Vec<_> = found.map(|promise| promise.output).collect();
        assert_eq!(found, ["forward", "file"]);
    }
}
