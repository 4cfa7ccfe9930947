//! Cursors into a record: fields by key, without decoding what lies beside them.

use crate::cursor::{Cursor, Malformed, Token};

/// A record: by the format a map with string keys, borrowed from a stream.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    bytes: &'a [u8],
}

/// One value within a record, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// A record over the bytes of one map.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The map's bytes.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The value of `key`: of the last pair with that key, as a reader that builds a hash would
    /// see it. `None` where the record has no such key or is not a sound map.
    #[inline]
    pub fn field(&self, key: &[u8]) -> Option<Value<'a>> {
        let mut cursor = Cursor::new(self.bytes);
        let Token::Map(len) = cursor.token().ok()? else {
            return None;
        };
        let mut found = None;
        for _ in 0..len {
            let is_key = match cursor.token().ok()? {
                Token::Str(name) | Token::Bin(name) => name == key,
                other => {
                    cursor.skip_values(other.children()).ok()?;
                    false
                }
            };
            let start = cursor.position();
            cursor.skip().ok()?;
            if is_key {
                found = Some(Value::new(cursor.since(start)));
            }
        }
        found
    }

    /// The pairs, in order; an error where the bytes do not begin with a map.
    #[inline]
    pub fn fields(&self) -> Result<Fields<'a>, Malformed> {
        let mut cursor = Cursor::new(self.bytes);
        match cursor.token()? {
            Token::Map(left) => Ok(Fields { cursor, left }),
            _ => Err(Malformed::Unexpected {
                expected: "a map",
                at: 0,
            }),
        }
    }
}

impl<'a> Value<'a> {
    /// A value over its bytes.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The value's bytes, header included.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The head of the value, `None` where the bytes are unsound.
    #[inline]
    pub fn token(&self) -> Option<Token<'a>> {
        Cursor::new(self.bytes).token().ok()
    }

    /// The text of a string or byte string; receivers must take both as text.
    #[inline]
    pub fn text(&self) -> Option<&'a [u8]> {
        match self.token()? {
            Token::Str(text) | Token::Bin(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a record, for a nested map.
    #[inline]
    pub fn record(&self) -> Record<'a> {
        Record::new(self.bytes)
    }

    /// Element `index` of an array; negative counts from the end.
    pub fn element(&self, index: i64) -> Option<Value<'a>> {
        let mut cursor = Cursor::new(self.bytes);
        let Token::Array(len) = cursor.token().ok()? else {
            return None;
        };
        let index = if index < 0 {
            index.checked_add(i64::from(len))?
        } else {
            index
        };
        if !(0..i64::from(len)).contains(&index) {
            return None;
        }
        cursor.skip_values(index.unsigned_abs()).ok()?;
        cursor.value().ok().map(Value::new)
    }
}

/// The pairs of a map, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl Fields<'_> {
    /// How many pairs are still to come.
    #[inline]
    pub fn left(&self) -> u32 {
        self.left
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(Value<'a>, Value<'a>), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let pair = self
            .cursor
            .value()
            .and_then(|key| Ok((Value::new(key), Value::new(self.cursor.value()?))));
        if pair.is_err() {
            self.left = 0;
        }
        Some(pair)
    }
}
