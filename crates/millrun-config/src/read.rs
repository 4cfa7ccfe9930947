//! From an [`Element`] to the typed parameters a plugin declared.

use std::collections::BTreeSet;

use crate::{
    Content, Conversion, DefaultValue, Diagnostic, Diagnostics, Element, Entry, FromValue, Kind,
    Occurrence, Parameter, Schema, Section, Strictness, ValueError, intended, nearest,
};

/// The sections around the one being read, below the plugin itself: for `, in section a > b`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SectionPath<'a> {
    outer: Option<&'a SectionPath<'a>>,
    name: &'a str,
}

impl<'a> SectionPath<'a> {
    /// The path of a section inside this one.
    #[must_use]
    pub fn inside(&'a self, name: &'a str) -> Self {
        Self {
            outer: Some(self),
            name,
        }
    }

    fn suffix(&self) -> String {
        let mut names = Vec::new();
        let mut section = Some(self);
        while let Some(SectionPath { outer, name }) = section {
            if !name.is_empty() {
                names.push(*name);
            }
            section = *outer;
        }
        names.reverse();
        if names.is_empty() {
            String::new()
        } else {
            format!(", in section {}", names.join(" > "))
        }
    }
}

/// What can be read from a section: the structs of [`parameters!`](crate::parameters), and
/// [`Element`] itself where a plugin named in the section decides later what it means.
pub trait FromElement: Sized {
    /// What the section may contain, if that is known here.
    const SCHEMA: Option<&'static Schema>;

    /// Reads what is declared and leaves the rest alone.
    ///
    /// `None` means that an error was added to the diagnostics.
    fn read_declared(
        element: &Element,
        path: &SectionPath<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self>;

    /// Reads what is declared and warns about the rest.
    fn read_section(
        element: &Element,
        path: &SectionPath<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        if let Some(schema) = Self::SCHEMA {
            warn_unused(element, schema, diagnostics);
        }
        Self::read_declared(element, path, diagnostics)
    }
}

impl FromElement for Element {
    const SCHEMA: Option<&'static Schema> = None;

    fn read_declared(element: &Element, _: &SectionPath<'_>, _: &mut Diagnostics) -> Option<Self> {
        Some(element.clone())
    }
}

/// How many sections of a name become one field: `T` exactly one, `Option<T>`, `Vec<T>`.
pub trait FromSections: Sized {
    /// How often the section may be written.
    const OCCURRENCE: Occurrence;
    /// What the section may contain, if that is known here.
    const SCHEMA: Option<&'static Schema>;

    /// Reads the sections of one name; their number fits already.
    fn read_sections(
        sections: &[&Element],
        path: &SectionPath<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self>;
}

impl<T: FromElement> FromSections for T {
    const OCCURRENCE: Occurrence = Occurrence::Once;
    const SCHEMA: Option<&'static Schema> = T::SCHEMA;

    fn read_sections(
        sections: &[&Element],
        path: &SectionPath<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        T::read_section(sections.first()?, path, diagnostics)
    }
}

impl<T: FromElement> FromSections for Option<T> {
    const OCCURRENCE: Occurrence = Occurrence::Optional;
    const SCHEMA: Option<&'static Schema> = T::SCHEMA;

    fn read_sections(
        sections: &[&Element],
        path: &SectionPath<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        match sections.first() {
            Some(section) => T::read_section(section, path, diagnostics).map(Some),
            None => Some(None),
        }
    }
}

impl<T: FromElement> FromSections for Vec<T> {
    const OCCURRENCE: Occurrence = Occurrence::Many;
    const SCHEMA: Option<&'static Schema> = T::SCHEMA;

    fn read_sections(
        sections: &[&Element],
        path: &SectionPath<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        // Every section is read before one that failed counts, so that all errors come out.
        let read: Vec<_> = sections
            .iter()
            .map(|section| T::read_section(section, path, diagnostics))
            .collect();
        read.into_iter().collect()
    }
}

/// Reads one parameter; `None` means that an error was added to the diagnostics.
pub fn read_parameter<T: FromValue>(
    element: &Element,
    parameter: &Parameter,
    path: &SectionPath<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let entry = written(element, parameter, diagnostics);
    if let (Some(entry), Some(reason)) = (entry, parameter.obsolete) {
        let message = format!("'{}' parameter is already removed: {reason}", entry.name);
        let mut error = Diagnostic::error(message).at(entry.name_span, "");
        error.hint = Some("remove the line".to_owned());
        diagnostics.push(error);
        return None;
    }
    let content = entry.map(|entry| &entry.value.content);
    match (content, parameter.default) {
        (Some(Content::Text(text)), _) => convert(text, entry, parameter, diagnostics),
        (Some(Content::Broken), _) => None,
        (Some(Content::Nil), DefaultValue::Nil) => T::nil(),
        (None | Some(Content::Default), DefaultValue::Nil) => T::nil(),
        (None | Some(Content::Default), DefaultValue::Text(text)) => {
            convert(text, None, parameter, diagnostics)
        }
        (None | Some(Content::Default), DefaultValue::Required)
        | (Some(Content::Nil), DefaultValue::Required | DefaultValue::Text(_)) => {
            diagnostics.push(missing(element, entry, parameter, path));
            None
        }
    }
}

/// The error for a parameter that has no value.
fn missing(
    element: &Element,
    entry: Option<&Entry>,
    parameter: &Parameter,
    path: &SectionPath<'_>,
) -> Diagnostic {
    let name = parameter.name;
    let section = path.suffix();
    let Some(entry) = entry else {
        let error = Diagnostic::error(format!("'{name}' parameter is required{section}"));
        let hint = format!(
            "add a line '{name} VALUE' ({})",
            expectation(parameter.kind)
        );
        return error.at(element.span(), "in this section").hint(hint);
    };
    let (problem, label) = match entry.value.content {
        Content::Default => ("doesn't have default value", "there is no default to use"),
        _ => (
            "parameter is required but nil is specified",
            "this gives nothing",
        ),
    };
    let error = Diagnostic::error(format!("'{name}' {problem}{section}"));
    error.at(entry.value.span, label)
}

/// What is meant by a word that other languages have for a bool.
#[must_use]
pub fn meant_bool(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "1" | "true" | "yes" | "y" | "t" | "enable" | "enabled" => Some("true"),
        "off" | "0" | "false" | "no" | "n" | "f" | "disable" | "disabled" => Some("false"),
        _ => None,
    }
}

/// What a value of a kind looks like.
fn expectation(kind: Kind) -> String {
    match kind {
        Kind::Bool => "expected true or false".to_owned(),
        Kind::Size => "expected a size such as 8m".to_owned(),
        Kind::Time => "expected a time such as 10s".to_owned(),
        Kind::Mode => "expected octal digits such as 0644".to_owned(),
        Kind::Array(_) => "expected a list such as a,b".to_owned(),
        Kind::Hash(_) => "expected pairs such as k:v,l:w".to_owned(),
        Kind::Regexp => "expected a regular expression such as /^a/".to_owned(),
        Kind::Integer => "expected an integer".to_owned(),
        Kind::Enum(words) => format!("expected one of {}", words.join(", ")),
        Kind::String | Kind::Float | Kind::Symbol | Kind::Path | Kind::Json => {
            format!("expected a {kind}")
        }
    }
}

/// The entry of a parameter under its name or its old one.
fn written<'a>(
    element: &'a Element,
    parameter: &Parameter,
    diagnostics: &mut Diagnostics,
) -> Option<&'a Entry> {
    let name = parameter.name;
    let old = parameter.alias.and_then(|alias| element.entry(alias));
    if let Some(old) = old {
        let message = format!("'{}' is an old name of '{name}'", old.name);
        diagnostics.push(Diagnostic::warning(message).at(old.name_span, format!("write '{name}'")));
    }
    let entry = element.entry(name).or(old)?;
    if let Some(reason) = parameter.deprecated {
        let message = format!("'{}' parameter is deprecated: {reason}", entry.name);
        diagnostics.push(Diagnostic::warning(message).at(entry.name_span, ""));
    }
    Some(entry)
}

/// Converts a text that was written, or the text of a default where `entry` is `None`.
fn convert<T: FromValue>(
    text: &str,
    entry: Option<&Entry>,
    parameter: &Parameter,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let Some(entry) = entry else {
        // Defaults are ours: they are converted without anybody's strictness.
        return T::from_text(text, &mut Conversion::new(Strictness::Lax))
            .inspect_err(|error| {
                let message = format!(
                    "the default {text:?} of '{}' is wrong, which is a fault of the program: {error}",
                    parameter.name
                );
                diagnostics.push(Diagnostic::error(message));
            })
            .ok();
    };
    let mut conversion = Conversion::new(diagnostics.strictness());
    let value = T::from_text(text, &mut conversion);
    let name = &entry.name;
    // An error says more than the remark that led to it.
    for remark in conversion.remarks.into_iter().filter(|_| value.is_ok()) {
        let mut warning = Diagnostic::warning(format!("{name}: {remark}")).at(entry.value.span, "");
        let meant = match parameter.kind {
            Kind::Time => intended::time(text),
            Kind::Size => intended::size(text),
            _ => None,
        };
        warning.hint = meant.map(|meant| format!("write '{meant}' if that is meant"));
        diagnostics.push(warning);
    }
    value
        .inspect_err(|error| {
            let message = match error {
                ValueError::Nil => format!("'{name}' parameter is required but nil is specified"),
                error => format!("{name}: {error}"),
            };
            let expected = expectation(parameter.kind);
            let mut error_at = Diagnostic::error(message).at(entry.value.span, expected);
            if let ValueError::Word { text, options } = error {
                error_at.hint = nearest(text, options.iter().copied())
                    .map(|near| format!("did you mean '{near}'?"));
            }
            if parameter.kind == Kind::Bool {
                error_at.hint = meant_bool(text).map(|word| format!("write '{word}'"));
            }
            diagnostics.push(error_at);
        })
        .ok()
}

/// Reads the sections of one name; `None` means that an error was added to the diagnostics.
pub fn read_sections<T: FromSections>(
    element: &Element,
    section: &Section,
    path: &SectionPath<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let empty;
    let mut found: Vec<&Element> = element
        .elements()
        .iter()
        .filter(|inner| inner.name() == section.name || section.alias == Some(inner.name()))
        .collect();
    let name = section.name;
    if found.is_empty() && section.is_initialised {
        empty = Element::new(name, "", element.span());
        found.push(&empty);
    }
    let is_required = section.is_required || section.occurrence == Occurrence::Once;
    if found.is_empty() && is_required {
        let message = format!("'<{name}>' section is required{}", path.suffix());
        let hint = format!("add '<{name}>' and '</{name}>'");
        diagnostics.push(
            Diagnostic::error(message)
                .at(element.span(), "in this section")
                .hint(hint),
        );
        return None;
    }
    if let ([first, second, ..], Occurrence::Once | Occurrence::Optional) =
        (found.as_slice(), section.occurrence)
    {
        let message = format!(
            "'<{name}>' section cannot be written twice or more{}",
            path.suffix()
        );
        let error = Diagnostic::error(message).at(second.span(), "the second one");
        diagnostics.push(error.and(first.span(), "the first one"));
        return None;
    }
    T::read_sections(&found, &path.inside(name), diagnostics)
}

/// Warns about every parameter and section of an element that its schema does not know.
pub fn warn_unused(element: &Element, schema: &'static Schema, diagnostics: &mut Diagnostics) {
    for entry in element.parameters() {
        let name = entry.name.as_str();
        if is_common(name) || schema.parameter(name).is_some() {
            continue;
        }
        let message = format!("parameter '{name}' in {element} is not used.");
        let known = schema.all_parameters().map(|known| known.name);
        diagnostics.push(unused(message, name, known).at(entry.name_span, ""));
    }
    let mut unknown = BTreeSet::new();
    for inner in element.elements() {
        let name = inner.name();
        if schema.section(name).is_some() || !unknown.insert(name) {
            continue;
        }
        let owner = match schema.plugin_type {
            Some(plugin_type) => format!("{element} of {plugin_type} plugin"),
            None => element.to_string(),
        };
        let message = format!("section <{name}> is not used in {owner}");
        let known = schema.all_sections().map(|known| known.name);
        diagnostics.push(unused(message, name, known).at(inner.span(), ""));
    }
}

fn unused(message: String, name: &str, known: impl Iterator<Item = &'static str>) -> Diagnostic {
    let warning = Diagnostic::warning(message);
    match nearest(name, known) {
        Some(near) => warning.hint(format!("did you mean '{near}'?")),
        None => warning,
    }
}

/// The parameters every plugin has; [`Common`](crate::Common) reads them.
fn is_common(name: &str) -> bool {
    matches!(
        name,
        "@type" | "@id" | "@label" | "@log_level" | "type" | "id" | "log_level"
    )
}
