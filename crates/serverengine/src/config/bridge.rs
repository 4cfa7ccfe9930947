//! From nodes to the application's own types, by serde.
//!
//! What no field takes is noticed: serde asks for such a value as one to be ignored.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::node::{Entry, Node, Place, Value};
use super::problem::Problems;
use super::read::unknown;

/// Makes a value of a node. `with_engine`: a key that is not known may have been meant to be the engine's.
pub(super) fn read<A: DeserializeOwned>(
    root: &Node,
    with_engine: bool,
    problems: &mut Problems,
) -> Option<A> {
    let found = RefCell::new(Vec::new());
    let reader = Reader {
        node: root,
        depth: 0,
        unknown: &found,
        own: None,
    };
    let value = A::deserialize(reader);
    for Unknown {
        entry,
        fields,
        depth,
    } in found.take()
    {
        problems.add(
            entry.place,
            unknown(&entry.key, fields, with_engine && depth == 0),
        );
    }
    match value {
        Ok(value) => Some(value),
        Err(error) => {
            problems.add(error.place.unwrap_or(root.place), error.message);
            None
        }
    }
}

/// The application that has no keys of its own.
pub(super) struct NoKeys;

impl<'de> de::Deserialize<'de> for NoKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nothing;

        impl<'de> Visitor<'de> for Nothing {
            type Value = NoKeys;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("no keys")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<NoKeys, M::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(NoKeys)
            }
        }

        deserializer.deserialize_struct("", &[], Nothing)
    }
}

/// A key that no field took.
struct Unknown<'a> {
    entry: &'a Entry,
    fields: &'static [&'static str],
    depth: usize,
}

/// One node on its way.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    depth: usize,
    unknown: &'a RefCell<Vec<Unknown<'a>>>,
    /// The entry this is the value of, if it is one of a type with named fields.
    own: Option<(&'a Entry, &'static [&'static str])>,
}

#[derive(Debug)]
struct Failure {
    place: Option<Place>,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            place: None,
            message: message.to_string(),
        }
    }
}

impl Failure {
    fn at(mut self, place: Place, key: &str) -> Self {
        if self.place.is_none() {
            self.place = Some(place);
            self.message = format!("{key}: {}", self.message);
        }
        self
    }
}

impl<'a> Reader<'a> {
    fn visit_map<'de, V: Visitor<'de>>(
        self,
        entries: &'a [Entry],
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_map(Entries {
            reader: self,
            entries: entries.iter(),
            current: None,
            fields,
        })
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::List(items) => visitor.visit_seq(Items {
                reader: self,
                items: items.iter(),
            }),
            Value::Map(entries) => self.visit_map(entries, None, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Map(entries) => self.visit_map(entries, Some(fields), visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Text(variant) => visitor.visit_enum(StrDeserializer::new(variant)),
            Value::Map(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(Variant {
                    reader: self,
                    entry,
                }),
                _ => Err(de::Error::custom("expected one variant with its content")),
            },
            other => Err(de::Error::custom(format!(
                "expected the name of a variant, found {other}"
            ))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if let Some((entry, fields)) = self.own {
            self.unknown.borrow_mut().push(Unknown {
                entry,
                fields,
                depth: self.depth.saturating_sub(1),
            });
        }
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

struct Items<'a> {
    reader: Reader<'a>,
    items: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some(node) = self.items.next() else {
            return Ok(None);
        };
        let reader = Reader {
            node,
            depth: self.reader.depth + 1,
            own: None,
            ..self.reader
        };
        seed.deserialize(reader).map(Some)
    }
}

struct Entries<'a> {
    reader: Reader<'a>,
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
    /// The fields of the type, if it has named ones.
    fields: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        let key = StrDeserializer::<Failure>::new(&entry.key);
        let key = seed.deserialize(key);
        key.map(Some)
            .map_err(|error| error.at(entry.place, &entry.key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some(entry) = self.current else {
            return Err(de::Error::custom("a value before its key"));
        };
        let reader = Reader {
            node: &entry.node,
            depth: self.reader.depth + 1,
            own: self.fields.map(|fields| (entry, fields)),
            ..self.reader
        };
        seed.deserialize(reader)
            .map_err(|error| error.at(entry.place, &entry.key))
    }
}

struct Variant<'a> {
    reader: Reader<'a>,
    entry: &'a Entry,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Failure;
    type Variant = Reader<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Reader<'a>), Failure> {
        let reader = Reader {
            node: &self.entry.node,
            depth: self.reader.depth + 1,
            own: None,
            ..self.reader
        };
        let variant = seed.deserialize(StrDeserializer::<Failure>::new(&self.entry.key))?;
        Ok((variant, reader))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        de::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_struct("", fields, visitor)
    }
}
