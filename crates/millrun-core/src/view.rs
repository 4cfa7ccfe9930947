//! What one worker sees of a configuration: the tree without the `<worker>` sections of others.
//!
//! The pure lints and explanations work on it; routing at run time has its own, compiled form.

use millrun_config::Element;

/// The top of the tree as some workers see it.
pub(crate) struct View<'a> {
    /// The argument of the `<worker>` sections it shows; `None` where there are none.
    pub(crate) worker: Option<&'a str>,
    elements: Vec<&'a Element>,
}

/// The rules of the root or of a label, in file order.
pub(crate) struct Scope<'a> {
    /// The label's section; `None` for the root.
    pub(crate) label: Option<&'a Element>,
    /// Its filters and matches.
    pub(crate) rules: Vec<&'a Element>,
}

/// One view for each argument of `<worker>`, or the only one.
pub(crate) fn views(root: &Element) -> Vec<View<'_>> {
    let mut workers: Vec<&str> = Vec::new();
    for worker in root.elements_named("worker") {
        if !workers.contains(&worker.argument()) {
            workers.push(worker.argument());
        }
    }
    if workers.is_empty() {
        return vec![View::new(root, None)];
    }
    let views = workers.into_iter();
    views.map(|worker| View::new(root, Some(worker))).collect()
}

impl<'a> View<'a> {
    fn new(root: &'a Element, worker: Option<&'a str>) -> Self {
        let mut elements = Vec::new();
        for element in root.elements() {
            if element.name() != "worker" {
                elements.push(element);
            } else if Some(element.argument()) == worker {
                elements.extend(element.elements());
            }
        }
        Self { worker, elements }
    }

    /// The sources, in file order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &'a Element> {
        let elements = self.elements.iter().copied();
        elements.filter(|element| element.name() == "source")
    }

    /// The labels, in file order.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &'a Element> {
        let elements = self.elements.iter().copied();
        elements.filter(|element| element.name() == "label")
    }

    /// The root, then the labels.
    pub(crate) fn scopes(&self) -> Vec<Scope<'a>> {
        let is_rule = |element: &&Element| matches!(element.name(), "filter" | "match");
        let mut scopes = vec![Scope {
            label: None,
            rules: self.elements.iter().copied().filter(is_rule).collect(),
        }];
        scopes.extend(self.labels().map(|label| Scope {
            label: Some(label),
            rules: label.elements().iter().filter(is_rule).collect(),
        }));
        scopes
    }

    /// The scope of a label with its `@`, or of the root.
    pub(crate) fn scope(&self, label: &str) -> Option<Scope<'a>> {
        let is_meant = |scope: &Scope<'_>| scope.name() == label;
        self.scopes().into_iter().find(is_meant)
    }
}

impl Scope<'_> {
    /// The label's name, or `@ROOT`.
    pub(crate) fn name(&self) -> &str {
        self.label.map_or("@ROOT", Element::argument)
    }
}

/// The labels that an element and the sections inside it send events to, with their sections.
pub(crate) fn targets(element: &Element) -> Vec<(&str, &Element)> {
    let own = element.text("@label").map(|label| (label, element));
    let inner = element.elements().iter().flat_map(targets);
    own.into_iter().chain(inner).collect()
}
