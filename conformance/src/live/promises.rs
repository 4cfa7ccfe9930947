/// How the messages begin whose words dashboards and greps rely on; others may be worded anew.
const MESSAGES: &[&str] = &[
    "no patterns matched",
    "dump an error event:",
    "emit transaction failed:",
    "send an error event to @ERROR:",
    "send an error event stream to @ERROR:",
    "failed to flush the buffer.",
    "failed to flush the buffer with secondary output.",
    "retry succeeded.",
    "retry succeeded by secondary.",
    "Hit limit for retries.",
    "failed to flush the buffer chunk, timeout to commit.",
    "buffer flush took longer time than slow_flush_log_threshold:",
    "failed to write data into buffer by buffer overflow",
    "dropping oldest chunk to make space after buffer overflow",
    "chunk bytes limit exceeds for an emitted event stream:",
    "chunk size limit exceeds for an emitted event stream:",
    "got unrecoverable error in primary and no secondary",
    "bad chunk is moved to",
    "found broken chunk file during resume.",
    "chunk files are evacuated to",
    "many chunk keys specified",
    "'flush_at_shutdown' is false",
    "config error file=",
    "detached forwarding server",
    "recovered forwarding server",
    "using standby node",
    "Input chunk size is larger than 'chunk_size_warn_limit':",
    "Input chunk size is larger than 'chunk_size_limit', dropped:",
    "incoming chunk is broken:",
    "skip invalid event:",
    "got invalid event and drop it:",
    "Shared key mismatch",
    "Authentication failed",
    "Anonymous client disallowed",
    "connection refused to",
    "A received data was ignored since it was too large.",
];

/// The lines of a life: recorded only where the log as a whole is looked at.
const LIFE: &[&str] = &[
    "starting fluentd worker",
    "fluentd worker is now running",
    "fluentd worker is now stopping",
    "finished dry run mode",
    "force flushing buffered events",
    "flushing all buffer forcedly",
];

/// Which lines are promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Those of the catalogue.
    Messages,
    /// And those of a worker's life.
    MessagesAndLife,
}

impl Promise {
    /// The promised lines among these: level and beginning of each, in their order, with their
    /// times. Lines of several workers are sorted, for nothing orders those.
    pub(crate) fn of<'a>(
        self,
        lines: impl Iterator<Item = (Option<f64>, &'a str)>,
    ) -> Vec<(Option<f64>, String)> {
        let mut are_several = false;
        let mut promised: Vec<(Option<f64>, String)> = lines
            .filter_map(|(time, line)| {
                let (level, message) = line.split_once(": ")?;
                are_several |= message.starts_with("#1 ");
                let message = without_place(message);
                let start = self.start(message)?;
                Some((time, format!("{level}: {start}")))
            })
            .collect();
        if are_several {
            promised.sort_by(|(_, one), (_, other)| one.cmp(other));
        }
        promised
    }

    /// The beginning by which a message is promised.
    fn start(self, message: &str) -> Option<&'static str> {
        let life = match self {
            Self::Messages => &[],
            Self::MessagesAndLife => LIFE,
        };
        let mut starts = MESSAGES.iter().chain(life);
        starts.find(|start| message.starts_with(**start)).copied()
    }
}

/// A message without the worker's number, the plugin's id, and the place in Ruby's code that the
/// reference names from the level debug on: `#0 [id] fluent/log.rb:372:info: …`.
fn without_place(message: &str) -> &str {
    let mut message = message;
    if let Some((place, rest)) = message.split_once(": ")
        && place.contains(".rb:")
        && !place.contains(' ')
    {
        message = rest;
    }
    if let Some((_, rest)) = message
        .strip_prefix('#')
        .and_then(|rest| rest.split_once(' '))
    {
        message = rest;
    }
    if let Some((_, rest)) = message
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        message = rest;
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_promised_lines_are_kept_by_level_and_beginning() {
        let lines = [
            "[info]: something of ours",
            "[warn]: no patterns matched tag=\"a\"",
            "[warn]: #0 [out] retry succeeded. chunk_id=\"x\"",
        ];
        assert_eq!(
            Promise::Messages.of(lines.into_iter().map(|line| (None, line))),
            [
                (None, "[warn]: no patterns matched".to_owned()),
                (None, "[warn]: retry succeeded.".to_owned())
            ]
        );
    }
}
