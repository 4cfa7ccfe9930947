//! How much may be read of a file now: `read_bytes_limit_per_second` and `<group>`.
//!
//! ```text
//! file ── its path ── pattern ──▶ captures ── first <rule> that has them ──▶ limit / files of the rule, per rate_period
//!      └──────────────────────────────────────────────────────────────────▶ bytes per second
//! ```
//!
//! A period begins with the first read after the one before is over. What is not read stays in its file, also when
//! that lost its path: nothing is dropped. One piece is always taken whole, a line or lines that belong together,
//! so a limit may be passed by as much as that.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use std::os::unix::ffi::OsStrExt;

use memchr::{memchr, memchr_iter, memrchr};
use millrun_pattern::{Matcher, Regex};
use tracing::warn;

/// The period of the limit in bytes.
const SECOND: Duration = Duration::from_secs(1);

/// A limit on files that belong together.
pub(crate) struct Rule {
    /// The captures it is for, by name, and what they are to match.
    pub(crate) captures: Vec<(String, Matcher)>,
    /// Most lines of all its files in one period; `None` for no limit.
    pub(crate) lines_max: Option<u64>,
}

/// Which files belong together, and their limits.
pub(crate) struct Groups {
    pattern: Regex,
    /// Those of more captures first.
    rules: Vec<Rule>,
    /// How many files each has.
    files: Vec<u64>,
    period: Duration,
}

impl Groups {
    /// Groups by the names of `pattern`.
    pub(crate) fn new(pattern: Regex, mut rules: Vec<Rule>, period: Duration) -> Self {
        // Stable: of equally precise ones, the first counts.
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.captures.len()));
        Self {
            pattern,
            files: vec![0; rules.len()],
            rules,
            period,
        }
    }

    /// The rule for a path; `None` where nothing limits it.
    fn rule_of(&self, path: &Path) -> Option<usize> {
        let path = path.as_os_str().as_bytes();
        let mut spans = self.pattern.spans();
        if !self
            .pattern
            .captures_into(path, &mut spans)
            .unwrap_or(false)
        {
            let file = String::from_utf8_lossy(path);
            warn!(
                "no group has {file}: the pattern of <group> does not match; it is read without a limit"
            );
            return None;
        }
        let captured = |name: &str| {
            let mut names = self.pattern.capture_names().iter();
            let name = names.find(|known| known.as_str() == name)?;
            let (start, end) = spans.named(name)?;
            path.get(start..end)
        };
        self.rules.iter().position(|rule| {
            rule.captures.iter().all(|(name, matcher)| {
                captured(name).is_some_and(|text| matcher.is_match(text).unwrap_or(false))
            })
        })
    }
}

/// What was read in the present period.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    since: Option<Instant>,
    amount: u64,
}

impl Spent {
    /// What is left of `limit`, or when there is something again.
    fn left(&mut self, limit: u64, period: Duration, now: Instant) -> Result<u64, Instant> {
        match self.since {
            Some(since) if now.saturating_duration_since(since) < period => {
                match limit.saturating_sub(self.amount) {
                    0 => Err(since + period),
                    left => Ok(left),
                }
            }
            _ if limit == 0 => Err(now + period),
            _ => {
                *self = Self::default();
                Ok(limit)
            }
        }
    }

    fn add(&mut self, amount: u64, now: Instant) {
        self.since.get_or_insert(now);
        self.amount = self.amount.saturating_add(amount);
    }
}

#[derive(Debug, Default)]
struct Meter {
    rule: Option<usize>,
    lines: Spent,
    bytes: Spent,
}

/// What may be read now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) lines: Option<u64>,
    bytes: Option<u64>,
}

impl Allowance {
    /// The lines of `block` that may be taken, at least one, if these are not all of it.
    pub(crate) fn cut<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]> {
        let mut taken = block;
        let bytes = self
            .bytes
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if let Some(within) = bytes.and_then(|bytes| taken.get(..bytes)) {
            let newline = memrchr(b'\n', within).or_else(|| memchr(b'\n', taken));
            taken = newline.map_or(taken, |at| taken.get(..=at).unwrap_or(taken));
        }
        let lines = self
            .lines
            .map(|lines| usize::try_from(lines).unwrap_or(usize::MAX));
        if let Some(last) = lines.and_then(|lines| lines.checked_sub(1)) {
            let newline = memchr_iter(b'\n', taken).nth(last);
            taken = newline.map_or(taken, |at| taken.get(..=at).unwrap_or(taken));
        }
        (taken.len() < block.len()).then_some(taken)
    }
}

/// The limits of one source.
#[derive(Default)]
pub(crate) struct Throttle {
    bytes_max: Option<u64>,
    groups: Option<Groups>,
    meters: HashMap<Box<Path>, Meter>,
    now: Option<Instant>,
}

impl Throttle {
    /// Limits for each file per second, and for groups.
    pub(crate) fn new(bytes_max: Option<u64>, groups: Option<Groups>) -> Self {
        Self {
            bytes_max,
            groups,
            ..Self::default()
        }
    }

    /// Takes note of the time, from which all limits count.
    pub(crate) fn at(&mut self, now: Instant) {
        self.now = Some(now);
    }

    fn limits(&self) -> bool {
        self.bytes_max.is_some() || self.groups.is_some()
    }

    /// Counts a file as one of its group.
    pub(crate) fn join(&mut self, path: &Path) {
        if !self.limits() || self.meters.contains_key(path) {
            return;
        }
        let mut meter = Meter::default();
        if let Some(groups) = &mut self.groups {
            meter.rule = groups.rule_of(path);
            if let Some(files) = meter.rule.and_then(|rule| groups.files.get_mut(rule)) {
                *files += 1;
            }
        }
        self.meters.insert(path.into(), meter);
    }

    /// Counts it no more.
    pub(crate) fn leave(&mut self, path: &Path) {
        let rule = self.meters.remove(path).and_then(|meter| meter.rule);
        let files = self.groups.as_mut().map(|groups| &mut groups.files);
        if let Some(files) = rule.zip(files).and_then(|(rule, all)| all.get_mut(rule)) {
            *files = files.saturating_sub(1);
        }
    }

    /// What may be read of the file now, or when it is to be asked again.
    pub(crate) fn allowance(&mut self, path: &Path) -> Result<Allowance, Instant> {
        let (true, Some(now)) = (self.limits(), self.now) else {
            return Ok(Allowance::default());
        };
        self.join(path);
        let mut allowance = Allowance::default();
        let Some(meter) = self.meters.get_mut(path) else {
            return Ok(allowance);
        };
        if let Some(limit) = self.bytes_max {
            allowance.bytes = Some(meter.bytes.left(limit, SECOND, now)?);
        }
        if let (Some(groups), Some(index)) = (&self.groups, meter.rule) {
            let lines_max = groups.rules.get(index).and_then(|rule| rule.lines_max);
            let files = groups.files.get(index).copied().unwrap_or(1).max(1);
            if let Some(limit) = lines_max {
                // More files than lines: each has its turn all the same.
                let share = (limit / files).max(u64::from(limit > 0));
                allowance.lines = Some(meter.lines.left(share, groups.period, now)?);
            }
        }
        Ok(allowance)
    }

    /// Takes note of what was read.
    pub(crate) fn spend(&mut self, path: &Path, taken: &[u8]) {
        let (true, Some(now)) = (self.limits(), self.now) else {
            return;
        };
        if let Some(meter) = self.meters.get_mut(path) {
            meter.bytes.add(taken.len() as u64, now);
            if meter.rule.is_some() {
                let lines = memchr_iter(b'\n', taken).count() as u64;
                meter.lines.add(lines, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_pattern::Flags;

    const PATTERN: &str = r"^/logs/(?<namespace>[^_]+)_(?<podname>[^.]+)\.log$";

    fn rule(captures: &[(&str, &str)], lines_max: Option<u64>) -> Rule {
        let captures = captures.iter().map(|(name, expression)| {
            let matcher = Matcher::compile(expression, Flags::default()).unwrap();
            ((*name).to_owned(), matcher)
        });
        Rule {
            captures: captures.collect(),
            lines_max,
        }
    }

    fn groups(rules: Vec<Rule>) -> Groups {
        let pattern = Regex::compile(PATTERN, Flags::default()).unwrap();
        Groups::new(pattern, rules, Duration::from_secs(5))
    }

    fn lines(throttle: &mut Throttle, path: &str) -> Result<Option<u64>, Instant> {
        let allowance = throttle.allowance(Path::new(path));
        allowance.map(|allowance| allowance.lines)
    }

    #[test]
    fn the_rule_with_more_captures_counts_and_its_files_share_the_limit() {
        let mut throttle = Throttle::new(
            None,
            Some(groups(vec![
                rule(&[("namespace", "shop")], Some(100)),
                rule(&[("namespace", "shop"), ("podname", "^front")], Some(10)),
                rule(&[("namespace", "quiet")], Some(0)),
                rule(&[("namespace", "free")], None),
            ])),
        );
        let start = Instant::now();
        throttle.at(start);
        throttle.join(Path::new("/logs/shop_front1.log"));
        throttle.join(Path::new("/logs/shop_front2.log"));
        assert_eq!(lines(&mut throttle, "/logs/shop_front1.log"), Ok(Some(5)));
        assert_eq!(lines(&mut throttle, "/logs/shop_back.log"), Ok(Some(100)));
        assert_eq!(lines(&mut throttle, "/logs/free_a.log"), Ok(None));
        assert_eq!(lines(&mut throttle, "/other"), Ok(None));
        let later = start + Duration::from_secs(5);
        assert_eq!(lines(&mut throttle, "/logs/quiet_a.log"), Err(later));
        throttle.leave(Path::new("/logs/shop_front2.log"));
        assert_eq!(lines(&mut throttle, "/logs/shop_front1.log"), Ok(Some(10)));
    }

    #[test]
    fn a_period_begins_with_the_first_read_after_the_one_before() {
        let mut throttle = Throttle::new(None, Some(groups(vec![rule(&[], Some(3))])));
        let path = Path::new("/logs/a_b.log");
        let start = Instant::now();
        throttle.at(start);
        throttle.allowance(path).unwrap();
        throttle.spend(path, b"1\n2\n");
        assert_eq!(lines(&mut throttle, "/logs/a_b.log"), Ok(Some(1)));
        throttle.at(start + Duration::from_secs(4));
        throttle.spend(path, b"3\n4\n");
        let end = start + Duration::from_secs(5);
        assert_eq!(lines(&mut throttle, "/logs/a_b.log"), Err(end));
        throttle.at(end);
        assert_eq!(lines(&mut throttle, "/logs/a_b.log"), Ok(Some(3)));
    }

    #[test]
    fn a_file_has_its_bytes_per_second() {
        let mut throttle = Throttle::new(Some(10), None);
        let path = Path::new("/a");
        let start = Instant::now();
        throttle.at(start);
        let allowance = throttle.allowance(path).unwrap();
        assert_eq!(
            allowance.cut(b"1234\n6789\nbcde\n"),
            Some(&b"1234\n6789\n"[..])
        );
        throttle.spend(path, b"1234\n6789\n");
        assert_eq!(throttle.allowance(path), Err(start + SECOND));
        assert!(throttle.allowance(Path::new("/b")).is_ok());
        throttle.at(start + SECOND);
        assert!(throttle.allowance(path).is_ok());
    }

    #[test]
    fn what_is_taken_are_whole_lines_and_one_at_least() {
        let cut = |lines, bytes, block: &'static str| {
            let allowance = Allowance { lines, bytes };
            allowance
                .cut(block.as_bytes())
                .map(|taken| std::str::from_utf8(taken).unwrap())
        };
        assert_eq!(cut(None, None, "a\nb\n"), None);
        assert_eq!(cut(Some(1), None, "a\nb\n"), Some("a\n"));
        assert_eq!(cut(Some(2), None, "a\nb\n"), None);
        assert_eq!(cut(None, Some(3), "a\nb\n"), Some("a\n"));
        assert_eq!(cut(None, Some(4), "a\nb\n"), None);
        assert_eq!(cut(None, Some(1), "long\nb\n"), Some("long\n"));
        assert_eq!(cut(Some(1), Some(4), "a\nb\nc\n"), Some("a\n"));
        assert_eq!(cut(None, Some(1), "no end"), None);
    }
}
