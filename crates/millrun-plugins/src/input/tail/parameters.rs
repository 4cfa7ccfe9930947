//! What a `<source>` of type tail may say (fluentd.md, appendix C), and what of it is meant.

use std::path::PathBuf;
use std::time::Duration;

use millrun_config::{Diagnostic, Diagnostics, Element, Size, SizeLimit, parameters, words};
use millrun_event::EventTime;
use millrun_pattern::{TimeFormat, Zone};

use super::paths::{GlobPolicy, Paths, split_list};

words! {
    /// Which paths are patterns.
    pub enum GlobPolicyName {
        /// Those with a `*`.
        BackwardCompatible = "backward_compatible",
        /// Those with `*`, `?` or `[`.
        Extended = "extended",
        /// Those with `*`, `?`, `[` or `{`; needs another path_delimiter.
        Always = "always",
    }
}

parameters! {
    /// Follows log files.
    pub struct TailParameters in "source", type "tail" {
        /// The files: paths and patterns, with strftime's `%Y%m%d` and the like.
        path: String = required;
        /// What stands between several paths.
        path_delimiter: String = ",";
        /// Which paths are patterns.
        glob_policy: GlobPolicyName = "backward_compatible";
        /// The tag of the events; `*` stands for the path with dots.
        tag: String = required;
        /// Paths and patterns that are not followed.
        exclude_path: Vec<String> = "";
        /// How long a file that was rotated away must be quiet until it is closed.
        rotate_wait: Duration = "5";
        /// Where Fluentd's position file is kept; also the lasting name of the source's positions.
        pos_file: Option<PathBuf>;
        /// How often the position file is rewritten without what is not needed any more.
        pos_file_compaction_interval: Option<Duration>;
        /// A file that exists at the first start is read from its head.
        read_from_head: bool = "false";
        /// How often the patterns are looked at anew.
        refresh_interval: Duration = "60";
        /// Most lines of one batch; without it, as many as are read at once.
        read_lines_limit: Option<usize>;
        /// Most bytes read from one file per second.
        read_bytes_limit_per_second: SizeLimit = "-1";
        /// How long the last event of a multi-line parser waits for more lines.
        multiline_flush_interval: Option<Duration>;
        /// Lines the parser does not understand become {"unmatched_line": …}.
        emit_unmatched_lines: bool = "false";
        /// Look at every file once a second.
        enable_watch_timer: bool = "true";
        /// Look at a file when the kernel tells of a change.
        enable_stat_watcher: bool = "true";
        /// The encoding of the lines.
        encoding: Option<String>;
        /// The encoding from which the lines are converted.
        from_encoding: Option<String>;
        /// The key under which each event carries its file's path.
        path_key: Option<String>;
        /// Open the file for every look.
        open_on_every_update: bool = "false";
        /// Files last changed longer ago than this are left out.
        limit_recently_modified: Option<Duration>;
        /// The first look at the patterns is after one refresh_interval.
        skip_refresh_on_startup: bool = "false";
        /// Warn of an unreadable file once, not at every look.
        ignore_repeated_permission_error: bool = "false";
        /// The zone of the time in paths.
        path_timezone: Option<String>;
        /// Entries of the position file are for files, not for paths.
        follow_inodes: bool = "false";
        /// Generations of a file that were rotated away before they were seen are found beside it and read.
        read_missed_rotations: bool = "true";
        /// Longer lines are dropped.
        max_line_size: Option<Size>;
    }
    sections {
        /// How lines are parsed.
        parse: Vec<Element>;
        /// Limits for groups of files.
        group: Option<Element>;
    }
    legacy { Parse }
}

/// Puts the present time into a path.
pub(crate) type Dated = Box<dyn Fn(&str) -> String + Send>;

impl TailParameters {
    /// Checks what the types cannot; false when an error was found.
    pub(crate) fn check(&self, section: &Element, diagnostics: &mut Diagnostics) -> bool {
        let mut is_sound = true;
        let mut error = |name: &str, message: String, hint: &str| {
            let span = section
                .value(name)
                .map_or(section.span(), |value| value.span);
            diagnostics.push(Diagnostic::error(message).at(span, "here").hint(hint));
            is_sound = false;
        };
        if ["/", "*", "%"].contains(&&*self.path_delimiter) || self.path_delimiter.is_empty() {
            let hint = "a character that no path has, for example path_delimiter |";
            error(
                "path_delimiter",
                "path_delimiter cannot be '/', '*', '%' or nothing".into(),
                hint,
            );
        }
        if split_list(&self.path, &self.path_delimiter).is_empty() {
            error(
                "path",
                "tail: 'path' parameter is required on tail input".into(),
                "name a file",
            );
        }
        if !self.enable_watch_timer && !self.enable_stat_watcher {
            let message = "either of enable_watch_timer or enable_stat_watcher must be true";
            error(
                "enable_watch_timer",
                message.into(),
                "leave one of them out",
            );
        }
        if self.follow_inodes && self.pos_file.is_none() {
            let message = "Can't follow inodes without pos_file configuration parameter";
            error("follow_inodes", message.into(), "add a pos_file");
        }
        if self.glob_policy == GlobPolicyName::Always && self.path_delimiter == "," {
            let message = "cannot use glob_policy as always with the default path_delimiter: `,`";
            error("glob_policy", message.into(), "set path_delimiter |");
        }
        let has_braces = self.path.contains('{') && self.path.contains('}');
        if self.glob_policy == GlobPolicyName::Extended && has_braces {
            let message = "cannot include curly braces with glob patterns in `path`";
            error(
                "path",
                message.into(),
                "set glob_policy always and another path_delimiter",
            );
        }
        if self.from_encoding.is_some() && self.encoding.is_none() {
            let message =
                "tail: 'from_encoding' parameter must be specified with 'encoding' parameter.";
            error("from_encoding", message.into(), "add encoding");
        }
        self.warn(section, diagnostics);
        is_sound
    }

    /// Names what is known and has no effect here.
    fn warn(&self, section: &Element, diagnostics: &mut Diagnostics) {
        let mut warn = |name: &str, message: &str, hint: &str| {
            let span = section
                .value(name)
                .map_or(section.span(), |value| value.span);
            diagnostics.push(Diagnostic::warning(message).at(span, "here").hint(hint));
        };
        let is_utf8 =
            |name: &str| name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8");
        if self.pos_file.is_none() {
            warn(
                "@type",
                "'pos_file PATH' parameter is not set to a 'tail' source.",
                "positions are kept in the state directory; with a pos_file they keep their name when sources change places, and Fluentd can go on from them",
            );
        }
        if self.from_encoding.is_some() {
            warn(
                "from_encoding",
                "from_encoding is not supported yet: lines are not converted",
                "convert downstream",
            );
        }
        if self.encoding.as_deref().is_some_and(|name| !is_utf8(name)) {
            warn(
                "encoding",
                "encodings other than UTF-8 are not supported yet: text that is not UTF-8 is passed on as bytes",
                "leave it out",
            );
        }
        if self.read_bytes_limit_per_second.0.is_some() {
            warn(
                "read_bytes_limit_per_second",
                "read_bytes_limit_per_second is not supported yet: reading is not limited",
                "leave it out",
            );
        }
        if self.pos_file_compaction_interval.is_some() {
            warn(
                "pos_file_compaction_interval",
                "pos_file_compaction_interval has no effect: the position file is compacted at each start",
                "leave it out",
            );
        }
        if self.open_on_every_update {
            warn(
                "open_on_every_update",
                "open_on_every_update has no effect: files stay open, so that a rotated one can be read to its end",
                "leave it out",
            );
        }
        if let Some(group) = &self.group {
            let text = "<group> is not supported yet: reading is not limited";
            diagnostics.push(
                Diagnostic::warning(text)
                    .at(group.span(), "here")
                    .hint("leave it out"),
            );
        }
    }

    /// The path lists.
    pub(crate) fn paths(&self) -> Paths {
        Paths {
            include: split_list(&self.path, &self.path_delimiter),
            exclude: self.exclude_path.clone(),
            policy: match self.glob_policy {
                GlobPolicyName::BackwardCompatible => GlobPolicy::BackwardCompatible,
                GlobPolicyName::Extended => GlobPolicy::Extended,
                GlobPolicyName::Always => GlobPolicy::Always,
            },
            limit_recently_modified: self.limit_recently_modified,
        }
    }

    /// What puts the time into paths; `None` when a diagnostic says why not.
    pub(crate) fn dated(&self, section: &Element, diagnostics: &mut Diagnostics) -> Option<Dated> {
        let mut fault = |name: &str, message: String| {
            let span = section
                .value(name)
                .map_or(section.span(), |value| value.span);
            diagnostics.push(Diagnostic::error(message).at(span, "here"));
        };
        let zone = match &self.path_timezone {
            Some(name) => Zone::parse(name)
                .map_err(|error| fault("path_timezone", error.to_string()))
                .ok()?,
            None => Zone::local(),
        };
        let mut formats = Vec::new();
        for path in split_list(&self.path, &self.path_delimiter)
            .iter()
            .chain(&self.exclude_path)
        {
            if path.contains('%') {
                let format = TimeFormat::compile(path);
                let format = format
                    .map_err(|error| fault("path", error.to_string()))
                    .ok()?;
                formats.push((path.clone(), format));
            }
        }
        Some(Box::new(move |path| {
            let Some((_, format)) = formats.iter().find(|(dated, _)| dated == path) else {
                return path.to_owned();
            };
            let now = EventTime::now();
            format.to_string(i64::from(now.seconds), now.nanoseconds, &zone)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_config::{NoIncludes, NoRuby, parse_str};

    /// The messages of `source`, errors first.
    fn messages(source: &str) -> Vec<String> {
        let text = format!("<source>\n@type tail\ntag t\n{source}\n</source>\n");
        let parsed = parse_str("t.conf", &text, &mut NoRuby, &mut NoIncludes);
        let mut diagnostics = parsed.diagnostics;
        let section = &parsed.root.elements()[0];
        if let Some(parameters) = TailParameters::read(section, &mut diagnostics) {
            parameters.check(section, &mut diagnostics);
        }
        let (errors, warnings) = (diagnostics.errors(), diagnostics.warnings());
        errors
            .chain(warnings)
            .map(|diagnostic| diagnostic.message.clone())
            .collect()
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        let with = |source: &str| messages(&format!("path /a\npos_file /p\n{source}"));
        assert_eq!(with(""), [""; 0]);
        assert_eq!(
            with("path_delimiter *"),
            ["path_delimiter cannot be '/', '*', '%' or nothing"]
        );
        assert_eq!(
            with("enable_watch_timer false\nenable_stat_watcher false"),
            ["either of enable_watch_timer or enable_stat_watcher must be true"]
        );
        assert_eq!(
            with("glob_policy always"),
            ["cannot use glob_policy as always with the default path_delimiter: `,`"]
        );
        assert_eq!(
            messages("path /{a,b}\npos_file /p\nglob_policy extended"),
            ["cannot include curly braces with glob patterns in `path`"]
        );
        assert_eq!(
            messages("path ,\npos_file /p"),
            ["tail: 'path' parameter is required on tail input"]
        );
        assert_eq!(
            messages("path /a\nfollow_inodes true"),
            [
                "Can't follow inodes without pos_file configuration parameter",
                "'pos_file PATH' parameter is not set to a 'tail' source."
            ]
        );
        assert_eq!(
            with("from_encoding cp932"),
            [
                "tail: 'from_encoding' parameter must be specified with 'encoding' parameter.",
                "from_encoding is not supported yet: lines are not converted"
            ]
        );
    }

    #[test]
    fn what_has_no_effect_is_a_warning() {
        let with = |source: &str| messages(&format!("path /a\npos_file /p\n{source}"));
        for (source, warning) in [
            (
                "encoding cp932",
                "encodings other than UTF-8 are not supported yet: text that is not UTF-8 is passed on as bytes",
            ),
            (
                "read_bytes_limit_per_second 1m",
                "read_bytes_limit_per_second is not supported yet: reading is not limited",
            ),
            (
                "pos_file_compaction_interval 1h",
                "pos_file_compaction_interval has no effect: the position file is compacted at each start",
            ),
            (
                "open_on_every_update true",
                "open_on_every_update has no effect: files stay open, so that a rotated one can be read to its end",
            ),
            (
                "<group>\n</group>",
                "<group> is not supported yet: reading is not limited",
            ),
        ] {
            assert_eq!(with(source), [warning]);
        }
        assert_eq!(with("encoding utf-8"), [""; 0]);
        assert_eq!(with("read_bytes_limit_per_second -1"), [""; 0]);
    }
}
