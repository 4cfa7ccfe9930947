//! What tells that events are parts of one.

use millrun_event::{Record, Value};
use millrun_pattern::{MatchError, Matcher};

use super::traces::{Found, Traces};

/// The ways in which it is told.
pub(crate) enum Kind {
    /// By their number.
    Lines(u32),
    /// By what their texts look like.
    Regexps {
        start: Option<Matcher>,
        end: Option<Matcher>,
        continued: Option<Matcher>,
    },
    /// By a field that says that another part follows.
    Partial { key: Vec<u8>, value: Vec<u8> },
    /// By the fields of Docker's log drivers.
    Metadata(MetadataNames),
    /// By the log tag of the container runtime interface: `P`, and `F` for the last part.
    Cri { logtag: Vec<u8>, stream: Vec<u8> },
    /// By what stack traces look like.
    Traces(Traces),
}

/// What the fields of a log driver are called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetadataNames {
    pub(crate) message: &'static str,
    pub(crate) id: &'static str,
    pub(crate) ordinal: &'static str,
    pub(crate) last: &'static str,
}

impl MetadataNames {
    pub(crate) fn of_format(format: &str) -> Option<Self> {
        Some(match format {
            "docker-fluentd" => Self {
                message: "partial_message",
                id: "partial_id",
                ordinal: "partial_ordinal",
                last: "partial_last",
            },
            "docker-journald" => Self {
                message: "CONTAINER_PARTIAL_MESSAGE",
                id: "CONTAINER_PARTIAL_ID",
                ordinal: "CONTAINER_PARTIAL_ORDINAL",
                last: "CONTAINER_PARTIAL_LAST",
            },
            "docker-journald-lowercase" => Self {
                message: "container_partial_message",
                id: "container_partial_id",
                ordinal: "container_partial_ordinal",
                last: "container_partial_last",
            },
            _ => return None,
        })
    }

    pub(crate) fn all(&self) -> [&'static str; 4] {
        [self.message, self.id, self.ordinal, self.last]
    }
}

/// What is done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is no part of anything.
    Pass,
    /// It is no part of anything, and ends what is held.
    EndAndPass,
    /// It is a part: of what is held, unless that `ends_before`; the last one if it `ends_after`.
    Join { ends_before: bool, ends_after: bool },
}

const PART: Step = Step::Join {
    ends_before: false,
    ends_after: false,
};

const LAST_PART: Step = Step::Join {
    ends_before: false,
    ends_after: true,
};

impl Kind {
    /// What is done with an event whose part is `text`, where `held` parts wait. `state` is what is remembered of them.
    ///
    /// # Errors
    /// A text that a pattern cannot decide: its event is no part of anything, and what is held stays.
    pub(crate) fn step(
        &self,
        record: Record<'_>,
        text: &[u8],
        held: u32,
        state: &mut u8,
    ) -> Result<Step, MatchError> {
        Ok(match self {
            Kind::Traces(traces) => match traces.see(text, state) {
                Found::Nothing => Step::EndAndPass,
                Found::Start => Step::Join {
                    ends_before: held > 0,
                    ends_after: false,
                },
                Found::Inside => PART,
                Found::End => LAST_PART,
            },
            Kind::Lines(lines) if held.saturating_add(1) >= *lines => LAST_PART,
            Kind::Lines(_) => PART,
            Kind::Partial { key, value } => match record.field(key) {
                Some(field) if is_text(field, value) => PART,
                Some(_) => LAST_PART,
                None if held > 0 => LAST_PART,
                None => Step::Pass,
            },
            Kind::Metadata(names) => match record.field(names.message.as_bytes()) {
                None => Step::Pass,
                Some(_) => match record.field(names.last.as_bytes()) {
                    Some(last) if is_text(last, b"true") => LAST_PART,
                    _ => PART,
                },
            },
            Kind::Cri { logtag, .. } => match record.field(logtag).and_then(|field| field.text()) {
                // More tags may follow behind a colon.
                Some([b'P', rest @ ..]) if !matches!(rest, [next, ..] if *next != b':') => PART,
                Some(_) => LAST_PART,
                None => Step::Pass,
            },
            Kind::Regexps {
                start,
                end,
                continued,
            } => {
                let (begins, ends) = (is_match(start, text)?, is_match(end, text)?);
                match continued {
                    _ if begins => Step::Join {
                        ends_before: held > 0,
                        ends_after: ends,
                    },
                    _ if ends => LAST_PART,
                    // Without a start, every part may be the first.
                    _ if held == 0 && start.is_none() => PART,
                    _ if held == 0 => Step::Pass,
                    Some(_) if !is_match(continued, text)? => Step::EndAndPass,
                    _ => PART,
                }
            }
        })
    }

    /// What tells streams apart besides the tag and the stream's key.
    pub(crate) fn stream<'r>(&self, record: Record<'r>) -> Option<Value<'r>> {
        match self {
            Kind::Metadata(names) => record.field(names.id.as_bytes()),
            Kind::Cri { stream, .. } => record.field(stream),
            _ => None,
        }
    }
}

fn is_match(matcher: &Option<Matcher>, text: &[u8]) -> Result<bool, MatchError> {
    matcher
        .as_ref()
        .map_or(Ok(false), |matcher| matcher.is_match(text))
}

fn is_text(value: Value<'_>, text: &[u8]) -> bool {
    match value.text() {
        Some(own) => own == text,
        None => millrun_core::text_of(value.bytes()).as_bytes() == text,
    }
}
