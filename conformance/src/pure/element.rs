//! The elements of a configuration in the notation of the cases, made and shown.

use millrun_config::{Content, Element, Entry, Notation, Sources, Span, Value as Text};
use serde_json::{Value, json};

use crate::case::Unplayable;

/// A place for what no file says.
pub(crate) fn nowhere() -> Span {
    Span::new(Sources::default().add("case.conf", ""), 0, 0)
}

/// An element of `{name, arg, attrs: [[name, text] …], elements: […]}`.
pub(crate) fn element(value: &Value) -> Result<Element, Unplayable> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let list = |key: &str| {
        value
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let mut element = Element::new(text("name"), text("arg"), nowhere());
    for pair in list("attrs") {
        let half = |index: usize| pair.get(index).and_then(Value::as_str);
        let (Some(name), Some(text)) = (half(0), half(1)) else {
            return Err(Unplayable::new(format!("{pair} is no parameter")));
        };
        set(&mut element, name, text);
    }
    for inner in list("elements") {
        element.push(self::element(inner)?);
    }
    Ok(element)
}

/// Sets a parameter.
pub(crate) fn set(element: &mut Element, name: &str, text: &str) {
    element.insert(Entry {
        name: name.to_owned(),
        name_span: nowhere(),
        value: Text::text(text, nowhere()),
    });
}

/// An element as a tree, as the cases show one.
pub(crate) fn tree(element: &Element) -> Value {
    let attributes = element.parameters().iter().map(|entry| {
        let native = matches!(entry.value.notation, Notation::Native);
        let shown = match (native, entry.value.as_text()) {
            // YAML knows numbers and the like by itself.
            (true, Some(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            _ => content(&entry.value.content),
        };
        json!([entry.name, shown])
    });
    let attributes: Vec<Value> = attributes.collect();
    let elements: Vec<Value> = element.elements().iter().map(tree).collect();
    json!({
        "name": element.name(), "arg": element.argument(),
        "attrs": attributes, "elements": elements
    })
}

/// What stands behind a parameter's name.
pub(crate) fn content(content: &Content) -> Value {
    match content {
        Content::Text(text) => json!(text),
        // With the latter the case is an error anyway.
        Content::Nil | Content::Broken => Value::Null,
        Content::Default => json!({"$sym": "default"}),
    }
}
