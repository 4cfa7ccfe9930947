/// How the messages begin whose words dashboards and greps rely on; others may be worded anew.
const MESSAGES: [&str; 24] = [
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
    "got unrecoverable error in primary and no secondary",
    "bad chunk is moved to",
    "found broken chunk file during resume.",
    "chunk files are evacuated to",
    "many chunk keys specified",
    "'flush_at_shutdown' is false",
    "config error",
    "detached forwarding server",
    "recovered forwarding server",
];

/// The promised lines among these: level and beginning of each, in their order.
pub(crate) fn promised<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    lines
        .filter_map(|line| {
            let (level, message) = line.split_once(": ")?;
            // A worker's number may stand between: `[warn]: #0 …`.
            let message = match message
                .strip_prefix('#')
                .and_then(|rest| rest.split_once(' '))
            {
                Some((_, rest)) => rest,
                None => message,
            };
            let start = MESSAGES.iter().find(|start| message.starts_with(*start))?;
            Some(format!("{level}: {start}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_promised_lines_are_kept_by_level_and_beginning() {
        let lines = [
            "[info]: something of ours",
            "[warn]: no patterns matched tag=\"a\"",
            "[warn]: #0 retry succeeded. chunk_id=\"x\"",
        ];
        assert_eq!(
            promised(lines.into_iter()),
            ["[warn]: no patterns matched", "[warn]: retry succeeded."]
        );
    }
}
