//! Any text is read without a panic, and a printed tree is read back as the same tree.
#![allow(
    clippy::unwrap_used,
    reason = "the house's exception for tests does not reach their helpers"
)]

use millrun_config::{
    Content, Element, Entry, NoIncludes, Notation, Parsed, Sources, Span, Value, parse_str, print,
};
use proptest::{collection::vec, prelude::*};

mod ruby;

use crate::ruby::ruby;

fn parse(text: &str) -> Parsed {
    parse_str("t.conf", text, &mut ruby(&[]), &mut NoIncludes)
}

/// The tree without places and notations.
#[derive(Debug, PartialEq)]
struct Tree {
    name: String,
    argument: String,
    parameters: Vec<(String, Content)>,
    elements: Vec<Tree>,
}

impl Tree {
    fn of(element: &Element) -> Self {
        let parameters = element.parameters().iter();
        Self {
            name: element.name().to_owned(),
            argument: element.argument().to_owned(),
            parameters: parameters
                .map(|e| (e.name.clone(), e.value.content.clone()))
                .collect(),
            elements: element.elements().iter().map(Tree::of).collect(),
        }
    }
}

/// Words that matter to the language, to be thrown together.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "<", ">", "</", "<a", "</a>", "<a>\n", "\n", "\r", "\r\n", " ", "\t", "#", "#{", "}",
            "{", "[", "]", "\"", "'", "\\", ",", ":", "@include", "include", "@type", "@x", "k ",
            "1", "é", "\u{feff}", "/*", "*/", "//", "ENV['X']", "use_nil", "||", "\0",
        ])
        .prop_map(str::to_owned),
        "[ -~é\n]{0,6}",
    ]
}

fn content() -> impl Strategy<Value = (Content, Notation)> {
    let text = prop_oneof!["[ -~é\t\n\r\0\u{8}\u{c}]{0,12}", "[\"'#{}\\[\\]\\\\ ]{0,8}"];
    prop_oneof![
        4 => text.prop_map(|text| (Content::Text(text), Notation::Bare)),
        1 => Just((Content::Nil, Notation::Double)),
        1 => Just((Content::Default, Notation::Double)),
        1 => Just((Content::Text("[1,{\"a\":\"#{1}\"}]".to_owned()), Notation::Json)),
        1 => Just((Content::Text("{\"a\":\"# b\"}".to_owned()), Notation::Json)),
    ]
}

fn element() -> impl Strategy<Value = Element> {
    let parameter = ("[a-z@<#\"' \\\\{}é]{1,6}", content());
    let leaf = ("[a-zA-Z0-9_]{1,4}", "[ -~é\n]{0,8}", vec(parameter, 0..4)).prop_map(
        |(name, argument, parameters)| {
            let span = Span::new(Sources::default().add("", ""), 0, 0);
            let mut element = Element::new(name, argument, span);
            for (name, (content, notation)) in parameters {
                let value = Value {
                    content,
                    notation,
                    span,
                };
                element.insert(Entry {
                    name,
                    name_span: span,
                    value,
                });
            }
            element
        },
    );
    leaf.prop_recursive(3, 12, 3, |inner| {
        (inner.clone(), vec(inner, 0..3)).prop_map(|(mut element, inner)| {
            inner.into_iter().for_each(|inner| element.push(inner));
            element
        })
    })
}

#[test]
fn a_byte_order_mark_that_is_a_name_is_not_printed_as_one_of_a_file() {
    let first = parse("\u{feff}\u{feff}");
    let again = parse(&print(&first.root));
    assert_eq!(Tree::of(&again.root), Tree::of(&first.root));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(pieces in vec(piece(), 0..40)) {
        let parsed = parse(&pieces.concat());
        // Every place must be one that can be drawn.
        let _ = parsed.diagnostics.render(&parsed.sources, millrun_config::RenderStyle::Plain);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_printed_tree_is_read_back(inner in vec(element(), 0..3)) {
        let mut root = Element::new("ROOT", "", Span::new(Sources::default().add("", ""), 0, 0));
        inner.into_iter().for_each(|inner| root.push(inner));
        let text = print(&root);
        let parsed = parse(&text);
        prop_assert!(!parsed.diagnostics.has_errors(), "{}\n{:?}", text, parsed.diagnostics);
        prop_assert_eq!(Tree::of(&parsed.root), Tree::of(&root), "{}", text);
    }

    #[test]
    fn what_was_read_can_be_printed_and_read_again(pieces in vec(piece(), 0..40)) {
        let first = parse(&pieces.concat());
        if !first.diagnostics.has_errors() {
            let again = parse(&print(&first.root));
            prop_assert_eq!(Tree::of(&again.root), Tree::of(&first.root));
        }
    }
}
