//! Text in another encoding than UTF-8: `encoding` and `from_encoding` of `tail`, `char_encoding` of `record_modifier`.
//!
//! ```text
//! encoding  from_encoding   what a line is read as        what is written
//! none      none            bytes                         text where they are UTF-8, else a byte string
//! UTF-8     none            bytes                         the same
//! binary    none            bytes                         the same
//! X         none            X                             text, UTF-8 as all text in events
//! any       Y               Y                             text; what is wrong in Y becomes U+FFFD
//! ```
//!
//! Lines are found before they are converted, so an encoding in which the byte 0A is part of other characters cannot be read.

use encoding_rs::{EncoderResult, Encoding, WINDOWS_1252};

/// How text is converted to UTF-8, in a buffer that is used again.
#[derive(Clone, Debug)]
pub(crate) struct Charset {
    from: From,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// Every byte is the character of its number.
    Latin1,
    Table(&'static Encoding),
}

/// Names that Ruby knows and the tables do not, in lower case.
const RUBY_NAMES: &[(&str, &str)] = &[
    ("cp932", "shift_jis"),
    ("cswindows31j", "shift_jis"),
    ("eucjp", "euc-jp"),
    ("eucjp-ms", "euc-jp"),
    ("euc-jp-ms", "euc-jp"),
    ("cp51932", "euc-jp"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("euckr", "euc-kr"),
    ("cp950", "big5"),
    ("cp65001", "utf-8"),
    ("cp878", "koi8-r"),
    ("utf8", "utf-8"),
    // What is not ASCII is wrong in it, as it is in UTF-8.
    ("us-ascii", "utf-8"),
    ("ascii", "utf-8"),
];

/// Why an encoding is none that lines can be read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Nobody knows it.
    Unknown,
    /// The end of a line cannot be found in it.
    Wide,
}

impl Charset {
    /// What converts the lines of a source; `None` where they are written as they are.
    pub(crate) fn new(
        encoding: Option<&str>,
        from_encoding: Option<&str>,
    ) -> Result<Option<Self>, Unreadable> {
        let from = match (encoding, from_encoding) {
            (_, Some(name)) => Some(find(name)?.unwrap_or(From::Table(encoding_rs::UTF_8))),
            (Some(name), None) => {
                find(name)?.filter(|from| *from != From::Table(encoding_rs::UTF_8))
            }
            (None, None) => None,
        };
        Ok(from.map(|from| Self {
            from,
            text: String::new(),
        }))
    }

    /// `bytes`, one or several lines, as UTF-8. A line end stays one, whatever stands before it.
    pub(crate) fn utf8(&mut self, bytes: &[u8]) -> &[u8] {
        self.text.clear();
        match self.from {
            From::Latin1 => self.text.extend(bytes.iter().map(|byte| char::from(*byte))),
            From::Table(encoding) => {
                let mut decoder = encoding.new_decoder_without_bom_handling();
                let length = decoder.max_utf8_buffer_length(bytes.len());
                self.text.reserve(length.unwrap_or_default());
                let (_, read, _) = decoder.decode_to_string(bytes, &mut self.text, true);
                debug_assert_eq!(read, bytes.len(), "there is room for all");
            }
        }
        self.text.as_bytes()
    }
}

/// The characters that an encoding has. Text in events is UTF-8 whatever it was converted to, so this is what a
/// conversion to another encoding comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repertoire {
    /// All of them.
    Unicode,
    /// The first 128 ones.
    Ascii,
    /// The first 256 ones.
    Latin1,
    /// Those that a table writes. That of EUC-JP reads JIS X 0212 and does not write it.
    Table(&'static Encoding),
}

impl Repertoire {
    /// That of the encoding of this name.
    pub(crate) fn named(name: &str) -> Result<Self, Unreadable> {
        if is_ascii(name) {
            return Ok(Self::Ascii);
        }
        Ok(match find(name) {
            Ok(Some(From::Latin1)) => Self::Latin1,
            Ok(Some(From::Table(table))) if table != encoding_rs::UTF_8 => Self::Table(table),
            Ok(_) | Err(Unreadable::Wide) => Self::Unicode,
            Err(unknown) => return Err(unknown),
        })
    }

    /// Whether it has this one.
    pub(crate) fn has(self, character: char) -> bool {
        match self {
            Self::Unicode => true,
            Self::Ascii => character.is_ascii(),
            Self::Latin1 => u32::from(character) < 0x100,
            Self::Table(table) => {
                let (mut text, mut bytes) = ([0; 4], [0; CHARACTER_BYTES_MAX]);
                let text = character.encode_utf8(&mut text);
                let mut encoder = table.new_encoder();
                let (result, ..) =
                    encoder.encode_from_utf8_without_replacement(text, &mut bytes, true);
                result == EncoderResult::InputEmpty
            }
        }
    }
}

/// The longest form of a character in any table, with what switches to its set and back.
const CHARACTER_BYTES_MAX: usize = 16;

/// Whether what is not ASCII is wrong in the encoding of this name: it stands for no character.
pub(crate) fn is_ascii(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    matches!(&*name, "us-ascii" | "ascii" | "ascii-8bit" | "binary")
}

/// The encoding of this name; `None` for that of bytes.
fn find(name: &str) -> Result<Option<From>, Unreadable> {
    let name = name.trim().to_ascii_lowercase();
    if matches!(&*name, "ascii-8bit" | "binary") {
        return Ok(None);
    }
    if matches!(&*name, "iso-8859-1" | "iso8859-1" | "latin1") {
        return Ok(Some(From::Latin1));
    }
    let known = RUBY_NAMES.iter().find(|(ruby, _)| *ruby == name);
    let label = known.map_or(&*name, |(_, label)| label);
    if label.starts_with("utf-16") || label.starts_with("utf-32") || label.starts_with("ucs-") {
        return Err(Unreadable::Wide);
    }
    let found = Encoding::for_label_no_replacement(label.as_bytes());
    let encoding = found.ok_or(Unreadable::Unknown)?;
    // The tables take names of other encodings for this one, whose text would come out wrong.
    let is_alias = encoding == WINDOWS_1252 && !matches!(label, "windows-1252" | "cp1252");
    match is_alias {
        true => Err(Unreadable::Unknown),
        false => Ok(Some(From::Table(encoding))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(from: &str, bytes: &[u8]) -> String {
        let mut charset = Charset::new(Some("utf-8"), Some(from)).unwrap().unwrap();
        String::from_utf8(charset.utf8(bytes).to_vec()).unwrap()
    }

    #[test]
    fn text_is_converted_to_utf8() {
        assert_eq!(converted("cp932", b"\x93\xfa\x96{\nok\n"), "日本\nok\n");
        assert_eq!(converted("Shift_JIS", b"\x83\x5c"), "ソ");
        assert_eq!(converted("EUC-JP", b"\xc6\xfc\xcb\xdc"), "日本");
        assert_eq!(converted("ISO-8859-1", b"caf\xe9 \x80"), "caf\u{e9} \u{80}");
        assert_eq!(converted("Windows-1252", b"\x80"), "\u{20ac}");
        assert_eq!(converted("GB18030", b"\xc4\xe3"), "你");
        assert_eq!(converted("KOI8-R", b"\xf0"), "П");
    }

    #[test]
    fn what_is_wrong_is_replaced_and_lines_stay_lines() {
        assert_eq!(converted("utf-8", b"a\xffb"), "a\u{fffd}b");
        assert_eq!(converted("us-ascii", b"a\xe9"), "a\u{fffd}");
        // The first byte of two, and then the line ends.
        assert_eq!(converted("cp932", b"\x93\nok\n"), "\u{fffd}\nok\n");
        assert_eq!(converted("utf-8", b"a\xe2\x82\nb"), "a\u{fffd}\nb");
        // A mark of the byte order is text like other text.
        assert_eq!(converted("utf-8", b"\xef\xbb\xbfa"), "\u{feff}a");
    }

    #[test]
    fn a_repertoire_says_what_a_conversion_would_leave() {
        let left = |name: &str| {
            let repertoire = Repertoire::named(name).unwrap();
            let text = "aé日😀".chars();
            text.filter(|character| repertoire.has(*character))
                .collect::<String>()
        };
        assert_eq!(left("utf-8"), "aé日😀");
        assert_eq!(left("UTF-16LE"), "aé日😀");
        assert_eq!(left("us-ascii"), "a");
        assert_eq!(left("binary"), "a");
        assert_eq!(left("iso-8859-1"), "aé");
        assert_eq!(left("windows-31j"), "a日");
        assert_eq!(left("iso-2022-jp"), "a日");
        assert_eq!(left("gb18030"), "aé日😀");
        assert!(matches!(
            Repertoire::named("klingon"),
            Err(Unreadable::Unknown)
        ));
    }

    #[test]
    fn names_say_whether_anything_is_converted() {
        let is_converted = |encoding, from| Charset::new(encoding, from).map(|set| set.is_some());
        assert_eq!(is_converted(None, None), Ok(false));
        assert_eq!(is_converted(Some("UTF-8"), None), Ok(false));
        assert_eq!(is_converted(Some("ASCII-8BIT"), None), Ok(false));
        assert_eq!(is_converted(Some("EUC-JP"), None), Ok(true));
        assert_eq!(is_converted(Some("utf-8"), Some("utf-8")), Ok(true));
        assert_eq!(is_converted(Some("utf-16le"), None), Err(Unreadable::Wide));
        assert_eq!(
            is_converted(Some("utf-8"), Some("x")),
            Err(Unreadable::Unknown)
        );
        assert_eq!(
            is_converted(Some("iso-8859-9x"), None),
            Err(Unreadable::Unknown)
        );
    }
}
