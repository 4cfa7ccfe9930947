//! The path of a file: what the parameter `path` means, and the name a chunk gets.
//!
//! ```text
//! path                 template                                       (timekey 1h)
//! /log/app             /log/app.%Y%m%d%H_**.log       time, index, suffix
//! /log/app.*.txt       /log/app.%Y%m%d%H_**.txt       the star says where; no suffix
//! /log/%Y/%m/%d/%H     /log/%Y/%m/%d/%H_**.log        the path has the time already
//! ```
//!
//! A path that keeps the time apart in the old way, by `time_slice_format`, gets that format instead.
//!
//! `_**` becomes `_0`, `_1` …: the first name that is free. With `append` there is none. Sources:
//! fluentd.md section 3.6 and fluentd-live.md.

use millrun_core::ChunkKeys;
use millrun_pattern::{TimeFormat, Zone};
use thiserror::Error;

/// What stands for the index in a template.
pub(super) const INDEX: &str = "_**";

/// Why a path cannot be used with the chunk keys: the configuration's fault.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum TemplateError {
    #[error(
        "path includes '*', but 'time' is no chunk key: write <buffer time>, or a path without '*'"
    )]
    StarWithoutTime,
    #[error(
        "insufficient timestamp placeholders in path: '{path}' does not tell two slices of {timekey} \
         seconds apart (it needs at least what {needed} shows)"
    )]
    Insufficient {
        path: String,
        timekey: u32,
        needed: &'static str,
    },
    #[error(
        "Parameter 'path: {template}' has tag placeholders, but chunk key 'tag' is not configured"
    )]
    TagNoKey { template: String },
    #[error("Parameter 'path: {template}' doesn't have tag placeholder")]
    TagNotUsed { template: String },
    #[error("Parameter 'path: {template}' doesn't have enough placeholders for keys [{key}]")]
    FieldNotUsed { template: String, key: String },
    #[error(
        "Parameter 'path: {template}' has placeholders, but chunk keys doesn't have keys {key}"
    )]
    FieldNoKey { template: String, key: String },
}

impl TemplateError {
    /// What to write instead.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::StarWithoutTime => "the '*' stands for the time and the index".to_owned(),
            Self::Insufficient { needed, .. } => {
                format!("write {needed} into the path, or give a longer timekey")
            }
            Self::TagNoKey { .. } => {
                "write 'tag' among the chunk keys, as in <buffer time,tag>".to_owned()
            }
            Self::TagNotUsed { .. } => {
                "write ${tag} into the path, or leave 'tag' out of the chunk keys".to_owned()
            }
            Self::FieldNotUsed { key, .. } => {
                format!("write ${{{key}}} into the path, or leave '{key}' out of the chunk keys")
            }
            Self::FieldNoKey { key, .. } => {
                format!("write '{key}' among the chunk keys, as in <buffer time,{key}>")
            }
        }
    }
}

/// The parameters that make a template of a path.
pub(super) struct TemplateParts<'a> {
    pub(super) path: &'a str,
    /// `.log` and the like; empty for none.
    pub(super) suffix: &'a str,
    /// `.gz` and the like; empty for none.
    pub(super) compression_suffix: &'a str,
    /// The time in the old way, instead of the one that the timekey needs.
    pub(super) time_slice_format: Option<&'a str>,
    pub(super) append: bool,
    /// The chunks are another output's, whose keys are not chosen for this path: it need not tell them apart.
    pub(super) is_secondary: bool,
}

impl TemplateParts<'_> {
    /// The template for chunks of `keys`.
    pub(super) fn template(&self, keys: &ChunkKeys) -> Result<String, TemplateError> {
        let index = if self.append { "" } else { INDEX };
        let Self {
            path,
            suffix,
            compression_suffix,
            time_slice_format,
            ..
        } = self;
        let ending = format!("{index}{suffix}{compression_suffix}");
        let timekey = keys.time.map(|key| key.seconds);
        // Whether the time was written into the template as the timekey needs it.
        let mut is_told = false;
        let mut format = |timekey| {
            is_told = time_slice_format.is_none();
            time_slice_format.unwrap_or(time_format(timekey))
        };
        let template = match (path.split_once('*'), timekey) {
            (Some(_), None) => return Err(TemplateError::StarWithoutTime),
            (Some((before, after)), Some(timekey)) => {
                let format = format(timekey);
                format!("{before}{format}{index}{after}{compression_suffix}")
            }
            (None, Some(timekey)) => match times_told_apart(path, timekey) {
                Told::None => format!("{path}.{}{ending}", format(timekey)),
                Told::All | Told::Some => format!("{path}{ending}"),
            },
            (None, None) => format!("{path}{ending}"),
        };
        if let Some(timekey) = timekey.filter(|_| !is_told)
            && !matches!(times_told_apart(&template, timekey), Told::All)
        {
            return Err(TemplateError::Insufficient {
                path: time_slice_format.unwrap_or(path).to_owned(),
                timekey,
                needed: time_format(timekey),
            });
        }
        check_placeholders(&template, keys, self.is_secondary)?;
        Ok(template)
    }
}

/// The parts of a time that slices of `timekey` seconds differ in.
fn time_format(timekey: u32) -> &'static str {
    match timekey {
        0..60 => "%Y%m%d%H%M%S",
        60..3600 => "%Y%m%d%H%M",
        3600..86_400 => "%Y%m%d%H",
        _ => "%Y%m%d",
    }
}

enum Told {
    All,
    Some,
    None,
}

/// Whether a path or template tells times apart, part by part: it is written for two instants that differ in
/// one part only. So `%F`, `%s` and `%j` count for what they show.
fn times_told_apart(path: &str, timekey: u32) -> Told {
    const BASE: i64 = 1_000_000_000; // 2001-09-09T01:46:40Z
    const DAY: i64 = 86_400;
    const PARTS: [(u32, i64); 6] = [
        (u32::MAX, 365 * DAY), // year: the same day and month a year later
        (u32::MAX, 30 * DAY),  // month: the same day
        (u32::MAX, DAY),
        (DAY as u32, 3600),
        (3600, 60),
        (60, 1),
    ];
    if !path.contains('%') {
        return Told::None;
    }
    let Ok(format) = TimeFormat::compile(path) else {
        return Told::None;
    };
    let text = |seconds| format.to_string(seconds, 0, &Zone::UTC);
    let base = text(BASE);
    let mut told = 0;
    let mut untold = 0;
    for (below, step) in PARTS {
        let differs = text(BASE + step) != base;
        if differs {
            told += 1;
        } else if timekey < below {
            untold += 1;
        }
    }
    match (told, untold) {
        (0, _) => Told::None,
        (_, 0) => Told::All,
        _ => Told::Some,
    }
}

fn check_placeholders(
    template: &str,
    keys: &ChunkKeys,
    may_mix: bool,
) -> Result<(), TemplateError> {
    let names: Vec<&str> = placeholders(template).collect();
    let is_tag = |name: &&str| *name == "tag" || name.starts_with("tag[");
    let owned = || template.to_owned();
    match (names.iter().any(is_tag), keys.tag) {
        (true, false) => return Err(TemplateError::TagNoKey { template: owned() }),
        (false, true) if !may_mix => return Err(TemplateError::TagNotUsed { template: owned() }),
        _ => {}
    }
    for field in &keys.fields {
        if !may_mix && !names.contains(&&*field.name) {
            let key = field.name.to_string();
            return Err(TemplateError::FieldNotUsed {
                template: owned(),
                key,
            });
        }
    }
    let known = |name: &&&str| {
        is_tag(name) || **name == "chunk_id" || keys.fields.iter().any(|key| *key.name == ***name)
    };
    match names.iter().find(|name| !known(name)) {
        Some(name) => Err(TemplateError::FieldNoKey {
            template: owned(),
            key: (*name).to_owned(),
        }),
        None => Ok(()),
    }
}

fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template
        .split("${")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_core::TimeKey;

    fn by_time(seconds: u32) -> ChunkKeys {
        ChunkKeys {
            time: Some(TimeKey { seconds, offset: 0 }),
            ..ChunkKeys::default()
        }
    }

    fn template(path: &str, append: bool, keys: &ChunkKeys) -> Result<String, TemplateError> {
        TemplateParts {
            path,
            suffix: ".log",
            compression_suffix: "",
            time_slice_format: None,
            append,
            is_secondary: false,
        }
        .template(keys)
    }

    #[test]
    fn the_time_is_added_as_fine_as_the_timekey() {
        let of = |seconds| template("/l/o", false, &by_time(seconds)).unwrap();
        assert_eq!(of(30), "/l/o.%Y%m%d%H%M%S_**.log");
        assert_eq!(of(60), "/l/o.%Y%m%d%H%M_**.log");
        assert_eq!(of(3600), "/l/o.%Y%m%d%H_**.log");
        assert_eq!(of(86_400), "/l/o.%Y%m%d_**.log");
    }

    #[test]
    fn a_star_says_where_and_takes_no_suffix() {
        assert_eq!(
            template("x.*.a", false, &by_time(3600)).unwrap(),
            "x.%Y%m%d%H_**.a"
        );
        assert_eq!(
            template("x.*", true, &ChunkKeys::default()),
            Err(TemplateError::StarWithoutTime)
        );
    }

    #[test]
    fn the_old_format_takes_the_place_of_the_time() {
        let template = |path, format, timekey| {
            TemplateParts {
                path,
                suffix: ".log",
                compression_suffix: "",
                time_slice_format: Some(format),
                append: false,
                is_secondary: false,
            }
            .template(&by_time(timekey))
        };
        assert_eq!(
            template("x", "%Y/%m/%d", 86_400).unwrap(),
            "x.%Y/%m/%d_**.log"
        );
        assert_eq!(
            template("x.*.y", "%Y_%m_%d_%H", 3600).unwrap(),
            "x.%Y_%m_%d_%H_**.y"
        );
        assert_eq!(template("x.%F", "%Y%m%d", 86_400).unwrap(), "x.%F_**.log");
        assert_eq!(
            template("x", "%Y%m%d", 3600).unwrap_err().to_string(),
            "insufficient timestamp placeholders in path: '%Y%m%d' does not tell two slices of \
             3600 seconds apart (it needs at least what %Y%m%d%H shows)"
        );
    }

    #[test]
    fn a_path_that_has_the_time_keeps_it() {
        for path in ["x.%Y%m%d%H%M", "x.%s", "%F/%T", "x.%Y-%m-%d_%H_%z"] {
            assert_eq!(
                template(path, true, &by_time(3600)),
                Ok(format!("{path}.log")),
                "{path}"
            );
        }
    }

    #[test]
    fn a_path_with_only_a_part_of_the_time_is_refused() {
        let error = template("x.%Y%m", false, &by_time(86_400)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "insufficient timestamp placeholders in path: 'x.%Y%m' does not tell two slices of \
             86400 seconds apart (it needs at least what %Y%m%d shows)"
        );
    }

    #[test]
    fn placeholders_and_chunk_keys_must_agree() {
        let tag = ChunkKeys {
            tag: true,
            ..ChunkKeys::default()
        };
        assert_eq!(
            template("x.${tag}", true, &tag),
            Ok("x.${tag}.log".to_owned())
        );
        assert_eq!(
            template("x.${tag[1]}", true, &tag),
            Ok("x.${tag[1]}.log".to_owned())
        );
        let mixed = TemplateParts {
            path: "x",
            suffix: ".log",
            compression_suffix: "",
            time_slice_format: None,
            append: true,
            is_secondary: true,
        };
        assert_eq!(mixed.template(&tag), Ok("x.log".to_owned()));
        let message = |result: Result<String, TemplateError>| result.unwrap_err().to_string();
        assert_eq!(
            message(template("x.${tag}", true, &ChunkKeys::default())),
            "Parameter 'path: x.${tag}.log' has tag placeholders, but chunk key 'tag' is not configured"
        );
        assert_eq!(
            message(template("x", true, &tag)),
            "Parameter 'path: x.log' doesn't have tag placeholder"
        );
        assert_eq!(
            message(template("x.${host}", true, &ChunkKeys::default())),
            "Parameter 'path: x.${host}.log' has placeholders, but chunk keys doesn't have keys host"
        );
    }
}
