//! What a `<source>` of type tail may say (fluentd.md, appendix C), and what of it is meant.

use std::path::PathBuf;
use std::time::Duration;

use millrun_config::{
    Diagnostic, Diagnostics, Element, Hash, Regexp, Size, SizeLimit, parameters, words,
};
use millrun_event::EventTime;
use millrun_pattern::{Flags, Matcher, Regex, TimeFormat, Zone};

use super::paths::{GlobPolicy, Paths, split_list};
use super::throttle::{Groups, Rule, Throttle};
use crate::charset::{Charset, Unreadable};

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
    /// The limit of the files that a rule is for.
    pub struct GroupRuleParameters in "rule" {
        /// For names of the group's pattern, what they are to match. The rule with more names counts.
        captures: Hash<Regexp> = "{\"namespace\":\"/.*/\",\"podname\":\"/.*/\"}", key = "match";
        /// Most lines of all these files in one rate_period, in equal shares; -1 for no limit.
        limit: i64 = "-1";
    }
}

parameters! {
    /// Which files are limited together.
    pub struct GroupParameters in "group" {
        /// What of a path tells its group, in named groups of the expression.
        pattern: Regexp = "/^\\/var\\/log\\/containers\\/(?<podname>[^_\\/]+)_(?<namespace>[^_\\/]+)_(?<container>.+)-(?<docker_id>[a-z0-9]{64})\\.log$/";
        /// The time for which limits hold.
        rate_period: Duration = "5";
    }
    sections {
        /// A limit.
        rule: Vec<GroupRuleParameters>;
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
        /// Most bytes read from one file per second; 64 KiB at least.
        read_bytes_limit_per_second: SizeLimit = "-1";
        /// How long the last event of a multi-line parser waits for more lines.
        multiline_flush_interval: Option<Duration>;
        /// Lines the parser does not understand become {"unmatched_line": …}.
        emit_unmatched_lines: bool = "false";
        /// Look at every file once a second.
        enable_watch_timer: bool = "true";
        /// Look at a file when the kernel tells of a change.
        enable_stat_watcher: bool = "true";
        /// The encoding of the lines, from which they are converted to UTF-8; without it they stay bytes.
        encoding: Option<String>;
        /// The encoding from which the lines are converted, in the place of that in encoding.
        from_encoding: Option<String>;
        /// The key under which each event carries its file's path.
        path_key: Option<String>;
        /// Open a file for every look and close it after that: for shares on which an open file keeps its name taken, or
        /// shows nothing new. While lines wait for others of a multi-line parser it stays open.
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
        group: Option<GroupParameters>;
    }
    legacy { Parse }
}

/// The least read_bytes_limit_per_second.
const READ_BYTES_MIN: u64 = 64 * 1024;

/// The shortest rate_period: without one, nothing would ever be limited.
const RATE_PERIOD_MIN: Duration = Duration::from_millis(10);

fn flags(expression: &Regexp) -> Flags {
    Flags {
        ignore_case: expression.ignore_case,
        multi_line: expression.multi_line,
        extended: false,
    }
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
        for (name, encoding) in [
            ("encoding", &self.encoding),
            ("from_encoding", &self.from_encoding),
        ] {
            let Some(encoding) = encoding else { continue };
            match Charset::new(Some(encoding), None) {
                Ok(_) => {}
                Err(Unreadable::Unknown) => error(
                    name,
                    format!("tail: '{encoding}' is not a valid encoding name"),
                    "write one like utf-8, Shift_JIS, EUC-JP, ISO-8859-1 or Windows-1252",
                ),
                Err(Unreadable::Wide) => error(
                    name,
                    format!("tail: lines cannot be found in {encoding}"),
                    "have the file written in UTF-8",
                ),
            }
        }
        let bytes_max = self.read_bytes_limit_per_second.0;
        if bytes_max.is_some() && !self.enable_watch_timer {
            let message = "Need to enable watch timer when using log throttling feature";
            error(
                "enable_watch_timer",
                message.into(),
                "leave it out, or leave read_bytes_limit_per_second out",
            );
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
        if self.pos_file.is_none() {
            warn(
                "@type",
                "'pos_file PATH' parameter is not set to a 'tail' source.",
                "positions are kept in the state directory; with a pos_file they keep their name when sources change places, and Fluentd can go on from them",
            );
        }
        let bytes_max = self.read_bytes_limit_per_second.0;
        if bytes_max.is_some_and(|bytes| bytes < READ_BYTES_MIN) {
            warn(
                "read_bytes_limit_per_second",
                "Should specify greater equal than 65536: 65536 bytes are read",
                "write 64k or more",
            );
        }
    }

    /// The limits; `None` when a diagnostic says why not.
    pub(crate) fn throttle(
        &self,
        section: &Element,
        diagnostics: &mut Diagnostics,
    ) -> Option<Throttle> {
        let bytes_max = self.read_bytes_limit_per_second.0;
        let bytes_max = bytes_max.map(|bytes| bytes.max(READ_BYTES_MIN));
        let Some(group) = &self.group else {
            return Some(Throttle::new(bytes_max, None));
        };
        let element = section.elements_named("group").next().unwrap_or(section);
        let mut fault = |message: String, hint: &str| {
            let fault = Diagnostic::error(message).at(element.span(), "in this section");
            diagnostics.push(fault.hint(hint));
        };
        if group.rule.is_empty() {
            fault(
                "<group> has no <rule>".to_owned(),
                "add a <rule> with a line like: limit 1000",
            );
            return None;
        }
        let pattern = Regex::compile(&group.pattern.source, flags(&group.pattern));
        let pattern = pattern
            .map_err(|error| fault(format!("pattern: {error}"), "write an expression of Ruby's"))
            .ok()?;
        let mut rules = Vec::new();
        for rule in &group.rule {
            let mut captures = Vec::new();
            for (name, expression) in &rule.captures.0 {
                let mut names = pattern.capture_names().iter();
                if names.all(|known| known.as_str() != name) {
                    fault(
                        format!("match: the pattern of <group> has no group named {name}"),
                        "write (?<name>…) into the pattern, or leave it out of match",
                    );
                    return None;
                }
                let matcher = Matcher::compile(&expression.source, flags(expression));
                let matcher = matcher
                    .map_err(|error| {
                        fault(format!("match: {error}"), "write an expression of Ruby's");
                    })
                    .ok()?;
                captures.push((name.clone(), matcher));
            }
            rules.push(Rule {
                captures,
                lines_max: u64::try_from(rule.limit).ok(),
            });
        }
        let groups = Groups::new(pattern, rules, group.rate_period.max(RATE_PERIOD_MIN));
        Some(Throttle::new(bytes_max, Some(groups)))
    }

    /// What converts lines; an encoding that cannot be read was told before.
    pub(crate) fn charset(&self) -> Option<Charset> {
        let charset = Charset::new(self.encoding.as_deref(), self.from_encoding.as_deref());
        charset.ok().flatten()
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
            parameters.throttle(section, &mut diagnostics);
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
            ["tail: 'from_encoding' parameter must be specified with 'encoding' parameter."]
        );
    }

    #[test]
    fn an_encoding_that_cannot_be_read_is_an_error() {
        let with = |source: &str| messages(&format!("path /a\npos_file /p\n{source}"));
        assert_eq!(
            with("encoding latin-x"),
            ["tail: 'latin-x' is not a valid encoding name"]
        );
        assert_eq!(
            with("encoding utf-8\nfrom_encoding utf-16le"),
            ["tail: lines cannot be found in utf-16le"]
        );
    }

    #[test]
    fn limits_need_the_timer_and_rules_that_can_be_meant() {
        let with = |source: &str| messages(&format!("path /a\npos_file /p\n{source}"));
        assert_eq!(
            with("read_bytes_limit_per_second 1m\nenable_watch_timer false"),
            ["Need to enable watch timer when using log throttling feature"]
        );
        assert_eq!(with("<group>\n</group>"), ["<group> has no <rule>"]);
        assert_eq!(
            with("<group>\n<rule>\nmatch {\"node\":\"/a/\"}\n</rule>\n</group>"),
            ["match: the pattern of <group> has no group named node"]
        );
        assert_eq!(
            with("<group>\n<rule>\nlimit 10\n</rule>\n</group>"),
            [""; 0]
        );
    }

    #[test]
    fn what_has_no_effect_is_a_warning() {
        let with = |source: &str| messages(&format!("path /a\npos_file /p\n{source}"));
        assert_eq!(
            with("read_bytes_limit_per_second 1k"),
            ["Should specify greater equal than 65536: 65536 bytes are read"]
        );
        assert_eq!(with("open_on_every_update true"), [""; 0]);
        assert_eq!(with("encoding utf-8"), [""; 0]);
        assert_eq!(with("encoding cp932"), [""; 0]);
        assert_eq!(with("encoding utf-8\nfrom_encoding EUC-JP"), [""; 0]);
        assert_eq!(with("pos_file_compaction_interval 1h"), [""; 0]);
        assert_eq!(with("read_bytes_limit_per_second -1"), [""; 0]);
    }
}
