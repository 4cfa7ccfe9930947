//! The parameters that every plugin has.

use crate::{Content, Diagnostic, Diagnostics, Element, Entry, words};

words! {
    /// The least severity of the log lines a plugin or the program writes.
    pub enum LogLevel {
        /// Everything.
        Trace = "trace",
        /// What helps to find a fault.
        Debug = "debug",
        /// What an operator wants to know.
        Info = "info",
        /// What an operator should look at.
        Warn = "warn",
        /// What failed.
        Error = "error",
        /// What ends the program.
        Fatal = "fatal",
    }
}

/// `@type`, `@id`, `@label` and `@log_level` of a plugin, read once for all of them.
///
/// `type`, `id` and `log_level` are still accepted, with a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// The plugin's name. `None` where the kind of section has a default plugin.
    pub plugin_type: Option<String>,
    /// The name of this instance, unique in the process.
    pub id: Option<String>,
    /// The label events go to, with its `@`.
    pub label: Option<String>,
    /// The least severity of its log lines.
    pub log_level: Option<LogLevel>,
}

impl Common {
    /// Reads them; a bad one is reported and counts as absent.
    pub fn read(element: &Element, diagnostics: &mut Diagnostics) -> Self {
        let text = |entry: Option<&Entry>| {
            entry
                .and_then(|entry| entry.value.as_text())
                .map(str::to_owned)
        };
        let log_level = match entry(element, "@log_level", Some("log_level"), diagnostics) {
            Some(entry) => log_level(entry, diagnostics),
            None => None,
        };
        Self {
            plugin_type: text(entry(element, "@type", Some("type"), diagnostics)),
            id: text(entry(element, "@id", Some("id"), diagnostics)),
            label: text(entry(element, "@label", None, diagnostics)),
            log_level,
        }
    }

    /// The plugin's name where one must be written.
    ///
    /// `None` means that an error was added to the diagnostics.
    pub fn require_type(&self, element: &Element, diagnostics: &mut Diagnostics) -> Option<&str> {
        let plugin_type = self.plugin_type.as_deref().filter(|name| !name.is_empty());
        let is_broken = |name: &str| {
            let value = element.value(name);
            value.is_some_and(|value| value.content == Content::Broken)
        };
        if plugin_type.is_none() && !is_broken("@type") && !is_broken("type") {
            let name = element.name();
            let message = format!("Missing '@type' parameter on <{name}> directive");
            let error = Diagnostic::error(message).at(element.span(), "in this section");
            diagnostics.push(error.hint("add a line '@type NAME'"));
        }
        plugin_type
    }
}

fn entry<'a>(
    element: &'a Element,
    name: &str,
    old_name: Option<&str>,
    diagnostics: &mut Diagnostics,
) -> Option<&'a Entry> {
    if let Some(entry) = element.entry(name) {
        return Some(entry);
    }
    let old = element.entry(old_name?)?;
    let message = format!(
        "'{}' is deprecated parameter name. use '{name}' instead.",
        old.name
    );
    diagnostics.push(Diagnostic::warning(message).at(old.name_span, ""));
    Some(old)
}

fn log_level(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<LogLevel> {
    let text = entry.value.as_text()?;
    let level = LogLevel::from_word(text);
    if level.is_none() {
        let options = LogLevel::WORDS.join(",");
        let message = format!("{}: valid options are {options} but got {text}", entry.name);
        diagnostics.push(Diagnostic::error(message).at(entry.value.span, "expected a log level"));
    }
    level
}
