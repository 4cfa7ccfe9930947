//! Cursors, entries and writers against rmpv, which builds a tree of what it reads.
#![allow(clippy::unwrap_used, reason = "a test helper may be blunt")]

use millrun_event::{
    Cursor, Entries, Entry, EntryTime, EventBuffer, EventTime, MAX_DEPTH, Malformed, Record, Token,
    count_entries, write,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rmpv::Value;

/// Lengths on both sides of every change of header.
fn any_len() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![
        40 => 0usize..40,
        1 => prop::sample::select(vec![31usize, 32, 255, 256, 65_535, 65_536]),
    ]
}

/// Trees deep and wide.
fn any_value() -> impl Strategy<Value = Value> {
    any_tree(5, 80, 20)
}

/// For lists of values, whose variety is in the list.
fn small_value() -> impl Strategy<Value = Value> {
    any_tree(2, 6, 3)
}

fn any_tree(depth: u32, nodes: u32, width: u32) -> impl Strategy<Value = Value> {
    let bytes = (any_len(), any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    let scalar = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-300i64..70_000).prop_map(Value::from),
        any::<f32>().prop_map(Value::F32),
        any::<f64>().prop_map(Value::F64),
        any::<String>().prop_map(Value::from),
        (any_len()).prop_map(|len| Value::from("a".repeat(len))),
        bytes.clone().prop_map(Value::Binary),
        (any::<i8>(), bytes).prop_map(|(kind, bytes)| Value::Ext(kind, bytes)),
        (0u32.., 0u32..).prop_map(|(s, n)| event_time(s, n)),
    ];
    let width = 0..width as usize;
    scalar.prop_recursive(depth, nodes, width.end as u32, move |inner| {
        prop_oneof![
            vec(inner.clone(), width.clone()).prop_map(Value::Array),
            vec((inner.clone(), inner), width.clone()).prop_map(Value::Map),
        ]
    })
}

fn event_time(seconds: u32, nanoseconds: u32) -> Value {
    let bytes = EventTime::new(seconds, nanoseconds).to_bytes();
    Value::Ext(0, bytes[2..].to_vec())
}

fn any_time() -> impl Strategy<Value = (Value, EntryTime)> {
    prop_oneof![
        any::<(u32, u32)>()
            .prop_map(|(s, n)| (event_time(s, n), EntryTime::Event(EventTime::new(s, n)))),
        any::<u32>().prop_map(|s| (s.into(), EntryTime::Integer(s.into()))),
        any::<i64>().prop_map(|s| (s.into(), EntryTime::Integer(s))),
        (-1e12..1e12).prop_map(|s: f64| (s.into(), EntryTime::Float(s))),
        Just((Value::Nil, EntryTime::Invalid)),
        Just((Value::from("now"), EntryTime::Invalid)),
        Just((Value::Map(vec![(1.into(), 2.into())]), EntryTime::Invalid)),
        Just((Value::Ext(0, vec![0; 4]), EntryTime::Invalid)),
    ]
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

/// The obvious way back from tokens to a tree.
fn tree(cursor: &mut Cursor<'_>) -> Value {
    match cursor.token().unwrap() {
        Token::Nil => Value::Nil,
        Token::Bool(value) => value.into(),
        Token::Uint(number) => number.into(),
        Token::Int(number) => number.into(),
        Token::Float(number) => Value::F64(number),
        Token::Str(text) => std::str::from_utf8(text).unwrap().into(),
        Token::Bin(bytes) => Value::Binary(bytes.to_vec()),
        Token::Array(len) => Value::Array((0..len).map(|_| tree(cursor)).collect()),
        Token::Map(len) => Value::Map((0..len).map(|_| (tree(cursor), tree(cursor))).collect()),
        Token::Ext(kind, payload) => Value::Ext(kind, payload.to_vec()),
    }
}

/// Floats by their bits, so that NaN equals itself; singles as the doubles they widen to.
fn comparable(value: &Value) -> Value {
    match value {
        Value::F32(number) => f64::from(*number).to_bits().into(),
        Value::F64(number) => number.to_bits().into(),
        Value::Array(values) => Value::Array(values.iter().map(comparable).collect()),
        Value::Map(pairs) => Value::Map(
            pairs
                .iter()
                .map(|(key, value)| (comparable(key), comparable(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Writes a tree with our writers.
fn write_tree(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => write::nil(out),
        Value::Boolean(value) => write::bool(out, *value),
        Value::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => write::uint(out, number),
            (None, Some(number)) => write::int(out, number),
            (None, None) => unreachable!("an integer has one of the two forms"),
        },
        Value::F64(number) => write::float(out, *number),
        Value::String(text) => write::str(out, text.as_bytes()),
        Value::Binary(bytes) => write::bin(out, bytes),
        Value::Array(values) => {
            write::array(out, values.len() as u32);
            values.iter().for_each(|value| write_tree(out, value));
        }
        Value::Map(pairs) => {
            write::map(out, pairs.len() as u32);
            for (key, value) in pairs {
                write_tree(out, key);
                write_tree(out, value);
            }
        }
        // Singles and extensions other than event times have no writer of ours.
        other => out.extend(encode(other)),
    }
}

proptest! {
    #[test]
    fn tokens_tell_every_form(value in any_value()) {
        let bytes = encode(&value);
        let mut cursor = Cursor::new(&bytes);
        prop_assert_eq!(comparable(&tree(&mut cursor)), comparable(&value));
        prop_assert!(cursor.is_at_end());
    }

    #[test]
    fn writers_take_the_shortest_form(value in any_value()) {
        let mut out = Vec::new();
        write_tree(&mut out, &value);
        prop_assert_eq!(out, encode(&value));
    }

    #[test]
    fn skipping_ends_where_the_value_ends(values in vec(small_value(), 1..6)) {
        let bytes: Vec<u8> = values.iter().flat_map(encode).collect();
        let mut cursor = Cursor::new(&bytes);
        for value in &values {
            prop_assert_eq!(cursor.value().unwrap(), &encode(value)[..]);
        }
        prop_assert!(cursor.is_at_end());
        let mut cursor = Cursor::new(&bytes);
        cursor.skip_values(values.len() as u64).unwrap();
        prop_assert!(cursor.is_at_end());
    }

    #[test]
    fn a_cut_value_is_truncated_and_moves_nothing(value in any_value(), before in 0usize..4) {
        let mut bytes = vec![0xc0; before];
        bytes.extend(encode(&value));
        // Every cut of a short value, and a spread of cuts of a long one.
        let step = 1 + bytes.len() / 32;
        for cut in (before..bytes.len()).step_by(step) {
            let mut cursor = Cursor::new(&bytes[..cut]);
            cursor.skip_values(before as u64).unwrap();
            let truncated = matches!(cursor.value(), Err(Malformed::Truncated { .. }));
            prop_assert!(truncated, "cut at {}", cut);
            prop_assert_eq!(cursor.position(), before);
            prop_assert!(cursor.skip().is_err());
            prop_assert_eq!(cursor.position(), before);
            prop_assert!(cursor.skip_values(1).is_err());
            prop_assert_eq!(cursor.position(), before);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300)) {
        let mut cursor = Cursor::new(&bytes);
        let skipped = cursor.skip();
        if skipped.is_ok() {
            // What is skipped is sound to the oracle too.
            let mut rest = &bytes[..];
            rmpv::decode::read_value(&mut rest).unwrap();
            prop_assert_eq!(bytes.len() - rest.len(), cursor.position());
        }
        let mut at = 0;
        for entry in Entries::new(&bytes).flatten() {
            prop_assert_eq!(entry.bytes, &bytes[at..at + entry.bytes.len()]);
            at += entry.bytes.len();
            let _ = entry.time.to_event_time();
            let _ = entry.record().field(b"a");
        }
        for pair in Record::new(&bytes).fields().into_iter().flatten().flatten() {
            let _ = (pair.0.text(), pair.1.element(-1), pair.1.record().field(b""));
        }
    }

    #[test]
    fn entries_come_in_every_time_form(
        entries in vec((any_time(), any::<bool>(), small_value()), 0..8),
    ) {
        let mut bytes = Vec::new();
        for ((time, _), has_metadata, record) in &entries {
            let mut time = time.clone();
            if *has_metadata {
                let metadata = Value::Map(vec![("k".into(), record.clone())]);
                time = Value::Array(vec![time, metadata]);
            }
            bytes.extend(encode(&Value::Array(vec![time, record.clone()])));
        }
        let read: Vec<Entry<'_>> = Entries::new(&bytes).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(count_entries(&bytes), Ok(entries.len() as u32));
        prop_assert_eq!(read.len(), entries.len());
        for (entry, ((_, time), has_metadata, record)) in read.iter().zip(&entries) {
            prop_assert_eq!(entry.time, *time);
            prop_assert_eq!(entry.has_metadata, *has_metadata);
            prop_assert_eq!(entry.record_bytes(), &encode(record)[..]);
            prop_assert_eq!(entry.record_is_map(), record.is_map());
        }
    }

    #[test]
    fn a_cut_entry_is_truncated_and_moves_nothing(
        (time, _) in any_time(),
        record in any_value(),
        has_metadata in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let time = if has_metadata { Value::Array(vec![time, Value::Map(vec![])]) } else { time };
        let bytes = encode(&Value::Array(vec![time, record]));
        let mut cursor = Cursor::new(&bytes[..cut.index(bytes.len())]);
        let truncated = matches!(Entry::read(&mut cursor), Err(Malformed::Truncated { .. }));
        prop_assert!(truncated);
        prop_assert_eq!(cursor.position(), 0);
    }

    #[test]
    fn a_field_is_that_of_the_last_pair_with_its_key(
        pairs in vec(("[a-c]{0,1}", small_value()), 0..20),
        key in "[a-c]{0,1}",
    ) {
        let record = Value::Map(pairs.iter().map(|(k, v)| (k.as_str().into(), v.clone())).collect());
        let bytes = encode(&record);
        let expected = pairs.iter().rev().find(|(k, _)| *k == key).map(|(_, value)| encode(value));
        let found = Record::new(&bytes).field(key.as_bytes()).map(|value| value.bytes().to_vec());
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn elements_count_from_both_ends(values in vec(small_value(), 0..20), index in -25i64..25) {
        let bytes = encode(&Value::Array(values.clone()));
        let len = values.len() as i64;
        let expected = usize::try_from(if index < 0 { len + index } else { index })
            .ok()
            .and_then(|index| values.get(index))
            .map(encode);
        let found = millrun_event::Value::new(&bytes).element(index);
        prop_assert_eq!(found.map(|value| value.bytes().to_vec()), expected);
    }

    #[test]
    fn what_a_buffer_holds_a_walk_finds(entries in vec((any::<(u32, u32)>(), small_value(), any::<bool>()), 0..10)) {
        let mut events = EventBuffer::default();
        let mut kept = Vec::new();
        for ((seconds, nanoseconds), record, keep) in &entries {
            let time = EventTime::new(*seconds, *nanoseconds);
            let answer = events.push_if(|out| {
                write_tree(out, record);
                keep.then_some((time, ()))
            });
            prop_assert_eq!(answer.is_some(), *keep);
            if *keep {
                kept.push((EntryTime::Event(time), encode(record)));
            }
        }
        let read: Vec<_> = Entries::new(events.as_events().bytes)
            .map(|entry| entry.map(|entry| (entry.time, entry.record_bytes().to_vec())).unwrap())
            .collect();
        prop_assert_eq!(events.count() as usize, kept.len());
        prop_assert_eq!(read, kept);
    }
}

/// Forms an encoder that is after the shortest never writes.
#[test]
fn long_forms_of_short_values_are_read() {
    for (bytes, token) in [
        (&b"\xcf\0\0\0\0\0\0\0\x05"[..], Token::Uint(5)),
        (b"\xd3\0\0\0\0\0\0\0\x05", Token::Int(5)),
        (b"\xdb\0\0\0\x01a", Token::Str(b"a")),
        (b"\xda\0\x01a", Token::Str(b"a")),
        (b"\xc6\0\0\0\x01a", Token::Bin(b"a")),
        (b"\xdd\0\0\0\0", Token::Array(0)),
        (b"\xdf\0\0\0\0", Token::Map(0)),
        (b"\xc7\x01\x05a", Token::Ext(5, b"a")),
        (b"\xc9\0\0\0\x01\x05a", Token::Ext(5, b"a")),
    ] {
        assert_eq!(Cursor::new(bytes).token(), Ok(token));
        assert_eq!(Cursor::new(bytes).value(), Ok(bytes));
    }
    let ext8_time = b"\xc7\x08\0\0\0\0\x01\0\0\0\x02";
    let time = Cursor::new(ext8_time).token().unwrap().event_time();
    assert_eq!(time, Some(EventTime::new(1, 2)));
}

#[test]
fn lengths_that_lie_wait_for_bytes_and_take_no_time() {
    for bytes in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff\x01",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff\0",
        b"\xc9\xff\xff\xff\xff\x01\0",
        b"\x92\xc0\xdd\xff\xff\xff\xff",
    ] {
        let mut cursor = Cursor::new(bytes);
        let error = cursor.value().unwrap_err();
        assert!(matches!(error, Malformed::Truncated { .. }), "{error}");
        assert_eq!(cursor.position(), 0);
    }
}

#[test]
fn nesting_has_a_limit() {
    for marker in [b"\x91".as_slice(), b"\x81\xc0", b"\xdd\0\0\0\x01"] {
        let nested = |depth: usize| [marker.repeat(depth), vec![0xc0]].concat();
        let deepest = nested(MAX_DEPTH);
        assert_eq!(Cursor::new(&deepest).value(), Ok(&deepest[..]));
        let mut cursor = Cursor::at(&[], 0);
        assert!(cursor.value().is_err());
        let at = MAX_DEPTH * marker.len();
        for too_deep in [nested(MAX_DEPTH + 1), marker.repeat(1_000_000)] {
            cursor = Cursor::new(&too_deep);
            assert_eq!(cursor.value(), Err(Malformed::TooDeep { at }));
            assert_eq!(cursor.position(), 0);
        }
    }
}

#[test]
fn errors_say_what_and_where() {
    let read = |bytes: &[u8]| {
        Entry::read(&mut Cursor::new(bytes))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        read(b"\x92\x01"),
        "the value that begins at byte 2 is cut off"
    );
    assert_eq!(
        read(b"\x92\x01\xc1"),
        "byte 2 is 0xc1, which msgpack never uses"
    );
    assert_eq!(
        read(b"\x93\x01\x80\x80"),
        "expected an entry [time, record] at byte 0"
    );
    assert_eq!(
        read(&[b"\x92\x01".to_vec(), vec![0x91; 200]].concat()),
        "arrays and maps nest deeper than 128 levels at byte 130"
    );
    let record = Record::new(b"\x90");
    assert_eq!(
        record.fields().unwrap_err().to_string(),
        "expected a map at byte 0"
    );
}

#[test]
fn a_walk_ends_behind_its_first_error() {
    let bytes = b"\x92\x01\x80\x92\x01\xc1\x92\x01\x80";
    let mut entries = Entries::new(bytes);
    assert!(entries.next().unwrap().is_ok());
    assert_eq!(entries.position(), 3);
    assert_eq!(
        entries.next().unwrap().unwrap_err(),
        Malformed::Reserved { at: 5 }
    );
    assert!(entries.next().is_none());
    assert_eq!(entries.position(), 3);
    assert_eq!(count_entries(bytes), Err(Malformed::Reserved { at: 5 }));
}
