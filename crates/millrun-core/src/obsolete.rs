//! What is written today for plugins that old configurations name and nobody maintains (fluentd.md section 7, row 28),
//! where no rewriting of the section can do it.
//!
//! `forest` is rewritten where it stands for placeholders (`millrun_config::modernise`); what is left of it here is what
//! has no such form.

use millrun_config::Element;

/// What to write in the place of a section that names an obsolete plugin.
pub(crate) fn replacement(kind: &str, element: &Element) -> Option<String> {
    let text = match kind {
        "forest" => {
            "it is a placeholder today: '@type SUBTYPE' with what the <template> says, ${tag} in its path, \
             and <buffer tag>"
        }
        "multiprocess" => return Some(multiprocess(element)),
        "tdlog" | "td" | "td_monitor_agent" | "td_monitoring_agent" | "td_counter" => {
            "its service is not spoken to: send the events on with '@type forward' or write a file"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Every child process with a configuration of its own is a worker that includes it.
fn multiprocess(element: &Element) -> String {
    let processes: Vec<_> = element.elements_named("process").collect();
    let mut text = format!(
        "it is workers today; write\n<system>\n  workers {}\n</system>",
        processes.len().max(1)
    );
    for (worker, process) in processes.iter().enumerate() {
        let file = process.text("cmdline").and_then(configuration_of);
        let file = file.unwrap_or("FILE");
        text.push_str(&format!(
            "\n<worker {worker}>\n  @include {file}\n</worker>"
        ));
    }
    text
}

/// The file that a command line names with `-c` or `--config`.
fn configuration_of(command_line: &str) -> Option<&str> {
    let mut words = command_line.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "-c" | "--config" => return words.next(),
            word => {
                let file = word
                    .strip_prefix("--config=")
                    .or_else(|| word.strip_prefix("-c"));
                if file.is_some_and(|file| !file.is_empty()) {
                    return file;
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::configuration_of;

    #[test]
    fn the_file_of_a_command_line_is_found_in_every_form() {
        for line in [
            "-c /a.conf -o x",
            "--log x -c/a.conf",
            "--config=/a.conf",
            "-q --config /a.conf",
        ] {
            assert_eq!(configuration_of(line), Some("/a.conf"), "{line}");
        }
        assert_eq!(configuration_of("-o x"), None);
    }
}
