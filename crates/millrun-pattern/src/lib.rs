//! Patterns that a collector's configuration is written in: tag patterns, Ruby-flavoured regular expressions, times as
//! text, and record accessor paths.
//!
//! Each is compiled once, when the configuration is read, and then applied to bytes without allocating. The crate is no
//! parser of configuration files, looks nothing up in records and never asks for the time: "now" is always a parameter.
//!
//! ```
//! use millrun_pattern::{Flags, Regex, TagPatterns, TimeFormat, TimeParser, TimeType, Zone};
//!
//! let patterns = TagPatterns::compile("app.** {web,db}.*")?;
//! assert!(patterns.matches("app.front.access"));
//! assert!(!patterns.matches("web"));
//!
//! let regex = Regex::compile(r"^(?<host>[^ ]*) (?<rest>.*)$", Flags::default())?;
//! let mut spans = regex.spans();
//! assert!(regex.captures_into(b"web1 hello", &mut spans)?);
//! assert_eq!(spans.get(1), Some((0, 4)));
//!
//! let mut time = TimeParser::new(TimeType::Text, Some("%d/%b/%Y:%H:%M:%S %z"), &[], Zone::UTC)?;
//! let now = 0;
//! assert_eq!(time.parse_text(b"01/Feb/2024:03:04:05 +0900", now)?.seconds, 1_706_724_245);
//! assert_eq!(TimeFormat::compile("%F")?.to_string(1_706_724_245, 0, &Zone::UTC), "2024-01-31");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod accessor;
mod regex;
mod tag_cover;
mod tag_glob;
mod tag_index;
mod tag_pattern;
mod tag_shortcut;
mod time;

pub use crate::accessor::{Accessor, AccessorError, Segment};
pub use crate::regex::{
    CaptureName, Flags, Level, LiteralError, MatchError, Matcher, REGEX_MATCH_STEPS_MAX,
    REGEX_NESTING_MAX, REGEX_SOURCE_BYTES_MAX, Regex, RegexError, Spans, find_byte, split_literal,
};
pub use crate::tag_cover::{TAG_COVER_STATES_MAX, TagCover};
pub use crate::tag_index::TagIndex;
pub use crate::tag_pattern::{TAG_PATTERN_BYTES_MAX, TagPattern, TagPatternError, TagPatterns};
pub use crate::time::{
    TIME_TEXT_BYTES_MAX, TimeError, TimeFormat, TimeFormatError, TimeParser, TimeType, Timestamp,
    Zone, ZoneError, float_seconds,
};
