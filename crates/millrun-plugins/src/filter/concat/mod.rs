//! The `concat` filter: joins events that are parts of one.
//!
//! ```text
//! <filter app.**>
//!   @type concat
//!   key message
//!   multiline_start_regexp /^\d{4}-/        or n_lines, multiline_end_regexp, partial_key,
//!   flush_interval 5                        use_partial_metadata, use_partial_cri_logtag
//! </filter>
//! ```
//! The joined event is the first one with the parts' texts in its `key`, and has the time of its last part
//! (`use_first_timestamp`: of the first). Events without the key, and those that begin nothing and continue nothing,
//! pass as they are. Parts are joined within one tag, and one value of `stream_identity_key`.
//!
//! What waited longer than `flush_interval` without another part goes on to `timeout_label`, or where there is none
//! behind this filter. (Fluentd's plugin sends it to `@ERROR` then, and loses it without such a label.)

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use millrun_config::{Diagnostic, Diagnostics, Element, Regexp, parameters};
use millrun_core::{Assembly, Filter, PluginId};
use millrun_pattern::{Level, Matcher};

use super::pattern::compile;
use crate::joining::{Join, Joining, Kind, MetadataNames};

parameters! {
    /// Joins events that are parts of one.
    pub struct ConcatParameters in "filter", type "concat" {
        /// The field that holds a part of the text.
        key: String = required;
        /// What stands between the parts.
        separator: String = "\n";
        /// So many events are one.
        n_lines: Option<u32>;
        /// What the first part looks like.
        multiline_start_regexp: Option<Regexp>;
        /// What the last part looks like.
        multiline_end_regexp: Option<Regexp>;
        /// What a part between them looks like; without it, anything.
        continuous_line_regexp: Option<Regexp>;
        /// The field whose values tell streams of one tag apart.
        stream_identity_key: Option<String>;
        /// Seconds without another part after which what there is goes on; 0 waits for ever.
        flush_interval: u32 = "60";
        /// The label for what went on because of that.
        timeout_label: Option<String>;
        /// The joined event has the time of its first part.
        use_first_timestamp: bool = "false";
        /// The field that says that another part follows.
        partial_key: Option<String>;
        /// What it says then.
        partial_value: Option<String>;
        /// The joined event has that field, too.
        keep_partial_key: bool = "false";
        /// Docker's fields tell what belongs together.
        use_partial_metadata: bool = "false";
        /// How they are called: docker-fluentd, docker-journald or docker-journald-lowercase.
        partial_metadata_format: String = "docker-fluentd";
        /// The joined event has those fields, too.
        keep_partial_metadata: bool = "false";
        /// The log tag of the container runtime interface tells what belongs together.
        use_partial_cri_logtag: bool = "false";
        /// The field of the log tag.
        partial_cri_logtag_key: String = "logtag";
        /// The field of the stream's name.
        partial_cri_stream_key: String = "stream";
    }
}

pub(in crate::filter) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = ConcatParameters::read(element, assembly.diagnostics)?;
    let kind = kind(&parameters, element, assembly.diagnostics)?;
    let timeout_label = match &parameters.timeout_label {
        Some(label) => Some(assembly.label(label, element.span_of("timeout_label"))?),
        None => None,
    };
    let removed = match &kind {
        Kind::Partial { key, .. } if !parameters.keep_partial_key => vec![key.clone()],
        Kind::Metadata(names) if !parameters.keep_partial_metadata => {
            names.all().map(|name| name.as_bytes().to_vec()).into()
        }
        Kind::Cri { logtag, .. } if !parameters.keep_partial_metadata => vec![logtag.clone()],
        _ => Vec::new(),
    };
    let wait = parameters.flush_interval;
    Some(Arc::new(Join::new(
        &id.text,
        Joining {
            kind,
            keys: vec![parameters.key.into_bytes()],
            separator: parameters.separator.into_bytes(),
            has_own_breaks: false,
            identity_key: parameters.stream_identity_key,
            wait: (wait > 0).then(|| Duration::from_secs(wait.into())),
            timeout_label,
            use_first_timestamp: parameters.use_first_timestamp,
            removed,
            parts_max: u32::MAX,
            bytes_max: usize::MAX,
        },
    )))
}

/// The patterns of a filter by their parameters, and which engine runs each.
pub(in crate::filter) fn patterns(element: &Element) -> Vec<(String, Level)> {
    let mut unheard = Diagnostics::default();
    let parameters = ConcatParameters::read(element, &mut unheard);
    let kind = parameters.and_then(|parameters| kind(&parameters, element, &mut unheard));
    let Some(Kind::Regexps {
        start,
        end,
        continued,
    }) = kind
    else {
        return Vec::new();
    };
    [
        ("multiline_start_regexp", start),
        ("multiline_end_regexp", end),
        ("continuous_line_regexp", continued),
    ]
    .into_iter()
    .filter_map(|(name, matcher)| Some((name.to_owned(), matcher?.level())))
    .collect()
}

fn kind(
    parameters: &ConcatParameters,
    element: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<Kind> {
    let has_regexps =
        parameters.multiline_start_regexp.is_some() || parameters.multiline_end_regexp.is_some();
    let ways: Vec<&str> = [
        ("n_lines", parameters.n_lines.is_some()),
        (
            "multiline_start_regexp or multiline_end_regexp",
            has_regexps,
        ),
        ("partial_key", parameters.partial_key.is_some()),
        ("use_partial_metadata", parameters.use_partial_metadata),
        ("use_partial_cri_logtag", parameters.use_partial_cri_logtag),
    ]
    .into_iter()
    .filter_map(|(name, is_used)| is_used.then_some(name))
    .collect();
    let mut refuse = |text: String, hint: &str| {
        let fault = Diagnostic::error(text).at(element.span(), "in this filter");
        diagnostics.push(fault.hint(hint));
    };
    match ways.as_slice() {
        [_] => {}
        [] => {
            refuse(
                "nothing says which events belong together".to_owned(),
                "use one of n_lines, multiline_start_regexp, multiline_end_regexp, partial_key, use_partial_metadata, \
                 use_partial_cri_logtag",
            );
            return None;
        }
        several => {
            refuse(
                format!("{} cannot be used together", several.join(", ")),
                "keep one of them",
            );
            return None;
        }
    }
    if let Some(lines) = parameters.n_lines {
        if lines == 0 {
            refuse("n_lines is 0".to_owned(), "1 or more events make one");
            return None;
        }
        return Some(Kind::Lines(lines));
    }
    if let Some(key) = &parameters.partial_key {
        let Some(value) = &parameters.partial_value else {
            refuse(
                "partial_key needs partial_value".to_owned(),
                "partial_value is what the field says while another part follows",
            );
            return None;
        };
        return Some(Kind::Partial {
            key: key.clone().into_bytes(),
            value: value.clone().into_bytes(),
        });
    }
    if parameters.use_partial_metadata {
        let names = MetadataNames::of_format(&parameters.partial_metadata_format);
        if names.is_none() {
            refuse(
                format!(
                    "unknown partial_metadata_format `{}`",
                    parameters.partial_metadata_format
                ),
                "it is docker-fluentd, docker-journald or docker-journald-lowercase",
            );
        }
        return names.map(Kind::Metadata);
    }
    if parameters.use_partial_cri_logtag {
        return Some(Kind::Cri {
            logtag: parameters.partial_cri_logtag_key.clone().into_bytes(),
            stream: parameters.partial_cri_stream_key.clone().into_bytes(),
        });
    }
    let mut one = |name: &str, regexp: &Option<Regexp>| -> Result<Option<Matcher>, ()> {
        match regexp {
            Some(regexp) => compile(name, regexp, element, diagnostics)
                .map(Some)
                .ok_or(()),
            None => Ok(None),
        }
    };
    let start = one("multiline_start_regexp", &parameters.multiline_start_regexp);
    let end = one("multiline_end_regexp", &parameters.multiline_end_regexp);
    let continued = one("continuous_line_regexp", &parameters.continuous_line_regexp);
    Some(Kind::Regexps {
        start: start.ok()?,
        end: end.ok()?,
        continued: continued.ok()?,
    })
}
