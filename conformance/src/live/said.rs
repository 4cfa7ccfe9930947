//! What a program writes for people: compared where its words are an interface, and elsewhere by
//! whether anything is said at all.
//!
//! ```text
//! a log line             by the catalogue of promised lines (promises.rs)
//! an indented line       belongs to the entry before: part of a dump, or a place in a file
//! a usage                by its options: each that is recorded must be known
//! a back-trace of Ruby   by there being a message
//! any other line         by its words
//! ```

use regex::Regex;
use serde_json::{Value, json};

use super::compare::Comparison;
use super::promises::Promise;
use super::scene::log_line;
use crate::case::member;

/// In these a back-trace names places in the reference's installation.
const TRACE_MARKS: [&str; 3] = ["$LIB/", "$RUBY", "$SYS"];

/// How a log file of the reference begins.
const LOG_FILE_HEAD: &str = "# Logfile created on";

/// Compares what a command answered: `{rc, stdout: [line …], stderr: [line …]}`.
pub(crate) fn command(
    comparison: &mut Comparison<'_>,
    pointer: &str,
    recorded: &Value,
    ours: &Value,
) {
    let part = |value: &Value, key: &str| value.get(key).cloned().unwrap_or_default();
    comparison.value(
        &format!("{pointer}/rc"),
        &part(recorded, "rc"),
        &part(ours, "rc"),
    );
    let lines = |value: &Value, key: &str| texts(&part(value, key));
    // Which of the two a fault is told on, is no interface.
    let together = [lines(ours, "stdout"), lines(ours, "stderr")].concat();
    let recorded_together = [lines(recorded, "stdout"), lines(recorded, "stderr")].concat();
    if is_trace(&recorded_together) {
        if together.iter().all(String::is_empty) {
            comparison.tell(&format!("{pointer}/stderr"), "a message", "nothing");
        }
        return;
    }
    let is_usage = |line: &String| line.trim().starts_with("Usage:");
    if recorded_together.iter().any(is_usage) {
        return usage(
            comparison,
            &format!("{pointer}/stdout"),
            &recorded_together,
            &together,
        );
    }
    comparison.lines(
        &format!("{pointer}/stdout"),
        &lines(recorded, "stdout"),
        &lines(ours, "stdout"),
    );
    // A command that fails may say more of why than the recorded one.
    let (recorded_lines, our_lines) = (lines(recorded, "stderr"), lines(ours, "stderr"));
    let failed = part(recorded, "rc").as_i64() != Some(0);
    if !(failed && recorded_lines.iter().all(String::is_empty)) {
        comparison.lines(&format!("{pointer}/stderr"), &recorded_lines, &our_lines);
    }
}

/// Whether a text consists of log lines.
pub(crate) fn is_log(text: &Value) -> bool {
    let line = text.as_str().and_then(|text| text.lines().next());
    line.is_some_and(|line| is_log_line(line) || line.starts_with(LOG_FILE_HEAD))
}

/// The recorded lines of a log, whole ones, and ours.
pub(crate) fn log(comparison: &mut Comparison<'_>, pointer: &str, recorded: &Value, ours: &Value) {
    comparison.lines(pointer, &texts(recorded), &texts(ours));
}

impl Comparison<'_> {
    /// Compares lines by what is an interface of them.
    fn lines(&mut self, pointer: &str, recorded: &[String], ours: &[String]) {
        let (recorded, ours) = (
            interface(recorded, self.promise),
            interface(ours, self.promise),
        );
        if recorded != ours {
            self.value(pointer, &json!(recorded), &json!(ours));
        }
    }
}

/// Each option of a usage is known to ours.
fn usage(comparison: &mut Comparison<'_>, pointer: &str, recorded: &[String], ours: &[String]) {
    let Ok(option) = Regex::new(r"(?:^|[\s,])(--?[A-Za-z][\w-]*)") else {
        return;
    };
    let options = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter().flat_map(|line| option.captures_iter(line));
        lines.map(|found| found[1].to_owned()).collect()
    };
    let known = options(ours);
    let missing: Vec<String> = options(recorded)
        .into_iter()
        .filter(|option| !known.contains(option))
        .collect();
    if !missing.is_empty() {
        comparison.tell(pointer, json!(missing), "not in the usage");
    }
}

/// What of these lines is compared.
fn interface(lines: &[String], promise: Promise) -> Vec<String> {
    let unindented = lines.iter().filter(|line| {
        let is_part = line.starts_with([' ', '\t', '<']) || line.starts_with(LOG_FILE_HEAD);
        !line.is_empty() && !is_part && !is_diagnostic(line)
    });
    unindented
        .filter_map(|line| {
            if !is_log_line(line) {
                return Some(line.clone());
            }
            let line = log_entry(line);
            let promised = promise.of(std::iter::once((None, line.as_str())));
            promised.into_iter().next().map(|(_, line)| line)
        })
        .collect()
}

/// Whether a line shows a fault of the configuration at its place, as no other program does.
fn is_diagnostic(line: &str) -> bool {
    let is_quoted = line
        .split_once(" | ")
        .is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
    is_quoted || line.starts_with("error: ") || line.starts_with("warning: ")
}

fn is_log_line(line: &str) -> bool {
    log_entry(line).starts_with('[')
}

/// A log line from its level on: `[warn]: …`, as text or as JSON.
fn log_entry(line: &str) -> String {
    if let Ok(Value::Object(members)) = serde_json::from_str::<Value>(line) {
        let text = |key: &str| {
            member(&members, key)
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        return format!("[{}]: {}", text("level"), text("message"));
    }
    match line.strip_prefix("$T ") {
        Some(rest) => rest.to_owned(),
        None => log_line(line).1,
    }
}

fn is_trace(lines: &[String]) -> bool {
    let marked = |line: &String| TRACE_MARKS.iter().any(|mark| line.contains(mark));
    lines.iter().any(marked)
}

/// The lines of a list, or of a text.
fn texts(value: &Value) -> Vec<String> {
    if let Some(text) = value.as_str() {
        return text.lines().map(str::to_owned).collect();
    }
    let lines = value.as_array().into_iter().flatten();
    lines
        .map(|line| line.as_str().unwrap_or_default().to_owned())
        .collect()
}
