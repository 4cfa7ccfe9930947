//! The `<worker>` sections of a configuration (fluentd.md section 2.8).
//!
//! ```text
//! <worker 2>     worker 2 alone: its plugins see an instance of one worker
//! <worker 0-1>   workers 0 and 1: its plugins see an instance of two
//! ```
//!
//! A worker runs what stands outside of these sections, then what stands in those that name it.

use millrun_config::{Diagnostic, Diagnostics, Element};

/// What a `<worker>` section may hold.
const DIRECTIVES: [&str; 4] = ["source", "match", "filter", "label"];

/// The workers that a section is for, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerIds {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl WorkerIds {
    /// The workers of a section's argument, read as leniently as Fluentd reads it. `None` without
    /// an argument.
    pub(crate) fn read(argument: &str) -> Option<Self> {
        if argument.is_empty() {
            return None;
        }
        let (first, last) = match range(argument) {
            Some((first, last)) => (leading_number(first), leading_number(last)),
            None => (leading_number(argument), leading_number(argument)),
        };
        Some(Self { first, last })
    }

    pub(crate) fn contains(self, worker: u32) -> bool {
        (self.first..=self.last).contains(&worker)
    }

    /// How many workers these are.
    pub(crate) fn count(self) -> u32 {
        self.last
            .checked_sub(self.first)
            .map_or(0, |rest| rest.saturating_add(1))
    }
}

/// The two sides of the one hyphen that has something behind it.
fn range(argument: &str) -> Option<(&str, &str)> {
    let (first, last) = argument.split_once('-')?;
    (!last.is_empty() && !last.contains('-')).then_some((first, last))
}

/// The number a text begins with, else 0.
fn leading_number(text: &str) -> u32 {
    let text = text.trim_start();
    let digits = text.find(|character: char| !character.is_ascii_digit());
    let digits = text.get(..digits.unwrap_or(text.len())).unwrap_or("");
    match digits.parse() {
        Ok(number) => number,
        Err(_) if digits.is_empty() => 0,
        Err(_) => u32::MAX,
    }
}

/// Says what is wrong with the `<worker>` sections of an instance of so many workers.
pub(crate) fn check_workers(root: &Element, workers: u32, diagnostics: &mut Diagnostics) {
    let mut ranges: Vec<(WorkerIds, &Element)> = Vec::new();
    for section in root.elements_named("worker") {
        let Some(ids) = WorkerIds::read(section.argument()) else {
            let error = Diagnostic::error("Missing worker id on <worker> directive");
            let error = error.at(section.span(), "for which worker?");
            diagnostics.push(error.hint("write <worker 0>, or <worker 0-1> for several"));
            continue;
        };
        check_ids(section, ids, workers, diagnostics);
        if range(section.argument()).is_some() {
            check_collision(section, ids, workers, &ranges, diagnostics);
            ranges.push((ids, section));
        }
        check_content(section, diagnostics);
    }
}

fn check_ids(section: &Element, ids: WorkerIds, workers: u32, diagnostics: &mut Diagnostics) {
    let WorkerIds { first, last } = ids;
    let highest = workers.saturating_sub(1);
    if first > last {
        let message = format!(
            "greater first_worker_id<{first}> than last_worker_id<{last}> specified by <worker> \
             directive is not allowed. Available multi worker assign syntax is \
             <smaller_worker_id>-<greater_worker_id>"
        );
        let error = Diagnostic::error(message).at(section.span(), "from the greater to the lesser");
        return diagnostics.push(error.hint(format!("write <worker {last}-{first}>")));
    }
    if last > highest {
        let outside = first.max(workers);
        let message = format!(
            "worker id {outside} specified by <worker> directive is not allowed. Available worker \
             id is between 0 and {highest}"
        );
        let error = Diagnostic::error(message).at(section.span(), "there is no such worker");
        let needed = last.saturating_add(1);
        return diagnostics.push(error.hint(format!("write 'workers {needed}' in <system>")));
    }
    let meant = match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    if section.argument() != meant {
        let message = format!("'{}' is read as worker {meant}", section.argument());
        let warning = Diagnostic::warning(message).at(section.span(), "expected N or N-M");
        diagnostics.push(warning.hint(format!("write <worker {meant}>")));
    }
}

/// A worker must not be in two sections that name several.
fn check_collision(
    section: &Element,
    ids: WorkerIds,
    workers: u32,
    ranges: &[(WorkerIds, &Element)],
    diagnostics: &mut Diagnostics,
) {
    let taken = ranges
        .iter()
        .filter(|(other, _)| other.first <= ids.last && ids.first <= other.last)
        .min_by_key(|(other, _)| other.first.max(ids.first));
    let Some((other, earlier)) = taken else {
        return;
    };
    let worker = other.first.max(ids.first);
    let is_free = |id: &u32| {
        let is_used = ranges.iter().any(|(range, _)| range.contains(*id));
        !is_used && !(ids.first..=worker).contains(id)
    };
    let free: Vec<_> = (0..workers).filter(is_free).take(FREE_SHOWN_MAX).collect();
    let message = format!(
        "specified worker_id<{worker}> collisions is detected on <worker> directive. Available \
         worker id(s): {free:?}"
    );
    let error = Diagnostic::error(message).at(section.span(), "named again here");
    diagnostics.push(error.and(earlier.span(), "named first here"));
}

/// Most workers that are named as free.
const FREE_SHOWN_MAX: usize = 64;

fn check_content(section: &Element, diagnostics: &mut Diagnostics) {
    for inner in section.elements() {
        let name = inner.name();
        if !DIRECTIVES.contains(&name) {
            let message = format!("<worker> section cannot have <{name}> directive");
            let error = Diagnostic::error(message).at(inner.span(), "not in this section");
            let allowed = "a <worker> section has <source>, <match>, <filter> and <label>";
            diagnostics.push(error.hint(allowed));
        }
    }
    for entry in section.parameters() {
        let message = format!("parameter '{}' in {section} is not used.", entry.name);
        diagnostics.push(Diagnostic::warning(message).at(entry.name_span, ""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_config::{NoIncludes, NoRuby, RenderStyle, parse_str};

    fn says(text: &str, workers: u32) -> String {
        let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
        let mut diagnostics = parsed.diagnostics;
        check_workers(&parsed.root, workers, &mut diagnostics);
        diagnostics.render(&parsed.sources, RenderStyle::Plain)
    }

    #[test]
    fn ids_are_read_as_leniently_as_fluentd_reads_them() {
        let read = |argument| WorkerIds::read(argument).map(|ids| (ids.first, ids.last));
        assert_eq!(read("3"), Some((3, 3)));
        assert_eq!(read("0-2"), Some((0, 2)));
        assert_eq!(read("a"), Some((0, 0)));
        assert_eq!(read("0,1"), Some((0, 0)));
        assert_eq!(read("-1"), Some((0, 1)));
        assert_eq!(read("1-"), Some((1, 1)));
        assert_eq!(read("1-2-3"), Some((1, 1)));
        assert_eq!(read("99999999999"), Some((u32::MAX, u32::MAX)));
        assert_eq!(read(""), None);
        assert_eq!(WorkerIds { first: 3, last: 0 }.count(), 0);
        assert_eq!(WorkerIds { first: 1, last: 3 }.count(), 3);
    }

    #[test]
    fn sound_sections_need_no_word() {
        let text = "<worker 0>\n<source>\n</source>\n</worker>\n<worker 0>\n</worker>\n<worker 1-2>\n</worker>\n";
        assert_eq!(says(text, 3), "");
    }

    #[test]
    fn every_fault_of_a_section_is_told() {
        let text = "<worker>\n</worker>\n<worker 2-0>\n</worker>\n<worker 3>\n</worker>\n<worker a>\n</worker>\n";
        assert_eq!(
            says(text, 3),
            "\
error: Missing worker id on <worker> directive
 --> f.conf:1:1
  |
1 | <worker>
  | ^^^^^^^^ for which worker?
  |
  = help: write <worker 0>, or <worker 0-1> for several

error: greater first_worker_id<2> than last_worker_id<0> specified by <worker> directive is not allowed. Available multi worker assign syntax is <smaller_worker_id>-<greater_worker_id>
 --> f.conf:3:1
  |
3 | <worker 2-0>
  | ^^^^^^^^^^^^ from the greater to the lesser
  |
  = help: write <worker 0-2>

error: worker id 3 specified by <worker> directive is not allowed. Available worker id is between 0 and 2
 --> f.conf:5:1
  |
5 | <worker 3>
  | ^^^^^^^^^^ there is no such worker
  |
  = help: write 'workers 4' in <system>

warning: 'a' is read as worker 0
 --> f.conf:7:1
  |
7 | <worker a>
  | ^^^^^^^^^^ expected N or N-M
  |
  = help: write <worker 0>"
        );
    }

    #[test]
    fn workers_in_two_ranges_and_what_does_not_belong_there() {
        let text =
            "<worker 0-1>\n  odd 1\n</worker>\n<worker 1-2>\n  <system>\n  </system>\n</worker>\n";
        assert_eq!(
            says(text, 4),
            "\
warning: parameter 'odd' in <worker 0-1> is not used.
 --> f.conf:2:3
  |
2 |   odd 1
  |   ^^^

error: specified worker_id<1> collisions is detected on <worker> directive. Available worker id(s): [2, 3]
 --> f.conf:4:1
  |
1 | <worker 0-1>
  | ------------ named first here
...
4 | <worker 1-2>
  | ^^^^^^^^^^^^ named again here

error: <worker> section cannot have <system> directive
 --> f.conf:5:3
  |
5 |   <system>
  |   ^^^^^^^^ not in this section
  |
  = help: a <worker> section has <source>, <match>, <filter> and <label>"
        );
    }
}
