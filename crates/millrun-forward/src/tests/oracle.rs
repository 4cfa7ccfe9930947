//! The receiver against a slow, obvious decoder: whole value trees, one message at a time, the
//! rules of fluentd.md section 3.2 written down once more.

use millrun_event::{Entries, EventTime};
use proptest::prelude::*;
use rmpv::Value;

use crate::{Compression, Received, Receiver, ReceiverSettings};

const NOW: EventTime = EventTime::new(1_800_000_000, 5);

/// What became of one value of the connection.
#[derive(Debug, PartialEq)]
enum Outcome {
    Message {
        tag: Vec<u8>,
        /// Whole entries, normalised.
        entries: Vec<Value>,
        invalid: u32,
        ack: Option<Vec<u8>>,
    },
    Broken,
}

/// The slow decoder. `None` for a heartbeat.
fn slow(message: &Value) -> Option<Outcome> {
    let elements = match message {
        Value::Nil => return None,
        Value::Array(elements) => elements,
        _ => return Some(Outcome::Broken),
    };
    let element = |index: usize| elements.get(index).cloned().unwrap_or(Value::Nil);
    let tag = text(&element(0));
    let second = element(1);
    let option = match second {
        Value::Array(_) | Value::String(_) | Value::Binary(_) => element(2),
        _ => element(3),
    };
    let candidates: Vec<Value> = match &second {
        Value::Array(entries) => entries.clone(),
        Value::String(_) | Value::Binary(_) => {
            let mut bytes = text(&second).unwrap();
            if lookup(&option, "compressed").and_then(|name| text(&name)) == Some(b"gzip".to_vec())
            {
                let mut expanded = Vec::new();
                std::io::Read::read_to_end(
                    &mut flate2::read::MultiGzDecoder::new(bytes.as_slice()),
                    &mut expanded,
                )
                .unwrap();
                bytes = expanded;
            }
            let mut rest = bytes.as_slice();
            std::iter::from_fn(|| rmpv::decode::read_value(&mut rest).ok()).collect()
        }
        _ if elements.len() < 3 => vec![Value::Nil],
        _ => vec![Value::Array(vec![element(1), element(2)])],
    };
    let is_message_mode = !matches!(
        second,
        Value::Array(_) | Value::String(_) | Value::Binary(_)
    );
    let mut entries = Vec::new();
    let mut invalid = 0;
    for candidate in candidates {
        match normalised(&candidate, is_message_mode) {
            Some(entry) if tag.is_some() => entries.push(entry),
            _ => invalid += 1,
        }
    }
    let ack = lookup(&option, "chunk")
        .filter(|chunk| !matches!(chunk, Value::Nil | Value::Boolean(false)))
        .map(|chunk| encode(&Value::Map(vec![("ack".into(), chunk)])));
    Some(Outcome::Message {
        tag: tag.unwrap_or_default(),
        entries,
        invalid,
        ack,
    })
}

fn normalised(entry: &Value, is_message_mode: bool) -> Option<Value> {
    let [time, record, ..] = entry.as_array()?.as_slice() else {
        return None;
    };
    let time = match time {
        Value::Array(header) if !is_message_mode => header.first()?,
        time => time,
    };
    let now = || {
        let [_, _, payload @ ..] = NOW.to_bytes();
        Value::Ext(0, payload.to_vec())
    };
    let time = match time {
        Value::Integer(seconds) if seconds.as_u64() == Some(0) => now(),
        Value::Integer(_) => time.clone(),
        Value::Ext(0, payload) if payload.len() == 8 => match payload[..4] {
            [0, 0, 0, 0] => now(),
            _ => time.clone(),
        },
        _ => return None,
    };
    record
        .is_map()
        .then(|| Value::Array(vec![time, record.clone()]))
}

fn text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Binary(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

fn lookup(map: &Value, key: &str) -> Option<Value> {
    let pairs = map.as_map()?;
    let found = pairs
        .iter()
        .rev()
        .find(|(name, _)| text(name).as_deref() == Some(key.as_bytes()))?;
    Some(found.1.clone())
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

fn receive(receiver: &mut Receiver, outcomes: &mut Vec<Outcome>) {
    while let Some(received) = receiver.poll(NOW).unwrap() {
        outcomes.push(match received {
            Received::Broken(_) => Outcome::Broken,
            Received::Oversized(oversized) => panic!("no limit was set: {oversized:?}"),
            Received::Message(message) => {
                let entries: Vec<Value> = Entries::new(message.events.bytes)
                    .map(|entry| rmpv::decode::read_value(&mut entry.unwrap().bytes).unwrap())
                    .collect();
                assert_eq!(entries.len(), message.events.count as usize);
                Outcome::Message {
                    tag: message.tag.to_vec(),
                    entries,
                    invalid: message.invalid,
                    ack: message.ack.map(|ack| {
                        let mut out = Vec::new();
                        ack.write(&mut out);
                        out
                    }),
                }
            }
        });
    }
}

// === what clients may send, sound and odd ===

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("NaN equals nothing", |number| !number.is_nan())
            .prop_map(Value::from),
        "[a-z]{0,40}".prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 8).prop_map(|payload| Value::Ext(0, payload)),
        (any::<i8>(), proptest::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(kind, payload)| Value::Ext(kind, payload)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z]{0,4}".prop_map(Value::from), inner), 0..4)
                .prop_map(Value::from),
        ]
    })
}

fn record() -> impl Strategy<Value = Value> {
    proptest::collection::vec(("[a-z]{0,4}".prop_map(Value::from), value()), 0..20)
        .prop_map(Value::from)
}

fn time() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (1u32.., any::<u32>()).prop_map(|(seconds, nanoseconds)| {
            let [_, _, payload @ ..] = EventTime::new(seconds, nanoseconds).to_bytes();
            Value::Ext(0, payload.to_vec())
        }),
        2 => any::<u32>().prop_map(Value::from),
        1 => Just(Value::from(0)),
        1 => Just(Value::Ext(0, vec![0; 8])),
        1 => scalar(),
    ]
}

fn entry() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (time(), record()).prop_map(|(time, record)| Value::from(vec![time, record])),
        1 => (time(), record(), record()).prop_map(|(time, metadata, record)| {
            Value::from(vec![Value::from(vec![time, metadata]), record])
        }),
        1 => proptest::collection::vec(value(), 0..4).prop_map(Value::from),
        1 => value(),
    ]
}

fn option() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Map(Vec::new())),
        value().prop_map(|chunk| Value::Map(vec![("chunk".into(), chunk)])),
        (any::<u32>(), value()).prop_map(|(size, chunk)| Value::Map(vec![
            ("size".into(), size.into()),
            ("compressed".into(), "text".into()),
            ("chunk".into(), chunk),
            ("unknown".into(), Value::Nil),
        ])),
        value().prop_filter("compressed is for payloads", |value| !value.is_map()),
    ]
}

fn message() -> impl Strategy<Value = Value> {
    let tag = || prop_oneof![6 => "[a-z.]{0,40}".prop_map(Value::from), 1 => scalar()];
    let entries = || proptest::collection::vec(entry(), 0..6);
    let packed = |entries: Vec<Value>| entries.iter().flat_map(encode).collect::<Vec<u8>>();
    prop_oneof![
        3 => (tag(), time(), record(), option())
            .prop_map(|(tag, time, record, option)| vec![tag, time, record, option]),
        3 => (tag(), entries(), option())
            .prop_map(|(tag, entries, option)| vec![tag, entries.into(), option]),
        3 => (tag(), entries(), option(), any::<prop::sample::Index>()).prop_map(
            move |(tag, entries, option, cut)| {
                let mut payload = packed(entries);
                payload.truncate(cut.index(payload.len() * 2 + 1));
                vec![tag, Value::Binary(payload), option]
            }
        ),
        1 => (tag(), entries(), entries(), value()).prop_map(
            move |(tag, first, second, chunk)| {
                let (mut payload, mut member) = (Vec::new(), Vec::new());
                for entries in [first, second] {
                    Compression::Gzip.compress(&packed(entries), &mut member).unwrap();
                    payload.extend_from_slice(&member);
                }
                let option = vec![("compressed".into(), "gzip".into()), ("chunk".into(), chunk)];
                vec![tag, Value::Binary(payload), option.into()]
            }
        ),
        1 => proptest::collection::vec(value(), 0..5)
            .prop_filter("no accidental gzip", |elements| {
                !elements.get(2).is_some_and(Value::is_map)
            }),
    ]
    .prop_map(Value::from)
}

fn connection() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(
        prop_oneof![8 => message(), 1 => value(), 1 => Just(Value::Nil)],
        1..5,
    )
    .prop_filter("a first byte of JSON is another protocol", |messages| {
        !matches!(encode(&messages[0])[0], b'{' | b'[')
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn agrees_with_the_slow_decoder_however_the_bytes_are_cut(
        messages in connection(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(encode).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();

        let mut receiver = Receiver::new(ReceiverSettings::default());
        let (mut outcomes, mut start) = (Vec::new(), 0);
        for cut in cuts {
            receiver.handle_input(&bytes[start..cut]);
            receive(&mut receiver, &mut outcomes);
            start = cut;
        }
        let expected: Vec<Outcome> = messages.iter().filter_map(slow).collect();
        prop_assert_eq!(outcomes, expected);
        prop_assert_eq!(receiver.unread(), 0);
        prop_assert_eq!(receiver.position(), bytes.len() as u64);
    }
}
