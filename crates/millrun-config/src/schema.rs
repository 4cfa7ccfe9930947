//! What a section may contain, as data: the one declaration of [`parameters!`](crate::parameters)
//! seen from outside. Reference pages, completion, the configuration dump and the warnings about
//! unknown names all read it.

use std::fmt;

use crate::Legacy;

/// The parameters and sections of a plugin or of a section.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The element's name: `source`, `match`, `buffer` …
    pub directive: &'static str,
    /// The `@type` it belongs to, if it is a plugin's.
    pub plugin_type: Option<&'static str>,
    /// What it does: one line, an empty line, details. Every line ends with a newline and may start
    /// with a blank.
    pub doc: &'static str,
    /// Its own parameters, in the order of declaration.
    pub parameters: &'static [Parameter],
    /// The sections it may contain.
    pub sections: &'static [Section],
    /// Schemas whose parameters and sections are written in the same element.
    pub flattened: &'static [&'static Schema],
    /// The sections that old files write as flat parameters.
    pub legacy: &'static [Legacy],
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Parameter {
    /// The key in the file.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// What holds when it is not written.
    pub default: DefaultValue,
    /// What it does.
    pub doc: &'static str,
    /// An old name, still accepted with a warning.
    pub alias: Option<&'static str>,
    /// Why it should not be used any more; using it warns.
    pub deprecated: Option<&'static str>,
    /// Why it cannot be used any more; using it is an error.
    pub obsolete: Option<&'static str>,
    /// Whether its value is hidden wherever a configuration is shown.
    pub is_secret: bool,
}

/// What holds for a parameter that is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// It must be written.
    Required,
    /// Nothing.
    Nil,
    /// The value of this text, converted by the parameter's type.
    Text(&'static str),
}

/// One kind of section.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Section {
    /// The element's name.
    pub name: &'static str,
    /// What it may contain; `None` where a plugin named by its `@type` decides.
    pub schema: Option<&'static Schema>,
    /// How often it may be written.
    pub occurrence: Occurrence,
    /// What it does.
    pub doc: &'static str,
    /// An old name, still accepted with a warning.
    pub alias: Option<&'static str>,
    /// Whether an absent section is read as an empty one.
    pub is_initialised: bool,
    /// Whether a section of any number must be there at least once.
    pub is_required: bool,
}

/// How often a section may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// Exactly once.
    Once,
    /// At most once.
    Optional,
    /// Any number of times.
    Many,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// Bytes.
    Size,
    /// Seconds.
    Time,
    /// True or false.
    Bool,
    /// A regular expression.
    Regexp,
    /// A word without its colon.
    Symbol,
    /// Octal permission bits.
    Mode,
    /// A path in the file system.
    Path,
    /// One of some words.
    Enum(&'static [&'static str]),
    /// A list of the given kind.
    Array(&'static Kind),
    /// Pairs with values of the given kind.
    Hash(&'static Kind),
    /// Any JSON value.
    Json,
}

impl Schema {
    /// Its own parameters and those of the flattened schemas.
    pub fn all_parameters(&'static self) -> Box<dyn Iterator<Item = &'static Parameter>> {
        let flattened = self
            .flattened
            .iter()
            .flat_map(|schema| schema.all_parameters());
        Box::new(self.parameters.iter().chain(flattened))
    }

    /// Its own sections and those of the flattened schemas.
    pub fn all_sections(&'static self) -> Box<dyn Iterator<Item = &'static Section>> {
        let flattened = self
            .flattened
            .iter()
            .flat_map(|schema| schema.all_sections());
        Box::new(self.sections.iter().chain(flattened))
    }

    /// The parameter of a name or old name.
    #[must_use]
    pub fn parameter(&'static self, name: &str) -> Option<&'static Parameter> {
        self.all_parameters()
            .find(|known| known.name == name || known.alias == Some(name))
    }

    /// The section of a name or old name.
    #[must_use]
    pub fn section(&'static self, name: &str) -> Option<&'static Section> {
        self.all_sections()
            .find(|known| known.name == name || known.alias == Some(name))
    }
}

// What follows is how the macro writes a declaration: `key: T = "1", alias = "k"` becomes
// `Parameter::new(…).alias("k")`, so that a modifier is a method and needs no rule of its own.

impl Parameter {
    /// A parameter without modifiers.
    #[must_use]
    pub const fn new(
        name: &'static str,
        kind: Kind,
        default: DefaultValue,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default,
            doc,
            alias: None,
            deprecated: None,
            obsolete: None,
            is_secret: false,
        }
    }

    /// The key in the file, where it is no Rust name.
    #[must_use]
    pub const fn key(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// An old name.
    #[must_use]
    pub const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// Why it should not be used any more.
    #[must_use]
    pub const fn deprecated(mut self, reason: &'static str) -> Self {
        self.deprecated = Some(reason);
        self
    }

    /// Why it cannot be used any more.
    #[must_use]
    pub const fn obsolete(mut self, reason: &'static str) -> Self {
        self.obsolete = Some(reason);
        self
    }

    /// Hides its value.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }
}

impl Section {
    /// A section without modifiers.
    #[must_use]
    pub const fn new(
        name: &'static str,
        schema: Option<&'static Schema>,
        occurrence: Occurrence,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            schema,
            occurrence,
            doc,
            alias: None,
            is_initialised: false,
            is_required: false,
        }
    }

    /// The element's name, where it is no Rust name.
    #[must_use]
    pub const fn key(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// An old name.
    #[must_use]
    pub const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// Reads an absent section as an empty one.
    #[must_use]
    pub const fn init(mut self) -> Self {
        self.is_initialised = true;
        self
    }

    /// Demands at least one.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }
}

/// The word of reference pages: `integer`, `array<string>`, `enum(text/gzip)`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::String => f.write_str("string"),
            Kind::Integer => f.write_str("integer"),
            Kind::Float => f.write_str("float"),
            Kind::Size => f.write_str("size"),
            Kind::Time => f.write_str("time"),
            Kind::Bool => f.write_str("bool"),
            Kind::Regexp => f.write_str("regexp"),
            Kind::Symbol => f.write_str("symbol"),
            Kind::Mode => f.write_str("octal mode"),
            Kind::Path => f.write_str("path"),
            Kind::Enum(words) => write!(f, "enum({})", words.join("/")),
            Kind::Array(item) => write!(f, "array<{item}>"),
            Kind::Hash(value) => write!(f, "hash<{value}>"),
            Kind::Json => f.write_str("json"),
        }
    }
}
