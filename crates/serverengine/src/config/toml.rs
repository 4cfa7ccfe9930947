//! TOML to nodes with their places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::json::Unreadable;
use super::node::{Entry, Node, Place, Value};

pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    match DeTable::parse(text) {
        Ok(table) => Ok(Node {
            place: Place { line: 1, column: 1 },
            value: map(text, table.get_ref())?,
        }),
        Err(error) => Err(Unreadable {
            place: Place::of(text, error.span().map_or(0, |span| span.start)),
            message: format!("this is no TOML: {}", error.message()),
        }),
    }
}

fn map(text: &str, table: &DeTable<'_>) -> Result<Value, Unreadable> {
    let mut entries = Vec::new();
    for (key, value) in table {
        entries.push(Entry {
            key: key.get_ref().to_string(),
            place: Place::of(text, key.span().start),
            node: node(text, value)?,
        });
    }
    Ok(Value::Map(entries))
}

fn node(text: &str, spanned: &Spanned<DeValue<'_>>) -> Result<Node, Unreadable> {
    let place = Place::of(text, spanned.span().start);
    let value = match spanned.get_ref() {
        DeValue::String(value) => Value::Text(value.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => return too_large(place, number.as_str()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => return too_large(place, number.as_str()),
        },
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(moment) => Value::Text(moment.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| node(text, item));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => map(text, table)?,
    };
    Ok(Node { place, value })
}

fn too_large(place: Place, number: &str) -> Result<Node, Unreadable> {
    let message = format!("{number} is too large a number");
    Err(Unreadable { place, message })
}

#[cfg(test)]
mod tests {
    use super::super::json::write;
    use super::*;

    #[test]
    fn all_kinds_of_values_arrive() {
        let text = "a = 1\nb = -0.5\nc = true\nd = 0o27\ne = ['x', 2]\nf = 1979-05-27\n[g.h]\ni = '''j'''\n";
        assert_eq!(
            write(&parse(text).unwrap()),
            r#"{"a":1,"b":-0.5,"c":true,"d":23,"e":["x",2],"f":"1979-05-27","g":{"h":{"i":"j"}}}"#
        );
        assert_eq!(
            parse("a = 99999999999999999999").unwrap_err().message,
            "99999999999999999999 is too large a number"
        );
    }
}
