//! Everything there is to say about a configuration, without running any of it.

use std::path::Path;

use millrun_config::{Diagnostics, Element, Parsed, Sources, Strictness, modernise};

use crate::assembly::rehearse;
use crate::lint::lint;
use crate::promise::{Promise, PromiseName, promises};
use crate::registry::Registry;
use crate::system::{System, workers_of};

/// What [`check`] found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The tree, in the new form.
    pub root: Element,
    /// The texts it was read from.
    pub sources: Sources,
    /// Errors and warnings, in the order of the files.
    pub diagnostics: Diagnostics,
    /// What holds on each way from a source to an output. Empty with errors.
    pub promises: Vec<Promise>,
}

/// Checks a configuration that was read: makes its plugins, looks at the whole, starts nothing.
pub fn check(
    parsed: Parsed,
    registry: &Registry,
    state_root: &Path,
    strictness: Strictness,
) -> Checked {
    let Parsed {
        mut root,
        sources,
        mut diagnostics,
    } = parsed;
    diagnostics.set_strictness(strictness);
    modernise(
        &mut root,
        &|element| registry.schema_of(element),
        &mut diagnostics,
    );
    let system = System::read(&root, &mut diagnostics);
    if let Some(system) = system.or_else(|| System::usual(&root)) {
        if system.parameters.strict_config_value {
            diagnostics.set_strictness(Strictness::Strict);
        }
        rehearse(&root, registry, &system, state_root, &mut diagnostics);
    }
    let workers = workers_of(&root);
    lint(&root, registry, workers, &mut diagnostics);
    diagnostics.sort_by_place();
    let promises = match diagnostics.has_errors() {
        true => Vec::new(),
        false => promises(&root, workers),
    };
    Checked {
        root,
        sources,
        diagnostics,
        promises,
    }
}

impl Checked {
    /// The weakest promise, which is the whole configuration's.
    #[must_use]
    pub fn weakest(&self) -> Option<PromiseName> {
        self.promises.iter().map(|promise| promise.name).min()
    }
}
