//! File name patterns, as Ruby's `Dir.glob` reads them.
//!
//! `*` and `?` match within one name and never a leading dot; `[a-z]`, `[^a-z]` and `[!a-z]` match
//! one character of a name; `**/` matches any number of directories; `{a,b}` is either. Our own
//! because the walk goes through [`FileSystem`], and because a directory without a wildcard in
//! its name is never listed: `/var/log/*/app.log` needs no permission to list `/var`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::files::FileSystem;

/// How many directories deep `**` descends.
const DEPTH_MAX: usize = 32;

/// Most alternatives that the braces of one pattern may stand for.
const ALTERNATIVES_MAX: usize = 1024;

/// Most paths one pattern gives. What is beyond is not followed.
pub(crate) const MATCHES_MAX: usize = 100_000;

/// The paths that match `pattern`, sorted. Links are followed for directories on the way.
pub(crate) fn glob<S: FileSystem>(files: &S, pattern: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for pattern in alternatives(pattern) {
        let start = if pattern.starts_with('/') { "/" } else { "" };
        let names: Vec<&str> = pattern.split('/').filter(|name| !name.is_empty()).collect();
        walk(files, Path::new(start), &names, DEPTH_MAX, &mut found);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// True when a character of `text` would make it a pattern.
pub(crate) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn walk<S: FileSystem>(
    files: &S,
    directory: &Path,
    names: &[&str],
    depth: usize,
    found: &mut Vec<PathBuf>,
) {
    let Some((name, rest)) = names.split_first() else {
        if found.len() < MATCHES_MAX {
            found.push(directory.to_owned());
        }
        return;
    };
    if !has_wildcard(name) {
        let path = directory.join(name);
        // The last name is looked at here: a pattern gives only what exists.
        if !rest.is_empty() || files.stat(&path).is_ok() {
            walk(files, &path, rest, depth, found);
        }
        return;
    }
    let listed = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let descends = *name == "**" && !rest.is_empty();
    if descends {
        walk(files, directory, rest, depth, found);
    }
    let Ok(entries) = files.list(listed) else {
        return;
    };
    for entry in entries {
        let Some(entry) = entry.path.file_name() else {
            continue;
        };
        let path = directory.join(entry);
        let is_directory = || files.stat(&path).is_ok_and(|stat| stat.is_directory);
        if descends {
            if depth > 0 && !entry.as_bytes().starts_with(b".") && is_directory() {
                walk(files, &path, names, depth - 1, found);
            }
        } else if name_matches(name, entry) && (rest.is_empty() || is_directory()) {
            walk(files, &path, rest, depth, found);
        }
    }
}

/// Whether one name matches one part of a pattern.
fn name_matches(pattern: &str, name: &OsStr) -> bool {
    let name = name.as_bytes();
    if name.starts_with(b".") && !pattern.starts_with('.') {
        return false;
    }
    matches(pattern.as_bytes(), name)
}

/// Backtracks to the last `*` only, which suffices, and so takes `pattern × name` steps at most.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry = None;
    loop {
        let step = match (pattern.get(at), name.get(from)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((at, from));
                at += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => Some(1),
            (Some(b'['), Some(byte)) => class_length(pattern.get(at..).unwrap_or_default(), *byte),
            (Some(b'\\'), Some(byte)) if pattern.get(at + 1) == Some(byte) => Some(2),
            (Some(expected), Some(byte)) if expected == byte => Some(1),
            _ => None,
        };
        if let Some(step) = step {
            at += step;
            from += 1;
        } else if let Some((star, start)) = retry.filter(|(_, start)| *start < name.len()) {
            retry = Some((star, start + 1));
            (at, from) = (star + 1, start + 1);
        } else {
            return false;
        }
    }
}

/// The length of the class `[…]` that `pattern` begins with, if it matches `byte`.
fn class_length(pattern: &[u8], byte: u8) -> Option<usize> {
    let close = pattern.iter().skip(2).position(|byte| *byte == b']')? + 2;
    let inner = pattern.get(1..close)?;
    let (negated, inner) = match inner {
        [b'^' | b'!', inner @ ..] => (true, inner),
        inner => (false, inner),
    };
    let mut rest = inner;
    let mut is_in = false;
    while let Some((first, after)) = rest.split_first() {
        if let [b'-', last, after @ ..] = after {
            is_in |= (*first..=*last).contains(&byte);
            rest = after;
        } else {
            is_in |= *first == byte;
            rest = after;
        }
    }
    (is_in != negated).then_some(close + 1)
}

/// The patterns that the braces of `pattern` stand for.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        match split_braces(&pattern) {
            Some((before, choices, after)) if done.len() + open.len() < ALTERNATIVES_MAX => {
                open.extend(
                    choices
                        .iter()
                        .rev()
                        .map(|choice| format!("{before}{choice}{after}")),
                );
            }
            _ => done.push(pattern),
        }
    }
    done
}

/// What stands before, in and behind the first pair of braces.
fn split_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let start = pattern.find('{')?;
    let (mut depth, mut choices) = (0u32, Vec::new());
    let mut choice_start = start + 1;
    for (at, character) in pattern.char_indices().skip_while(|(at, _)| *at < start) {
        match character {
            '{' => depth += 1,
            ',' if depth == 1 => {
                choices.push(pattern.get(choice_start..at)?);
                choice_start = at + 1;
            }
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    choices.push(pattern.get(choice_start..at)?);
                    return Some((pattern.get(..start)?, choices, pattern.get(at + 1..)?));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::tail::files::System;
    use proptest::prelude::*;

    fn found(names: &[&str], pattern: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let pattern = format!("{}/{pattern}", directory.path().display());
        glob(&System, &pattern)
            .into_iter()
            .map(|path| {
                path.strip_prefix(directory.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn wildcards_match_within_a_name() {
        let names = [
            "a.log",
            "ab.log",
            ".hidden.log",
            "b.txt",
            "d/c.log",
            "d/e/f.log",
        ];
        assert_eq!(found(&names, "*.log"), ["a.log", "ab.log"]);
        assert_eq!(found(&names, ".*.log"), [".hidden.log"]);
        assert_eq!(found(&names, "?.*"), ["a.log", "b.txt"]);
        assert_eq!(found(&names, "[^b].*"), ["a.log"]);
        assert_eq!(found(&names, "[a-b].[lt]*"), ["a.log", "b.txt"]);
        assert_eq!(found(&names, "*/*.log"), ["d/c.log"]);
        assert_eq!(found(&names, "d/*/f.log"), ["d/e/f.log"]);
        assert_eq!(
            found(&names, "**/*.log"),
            ["a.log", "ab.log", "d/c.log", "d/e/f.log"]
        );
        assert_eq!(found(&names, "{a,d/c}.log"), ["a.log", "d/c.log"]);
        assert_eq!(found(&names, "none*"), [""; 0]);
        assert_eq!(found(&names, "*/none"), [""; 0]);
    }

    #[test]
    fn nested_braces_multiply() {
        assert_eq!(
            alternatives("{a,b{1,2}}{x,}"),
            ["ax", "a", "b1x", "b1", "b2x", "b2"]
        );
        assert_eq!(alternatives("{open"), ["{open"]);
    }

    /// Recursion over every way to split, exponential and plain.
    fn oracle(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|taken| oracle(rest, &name[taken..])),
            Some((b'?', rest)) => !name.is_empty() && oracle(rest, &name[1..]),
            Some((byte, rest)) => name.first() == Some(byte) && oracle(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn stars_agree_with_the_slow_way(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                oracle(pattern.as_bytes(), name.as_bytes())
            );
        }

        #[test]
        fn nothing_makes_it_panic(pattern in prop::collection::vec(any::<u8>(), 0..20), name in prop::collection::vec(any::<u8>(), 0..20)) {
            matches(&pattern, &name);
        }
    }
}
