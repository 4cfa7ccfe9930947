//! Makes one section of a plugin's flat parameters.

use std::collections::BTreeSet;

use super::entry::entry;
use crate::{
    Conversion as Convert, Diagnostic, Diagnostics, Element, Entry, Json, Legacy, Notation,
    Strictness, Value, dump::print_section,
};

/// The one buffer parameter that means something beside a `<buffer>` section, too.
pub(super) const FLUSH_INTERVAL: &str = "flush_interval";

/// A section to be made, and the plugin whose parameters it is made of.
pub(super) struct Conversion<'a> {
    plugin: &'a Element,
    legacy: Legacy,
}

impl<'a> Conversion<'a> {
    pub(super) fn new(plugin: &'a Element, legacy: Legacy) -> Self {
        Self { plugin, legacy }
    }

    /// Whether the section is there; flat parameters beside it mean nothing.
    pub(super) fn is_written_new(&self) -> bool {
        let mut sections = self.plugin.elements_named(self.legacy.section_name());
        sections.next().is_some()
    }

    /// The one exception to that: `flush_interval` beside `<buffer>` sets the mode, not the time.
    pub(super) fn note_flush_interval(
        &self,
        used: &mut BTreeSet<&'static str>,
        diagnostics: &mut Diagnostics,
    ) {
        let is_buffer = self.legacy.section_name() == "buffer";
        let Some(entry) = self.plugin.entry(FLUSH_INTERVAL).filter(|_| is_buffer) else {
            return;
        };
        used.insert(FLUSH_INTERVAL);
        let message = "'flush_interval' is configured at out side of <buffer>. 'flush_mode' is set \
                       to 'interval' and the value is not used";
        let warning = Diagnostic::warning(message).at(entry.name_span, "");
        diagnostics.push(warning.hint("write the line inside <buffer>"));
    }

    /// The section, if any of its parameters is there. Those that went into it are put into `used`.
    pub(super) fn section(
        &self,
        used: &mut BTreeSet<&'static str>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Element> {
        let mut found: Vec<&Entry> = Vec::new();
        for (old, _) in self.legacy.rows() {
            if let Some(entry) = self.plugin.entry(old) {
                used.insert(old);
                found.push(entry);
            }
        }
        let first = found.first()?.name_span;
        let errors = diagnostics.errors().count();
        let argument = match self.legacy {
            Legacy::TimeSlicedBuffer => "time",
            Legacy::Buffer if self.plugin.entry("time_slice_format").is_some() => "time",
            _ => "",
        };
        let mut section = Element::new(self.legacy.section_name(), argument, first);
        self.copy(&mut section);
        match self.legacy {
            Legacy::Buffer | Legacy::TimeSlicedBuffer => {
                self.time_slice(&mut section, diagnostics);
            }
            Legacy::Parse => {
                self.parser(&mut section);
                self.types(&mut section, diagnostics);
            }
            Legacy::Format | Legacy::Extract => self.epoch(&mut section),
            // Numbered lines are no flat parameters.
            Legacy::Conditions | Legacy::Rules => {}
            Legacy::Inject => {
                self.inject(&mut section);
                self.epoch(&mut section);
            }
        }
        for zone in self.zone(&mut section, diagnostics) {
            used.insert(zone);
            found.extend(self.plugin.entry(zone));
        }
        // A form that is wrong is nothing to show.
        if diagnostics.errors().count() == errors {
            let mut shown = section.clone();
            if used.contains(FLUSH_INTERVAL) && shown.name() == "buffer" {
                flush_by_interval(&mut shown);
            }
            diagnostics.push(warning(&[shown], &found));
        }
        Some(section)
    }

    /// What only changes its name.
    fn copy(&self, section: &mut Element) {
        for (old, new) in self.legacy.rows() {
            let (Some(entry), Some(new)) = (self.plugin.entry(old), new) else {
                continue;
            };
            let mut entry = entry.clone();
            entry.name = (*new).to_owned();
            if *old == "buffer_queue_full_action" && entry.value.as_text() == Some("exception") {
                entry.value = Value::text("throw_exception", entry.value.span);
            }
            section.insert(entry);
        }
    }

    /// `time_slice_format` names the length of a slice by its finest part.
    fn time_slice(&self, section: &mut Element, diagnostics: &mut Diagnostics) {
        let Some(entry) = self.plugin.entry("time_slice_format") else {
            if self.legacy == Legacy::TimeSlicedBuffer {
                set(section, "timekey", "86400");
            }
            return;
        };
        // A value that is none was reported where it was read.
        let format = entry.value.as_text().unwrap_or("%S");
        let parts = [("%S", "1"), ("%M", "60"), ("%H", "3600"), ("%d", "86400")];
        match parts.iter().find(|(part, _)| format.contains(part)) {
            Some((_, seconds)) => set(section, "timekey", seconds),
            None => {
                let message = "time_slice_format only with %Y or %m is too long";
                let error = Diagnostic::error(message);
                let label = "expected %d, %H, %M or %S in it";
                diagnostics.push(error.at(entry.value.span, label));
                // Else its absence would be the next error.
                set(section, "timekey", "86400");
            }
        }
    }

    /// `format` is the parser's name, or a regular expression between slashes.
    fn parser(&self, section: &mut Element) {
        let Some(entry) = self.plugin.entry("format") else {
            return;
        };
        let is_regexp = entry.value.as_text().is_some_and(|text| {
            let body = text
                .strip_prefix('/')
                .and_then(|rest| rest.rsplit_once('/'));
            body.is_some_and(|(_, flags)| flags.chars().all(|c| matches!(c, 'i' | 'm' | 'x')))
        });
        let mut entry = entry.clone();
        if is_regexp {
            set(section, "@type", "regexp");
            entry.name = "expression".to_owned();
        } else {
            entry.name = "@type".to_owned();
        }
        section.insert(entry);
    }

    /// `types a:integer,b:bool` with delimiters of its own.
    fn types(&self, section: &mut Element, diagnostics: &mut Diagnostics) {
        let Some(entry) = self.plugin.entry("types") else {
            return;
        };
        let delimiter = self.plugin.text("types_delimiter").unwrap_or(",");
        let label_delimiter = self.plugin.text("types_label_delimiter").unwrap_or(":");
        let mut types = Vec::new();
        for pair in entry.value.as_text().unwrap_or_default().split(delimiter) {
            match pair.trim().split_once(label_delimiter) {
                Some((key, name)) => types.push((key.to_owned(), Json::String(name.to_owned()))),
                None => {
                    let message = format!("'{pair}' in types names no type and is left out");
                    let label = format!("expected KEY{label_delimiter}TYPE");
                    diagnostics.push(Diagnostic::warning(message).at(entry.value.span, label));
                }
            }
        }
        section.insert(Entry {
            name: "types".to_owned(),
            name_span: entry.name_span,
            value: Value {
                notation: Notation::Json,
                ..Value::text(Json::Object(types).to_string(), entry.value.span)
            },
        });
    }

    /// `include_…` switches on what the other parameters only name.
    fn inject(&self, section: &mut Element) {
        if self.is_true("include_time_key") {
            set_absent(section, "time_key", "time");
            set_absent(section, "time_type", "string");
        }
        if self.is_true("include_tag_key") {
            set_absent(section, "tag_key", "tag");
        }
    }

    fn epoch(&self, section: &mut Element) {
        if self.is_true("time_as_epoch") {
            set(section, "time_type", "unixtime");
        }
    }

    /// `localtime` or `utc`; both are a contradiction. Returns those that were found.
    fn zone(&self, section: &mut Element, diagnostics: &mut Diagnostics) -> Vec<&'static str> {
        let (local, utc) = (self.plugin.entry("localtime"), self.plugin.entry("utc"));
        if let (Some(local), Some(utc)) = (local, utc) {
            let message = "both of utc and localtime are specified, use only one of them";
            let error = Diagnostic::error(message).at(utc.name_span, "");
            diagnostics.push(error.and(local.name_span, "the other one"));
            return vec!["localtime", "utc"];
        }
        let (name, is_utc) = match (local, utc) {
            (Some(_), _) => ("localtime", !self.is_true("localtime")),
            (_, Some(_)) => ("utc", self.is_true("utc")),
            (None, None) => return Vec::new(),
        };
        let (utc, local) = if is_utc {
            ("true", "false")
        } else {
            ("false", "true")
        };
        if self.legacy.section_name() == "buffer" {
            if section.argument() == "time" {
                set(section, "timekey_use_utc", utc);
            }
        } else {
            set(section, "localtime", local);
            set(section, "utc", utc);
        }
        vec![name]
    }

    fn is_true(&self, name: &str) -> bool {
        let text = self.plugin.text(name);
        text.is_some_and(|text| Convert::new(Strictness::Lax).bool(text) == Ok(true))
    }
}

/// What a flat `flush_interval` means beside the time itself.
pub(super) fn flush_by_interval(buffer: &mut Element) {
    set_absent(buffer, "flush_mode", "interval");
}

fn set(section: &mut Element, name: &str, text: &str) {
    let span = section.span();
    section.insert(entry(name, text, span));
}

fn set_absent(section: &mut Element, name: &str, text: &str) {
    if section.entry(name).is_none() {
        set(section, name, text);
    }
}

/// The warning about lines that are sections today, which shows these.
pub(super) fn warning(sections: &[Element], found: &[&Entry]) -> Diagnostic {
    let names: Vec<_> = found.iter().map(|entry| entry.name.as_str()).collect();
    let (verb, noun) = match names.len() {
        1 => ("is", "an old name"),
        _ => ("are", "old names"),
    };
    let mut kinds: Vec<_> = sections
        .iter()
        .map(|section| format!("<{}>", section.name()))
        .collect();
    kinds.dedup();
    let kinds = kinds.join(" and ");
    let what = match sections {
        [_] => format!("a {kinds} section says"),
        _ => format!("{kinds} sections say"),
    };
    let message = format!("{} {verb} {noun} of what {what}", names.join(", "));
    let mut warning = Diagnostic::warning(message);
    for (number, entry) in found.iter().enumerate() {
        warning = match number {
            0 => warning.at(entry.name_span, ""),
            _ => warning.and(entry.name_span, ""),
        };
    }
    let shown: String = sections.iter().map(print_section).collect();
    warning.hint(format!("write\n{}", shown.trim_end()))
}
