//! YAML that is data and no configuration: lists and mappings of scalars, as [`Json`].

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::{Json, MAX_JSON_DEPTH};

use super::{MAX_NODES, scalar};

/// Why a text is no such YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct YamlError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: String,
}

/// A sequence or mapping that has not ended.
enum Open {
    Sequence(Vec<Json>),
    Mapping(Vec<(String, Json)>, Option<String>),
}

/// Reads the first document of `text`; an empty one is [`Json::Null`].
pub(crate) fn read(text: &str) -> Result<Json, YamlError> {
    let mut open: Vec<Open> = Vec::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, place) = event.map_err(|error| YamlError {
            line: error.marker().line(),
            fault: error.info().to_owned(),
        })?;
        let fault = |fault: &str| YamlError {
            line: place.start.line(),
            fault: fault.to_owned(),
        };
        nodes += 1;
        if nodes > MAX_NODES || open.len() > MAX_JSON_DEPTH {
            return Err(fault("too many values, or nested too deeply"));
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, _, None) => scalar::resolve(&text),
            Event::Scalar(text, ..) => Json::String(text.into_owned()),
            Event::SequenceStart(..) => {
                open.push(Open::Sequence(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::Sequence(items)) => Json::Array(items),
                Some(Open::Mapping(pairs, _)) => Json::Object(pairs),
                None => return Err(fault("an end without a beginning")),
            },
            Event::Alias(_) => return Err(fault("an alias, which stands for nothing here")),
            Event::DocumentEnd => break,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {
                continue;
            }
        };
        match open.last_mut() {
            None => return Ok(value),
            Some(Open::Sequence(items)) => items.push(value),
            Some(Open::Mapping(pairs, key)) => match (key.take(), value) {
                (Some(key), value) => pairs.push((key, value)),
                (None, Json::Array(_) | Json::Object(_)) => {
                    return Err(fault("a key that is no text"));
                }
                (None, Json::String(text)) => *key = Some(text),
                (None, other) => *key = Some(other.to_text()),
            },
        }
    }
    Ok(Json::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_mappings_are_read_as_their_json() {
        let yaml = "# services\n- host: 127.0.0.1\n  port: 24224\n  standby: true\n- {host: b, name: \"24\"}\n";
        let json = "[{\"host\":\"127.0.0.1\",\"port\":24224,\"standby\":true},{\"host\":\"b\",\"name\":\"24\"}]";
        assert_eq!(read(yaml).unwrap(), Json::parse(json).unwrap());
        // JSON is YAML.
        assert_eq!(read(json).unwrap(), Json::parse(json).unwrap());
        assert_eq!(read("").unwrap(), Json::Null);
    }

    #[test]
    fn what_is_no_data_is_told_with_its_line() {
        assert_eq!(read("- a: 1\n- [\n").unwrap_err().line, 3);
        assert!(
            read("- &x {a: 1}\n- *x\n")
                .unwrap_err()
                .to_string()
                .contains("line 2: an alias")
        );
        assert!(read("? [a]\n: b\n").is_err());
        assert!(read(&"[".repeat(200)).is_err());
    }
}
