//! Values of a database as msgpack.

use std::fmt;

use millrun_event::write;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The deepest nesting of a value that is written; the reader has its own limits before.
const DEPTH_MAX: usize = 32;

/// One msgpack value.
pub(crate) struct Msgpack(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Msgpack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = Vec::new();
        let writer = Writer {
            out: &mut bytes,
            depth: 0,
        };
        serde::de::DeserializeSeed::deserialize(writer, deserializer)?;
        Ok(Msgpack(bytes))
    }
}

/// Appends the value that it is given.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for Writer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Writer<'_> {
    /// The depth of what is within.
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        match self.depth < DEPTH_MAX {
            true => Ok(self.depth + 1),
            false => Err(E::custom("a value is nested too deep")),
        }
    }
}

impl<'de> Visitor<'de> for Writer<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value of a database")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        write::bool(self.out, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        write::int(self.out, value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        write::uint(self.out, value);
        Ok(())
    }

    /// More than msgpack has numbers for: as text.
    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        match u64::try_from(value) {
            Ok(value) => write::uint(self.out, value),
            Err(_) => write::str(self.out, value.to_string().as_bytes()),
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        write::float(self.out, value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        write::str(self.out, value.as_bytes());
        Ok(())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<(), E> {
        write::bin(self.out, value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let depth = self.deeper::<A::Error>()?;
        let mut body = Vec::new();
        let mut count = 0;
        while values
            .next_element_seed(Writer {
                out: &mut body,
                depth,
            })?
            .is_some()
        {
            count += 1;
        }
        write::array(self.out, count);
        self.out.extend_from_slice(&body);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let depth = self.deeper::<A::Error>()?;
        let mut body = Vec::new();
        let mut count = 0;
        while values
            .next_key_seed(Writer {
                out: &mut body,
                depth,
            })?
            .is_some()
        {
            values.next_value_seed(Writer {
                out: &mut body,
                depth,
            })?;
            count += 1;
        }
        write::map(self.out, count);
        self.out.extend_from_slice(&body);
        Ok(())
    }
}
