//! Values: small, copied, without owners.
//!
//! A text is a place in the record, in the tag or among the program's literals as long as nobody changes it; what is
//! made on the way lies in the [`Heap`](crate::heap::Heap) and is freed as a whole when the run ends. So a value has no
//! lifetime, nothing counts references, and memory has one limit. Arrays and hashes of the record stay msgpack until
//! somebody asks for more than an element; then one level is decoded, and the heap remembers that this place in the
//! record now has an object, which is what lets `record["a"]["b"] = 1` change the record.

use crate::class::Class;

/// An object in the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) u32);

/// Bytes of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// What a slice is a slice of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Record,
    Tag,
    /// The program's literals. Programs that change anything copy them, so none outlives its program.
    Literals,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Text {
    Slice {
        source: Source,
        place: Place,
    },
    /// A whole string of the record: changing it changes the record.
    Field(Place),
    Heap(Id),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    /// An unsigned integer beyond `i64`, which records can hold.
    Wide(u64),
    Float(f64),
    Text(Text),
    Symbol(Text),
    Array(Id),
    Hash(Id),
    /// An array of the record that nobody has looked at closely yet.
    RawArray(Place),
    /// The same of a map.
    RawHash(Place),
    /// An extension value, passed on.
    Opaque(Place),
    Range(Id),
    Regex(Id),
    Match(Id),
    Time(Id),
    Error(Id),
    Class(Class),
}

impl Value {
    pub(crate) fn is_truthy(self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Value::Nil => Class::NilClass,
            Value::Bool(true) => Class::TrueClass,
            Value::Bool(false) => Class::FalseClass,
            Value::Int(_) | Value::Wide(_) => Class::Integer,
            Value::Float(_) => Class::Float,
            Value::Text(_) => Class::Text,
            Value::Symbol(_) => Class::Symbol,
            Value::Array(_) | Value::RawArray(_) => Class::Array,
            Value::Hash(_) | Value::RawHash(_) => Class::Hash,
            Value::Opaque(_) => Class::Object,
            Value::Range(_) => Class::Range,
            Value::Regex(_) => Class::Regexp,
            Value::Match(_) => Class::MatchData,
            // The heap knows whether it is a Time, a DateTime or a Date.
            Value::Time(_) => Class::Time,
            Value::Error(_) => Class::StandardError,
            Value::Class(_) => Class::Class,
        }
    }
}

/// Why an evaluation leaves the usual way.
#[derive(Debug)]
pub(crate) enum Stop {
    Raise(Box<Raised>),
    Break(Value),
    Next(Value),
    Return(Value),
    UseNil,
    UseDefault,
    /// A limit; nothing rescues it.
    Limit(Box<crate::error::RubyError>),
}

/// An exception on its way.
#[derive(Clone, Debug)]
pub(crate) struct Raised {
    pub(crate) class: Class,
    pub(crate) message: String,
    pub(crate) at: crate::error::Span,
    pub(crate) hint: Option<String>,
}

pub(crate) type Run<T> = Result<T, Stop>;
