//! From the configuration's tree to the graph: every plugin made, nothing started.
//!
//! Order follows Fluentd: labels are known first, so that any plugin may name one; then filters
//! and outputs in file order; sources last. All faults are found in one go and reported with
//! their places, so the caller shows them together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrun_config::{Common, Diagnostic, Diagnostics, Element, Span, nearest};
use millrun_pattern::TagPatterns;

use crate::buffered::BufferedNode;
use crate::graph::{Graph, HOPS_MAX, Node, RouterId};
use crate::obsolete::replacement;
use crate::plugin::{Input, PluginId};
use crate::registry::Registry;
use crate::route::Router;
use crate::second_look::ALL_LOOKS_MAX;
use crate::secondary::Primary;
use crate::system::System;
use crate::view::{Seat, View, views};
use crate::workers::check_workers;

/// The label that the program's own log lines go to as events.
pub(crate) const LOG_LABEL: &str = "@FLUENT_LOG";

/// What a configuration describes, made and not started.
#[derive(Default)]
pub struct Parts {
    /// Where events travel.
    pub graph: Graph,
    /// The sources, in file order.
    pub inputs: Vec<InputPart>,
    /// The outputs with a buffer, in the order in which they were made.
    pub buffered: Vec<Arc<BufferedNode>>,
}

/// A source and where its events enter the graph.
pub struct InputPart {
    /// The plugin's id.
    pub id: PluginId,
    /// The router its events enter.
    pub router: RouterId,
    /// The plugin.
    pub input: Box<dyn Input>,
}

/// What the common parameters of a section say.
struct Plugin {
    kind: String,
    id: PluginId,
    label: Option<String>,
}

/// The state of making plugins: what their factories may ask and report.
pub struct Assembly<'a> {
    /// Where faults of the configuration go.
    pub diagnostics: &'a mut Diagnostics,
    /// The `<system>` section.
    pub system: &'a System,
    pub(crate) registry: &'a Registry,
    labels: HashMap<String, (RouterId, Span)>,
    ids: HashMap<Arc<str>, Span>,
    unnamed: HashMap<String, usize>,
    pub(crate) buffered: Vec<Arc<BufferedNode>>,
    pub(crate) state_root: PathBuf,
    pub(crate) buffer_paths: HashMap<PathBuf, Span>,
    /// While a secondary output is made: its primary one.
    pub(crate) primary: Option<Primary>,
    /// The worker that the plugins are made for.
    pub(crate) worker: u32,
    /// How many workers run the plugin that is being made.
    pub(crate) workers: u32,
    /// Nothing of what is made will run.
    pub(crate) is_rehearsal: bool,
    depth: usize,
    /// How often plugins may still be looked at again, and whether one just is.
    pub(crate) looks_left: usize,
    pub(crate) looks_again: usize,
}

/// Makes every plugin that `system.worker` runs. Whether the parts may be used, the diagnostics
/// say: with an error among them they are incomplete.
pub fn assemble(
    root: &Element,
    registry: &Registry,
    system: &System,
    state_root: &Path,
    diagnostics: &mut Diagnostics,
) -> Parts {
    check_workers(root, system.parameters.workers, diagnostics);
    let view = View::of_worker(root, system.worker, system.parameters.workers);
    Assembly::new(registry, system, state_root, diagnostics).parts(&view)
}

/// Makes the plugins of all workers, to hear what they have to say, and returns those of the
/// first.
pub fn assemble_all(
    root: &Element,
    registry: &Registry,
    system: &System,
    state_root: &Path,
    diagnostics: &mut Diagnostics,
) -> Parts {
    check_workers(root, system.parameters.workers, diagnostics);
    let mut assembly = Assembly::new(registry, system, state_root, diagnostics);
    let views = views(root, system.parameters.workers);
    let mut parts = views.iter().map(|view| assembly.parts(view));
    let first = parts.next();
    parts.for_each(drop);
    first.unwrap_or_default()
}

/// Makes the plugins of all workers only to hear what they have to say.
pub(crate) fn rehearse(
    root: &Element,
    registry: &Registry,
    system: &System,
    state_root: &Path,
    diagnostics: &mut Diagnostics,
) {
    check_workers(root, system.parameters.workers, diagnostics);
    let mut assembly = Assembly::new(registry, system, state_root, diagnostics);
    assembly.is_rehearsal = true;
    for view in views(root, system.parameters.workers) {
        assembly.rehearse(&view);
    }
}

impl<'a> Assembly<'a> {
    fn new(
        registry: &'a Registry,
        system: &'a System,
        state_root: &Path,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self {
            diagnostics,
            system,
            registry,
            labels: HashMap::new(),
            ids: HashMap::new(),
            unnamed: HashMap::new(),
            buffered: Vec::new(),
            state_root: state_root.to_owned(),
            buffer_paths: HashMap::new(),
            primary: None,
            worker: system.worker,
            workers: system.parameters.workers,
            is_rehearsal: false,
            depth: 0,
            looks_left: ALL_LOOKS_MAX,
            looks_again: 0,
        }
    }

    /// The plugins of a view. What is unique in a process begins anew; what is shared on disk does
    /// not.
    fn parts(&mut self, view: &View<'_>) -> Parts {
        let labels = self.begin(view);
        let error = self.labels.get("@ERROR").map(|(router, _)| *router);
        let mut routers = vec![self.router(view.seats().iter().copied())];
        for Seat { element, workers } in labels {
            let inner = element.elements().iter();
            routers.push(self.router(inner.map(|element| Seat { element, workers })));
        }
        let mut inputs = Vec::new();
        if !self.system.without_source {
            for seat in view.source_seats() {
                self.workers = seat.workers;
                inputs.extend(self.input(seat.element));
            }
        }
        let mut graph = Graph {
            routers,
            error,
            ..Graph::default()
        };
        let log = self.labels.get(LOG_LABEL).map(|(router, _)| *router);
        graph.log = graph.log_route(log);
        Parts {
            graph,
            inputs,
            buffered: std::mem::take(&mut self.buffered),
        }
    }

    /// As [`parts`](Self::parts), and each part is gone before the next one is made: a long configuration would otherwise
    /// fill the memory with plugins that nobody runs, at a cost that grows faster than its length.
    fn rehearse(&mut self, view: &View<'_>) {
        let labels = self.begin(view);
        drop(self.router(view.seats().iter().copied()));
        for Seat { element, workers } in labels {
            let inner = element.elements().iter();
            drop(self.router(inner.map(|element| Seat { element, workers })));
        }
        if !self.system.without_source {
            for seat in view.source_seats() {
                self.workers = seat.workers;
                drop(self.input(seat.element));
            }
        }
    }

    /// Begins with a view; its labels, which any plugin may name.
    fn begin<'e>(&mut self, view: &View<'e>) -> Vec<Seat<'e>> {
        self.worker = view.worker;
        self.labels.clear();
        self.ids.clear();
        self.unnamed.clear();
        self.buffered.clear();
        self.collect_labels(view)
    }
}

impl Assembly<'_> {
    /// The worker that plugins are made for, from 0.
    #[must_use]
    pub fn worker(&self) -> u32 {
        self.worker
    }

    /// How many helpers of the worker a plugin makes parts for; none while plugins are only made to hear what they have to say.
    #[must_use]
    pub fn helpers(&self) -> usize {
        match self.is_rehearsal {
            true => 0,
            false => self.system.helpers(),
        }
    }

    /// Makes the output that `element`, a `<match>` or `<store>`, describes.
    pub fn output(&mut self, element: &Element) -> Option<Arc<Node>> {
        let plugin = self.plugin(element)?;
        let Some(registration) = self.registry.outputs().get(&*plugin.kind).copied() else {
            self.unknown(
                "output",
                &plugin.kind,
                element,
                self.registry.outputs().keys(),
            );
            return None;
        };
        if self.depth >= HOPS_MAX {
            let fault = format!("outputs are nested deeper than {HOPS_MAX} levels");
            self.diagnostics
                .push(Diagnostic::error(fault).at(element.span(), "one level too deep"));
            return None;
        }
        self.depth += 1;
        let node = self.made(element, |element, assembly| {
            (registration.factory)(element, &plugin.id, assembly)
        });
        self.depth -= 1;
        node.map(Arc::new)
    }

    /// The router of `label`, with an error at `span` where no `<label>` has the name.
    pub fn label(&mut self, label: &str, span: Span) -> Option<RouterId> {
        if label == "@ROOT" {
            return Some(RouterId::ROOT);
        }
        if let Some((router, _)) = self.labels.get(label) {
            return Some(*router);
        }
        let mut fault = Diagnostic::error(format!("{label} label not found"))
            .at(span, "no <label> section has this name");
        if let Some(near) = nearest(label, self.labels.keys().map(String::as_str)) {
            fault = fault.hint(format!("did you mean {near}?"));
        }
        self.diagnostics.push(fault);
        None
    }

    /// What the section says of its plugin: which, and what it is called. A missing type and an
    /// id used twice are reported.
    fn plugin(&mut self, element: &Element) -> Option<Plugin> {
        let common = Common::read(element, self.diagnostics);
        let kind = common.require_type(element, self.diagnostics)?.to_owned();
        let id = self.plugin_id(&kind, common.id, element);
        Some(Plugin {
            kind,
            id,
            label: common.label,
        })
    }

    fn plugin_id(&mut self, kind: &str, id: Option<String>, element: &Element) -> PluginId {
        let Some(id) = id else {
            let number = self.unnamed.entry(kind.to_owned()).or_default();
            *number += 1;
            return PluginId {
                text: format!("{kind}_{number}").into(),
                is_given: false,
            };
        };
        let id: Arc<str> = id.into();
        let span = element.span_of("@id");
        let first = self.ids.insert(Arc::clone(&id), span);
        // A plugin that is looked at again has its own id.
        let is_known = |first: &Span| self.looks_again > 0 && *first == span;
        if let Some(first) = first.filter(|first| !is_known(first)) {
            let message =
                format!("Duplicated plugin id `{id}`. Check whole configuration and fix it.");
            let error = used_twice(message, first, span);
            let hint = "an id names one plugin, in the log and on disk";
            self.diagnostics.push(error.hint(hint));
        }
        PluginId {
            text: id,
            is_given: true,
        }
    }

    fn collect_labels<'e>(&mut self, view: &View<'e>) -> Vec<Seat<'e>> {
        let mut labels = Vec::new();
        let is_label = |seat: &&Seat<'_>| seat.element.name() == "label";
        for seat in view.seats().iter().filter(is_label) {
            let element = seat.element;
            let name = element.argument();
            let fault = match name {
                "" => Some("Missing symbol argument on <label> directive".to_owned()),
                "@ROOT" => Some(
                    "@ROOT for <label> is not permitted, reserved for getting root router"
                        .to_owned(),
                ),
                _ => None,
            };
            if let Some(fault) = fault {
                self.diagnostics
                    .push(Diagnostic::error(fault).at(element.span(), "this label"));
                continue;
            }
            labels.push(*seat);
            let router = RouterId(labels.len());
            if let Some((_, first)) = self
                .labels
                .insert(name.to_owned(), (router, element.span()))
            {
                self.diagnostics.push(
                    Diagnostic::error(format!("Section <label {name}> appears twice"))
                        .at(element.span(), "again here")
                        .and(first, "first here"),
                );
            }
            if element.elements_named("match").next().is_none() {
                let fault = format!("Missing <match> sections in <label {name}> section");
                self.diagnostics.push(
                    Diagnostic::error(fault)
                        .at(element.span(), "its events would have nowhere to go")
                        .hint("add a <match **> to the label"),
                );
            }
        }
        labels
    }

    fn router<'e>(&mut self, scope: impl Iterator<Item = Seat<'e>>) -> Router {
        let mut router = Router::default();
        for Seat { element, workers } in scope {
            self.workers = workers;
            match element.name() {
                "match" => {
                    let patterns = self.patterns(element);
                    let node = self.output(element);
                    if let (Some(patterns), Some(node)) = (patterns, node) {
                        router.add_match(patterns, node);
                    }
                }
                "filter" => self.filter(element, &mut router),
                "source" | "label" | "system" => {}
                other => {
                    self.diagnostics.push(
                        Diagnostic::warning(format!("section <{other}> is not used"))
                            .at(element.span(), "no directive has this name")
                            .hint(
                                "the directives are source, match, filter, label, system, worker",
                            ),
                    );
                }
            }
        }
        router
    }

    fn filter(&mut self, element: &Element, router: &mut Router) {
        let patterns = self.patterns(element);
        let Some(plugin) = self.plugin(element) else {
            return;
        };
        let Some(registration) = self.registry.filters().get(&*plugin.kind).copied() else {
            return self.unknown(
                "filter",
                &plugin.kind,
                element,
                self.registry.filters().keys(),
            );
        };
        let filter = self.made(element, |element, assembly| {
            (registration.factory)(element, &plugin.id, assembly)
        });
        if let (Some(patterns), Some(filter)) = (patterns, filter) {
            router.add_filter(patterns, filter);
        }
    }

    fn input(&mut self, element: &Element) -> Option<InputPart> {
        let plugin = self.plugin(element)?;
        let Some(registration) = self.registry.inputs().get(&*plugin.kind).copied() else {
            self.unknown(
                "input",
                &plugin.kind,
                element,
                self.registry.inputs().keys(),
            );
            return None;
        };
        let router = match &plugin.label {
            Some(label) => self.label(label, element.span_of("@label")),
            None => Some(RouterId::ROOT),
        };
        if registration.needs_one_worker && self.workers > 1 {
            self.refuse_many_workers(&plugin.kind, element);
        }
        let input = self.made(element, |element, assembly| {
            (registration.factory)(element, &plugin.id, assembly)
        })?;
        Some(InputPart {
            id: plugin.id,
            router: router?,
            input,
        })
    }

    /// Several workers would each do the whole of what only one can do.
    fn refuse_many_workers(&mut self, kind: &str, element: &Element) {
        let message = format!("Plugin '{kind}' does not support multi workers configuration");
        let text = format!("{} workers would run it", self.workers);
        let error = Diagnostic::error(message).at(element.span(), text);
        let hint = "write it into a section <worker 0>";
        self.diagnostics.push(error.hint(hint));
    }

    fn patterns(&mut self, element: &Element) -> Option<TagPatterns> {
        match TagPatterns::compile(element.argument()) {
            Ok(patterns) => Some(patterns),
            Err(error) => {
                let fault = Diagnostic::error(error.to_string());
                self.diagnostics
                    .push(fault.at(element.span(), "in this pattern"));
                None
            }
        }
    }

    fn unknown<'n>(
        &mut self,
        what: &str,
        kind: &str,
        element: &Element,
        known: impl Iterator<Item = &'n &'static str>,
    ) {
        let entry = element.entry("@type").or_else(|| element.entry("type"));
        let span = entry.map_or(element.span(), |entry| entry.value.span);
        if let Some(feature) = self.registry.feature_of(what, kind) {
            let fault = format!("the {what} plugin '{kind}' is not part of this build");
            let fault =
                Diagnostic::error(fault).at(span, format!("built with the feature {feature}"));
            let hint = format!("build it with: cargo build --release --features {feature}");
            self.diagnostics.push(fault.hint(hint));
            return;
        }
        let known: Vec<&str> = known.copied().collect();
        let hint = match (
            replacement(kind, element),
            nearest(kind, known.iter().copied()),
        ) {
            (Some(form), _) => form,
            (None, Some(near)) => format!("did you mean {near}?"),
            (None, None) => format!("this build has: {}", known.join(", ")),
        };
        self.diagnostics.push(
            Diagnostic::error(format!("Unknown {what} plugin '{kind}'"))
                .at(span, format!("no {what} of this name"))
                .hint(hint),
        );
    }
}

/// An error about what may be there once: at the later of two places, whichever was found first.
pub(crate) fn used_twice(message: String, one: Span, other: Span) -> Diagnostic {
    let (first, again) = match (one.file, one.start) <= (other.file, other.start) {
        true => (one, other),
        false => (other, one),
    };
    Diagnostic::error(message)
        .at(again, "used again here")
        .and(first, "first used here")
}
