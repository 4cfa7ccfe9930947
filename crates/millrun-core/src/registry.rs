//! Which plugin stands behind a `@type`.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrun_config::{Element, Schema};

use crate::assembly::Assembly;
use crate::graph::Node;
use crate::plugin::{Filter, Input, PluginId};

/// Makes an input of its `<source>`; `None` when a diagnostic says why not.
pub type InputFactory = fn(&Element, &PluginId, &mut Assembly<'_>) -> Option<Box<dyn Input>>;
/// Makes a filter of its `<filter>`.
pub type FilterFactory = fn(&Element, &PluginId, &mut Assembly<'_>) -> Option<Arc<dyn Filter>>;
/// Makes an output of its `<match>` or `<store>`.
pub type OutputFactory = fn(&Element, &PluginId, &mut Assembly<'_>) -> Option<Node>;

/// The known plugins, by kind and `@type`.
#[derive(Default)]
pub struct Registry {
    inputs: BTreeMap<&'static str, Registration<InputFactory>>,
    filters: BTreeMap<&'static str, Registration<FilterFactory>>,
    outputs: BTreeMap<&'static str, Registration<OutputFactory>>,
    parsers: BTreeMap<&'static str, &'static Schema>,
    formatters: BTreeMap<&'static str, &'static Schema>,
    sections: BTreeMap<&'static str, &'static Schema>,
    absent: BTreeMap<(&'static str, &'static str), &'static str>,
}

/// A plugin's factory and what it may be configured with.
#[derive(Clone, Copy)]
pub struct Registration<F> {
    /// Makes one.
    pub factory: F,
    /// Its parameters and sections.
    pub schema: &'static Schema,
    /// Whether only one worker of an instance can run it.
    pub needs_one_worker: bool,
}

impl<F> Registration<F> {
    fn new(factory: F, schema: &'static Schema) -> Self {
        Self {
            factory,
            schema,
            needs_one_worker: false,
        }
    }
}

impl Registry {
    /// Makes an input known under `name`.
    pub fn add_input(
        &mut self,
        name: &'static str,
        schema: &'static Schema,
        factory: InputFactory,
    ) {
        let registration = Registration::new(factory, schema);
        self.inputs.insert(name, registration);
    }

    /// Makes an input known that only one worker of an instance can run.
    pub fn add_input_of_one_worker(
        &mut self,
        name: &'static str,
        schema: &'static Schema,
        factory: InputFactory,
    ) {
        let registration = Registration {
            needs_one_worker: true,
            ..Registration::new(factory, schema)
        };
        self.inputs.insert(name, registration);
    }

    /// Makes a filter known under `name`.
    pub fn add_filter(
        &mut self,
        name: &'static str,
        schema: &'static Schema,
        factory: FilterFactory,
    ) {
        let registration = Registration::new(factory, schema);
        self.filters.insert(name, registration);
    }

    /// Makes an output known under `name`.
    pub fn add_output(
        &mut self,
        name: &'static str,
        schema: &'static Schema,
        factory: OutputFactory,
    ) {
        let registration = Registration::new(factory, schema);
        self.outputs.insert(name, registration);
    }

    /// Makes known what a `<parse>` section of type `name` may say. Parsers are made by the plugins
    /// that use them.
    pub fn add_parser(&mut self, name: &'static str, schema: &'static Schema) {
        self.parsers.insert(name, schema);
    }

    /// Makes known what a `<format>` section of type `name` may say.
    pub fn add_formatter(&mut self, name: &'static str, schema: &'static Schema) {
        self.formatters.insert(name, schema);
    }

    /// Makes known what a section that many plugins have may say.
    pub fn add_section(&mut self, schema: &'static Schema) {
        self.sections.insert(schema.directive, schema);
    }

    /// Makes known that a build with `feature` has the plugin `name`; `kind` is input, filter or output.
    pub fn add_absent(&mut self, kind: &'static str, name: &'static str, feature: &'static str) {
        self.absent.insert((kind, name), feature);
    }

    /// The feature that a plugin comes with which this build lacks.
    pub(crate) fn feature_of(&self, kind: &str, name: &str) -> Option<&'static str> {
        self.absent.get(&(kind, name)).copied()
    }

    /// The inputs, by name.
    pub fn inputs(&self) -> &BTreeMap<&'static str, Registration<InputFactory>> {
        &self.inputs
    }

    /// The filters, by name.
    pub fn filters(&self) -> &BTreeMap<&'static str, Registration<FilterFactory>> {
        &self.filters
    }

    /// The outputs, by name.
    pub fn outputs(&self) -> &BTreeMap<&'static str, Registration<OutputFactory>> {
        &self.outputs
    }

    /// The parsers, by name.
    pub fn parsers(&self) -> &BTreeMap<&'static str, &'static Schema> {
        &self.parsers
    }

    /// The formatters, by name.
    pub fn formatters(&self) -> &BTreeMap<&'static str, &'static Schema> {
        &self.formatters
    }

    /// The sections that many plugins have, by name.
    pub fn sections(&self) -> &BTreeMap<&'static str, &'static Schema> {
        &self.sections
    }

    /// What the plugin or the section that `element` describes may be configured with.
    pub fn schema_of(&self, element: &Element) -> Option<&'static Schema> {
        let name = element.name();
        if let Some(schema) = self.sections.get(name) {
            return Some(schema);
        }
        // The alternatives of the parser `multi_format` name theirs so.
        let format = element.text("format").filter(|_| name == "pattern");
        self.plugin(name, format.or_else(|| element.plugin_type())?)
    }

    /// What the plugin named in a section of this name may be configured with.
    pub fn plugin(&self, section: &str, kind: &str) -> Option<&'static Schema> {
        match section {
            "source" => self.inputs.get(kind).map(|known| known.schema),
            "filter" => self.filters.get(kind).map(|known| known.schema),
            "match" | "store" | "secondary" => self.outputs.get(kind).map(|known| known.schema),
            "parse" | "pattern" => self.parsers.get(kind).copied(),
            "format" => self.formatters.get(kind).copied(),
            _ => None,
        }
    }

    /// The names of the plugins that a section of this name may name; none where it names none.
    pub fn plugin_names(&self, section: &str) -> Vec<&'static str> {
        match section {
            "source" => self.inputs.keys().copied().collect(),
            "filter" => self.filters.keys().copied().collect(),
            "match" | "store" | "secondary" => self.outputs.keys().copied().collect(),
            "parse" | "pattern" => self.parsers.keys().copied().collect(),
            "format" => self.formatters.keys().copied().collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use millrun_config::{Diagnostics, NoIncludes, NoRuby, RenderStyle, parse_str};

    use super::*;
    use crate::{System, assemble};

    #[test]
    fn a_plugin_of_another_build_is_no_unknown_one() {
        let text = "<match **>\n  @type http\n</match>\n";
        let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
        let mut diagnostics = Diagnostics::default();
        let system = System::read(&parsed.root, &mut diagnostics).unwrap();
        let mut registry = Registry::default();
        registry.add_absent("output", "http", "http");
        let directory = Path::new("/tmp");
        assemble(
            &parsed.root,
            &registry,
            &system,
            directory,
            &mut diagnostics,
        );
        assert_eq!(
            diagnostics.render(&parsed.sources, RenderStyle::Plain),
            "\
error: the output plugin 'http' is not part of this build
 --> f.conf:2:9
  |
2 |   @type http
  |         ^^^^ built with the feature http
  |
  = help: build it with: cargo build --release --features http"
        );
    }
}
