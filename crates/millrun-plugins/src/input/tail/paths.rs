//! From the `path` parameter to the files to follow (fluentd.md section 3.1.1).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::FileSystem;
use super::glob::{glob, has_wildcard};

/// Which paths are patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum GlobPolicy {
    /// Those with a `*`.
    #[default]
    BackwardCompatible,
    /// Those with `*`, `?` or `[`.
    Extended,
    /// Those with `*`, `?`, `[` or `{`.
    Always,
}

impl GlobPolicy {
    fn is_pattern(self, path: &str) -> bool {
        match self {
            GlobPolicy::BackwardCompatible => path.contains('*'),
            GlobPolicy::Extended => has_wildcard(path),
            GlobPolicy::Always => has_wildcard(path) || path.contains('{'),
        }
    }
}

/// The lists as configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) policy: GlobPolicy,
    /// Files last changed longer ago than this are left out.
    pub(crate) limit_recently_modified: Option<Duration>,
}

/// What the lists give at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Named as they are: followed also while they do not exist.
    pub(crate) literal: BTreeSet<PathBuf>,
    /// Found by a pattern.
    pub(crate) found: BTreeSet<PathBuf>,
}

/// Splits a list of paths: trimmed, without empty ones, in order and each once.
pub(crate) fn split_list(list: &str, delimiter: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for path in list
        .split(delimiter)
        .map(str::trim)
        .filter(|path| !path.is_empty())
    {
        if !paths.iter().any(|known| known == path) {
            paths.push(path.to_owned());
        }
    }
    paths
}

impl Paths {
    /// True when a file can come without being named.
    pub(crate) fn has_patterns(&self) -> bool {
        self.include.iter().any(|path| self.policy.is_pattern(path))
    }

    /// The directories in which a new name can change the listing: the part of each path before
    /// its first wildcard.
    pub(crate) fn watched_directories(&self) -> BTreeSet<PathBuf> {
        let mut directories = BTreeSet::new();
        for path in &self.include {
            let mut directory = PathBuf::new();
            let mut parts = Path::new(path).components().peekable();
            while let Some(part) = parts.next() {
                let is_last = parts.peek().is_none();
                let name = part.as_os_str().to_string_lossy();
                if is_last || self.policy.is_pattern(&name) || name.contains('%') {
                    break;
                }
                directory.push(part);
            }
            if directory.as_os_str().is_empty() {
                directory.push(".");
            }
            directories.insert(directory);
        }
        directories
    }

    /// The files to follow. `dated` puts the time into a path's `%Y%m%d`; `now` is what
    /// `limit_recently_modified` counts from.
    pub(crate) fn list<S: FileSystem>(
        &self,
        files: &S,
        dated: &dyn Fn(&str) -> String,
        now: SystemTime,
    ) -> Listing {
        let mut excluded = BTreeSet::new();
        for path in self.exclude.iter().map(|path| dated(path)) {
            if self.policy.is_pattern(&path) {
                excluded.extend(glob(files, &path));
            } else {
                excluded.insert(PathBuf::from(path));
            }
        }
        let mut listing = Listing::default();
        for path in self.include.iter().map(|path| dated(path)) {
            if self.policy.is_pattern(&path) {
                let found = glob(files, &path).into_iter();
                let found = found.filter(|path| self.is_wanted(files, path, now));
                listing.found.extend(found);
            } else {
                listing.literal.insert(PathBuf::from(path));
            }
        }
        for path in &excluded {
            listing.literal.remove(path);
            listing.found.remove(path);
        }
        let Listing { literal, found } = &mut listing;
        found.retain(|path| !literal.contains(path));
        listing
    }

    fn is_wanted<S: FileSystem>(&self, files: &S, path: &Path, now: SystemTime) -> bool {
        // What cannot be looked at now is left in: opening it says what is wrong with it.
        let Ok(stat) = files.stat(path) else {
            return true;
        };
        let is_recent = self.limit_recently_modified.is_none_or(|limit| {
            now.duration_since(stat.modified)
                .is_ok_and(|age| age <= limit)
                || stat.modified > now
        });
        !stat.is_directory && is_recent
    }
}

/// The tag of the events of `path`: where `tag` has a `*`, that is replaced by the path with dots
/// for slashes. Text behind a second `*` is not used (fluentd.md section 3.1.2).
pub(crate) fn tag_of(tag: &str, path: &Path) -> String {
    let Some((prefix, rest)) = tag.split_once('*') else {
        return tag.to_owned();
    };
    let suffix = rest.split_once('*').map_or(rest, |(suffix, _)| suffix);
    let mut middle = String::new();
    for character in path.to_string_lossy().chars() {
        let character = if character == '/' { '.' } else { character };
        let is_leading = character == '.' && middle.is_empty();
        let is_run = character == '.' && middle.ends_with('.');
        if !is_leading && !is_run {
            middle.push(character);
        }
    }
    format!("{prefix}{middle}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::tail::files::System;

    #[test]
    fn a_list_is_trimmed_and_has_each_path_once() {
        assert_eq!(split_list(" /a , /b,,/a", ","), ["/a", "/b"]);
        assert_eq!(split_list("/a,b|/c", "|"), ["/a,b", "/c"]);
    }

    #[test]
    fn a_tag_takes_the_path_with_dots() {
        let path = Path::new("/var//log/a.log");
        assert_eq!(tag_of("t.*", path), "t.var.log.a.log");
        assert_eq!(tag_of("pre.*.suf", path), "pre.var.log.a.log.suf");
        assert_eq!(tag_of("a.*.b*c", path), "a.var.log.a.log.b");
        assert_eq!(tag_of("plain", path), "plain");
    }

    #[test]
    fn literal_paths_stay_and_patterns_give_what_exists() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["a1.log", "a2.log", "a3.log", "b?.log"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("a4.log")).unwrap();
        let text = |name: &str| at(name).display().to_string();
        let mut paths = Paths {
            include: vec![text("a*.log"), text("absent.log"), text("b?.log")],
            exclude: vec![text("a2*"), text("a3.log")],
            ..Paths::default()
        };
        let now = SystemTime::now();
        let listing = paths.list(&System, &str::to_owned, now);
        assert_eq!(
            listing.literal,
            BTreeSet::from([at("absent.log"), at("b?.log")])
        );
        assert_eq!(listing.found, BTreeSet::from([at("a1.log")]));
        assert_eq!(
            paths.watched_directories(),
            BTreeSet::from([directory.path().to_owned()])
        );

        paths.limit_recently_modified = Some(Duration::from_secs(60));
        let later = now + Duration::from_secs(3600);
        assert_eq!(
            paths.list(&System, &str::to_owned, later).found,
            BTreeSet::new()
        );
        let dated = |path: &str| path.replace("absent", "2026");
        assert!(
            paths
                .list(&System, &dated, now)
                .literal
                .contains(&at("2026.log"))
        );
    }
}
