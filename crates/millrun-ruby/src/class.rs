//! The classes and modules an expression can name.

macro_rules! classes {
    ($($variant:ident $name:literal $(< $parent:ident)?),* $(,)?) => {
        /// A class or module.
        #[allow(clippy::enum_variant_names, reason = "Ruby has a class named Class")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Class { $($variant),* }

        impl Class {
            pub(crate) fn find(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub(crate) fn parent(self) -> Option<Self> {
                match self { $($(Self::$variant => Some(Self::$parent),)?)* _ => None }
            }

            pub(crate) const NAMES: &'static [&'static str] = &[$($name),*];
        }
    };
}

classes! {
    Object "Object", Comparable "Comparable", Kernel "Kernel" ,
    Enumerable "Enumerable", NilClass "NilClass" < Object, TrueClass "TrueClass" < Object,
    FalseClass "FalseClass" < Object, Numeric "Numeric" < Object, Integer "Integer" < Numeric,
    Float "Float" < Numeric, Text "String" < Object, Symbol "Symbol" < Object,
    Array "Array" < Object, Hash "Hash" < Object, Range "Range" < Object, Regexp "Regexp" < Object,
    MatchData "MatchData" < Object, Time "Time" < Object, Date "Date" < Object,
    DateTime "DateTime" < Date, Class "Class" < Object, Module "Module" < Object, Env "ENV",
    File "File" < Object, Io "IO" < Object, Dir "Dir" < Object, Json "JSON", Oj "Oj", Yajl "Yajl::Parser",
    Base64 "Base64", Socket "Socket", Process "Process", SecureRandom "SecureRandom",
    Math "Math", Digest "Digest", Md5 "Digest::MD5", Sha1 "Digest::SHA1", Sha256 "Digest::SHA256",
    Uri "URI", Cgi "CGI", EventTime "Fluent::EventTime", Random "Random", Zlib "Zlib",
    Exception "Exception" < Object, StandardError "StandardError" < Exception,
    ArgumentError "ArgumentError" < StandardError, EncodingError "EncodingError" < StandardError,
    FrozenError "FrozenError" < RuntimeError, IndexError "IndexError" < StandardError,
    KeyError "KeyError" < IndexError, StopIteration "StopIteration" < IndexError,
    IoError "IOError" < StandardError, LocalJumpError "LocalJumpError" < StandardError,
    NameError "NameError" < StandardError, NoMethodError "NoMethodError" < NameError,
    RangeError "RangeError" < StandardError, FloatDomainError "FloatDomainError" < RangeError,
    RegexpError "RegexpError" < StandardError, RuntimeError "RuntimeError" < StandardError,
    SystemCallError "SystemCallError" < StandardError, NoEntry "Errno::ENOENT" < SystemCallError,
    NoAccess "Errno::EACCES" < SystemCallError, IsDirectory "Errno::EISDIR" < SystemCallError,
    TypeError "TypeError" < StandardError, ZeroDivisionError "ZeroDivisionError" < StandardError,
    JsonParserError "JSON::ParserError" < StandardError, JsonGeneratorError "JSON::GeneratorError" < StandardError,
    DateError "Date::Error" < ArgumentError,
}

impl Class {
    /// `self <= other` of Ruby.
    pub(crate) fn is_a(self, other: Class) -> bool {
        if matches!(other, Class::Kernel) {
            return true;
        }
        let comparable = matches!(
            self,
            Class::Integer
                | Class::Float
                | Class::Text
                | Class::Time
                | Class::Date
                | Class::DateTime
        );
        let enumerable = matches!(self, Class::Array | Class::Hash | Class::Range);
        if (other == Class::Comparable && comparable) || (other == Class::Enumerable && enumerable)
        {
            return true;
        }
        let mut class = Some(self);
        while let Some(current) = class {
            if current == other {
                return true;
            }
            class = current.parent();
        }
        false
    }
}
