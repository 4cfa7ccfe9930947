//! File name patterns: `*`, `?`, `[a-z]`, `[^a]`, `{a,b}` and `**` for any number of directories.
//!
//! As in Ruby's `Dir.glob`, a leading dot is matched only by a dot in the pattern, and `**`
//! follows no symbolic link.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// Most patterns that braces may stand for.
const MAX_ALTERNATIVES: usize = 1000;

/// Deepest directory that `**` looks into.
const MAX_DIRECTORY_DEPTH: usize = 64;

/// The paths on disk that a pattern matches, sorted.
pub(crate) fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = BTreeSet::new();
    for pattern in braces(&pattern.to_string_lossy()) {
        let components = components(Path::new(&pattern));
        let start = if Path::new(&pattern).is_absolute() {
            "/"
        } else {
            ""
        };
        walk(PathBuf::from(start), &components, 0, &mut found)?;
    }
    Ok(found.into_iter().collect())
}

/// Whether a path fits a pattern, without looking at any disk.
pub(crate) fn matches(pattern: &Path, path: &Path) -> bool {
    let path: Vec<_> = components(path);
    braces(&pattern.to_string_lossy())
        .iter()
        .any(|pattern| components_match(&components(Path::new(pattern)), &path))
}

fn components(path: &Path) -> Vec<String> {
    let mut components: Vec<_> = path
        .components()
        .filter_map(|component| match component {
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
            Component::ParentDir => Some("..".to_owned()),
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        })
        .collect();
    // Several in a row mean what one does, and would be tried in every combination.
    components.dedup_by(|a, b| a == "**" && b == "**");
    components
}

fn walk(
    directory: PathBuf,
    patterns: &[String],
    depth: usize,
    found: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    let Some((pattern, rest)) = patterns.split_first() else {
        found.insert(directory);
        return Ok(());
    };
    if pattern == "**" && depth < MAX_DIRECTORY_DEPTH && !rest.is_empty() {
        walk(directory.clone(), rest, depth, found)?;
        for (name, is_directory) in entries(&directory)? {
            if is_directory && !name.starts_with('.') {
                walk(directory.join(name), patterns, depth + 1, found)?;
            }
        }
        return Ok(());
    }
    if !pattern.contains(['*', '?', '[', '\\']) {
        let path = directory.join(pattern);
        return if path.exists() {
            walk(path, rest, depth, found)
        } else {
            Ok(())
        };
    }
    for (name, _) in entries(&directory)? {
        if name_matches(pattern, &name) {
            let path = directory.join(&name);
            if rest.is_empty() || path.is_dir() {
                walk(path, rest, depth, found)?;
            }
        }
    }
    Ok(())
}

/// The names in a directory and whether each is a directory itself; none if there is no such
/// directory.
fn entries(directory: &Path) -> io::Result<Vec<(String, bool)>> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A name that is no UTF-8 cannot be written in a configuration, so no pattern means it.
        if let Some(name) = entry.file_name().to_str() {
            names.push((name.to_owned(), entry.file_type()?.is_dir()));
        }
    }
    names.sort();
    Ok(names)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn components_match(patterns: &[String], names: &[String]) -> bool {
    match (patterns.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((pattern, rest)), _) if pattern == "**" && !rest.is_empty() => {
            components_match(rest, names)
                || names.split_first().is_some_and(|(name, names)| {
                    !name.starts_with('.') && components_match(patterns, names)
                })
        }
        (Some((pattern, patterns)), Some((name, names))) => {
            name_matches(pattern, name) && components_match(patterns, names)
        }
        _ => false,
    }
}

/// Whether one name fits one component. Only the last `*` is ever tried again, which is enough
/// and keeps the cost at the product of the lengths.
fn name_matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    loop {
        match (pattern.get(p), name.get(n)) {
            (Some('*'), _) => {
                retry = Some((p, n));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(_), Some(character)) => {
                if let Some(length) = one_matches(pattern.get(p..).unwrap_or(&[]), *character) {
                    p += length;
                    n += 1;
                    continue;
                }
            }
            _ => {}
        }
        match retry {
            Some((star, start)) if start < name.len() => {
                retry = Some((star, start + 1));
                p = star + 1;
                n = start + 1;
            }
            _ => return false,
        }
    }
}

/// Whether the pattern's first item fits a character, and how long that item is.
fn one_matches(pattern: &[char], character: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['\\', escaped, ..] => (*escaped == character).then_some(2),
        ['[', class @ ..] => {
            // A class without an end is a bracket.
            let Some(end) = class
                .iter()
                .skip(1)
                .position(|c| *c == ']')
                .map(|end| end + 1)
            else {
                return (character == '[').then_some(1);
            };
            let class = class.get(..end).unwrap_or(&[]);
            let (class, is_negated) = match class {
                ['^' | '!', class @ ..] => (class, true),
                class => (class, false),
            };
            (class_contains(class, character) != is_negated).then_some(end + 2)
        }
        [literal, ..] => (*literal == character).then_some(1),
        [] => None,
    }
}

fn class_contains(mut class: &[char], character: char) -> bool {
    loop {
        class = match class {
            [first, '-', last, rest @ ..] => {
                if (*first..=*last).contains(&character) {
                    return true;
                }
                rest
            }
            [first, rest @ ..] => {
                if *first == character {
                    return true;
                }
                rest
            }
            [] => return false,
        };
    }
}

/// The patterns that `{a,b}` stands for, at most [`MAX_ALTERNATIVES`].
fn braces(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        let alternatives = first_braces(&pattern);
        if alternatives.is_empty() || open.len() + done.len() >= MAX_ALTERNATIVES {
            done.push(pattern);
        } else {
            open.extend(alternatives);
        }
    }
    done
}

/// The pattern with its first braces replaced by each of their alternatives; empty without any.
fn first_braces(pattern: &str) -> Vec<String> {
    let Some(start) = pattern.find('{') else {
        return Vec::new();
    };
    let mut depth = 0_usize;
    let mut commas = vec![start];
    for (index, character) in pattern
        .char_indices()
        .skip_while(|(index, _)| *index < start)
    {
        match character {
            '{' => depth += 1,
            ',' if depth == 1 => commas.push(index),
            '}' => {
                depth -= 1;
                if depth == 0 {
                    commas.push(index);
                    break;
                }
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Vec::new();
    }
    let part = |range: std::ops::Range<usize>| pattern.get(range).unwrap_or("");
    let end = commas.last().copied().unwrap_or(start);
    let (before, after) = (part(0..start), part(end + 1..pattern.len()));
    let ends = commas.iter().skip(1);
    let inner = commas
        .iter()
        .zip(ends)
        .map(|(from, to)| part(from + 1..*to));
    inner
        .map(|inner| format!("{before}{inner}{after}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, path, expected) in [
            ("a.conf", "a.conf", true),
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            (".*", ".a", true),
            ("?.conf", "ab.conf", false),
            ("[a-c].conf", "b.conf", true),
            ("[^a-c].conf", "b.conf", false),
            ("[", "[", true),
            ("{a,b*}.conf", "bx.conf", true),
            ("{a,{b,c}}", "c", true),
            ("{a,b", "{a,b", true),
            ("/x/*/z", "/x/y/z", true),
            ("/x/**/z", "/x/z", true),
            ("/x/**/z", "/x/a/b/z", true),
            ("/x/**/z", "/x/.a/z", false),
            ("/x/**", "/x/a", true),
            ("/x/**/**/z", "/x/a/b/z", true),
            ("*a*b*c", "xxaxxbxbxxc", true),
            ("*a*b*c", "xxaxxbxbxx", false),
        ] {
            assert_eq!(
                matches(Path::new(pattern), Path::new(path)),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn the_disk_agrees_with_the_pure_matcher() {
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<_> = [
            "a.conf",
            "b.conf",
            ".c.conf",
            "d/a.conf",
            "d/e/x.conf",
            "d/e/y",
        ]
        .iter()
        .map(|name| directory.path().join(name))
        .collect();
        for path in &paths {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for pattern in [
            "*.conf",
            "{b,a}.conf",
            "**/*.conf",
            "d/*/x.conf",
            "d/e/[x-z]*",
            "a.conf",
            "none",
            "n/*",
        ] {
            let pattern = directory.path().join(pattern);
            let mut expected: Vec<_> = paths
                .iter()
                .filter(|path| matches(&pattern, path))
                .cloned()
                .collect();
            expected.sort();
            assert_eq!(expand(&pattern).unwrap(), expected, "{}", pattern.display());
        }
    }
}
