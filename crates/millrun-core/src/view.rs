//! What one worker sees of a configuration: the tree without the `<worker>` sections of others.
//!
//! Everything that reasons about a configuration goes through these views, so that what is made,
//! linted and explained is the same.

use millrun_config::Element;

use crate::workers::WorkerIds;

/// The top of the tree as some workers see it.
pub(crate) struct View<'a> {
    /// One of the workers that see it.
    pub(crate) worker: u32,
    /// All of them, as ranges; `None` where there are no `<worker>` sections.
    pub(crate) workers: Option<Vec<(u32, u32)>>,
    seats: Vec<Seat<'a>>,
}

/// A section at the top of a view.
#[derive(Clone, Copy)]
pub(crate) struct Seat<'a> {
    /// The section.
    pub(crate) element: &'a Element,
    /// How many workers run it.
    pub(crate) workers: u32,
}

/// The rules of the root or of a label, in file order.
pub(crate) struct Scope<'a> {
    /// The label's section; `None` for the root.
    pub(crate) label: Option<&'a Element>,
    /// Its filters and matches.
    pub(crate) rules: Vec<&'a Element>,
}

/// The different views of an instance of so many workers, in the order of their first workers.
pub(crate) fn views(root: &Element, workers: u32) -> Vec<View<'_>> {
    let sections = root.elements_named("worker");
    let sections: Vec<_> = sections
        .filter_map(|section| WorkerIds::read(section.argument()))
        .collect();
    if sections.is_empty() {
        return vec![View::of_worker(root, 0, workers)];
    }
    // What a worker sees changes only where a section begins or ends.
    let mut bounds = vec![0];
    bounds.extend(sections.iter().map(|ids| ids.first));
    bounds.extend(sections.iter().map(|ids| ids.last.saturating_add(1)));
    bounds.retain(|bound| *bound < workers);
    bounds.sort_unstable();
    bounds.dedup();
    let mut views: Vec<(Vec<bool>, View<'_>)> = Vec::new();
    for (index, &first) in bounds.iter().enumerate() {
        let next = bounds.get(index + 1).copied().unwrap_or(workers);
        let range = (first, next.saturating_sub(1));
        let sees: Vec<bool> = sections.iter().map(|ids| ids.contains(first)).collect();
        match views.iter_mut().find(|(other, _)| *other == sees) {
            Some((_, view)) => view.workers.get_or_insert_default().push(range),
            None => {
                let mut view = View::of_worker(root, first, workers);
                view.workers = Some(vec![range]);
                views.push((sees, view));
            }
        }
    }
    views.into_iter().map(|(_, view)| view).collect()
}

impl<'a> View<'a> {
    /// What one worker of so many sees: what is for all, then what is for it.
    pub(crate) fn of_worker(root: &'a Element, worker: u32, workers: u32) -> Self {
        let is_section = |element: &&Element| element.name() == "worker";
        let shared = root.elements().iter().filter(|it| !is_section(it));
        let mut seats: Vec<_> = shared.map(|element| Seat { element, workers }).collect();
        for section in root.elements_named("worker") {
            let ids = WorkerIds::read(section.argument());
            let Some(ids) = ids.filter(|ids| ids.contains(worker)) else {
                continue;
            };
            seats.extend(section.elements().iter().map(|element| Seat {
                element,
                workers: ids.count().min(workers),
            }));
        }
        Self {
            worker,
            workers: None,
            seats,
        }
    }

    /// The sections at its top.
    pub(crate) fn seats(&self) -> &[Seat<'a>] {
        &self.seats
    }

    /// Its workers in words; `None` where there are no `<worker>` sections.
    pub(crate) fn title(&self) -> Option<String> {
        let ranges = self.workers.as_ref()?;
        let words: Vec<_> = ranges
            .iter()
            .map(|(first, last)| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            })
            .collect();
        let is_one = matches!(ranges.as_slice(), [(first, last)] if first == last);
        let noun = if is_one { "worker" } else { "workers" };
        Some(format!("{noun} {}", words.join(", ")))
    }

    fn elements(&self) -> impl Iterator<Item = &'a Element> {
        self.seats.iter().map(|seat| seat.element)
    }

    /// The sources, in file order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &'a Element> {
        self.source_seats().map(|seat| seat.element)
    }

    /// The sources with who runs them, in file order.
    pub(crate) fn source_seats(&self) -> impl Iterator<Item = Seat<'a>> {
        let seats = self.seats.iter().copied();
        seats.filter(|seat| seat.element.name() == "source")
    }

    /// The labels, in file order.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &'a Element> {
        self.elements().filter(|element| element.name() == "label")
    }

    /// The root, then the labels.
    pub(crate) fn scopes(&self) -> Vec<Scope<'a>> {
        let is_rule = |element: &&Element| matches!(element.name(), "filter" | "match");
        let mut scopes = vec![Scope {
            label: None,
            rules: self.elements().filter(is_rule).collect(),
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
