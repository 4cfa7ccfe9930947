//! What connections run over: TCP as it is, or TLS.
//!
//! ```text
//! ServerTransport ──▶ Acceptor ──▶ Stream    tasks: nothing blocks
//! ClientTls       ──▶ Connector ─▶ Wire      threads: blocks up to a deadline
//! the http output ──▶ Connector              its client has streams of its own
//! ```

mod client;
mod server;
mod stream;
mod version;
mod wire;

#[cfg(feature = "http")]
pub(crate) use client::ConnectorParts;
pub(crate) use client::{ClientTls, ClientTransport};
pub(crate) use server::{ServerTransport, ServerTransportParameters};
pub(crate) use stream::Stream;
#[cfg(feature = "http")]
pub(crate) use version::TlsVersion;
pub(crate) use wire::{Wire, WireError};

use millrun_config::{Diagnostic, Diagnostics, Span};
use millrun_tls::SetupError;

/// `None`, with a diagnostic, where TLS is asked for and not part of this build.
fn check_built(asked_at: Span, diagnostics: &mut Diagnostics) -> Option<()> {
    if !millrun_tls::IS_BUILT {
        diagnostics.push(not_built(asked_at));
    }
    millrun_tls::IS_BUILT.then_some(())
}

fn not_built(asked_at: Span) -> Diagnostic {
    let fault = Diagnostic::error(SetupError::NotBuilt.to_string());
    let hint =
        "build it with: cargo build --release --features tls; or let connections go over tcp";
    fault.at(asked_at, "TLS is asked for here").hint(hint)
}

#[cfg(test)]
mod tests {
    use millrun_config::{NoIncludes, NoRuby, RenderStyle, parse_str};

    use super::*;

    #[test]
    fn what_was_not_built_is_told_with_its_place_and_feature() {
        let text = "<match **>\n  @type forward\n  transport tls\n</match>\n";
        let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(not_built(parsed.root.elements()[0].span_of("transport")));
        assert_eq!(
            diagnostics.render(&parsed.sources, RenderStyle::Plain),
            "\
error: this program was built without the feature tls, so it speaks no TLS
 --> f.conf:3:13
  |
3 |   transport tls
  |             ^^^ TLS is asked for here
  |
  = help: build it with: cargo build --release --features tls; or let connections go over tcp"
        );
    }
}
