//! From the nodes of a text to a configuration: each key to its place in the table.

use super::keys::{self, ABSENT, Draft};
use super::node::{Entry, Node, Value};
use super::problem::Problems;
use super::suggestion::nearest;
use super::{Application, Config, ConfigError};

/// Reads a whole configuration. Keys that are not the engine's are the application's.
pub(crate) fn read(root: Node, mut problems: Problems) -> Result<(Config, Problems), ConfigError> {
    let place = root.place;
    let entries = match root.value {
        Value::Map(entries) => entries,
        // An empty file: every key has its default.
        Value::Null => Vec::new(),
        other => {
            let message = format!("expected a mapping of keys to values, found {other}");
            return Err(problems.and(place, message).into_error());
        }
    };
    let mut draft = Draft::default();
    let mut own = Vec::new();
    for entry in entries {
        match keys::find(&entry.key) {
            Some(key) => {
                if let Err(message) = (key.set)(&mut draft, &entry.node) {
                    problems.add(entry.place, format!("{}: {message}", key.name));
                }
            }
            None => own.push(entry),
        }
    }
    let mut config = match draft.finish() {
        Ok(config) => config,
        Err(message) => return Err(problems.and(place, message).into_error()),
    };
    refuse_absent(&own, &mut problems);
    let root = Node {
        place,
        value: Value::Map(own),
    };
    config.application = Application::of(root);
    // A value that could not be read has left its default: what follows from that is no news.
    if problems.is_empty()
        && let Err(message) = config.check()
    {
        problems.add(place, message);
    }
    Ok((config, problems))
}

/// Keys that look like the engine's and cannot be here are no application's either.
fn refuse_absent(own: &[Entry], problems: &mut Problems) {
    for entry in own {
        if let Some((name, why)) = ABSENT.iter().find(|(name, _)| *name == entry.key) {
            problems.add(entry.place, format!("there is no {name}: {why}"));
        } else if keys::all().any(|key| key.name == entry.key) {
            let message = format!("{} can only be given by the program", entry.key);
            problems.add(entry.place, message);
        }
    }
}

/// Says that nobody knows a key, and what was perhaps meant.
pub(crate) fn unknown(name: &str, fields: &[&str], with_engine: bool) -> String {
    let engine = keys::all().filter(|key| with_engine && !key.kind.is_empty());
    let candidates = fields.iter().copied().chain(engine.map(|key| key.name));
    match nearest(name, candidates) {
        Some(near) => format!("unknown key {name:?}; did you mean {near:?}?"),
        None => format!("unknown key {name:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::RestartParallel;
    use super::super::json::parse;
    use super::*;
    use crate::log::Level;
    use crate::signals::Meaning;

    fn config(text: &str) -> Result<Config, String> {
        let (config, problems) =
            read(parse(text).unwrap(), Problems::default()).map_err(|error| error.to_string())?;
        problems.into_result().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn keys_reach_their_fields_and_the_rest_is_the_applications() {
        let config = config(
            r#"{"workers": 3, "worker_type": "thread", "worker_graceful_kill_timeout": -1,
                "start_worker_delay": 0.5, "log_level": "warn", "restart_parallel": "all",
                "unrecoverable_exit_codes": [3], "signal_reload": "HUP", "port": 80}"#,
        )
        .unwrap();
        assert_eq!(config.workers, 3);
        assert_eq!(config.worker_graceful_kill_timeout, None);
        assert_eq!(config.start_worker_delay, Duration::from_millis(500));
        assert_eq!(config.restart_parallel, RestartParallel::All);
        assert_eq!(config.unrecoverable_exit_codes, [3]);
        assert_eq!(config.logger.unwrap().level(), Level::Warn);
        assert_eq!(config.signals.hup, Meaning::Reload);
        assert_eq!(config.signals.usr2, Meaning::Ignore);
        assert_eq!(config.application.to_json(), r#"{"port":80}"#);
    }

    #[test]
    fn all_problems_are_said_with_their_places() {
        let text = "{\"workers\": \"four\",\n \"start_worker_delay\": -2,\n \"logger_class\": 1, \"logger\": 1}";
        assert_eq!(
            config(text).unwrap_err(),
            "1:2: workers: expected a whole number, found text \"four\"\n\
             2:2: start_worker_delay: expected a time from 0 to 1000000000 seconds, found -2\n\
             3:2: there is no logger_class: code is no configuration; give `Config::log` another sink\n\
             3:21: logger can only be given by the program"
        );
        assert_eq!(
            config("{\"workers\": 5000}").unwrap_err(),
            "1:1: workers must be 1 to 4096, but is 5000"
        );
        assert_eq!(
            config("{\"signal_reload\": \"HUP\", \"signal_dump\": \"HUP\"}").unwrap_err(),
            "1:26: signal_dump: HUP means Reload already"
        );
        assert_eq!(
            config("[]").unwrap_err(),
            "1:1: expected a mapping of keys to values, found a list"
        );
    }

    #[test]
    fn an_unknown_key_comes_with_a_suggestion() {
        assert_eq!(
            unknown("worker", &[], true),
            "unknown key \"worker\"; did you mean \"workers\"?"
        );
        assert_eq!(
            unknown("prot", &["port"], true),
            "unknown key \"prot\"; did you mean \"port\"?"
        );
        assert_eq!(
            unknown("worker", &["port"], false),
            "unknown key \"worker\""
        );
    }

    #[test]
    fn every_default_reads_as_itself() {
        let draft = Config::default();
        for key in keys::all().filter(|key| !key.kind.is_empty()) {
            let mut read = Draft::default();
            let node = (key.value)(&draft);
            assert_eq!((key.set)(&mut read, &node), Ok(()), "{}", key.name);
            let config = read.finish().unwrap();
            assert_eq!((key.value)(&config), node, "{}", key.name);
        }
    }
}
