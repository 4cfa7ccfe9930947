//! The reader and the writer against serde_json and rmpv, which build trees.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use super::*;
use crate::cursor::{Cursor, MAX_DEPTH, Malformed};

fn read(text: impl AsRef<[u8]>) -> Result<rmpv::Value, JsonError> {
    let mut out = vec![0xaa];
    let answer = transcode(text.as_ref(), &mut out);
    let (first, value) = out.split_first().unwrap();
    assert_eq!(*first, 0xaa, "what stood in the buffer is kept");
    if let Err(error) = answer {
        assert!(value.is_empty(), "nothing is appended on an error");
        return Err(error);
    }
    let mut rest = value;
    let tree = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "one value, whole");
    Ok(tree)
}

fn print(value: &rmpv::Value) -> String {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    let mut out = b"before ".to_vec();
    write_value(&bytes, FloatText::Oj, &mut out).unwrap();
    String::from_utf8_lossy(out.strip_prefix(b"before ").unwrap()).into_owned()
}

/// The obvious way from a JSON tree to a msgpack tree.
fn to_msgpack(value: &Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(value) => rmpv::Value::from(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => rmpv::Value::from(number),
            (None, Some(number)) => rmpv::Value::from(number),
            (None, None) => rmpv::Value::F64(number.as_f64().unwrap()),
        },
        Value::String(text) => rmpv::Value::from(text.as_str()),
        Value::Array(values) => rmpv::Value::Array(values.iter().map(to_msgpack).collect()),
        Value::Object(pairs) => rmpv::Value::Map(
            pairs
                .iter()
                .map(|(key, value)| (rmpv::Value::from(key.as_str()), to_msgpack(value)))
                .collect(),
        ),
    }
}

/// Maps sorted by key, since serde_json's tree is.
fn sorted(value: rmpv::Value) -> rmpv::Value {
    match value {
        rmpv::Value::Array(values) => rmpv::Value::Array(values.into_iter().map(sorted).collect()),
        rmpv::Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            pairs.sort_by(|(left, _), (right, _)| left.as_str().cmp(&right.as_str()));
            rmpv::Value::Map(pairs)
        }
        scalar => scalar,
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "[a-c]{0,2}",
        "[ -~]{14,40}",
        "\\PC{250,260}"
    ];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-200i64..300).prop_map(Value::from),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::from)),
        text.clone().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 60, 20, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::from),
            vec((text.clone(), inner), 0..20)
                .prop_map(|pairs| Value::from(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_what_a_tree_reader_reads(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        prop_assert_eq!(sorted(read(&text).unwrap()), sorted(to_msgpack(&value)));
    }

    #[test]
    fn prints_what_a_tree_reader_reads_back(value in any_json()) {
        let text = print(&to_msgpack(&value));
        let back: Value = serde_json::from_str(&text).unwrap();
        // 1.0 and 1 are the same number to us only as text; compare through msgpack, where -0.0
        // and 0.0 are equal.
        prop_assert_eq!(to_msgpack(&back), to_msgpack(&value));
    }

    #[test]
    fn what_it_prints_it_reads(value in any_json()) {
        let tree = to_msgpack(&value);
        prop_assert_eq!(read(print(&tree)).unwrap(), tree);
    }

    #[test]
    fn accepts_all_that_a_strict_reader_accepts(text in "[\\[\\]{},:\"\\\\untrfalse0-9.eE+ -]{0,24}") {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            prop_assert_eq!(sorted(read(&text).unwrap()), sorted(to_msgpack(&value)));
        }
    }

    #[test]
    fn values_of_a_stream_are_printed_as_each_alone(values in vec(any_json(), 0..6), cut in any::<prop::sample::Index>()) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        let mut ends = vec![0];
        for value in &values {
            let mut bytes = Vec::new();
            rmpv::encode::write_value(&mut bytes, &to_msgpack(value)).unwrap();
            write_value(&bytes, FloatText::Oj, &mut expected).unwrap();
            stream.extend_from_slice(&bytes);
            ends.push(stream.len());
        }
        let (mut cursor, mut out) = (Cursor::new(&stream), Vec::new());
        for end in ends.iter().skip(1) {
            write_next(&mut cursor, FloatText::Oj, &mut out).unwrap();
            prop_assert_eq!(cursor.position(), *end);
        }
        prop_assert_eq!(&out, &expected);

        // Cut off anywhere, what is whole before the cut is printed, and nothing else is touched.
        let cut = cut.index(stream.len() + 1);
        let (mut cursor, mut out) = (Cursor::new(&stream[..cut]), Vec::new());
        while write_next(&mut cursor, FloatText::Oj, &mut out).is_ok() {}
        let whole = ends.iter().filter(|end| **end <= cut).max().unwrap();
        prop_assert_eq!(cursor.position(), *whole);
        prop_assert!(expected.starts_with(&out));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let mut out = Vec::new();
        if write_value(&bytes, FloatText::Oj, &mut out).is_err() {
            prop_assert!(out.is_empty());
        }
    }

    #[test]
    fn a_cut_text_is_never_sound(value in any_json(), cut in any::<prop::sample::Index>()) {
        let text = Value::from(vec![value]).to_string();
        let cut = cut.index(text.len());
        prop_assert!(read(&text.as_bytes()[..cut]).unwrap_err().is_truncated());
    }
}

fn map(pairs: &[(&str, i64)]) -> rmpv::Value {
    rmpv::Value::Map(
        pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
    )
}

#[test]
fn reads_the_dialect_of_fluentds_reader() {
    assert_eq!(read(r#"{"a":/*c*/1} // end"#), Ok(map(&[("a", 1)])));
    assert_eq!(read("\u{feff}{\"a\" : 1}\n"), Ok(map(&[("a", 1)])));
    assert_eq!(read("\"x\ny\""), Ok("x\ny".into()));
    assert_eq!(read("1e400"), Ok(f64::INFINITY.into()));
    assert_eq!(read("-Infinity"), Ok(f64::NEG_INFINITY.into()));
    assert!(matches!(read("NaN"), Ok(rmpv::Value::F64(number)) if number.is_nan()));
    assert_eq!(read(r#""\u00e9\ud83d\ude00\/""#), Ok("é😀/".into()));
    assert_eq!(
        read(r#""\ud83d-\ud83dA\ude00""#),
        Ok("\u{fffd}-\u{fffd}A\u{fffd}".into())
    );
    let mut out = Vec::new();
    transcode(b"\"\xff\"", &mut out).unwrap();
    assert_eq!(out, b"\xa1\xff");
}

#[test]
fn keeps_integers_of_64_bits_and_rounds_longer_ones() {
    assert_eq!(read("18446744073709551615"), Ok(u64::MAX.into()));
    assert_eq!(read("-9223372036854775808"), Ok(i64::MIN.into()));
    assert_eq!(
        read("18446744073709551616"),
        Ok(18_446_744_073_709_551_616.0.into())
    );
    assert_eq!(
        read("-9223372036854775809"),
        Ok((-9_223_372_036_854_775_808.0).into())
    );
    assert_eq!(read("-0"), Ok(0.into()));
    assert_eq!(read("1.0"), Ok(1.0.into()));
}

#[test]
fn a_repeated_key_keeps_its_place_and_takes_the_later_value() {
    assert_eq!(
        read(r#"{"a":1,"b":2,"a":3}"#),
        Ok(map(&[("a", 3), ("b", 2)]))
    );
    assert_eq!(
        read(r#"{"a":1,"a":300,"b":2,"\u0061":70000}"#),
        Ok(map(&[("a", 70000), ("b", 2)]))
    );
    assert_eq!(
        read(r#"{"a":70000,"b":2,"a":1,"":5,"":6}"#),
        Ok(map(&[("a", 1), ("b", 2), ("", 6)]))
    );
}

#[test]
fn repeated_keys_are_merged_up_to_a_limit_and_kept_beyond_it() {
    let text = format!(
        "{{{}\"z\":0}}",
        "\"a\":1,".repeat(MAX_DUPLICATES as usize + 2)
    );
    let rmpv::Value::Map(pairs) = read(text).unwrap() else {
        panic!("a map");
    };
    assert_eq!(pairs.len(), 3, "one merged, one beyond the limit, z");
}

#[test]
fn containers_of_every_header_form() {
    for len in [0, 15, 16, 17, 65_535, 65_536] {
        let value = Value::from(vec![json!("x"); len]);
        assert_eq!(read(value.to_string()), Ok(to_msgpack(&value)));
        let pairs: Map<_, _> = (0..len).map(|n| (format!("{n}"), json!(n))).collect();
        let value = Value::from(pairs);
        assert_eq!(
            sorted(read(value.to_string()).unwrap()),
            sorted(to_msgpack(&value))
        );
    }
}

#[test]
fn nesting_has_a_limit_on_both_ways() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let sound = read(nested(MAX_DEPTH)).unwrap();
    assert_eq!(print(&sound), nested(MAX_DEPTH));
    assert_eq!(
        read(nested(MAX_DEPTH + 1)),
        Err(JsonError::TooDeep { at: MAX_DEPTH })
    );
    assert_eq!(
        read("[".repeat(1_000_000)),
        Err(JsonError::TooDeep { at: MAX_DEPTH })
    );
    let bomb = vec![0x91; 1_000_000];
    assert_eq!(
        write_value(&bomb, FloatText::Oj, &mut Vec::new()),
        Err(Malformed::TooDeep { at: MAX_DEPTH })
    );
}

#[test]
fn what_is_read_a_cursor_can_walk() {
    let text = format!(
        "{}[]{}",
        "[".repeat(MAX_DEPTH - 1),
        "]".repeat(MAX_DEPTH - 1)
    );
    let mut out = Vec::new();
    transcode(text.as_bytes(), &mut out).unwrap();
    assert_eq!(Cursor::new(&out).value(), Ok(&out[..]));
}

#[test]
fn says_where_a_text_stops_being_json() {
    for (text, message) in [
        (
            "",
            "the JSON text ends at byte 0, where a value should follow",
        ),
        (
            "{",
            "the JSON text ends at byte 1, where a key in quotes should follow",
        ),
        (
            "{bad}",
            "expected a key in quotes at byte 1 of the JSON text, found `b`",
        ),
        (
            "{\"a\"1}",
            "expected `:` at byte 4 of the JSON text, found `1`",
        ),
        (
            "{\"a\":1,}",
            "expected a key in quotes at byte 7 of the JSON text, found `}`",
        ),
        (
            "[1 2]",
            "expected `,` or `]` at byte 3 of the JSON text, found `2`",
        ),
        (
            "[1,]",
            "expected a value at byte 3 of the JSON text, found `]`",
        ),
        (
            "{\"a\":1}{\"b\":2}",
            "expected the end of the text at byte 7 of the JSON text, found `{`",
        ),
        (
            "01",
            "expected no digit behind a leading zero at byte 1 of the JSON text, found `1`",
        ),
        (
            "-",
            "the JSON text ends at byte 1, where a digit should follow",
        ),
        (
            "1.",
            "the JSON text ends at byte 2, where a digit behind the decimal point should follow",
        ),
        (
            "1e+x",
            "expected a digit of the exponent at byte 3 of the JSON text, found `x`",
        ),
        (
            "nul!",
            "expected null at byte 3 of the JSON text, found `!`",
        ),
        (
            "\"a",
            "the JSON text ends at byte 2, where the closing quote of a string should follow",
        ),
        (
            "\"\\n",
            "the JSON text ends at byte 3, where the closing quote of a string should follow",
        ),
        (
            "\"\\x\"",
            "expected one of `\"\\/bfnrtu` behind a backslash at byte 2 of the JSON text, found `x`",
        ),
        (
            "\"\\u12g4\"",
            "expected four hexadecimal digits behind `\\u` at byte 5 of the JSON text, found `g`",
        ),
        (
            "/* *",
            "the JSON text ends at byte 4, where the `*/` that ends a comment should follow",
        ),
        (
            "/1",
            "expected `/` or `*` of a comment at byte 1 of the JSON text, found `1`",
        ),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn takes_values_that_stand_back_to_back() {
    let text = b"{\"a\":1} [2]\n";
    let mut out = Vec::new();
    let first = transcode_prefix(text, &mut out).unwrap();
    let second = transcode_prefix(&text[first..], &mut out).unwrap();
    assert_eq!(out, b"\x81\xa1a\x01\x91\x02");
    let end = transcode_prefix(&text[first + second..], &mut out);
    assert!(end.unwrap_err().is_truncated());
}

#[test]
fn prints_what_json_has_no_form_for() {
    let print_bytes = |bytes: &[u8]| {
        let mut out = Vec::new();
        write_value(bytes, FloatText::Oj, &mut out).unwrap();
        out
    };
    assert_eq!(print_bytes(b"\xd7\x00\0\0\0\x05\0\0\0\x06"), b"5");
    assert_eq!(
        print_bytes(b"\xd5\xfe\x0a\xff"),
        br#"{"type":-2,"data":"0aff"}"#
    );
    assert_eq!(print_bytes(b"\xc4\x02\xff\xfe"), b"\"\xff\xfe\"");
    assert_eq!(
        print_bytes(b"\x83\x01\x02\xc0\xc0\x91\x03\x04"),
        br#"{"1":2,"":null,"[3]":4}"#
    );
    assert_eq!(print_bytes(b"\xcb\x7f\xf8\0\0\0\0\0\0"), b"null");
}

#[test]
fn escapes_what_json_demands_and_no_more() {
    let text: Vec<u8> = (0..0x80).collect();
    let mut out = Vec::new();
    write_str(&mut out, &text);
    let back: String = serde_json::from_slice(&out).unwrap();
    assert_eq!(back.as_bytes(), text);
    out.clear();
    write_str(&mut out, "é/ \"\\\n\u{1}\u{7f}\u{2028}<>&".as_bytes());
    assert_eq!(out, "\"é/ \\\"\\\\\\n\\u0001\u{7f}\u{2028}<>&\"".as_bytes());
}

proptest! {
    /// Every length around the widths that are tested at once, with one byte anywhere.
    #[test]
    fn an_escape_is_found_wherever_it_stands(
        len in 0usize..40,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        filler in prop::sample::select(b" !#[]~\x7f\x80\xff".to_vec()),
    ) {
        let mut text = vec![filler; len];
        if len > 0 {
            text[at.index(len)] = byte;
        }
        let mut out = Vec::new();
        write_str(&mut out, &text);
        let naive: Vec<u8> = text
            .iter()
            .flat_map(|byte| match byte {
                b'"' => b"\\\"".to_vec(),
                b'\\' => b"\\\\".to_vec(),
                0..0x20 => serde_json::to_vec(&char::from(*byte)).unwrap()[1..]
                    .strip_suffix(b"\"")
                    .unwrap()
                    .to_vec(),
                byte => vec![*byte],
            })
            .collect();
        prop_assert_eq!(&out[1..out.len() - 1], &naive[..]);
    }
}

/// Each level of quotes doubles the backslashes within: 28 bytes took seconds and gigabytes.
#[test]
fn maps_as_keys_of_keys_do_not_double_their_text_without_end() {
    let nested = |levels: usize| [vec![0x81; levels], vec![0x01; levels + 1]].concat();
    let mut text = Vec::new();
    write_value(&nested(3), FloatText::Oj, &mut text).unwrap();
    let shown = r#"{"{\"{\\\"1\\\":1}\":1}":1}"#;
    assert_eq!(String::from_utf8_lossy(&text), shown);
    let mut text = Vec::new();
    let refused = write_value(&nested(28), FloatText::Oj, &mut text);
    assert!(
        matches!(refused, Err(Malformed::TooDeep { .. })),
        "{refused:?}"
    );
    assert!(text.is_empty());
}
