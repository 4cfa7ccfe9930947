//! What a reload carries from the process that loaded a configuration to those that work with it: the
//! keys that can change, and the application's own.
//!
//! ```text
//!   {"engine": {"workers": 4, …}, "fixed": ["pid_path"], "application": {"greeting": "salut"}}
//! ```

use crate::log::Level;

use super::keys::{self, Draft, Key, Reload};
use super::node::{Entry, Node, Value};
use super::{Application, Config, json};

/// Writes what a reload may change. `before`: the configuration in use.
pub(crate) fn write(config: &Config, before: &Config) -> String {
    let fixed = fixed_differences(before, config)
        .into_iter()
        .map(|name| Value::Text(name.to_owned()).into());
    let engine = changeable().map(|key| (key.name.to_owned(), (key.value)(config)));
    let root = Node::map([
        ("engine".to_owned(), Node::map(engine)),
        ("fixed".to_owned(), Value::List(fixed.collect()).into()),
        (
            "application".to_owned(),
            json::parse(&config.application.to_json()).unwrap_or(Value::Null.into()),
        ),
    ]);
    json::write(&root)
}

/// What a reload changes.
pub(crate) struct Changed {
    pub(crate) config: Config,
    pub(crate) log_level: Level,
    /// Keys that were changed and cannot be: they wait for the next start of the server.
    pub(crate) fixed: Vec<String>,
}

/// Returns the configuration with what a text of [`write`] says.
pub(crate) fn read(text: &str, before: &Config) -> Result<Changed, String> {
    let root = json::parse(text).map_err(|error| error.message)?;
    let mut draft = Draft::of(before.clone());
    let Some(Node {
        value: Value::Map(entries),
        ..
    }) = root.field("engine")
    else {
        return Err("there is no configuration in it".to_owned());
    };
    for Entry {
        key: name, node, ..
    } in entries
    {
        let key = changeable().find(|key| key.name == name);
        let key = key.ok_or_else(|| format!("{name} cannot be changed by a reload"))?;
        (key.set)(&mut draft, node).map_err(|message| format!("{name}: {message}"))?;
    }
    // There is one logger, and it has been started: only its level can change.
    let log_level = draft.logger.level;
    draft.logs = false;
    let mut config = draft.finish()?;
    if let Some(application) = root.field("application") {
        config.application =
            Application::from_json(&json::write(application)).map_err(|error| error.to_string())?;
    }
    config.check()?;
    let fixed = match root.field("fixed") {
        Some(Node {
            value: Value::List(names),
            ..
        }) => names.iter().filter_map(|name| match &name.value {
            Value::Text(name) => Some(name.clone()),
            _ => None,
        }),
        _ => return Err("there is no list of fixed keys in it".to_owned()),
    };
    Ok(Changed {
        config,
        log_level,
        fixed: fixed.collect(),
    })
}

/// Returns the names of fixed keys that two configurations differ in.
fn fixed_differences(one: &Config, other: &Config) -> Vec<&'static str> {
    keys::all()
        .filter(|key| key.reload == Reload::Fixed && !key.kind.is_empty())
        .filter(|key| (key.value)(one) != (key.value)(other))
        .map(|key| key.name)
        .collect()
}

fn changeable() -> impl Iterator<Item = &'static Key> {
    keys::all().filter(|key| key.reload != Reload::Fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_change_is_carried_and_the_rest_stays() {
        let new = Config {
            workers: 7,
            supervisor: true,
            application: Application::from_json(r#"{"greeting":"salut"}"#).unwrap(),
            ..Config::default()
        };
        let before = Config {
            pid_path: Some("/run/x".into()),
            ..Config::default()
        };
        let changed = read(&write(&new, &before), &before).unwrap();
        assert_eq!(changed.fixed, ["supervisor", "pid_path"]);
        let read = changed.config;
        assert_eq!(read.workers, 7);
        assert!(!read.supervisor);
        assert_eq!(read.pid_path, before.pid_path);
        assert_eq!(read.application, new.application);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let before = Config::default();
        let refused = |text| read(text, &before).map(|_| ()).unwrap_err();
        assert_eq!(
            refused(r#"{"engine":{"workers":0}}"#),
            "workers must be 1 to 4096, but is 0"
        );
        assert_eq!(
            refused(r#"{"engine":{"supervisor":true}}"#),
            "supervisor cannot be changed by a reload"
        );
        assert_eq!(refused("{}"), "there is no configuration in it");
        assert_eq!(refused(""), "expected a value, found the end");
    }
}
