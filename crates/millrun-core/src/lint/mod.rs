//! What is allowed and probably not meant: findings about a whole configuration that no plugin can
//! make alone.
//!
//! ```text
//! routing   a match or filter behind a match that takes all its tags; patterns that look like lists
//! log_events  log lines that become events at the top level, or nowhere
//! labels    labels that nothing leads to; labels that lead back to themselves
//! sources   a position file that two sources share
//! buffers   placeholders that no chunk key answers
//! ```
//!
//! Pure functions over the tree; nothing is opened, resolved or run. Unknown and mistyped
//! parameters, values that are read otherwise than written, ids and buffer paths used twice are
//! found where plugins are made (`assemble`).

mod buffers;
mod labels;
mod log_events;
mod routing;
mod sources;

use millrun_config::{Diagnostics, Element};

use crate::registry::Registry;
use crate::view::views;

/// Adds everything about `root`, run by so many workers, that looks like a mistake.
pub fn lint(root: &Element, registry: &Registry, workers: u32, diagnostics: &mut Diagnostics) {
    let views = views(root, workers);
    for view in &views {
        routing::lint(view, diagnostics);
        labels::lint(view, diagnostics);
        log_events::lint(view, diagnostics);
    }
    sources::lint(&views, diagnostics);
    buffers::lint(root, registry, diagnostics);
}

#[cfg(test)]
mod tests;
