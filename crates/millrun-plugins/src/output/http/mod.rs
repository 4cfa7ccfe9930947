//! The `http` output: every chunk as one request.
//!
//! ```text
//! <match app.**>
//!   @type http
//!   endpoint http://collector:8080/logs/${tag}
//!   headers {"X-Source":"web1"}
//!   retryable_response_codes 429,503
//!   <buffer tag>
//!   </buffer>
//! </match>
//!
//! chunk ──▶ POST ──▶ 200 … 299                         delivered
//!                ├─▶ one of retryable_response_codes   tried again, as is a server that does not answer
//!                ├─▶ 400, 413, 422                     refused for its content: cut in two until that is found
//!                └─▶ any other                         secondary or backup; or logged and dropped
//! ```
//!
//! `https` is http over TLS (millrun-tls); a proxy opens a tunnel to it.
//!
//! A request without an answer may have been carried out: at least once. Each flush thread has a connection of its own.

mod content;
mod parameters;
mod sender;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use millrun_config::{Diagnostic, Element};
use millrun_core::{Assembly, BufferDefaults, BufferedOutput, Content, Node, PluginId, Sender};

use self::content::Formatter;
pub(super) use self::parameters::HttpParameters;
use self::parameters::Plan;
use self::sender::HttpSender;
use crate::formatter::format_section;

/// What the output formats by where nothing is said.
const FORMAT: &str = "json";

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    if let Some(fault) = of_others(element) {
        assembly.diagnostics.push(fault);
        return None;
    }
    let parameters = HttpParameters::read(element, assembly.diagnostics)?;
    let formatter = format_section(element, FORMAT, assembly.diagnostics)?;
    let defaults = BufferDefaults {
        keys: "tag",
        ..BufferDefaults::default()
    };
    let reading = assembly.read_buffer(element, id, &defaults)?;
    let format = element.elements_named("format").next();
    let format = format.and_then(Element::plugin_type).unwrap_or(FORMAT);
    let plan = parameters.plan(element, id, format, reading.zone.clone(), assembly)?;
    let output = Http {
        formatter: Formatter::new(plan.form, formatter),
        plan,
    };
    Some(assembly.buffered(id, Arc::new(output), reading))
}

/// The fault of a section that is written for a plugin of the same name, by others: its parameters are other ones, and it
/// sent each record by itself.
fn of_others(element: &Element) -> Option<Diagnostic> {
    let theirs = element.entry("endpoint_url")?;
    let message = "'endpoint_url' is a parameter of fluent-plugin-out-http, whose 'http' is another plugin than this one";
    let hint = "write 'endpoint URL' for Fluentd's own, which posts whole chunks; <format> says what 'serializer' did, and \
                <auth> what 'authentication' did";
    // The whole section is the fault: what else it lacks would mislead.
    let fault = Diagnostic::error(message).at(element.span(), "written for that one");
    Some(fault.and(theirs.name_span, "").hint(hint))
}

struct Http {
    plan: Arc<Plan>,
    formatter: Formatter,
}

impl BufferedOutput for Http {
    fn content(&self) -> Content<'_> {
        Content::Formatted(&self.formatter)
    }

    fn sender(&self) -> Box<dyn Sender> {
        Box::new(HttpSender::new(Arc::clone(&self.plan)))
    }
}
