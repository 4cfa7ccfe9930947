//! Configurations in the text language: every place can be drawn, and what is printed reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_config::{Element, NoIncludes, NoRuby, Parsed, RenderStyle, parse_str, print};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let parsed = parse(&text);
    // A span beside a character, or outside of its text, does not draw.
    let _ = parsed
        .diagnostics
        .render(&parsed.sources, RenderStyle::Plain);
    if parsed.diagnostics.has_errors() {
        return;
    }
    let printed = print(&parsed.root);
    let again = parse(&printed);
    assert!(!again.diagnostics.has_errors(), "{printed}");
    assert_eq!(tree(&again.root), tree(&parsed.root), "{printed}");
});

fn parse(text: &str) -> Parsed {
    parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes)
}

/// The tree without places and notations.
fn tree(element: &Element) -> String {
    let parameters = element.parameters().iter();
    let parameters: Vec<_> = parameters
        .map(|entry| format!("{:?}={:?}", entry.name, entry.value.content))
        .collect();
    let inner: Vec<_> = element.elements().iter().map(tree).collect();
    format!(
        "<{} {:?} {parameters:?} {inner:?}>",
        element.name(),
        element.argument()
    )
}
