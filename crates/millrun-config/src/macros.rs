//! The two declarations plugins are written with.

/// Declares the parameters of a plugin or section once, as a struct with typed fields.
///
/// From the one declaration come the struct, `read`, which fills it from an
/// [`Element`](crate::Element), and `SCHEMA`, which describes it.
///
/// ```
/// use std::{path::PathBuf, time::Duration};
///
/// use millrun_config::{Element, Secret, parameters, words};
///
/// words! {
///     /// How chunks are compressed on the wire.
///     pub enum Compress {
///         /// Not at all.
///         Text = "text",
///         /// As gzip members.
///         Gzip = "gzip",
///     }
/// }
///
/// parameters! {
///     /// What every kept list has.
///     pub struct Listed in "match" {
///         /// How much is kept.
///         limit: millrun_config::Size = "8m";
///     }
/// }
///
/// parameters! {
///     /// One receiver.
///     pub struct Server in "server" {
///         /// Where it listens.
///         host: String = required;
///         /// The port there.
///         port: u16 = "24224";
///     }
/// }
///
/// parameters! {
///     /// Sends events to other collectors.
///     ///
///     /// Further lines of the documentation.
///     pub struct ForwardParameters in "match", type "forward" {
///         /// A field whose type has no "nothing" and that has no default must be written.
///         tag: String = required;
///         /// An `Option` without a default is `None` when it is not written.
///         pos_file: Option<PathBuf>;
///         /// A default is the text one would write.
///         send_timeout: Duration = "60";
///         /// Old names are accepted with a warning.
///         compress: Compress = "text", alias = "compression";
///         /// Secrets are shown nowhere.
///         shared_key: Option<Secret<String>>, secret;
///         /// `key` is for names that are none in Rust.
///         tag_key: Option<String>, key = "@tag";
///         /// Using it warns.
///         heartbeat: bool = "true", deprecated = "it has no effect";
///         /// Using it is an error.
///         host: Option<String>, obsolete = "use the <server> section instead";
///     }
///     flatten {
///         /// Parameters of another declaration that stand in the same section.
///         listed: Listed;
///     }
///     sections {
///         /// `Vec`: any number; `, required` demands at least one.
///         server: Vec<Server>, required;
///         /// `Option`: at most one. An `Element` is handed over as it is.
///         secondary: Option<Element>;
///         /// The type itself: exactly one; with `, init` an absent one is read as an empty one.
///         listing: Listed, init;
///     }
///     legacy {
///         // Sections that were once written as flat parameters; see `modernise`.
///         Buffer
///     }
/// }
///
/// # use millrun_config::{Diagnostics, NoIncludes, NoRuby, parse_str};
/// let parsed = parse_str(
///     "example.conf",
///     "<match **>\n tag a\n <server>\n host ::1\n </server>\n</match>",
///     &mut NoRuby,
///     &mut NoIncludes,
/// );
/// let mut diagnostics = parsed.diagnostics;
/// let section = &parsed.root.elements()[0];
/// let parameters = ForwardParameters::read(section, &mut diagnostics).unwrap();
/// assert_eq!(parameters.send_timeout, Duration::from_secs(60));
/// assert_eq!(parameters.server[0].port, 24224);
/// assert_eq!(ForwardParameters::SCHEMA.parameters[0].name, "tag");
/// assert!(diagnostics.is_empty());
/// ```
#[macro_export]
macro_rules! parameters {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident in $directive:literal $(, type $plugin_type:literal)? {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident : $type:ty $(= $default:tt)?
                    $(, $modifier:ident $(= $modifier_value:literal)?)* ;
            )*
        }
        $(flatten {
            $(
                $(#[doc = $flat_doc:literal])*
                $flat:ident : $flat_type:ty ;
            )*
        })?
        $(sections {
            $(
                $(#[doc = $section_doc:literal])*
                $section:ident : $section_type:ty
                    $(, $section_modifier:ident $(= $section_value:literal)?)* ;
            )*
        })?
        $(legacy {
            $( $legacy:ident ),* $(,)?
        })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $( $(#[doc = $field_doc])* $vis $field: $type, )*
            $($( $(#[doc = $flat_doc])* $vis $flat: $flat_type, )*)?
            $($( $(#[doc = $section_doc])* $vis $section: $section_type, )*)?
        }

        impl $name {
            /// What the section may contain.
            $vis const SCHEMA: &'static $crate::Schema = &$crate::Schema {
                directive: $directive,
                plugin_type: $crate::parameters!(@optional $($plugin_type)?),
                doc: ::core::concat!($($doc, "\n"),*),
                parameters: &[$(
                    $crate::parameters!(
                        @parameter $field, $type, ($($default)?), ($($field_doc),*)
                        $(, $modifier($($modifier_value)?))*
                    )
                ),*],
                sections: &[$($(
                    $crate::parameters!(
                        @section $section, $section_type, ($($section_doc),*)
                        $(, $section_modifier($($section_value)?))*
                    )
                ),*)?],
                flattened: &[$($(<$flat_type>::SCHEMA),*)?],
                legacy: &[$($($crate::Legacy::$legacy),*)?],
            };

            /// Reads the section and warns about what is not declared. `None` means that at least
            /// one error was added to the diagnostics; all errors of the section are.
            $vis fn read(
                element: &$crate::Element,
                diagnostics: &mut $crate::Diagnostics,
            ) -> ::core::option::Option<Self> {
                let path = $crate::SectionPath::default();
                <Self as $crate::FromElement>::read_section(element, &path, diagnostics)
            }
        }

        impl $crate::FromElement for $name {
            const SCHEMA: ::core::option::Option<&'static $crate::Schema> =
                ::core::option::Option::Some($name::SCHEMA);

            #[allow(unused_variables, reason = "an empty declaration uses none of its arguments")]
            fn read_declared(
                element: &$crate::Element,
                path: &$crate::SectionPath<'_>,
                diagnostics: &mut $crate::Diagnostics,
            ) -> ::core::option::Option<Self> {
                // All are read before the first that failed ends it, so that all errors come out.
                $(
                    let $field = {
                        const PARAMETER: &$crate::Parameter = &$crate::parameters!(
                            @parameter $field, $type, ($($default)?), ($($field_doc),*)
                            $(, $modifier($($modifier_value)?))*
                        );
                        $crate::read_parameter::<$type>(element, PARAMETER, path, diagnostics)
                    };
                )*
                $($(
                    let $flat = <$flat_type as $crate::FromElement>::read_declared(
                        element, path, diagnostics,
                    );
                )*)?
                $($(
                    let $section = {
                        const SECTION: &$crate::Section = &$crate::parameters!(
                            @section $section, $section_type, ($($section_doc),*)
                            $(, $section_modifier($($section_value)?))*
                        );
                        $crate::read_sections::<$section_type>(element, SECTION, path, diagnostics)
                    };
                )*)?
                ::core::option::Option::Some(Self {
                    $( $field: $field?, )*
                    $($( $flat: $flat?, )*)?
                    $($( $section: $section?, )*)?
                })
            }
        }
    };

    (@optional) => { ::core::option::Option::None };
    (@optional $value:literal) => { ::core::option::Option::Some($value) };

    (@parameter $field:ident, $type:ty, ($($default:tt)?), ($($doc:literal),*)
        $(, $modifier:ident($($value:literal)?))*
    ) => {
        $crate::Parameter::new(
            ::core::stringify!($field),
            <$type as $crate::FromValue>::KIND,
            $crate::parameters!(@default $type $(, $default)?),
            ::core::concat!($($doc, "\n"),*),
        )
        $(.$modifier($($value)?))*
    };

    (@default $type:ty) => {
        if <$type as $crate::FromValue>::IS_NULLABLE {
            $crate::DefaultValue::Nil
        } else {
            $crate::DefaultValue::Required
        }
    };
    (@default $type:ty, required) => { $crate::DefaultValue::Required };
    (@default $type:ty, $text:literal) => { $crate::DefaultValue::Text($text) };

    (@section $section:ident, $type:ty, ($($doc:literal),*)
        $(, $modifier:ident($($value:literal)?))*
    ) => {
        $crate::Section::new(
            ::core::stringify!($section),
            <$type as $crate::FromSections>::SCHEMA,
            <$type as $crate::FromSections>::OCCURRENCE,
            ::core::concat!($($doc, "\n"),*),
        )
        $(.$modifier($($value)?))*
    };
}

/// Declares an enum whose variants are words of a configuration; see
/// [`parameters!`](crate::parameters) for an example.
#[macro_export]
macro_rules! words {
    (
        $(#[doc = $doc:literal])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $variant_doc:literal])* $variant:ident = $word:literal ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $( $(#[doc = $variant_doc])* $variant ),*
        }

        impl $name {
            /// The words, in the order of declaration.
            $vis const WORDS: &'static [&'static str] = &[$($word),*];

            /// The value of a word.
            #[must_use]
            $vis fn from_word(word: &str) -> ::core::option::Option<Self> {
                match word {
                    $( $word => ::core::option::Option::Some(Self::$variant), )*
                    _ => ::core::option::Option::None,
                }
            }

            /// The word of the value.
            #[must_use]
            $vis fn as_word(self) -> &'static str {
                match self {
                    $( Self::$variant => $word ),*
                }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.as_word())
            }
        }

        impl $crate::FromValue for $name {
            const KIND: $crate::Kind = $crate::Kind::Enum(Self::WORDS);

            fn from_text(
                text: &str,
                _: &mut $crate::Conversion,
            ) -> ::core::result::Result<Self, $crate::ValueError> {
                Self::from_word(text).ok_or_else(|| $crate::ValueError::Word {
                    text: ::std::string::ToString::to_string(text),
                    options: Self::WORDS,
                })
            }
        }
    };
}
