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

    /// What the plugin that `element` describes may be configured with.
    pub fn schema_of(&self, element: &Element) -> Option<&'static Schema> {
        let kind = element.plugin_type()?;
        match element.name() {
            "source" => self.inputs.get(kind).map(|known| known.schema),
            "filter" => self.filters.get(kind).map(|known| known.schema),
            "match" | "store" | "secondary" => self.outputs.get(kind).map(|known| known.schema),
            _ => None,
        }
    }
}
