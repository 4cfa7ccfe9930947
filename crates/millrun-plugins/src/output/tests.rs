//! What outputs that need no buffer are made of, and what is said of them.

use std::path::Path;
use std::sync::Arc;

use millrun_config::{NoIncludes, NoRuby, RenderStyle, parse_str};
use millrun_core::{Node, Registry, System, assemble};

fn assembled(text: &str) -> (millrun_core::Parts, String, bool) {
    let parsed = parse_str(
        "f.conf",
        &format!("<match **>\n{text}\n</match>\n"),
        &mut NoRuby,
        &mut NoIncludes,
    );
    let mut registry = Registry::default();
    super::register(&mut registry);
    let mut diagnostics = parsed.diagnostics;
    let system = System::read(&parsed.root, &mut diagnostics).unwrap();
    let parts = assemble(
        &parsed.root,
        &registry,
        &system,
        Path::new("/tmp"),
        &mut diagnostics,
    );
    let said = diagnostics.render(&parsed.sources, RenderStyle::Plain);
    (parts, said, diagnostics.has_errors())
}

/// The output of a text such as `@type null`.
pub(super) fn output(text: &str) -> Node {
    let (parts, said, is_refused) = assembled(text);
    assert!(!is_refused, "{said}");
    let node: Arc<Node> = Arc::clone(parts.graph.routers[0].targets().next().unwrap());
    match &*node {
        Node::Rewrite(rewrite) => Node::Rewrite(Arc::clone(rewrite)),
        _ => panic!("only outputs that rewrite are looked into"),
    }
}

/// All that is said of an output's text, as it is shown.
pub(super) fn said(text: &str) -> String {
    assembled(text).1
}

#[test]
fn a_roundrobin_says_what_is_wrong_with_its_weights() {
    let store = |weight: &str| format!("<store>\n@type null\n{weight}\n</store>\n");
    let text = |weights: [&str; 2]| format!("@type roundrobin\n{}", weights.map(store).concat());
    for weights in [["", ""], ["weight 0", "weight 3"]] {
        assert_eq!(said(&text(weights)), "");
    }
    assert_eq!(
        said(&text(["weight 0", "weight 0"])),
        "\
error: no <store> of this roundrobin ever has its turn
 --> f.conf:1:1
  |
1 | <match **>
  | ^^^^^^^^^^ every weight in here is 0
  |
  = help: give one <store> a weight above 0, or remove the line"
    );
    assert_eq!(
        said(&text(["weight many", ""])),
        "\
warning: weight: \"many\" is no plain integer and is read as 0
 --> f.conf:5:8
  |
5 | weight many
  |        ^^^^"
    );
}
