//! The `stdout` filter: prints what passes and passes it on.

use std::sync::Arc;

use millrun_config::{Element, parameters};
use millrun_core::{Assembly, Batch, Filter, PluginId, Report};
use millrun_event::EventBuffer;

use crate::formatter::plugin_formatter;
use crate::output::Printer;

parameters! {
    /// Prints events to the standard output and passes them on.
    pub struct StdoutParameters in "filter", type "stdout" {
    }
    sections {
        /// What an event looks like.
        format: Option<Element>;
        /// Fields added to each record.
        inject: Option<Element>;
    }
    legacy { Format, Inject }
}

pub(super) fn build(
    element: &Element,
    _: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    StdoutParameters::read(element, assembly.diagnostics)?;
    let formatter = plugin_formatter(element, "stdout", assembly)?;
    Some(Arc::new(Stdout {
        printer: Printer::new(formatter),
    }))
}

struct Stdout {
    printer: Printer,
}

impl Filter for Stdout {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, _: &mut Report<'_>) {
        let events = batch.events;
        if let Err(error) = self.printer.print(batch.tag, events) {
            tracing::warn!(error = %error, "cannot write to the standard output");
        }
        out.extend(events.bytes, events.count);
    }
}
