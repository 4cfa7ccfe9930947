//! The oracle table of fluentd.md section 3.2, line by line, and what the settings change.

use millrun_event::{Entries, EntryTime, EventTime};

use crate::{Compression, Mode, Received, Receiver, ReceiverSettings};

const NOW: EventTime = EventTime::new(1_800_000_000, 0);

/// What one message left behind: tag, records' keys, invalid entries, answer.
type Seen = (String, Vec<String>, u32, Vec<u8>);

fn run(settings: ReceiverSettings, bytes: &[u8]) -> Vec<Seen> {
    let mut receiver = Receiver::new(settings);
    receiver.handle_input(bytes);
    let mut seen = Vec::new();
    while let Some(received) = receiver.poll(NOW).unwrap() {
        let mut answer = Vec::new();
        seen.push(match received {
            Received::Message(message) => {
                let events = Entries::new(message.events.bytes)
                    .map(|entry| {
                        let entry = entry.unwrap();
                        let time = match entry.time {
                            EntryTime::Event(NOW) => "now".to_owned(),
                            EntryTime::Event(time) => time.seconds.to_string(),
                            EntryTime::Integer(seconds) => seconds.to_string(),
                            other => panic!("{other:?} in a sound stream"),
                        };
                        let mut record = Vec::new();
                        let floats = millrun_event::json::FloatText::Oj;
                        millrun_event::json::write_value(entry.record_bytes(), floats, &mut record)
                            .unwrap();
                        format!("{time} {}", String::from_utf8_lossy(&record))
                    })
                    .collect();
                if let Some(ack) = message.ack {
                    ack.write(&mut answer);
                }
                let tag = String::from_utf8_lossy(message.tag).into_owned();
                (tag, events, message.invalid, answer)
            }
            Received::Broken(value) => ("broken".to_owned(), Vec::new(), 0, value.to_vec()),
            Received::Oversized(oversized) => {
                if let Some(ack) = oversized.ack {
                    ack.write(&mut answer);
                }
                let tag = String::from_utf8_lossy(oversized.tag);
                (
                    format!("{tag} of {}", oversized.size),
                    Vec::new(),
                    0,
                    answer,
                )
            }
        });
    }
    seen
}

fn one(bytes: &[u8]) -> Seen {
    let mut seen = run(ReceiverSettings::default(), bytes);
    assert_eq!(seen.len(), 1, "{bytes:?}");
    seen.remove(0)
}

fn event(tag: &str, events: &[&str], invalid: u32, answer: &[u8]) -> Seen {
    let events = events.iter().map(|event| (*event).to_owned()).collect();
    (tag.to_owned(), events, invalid, answer.to_vec())
}

#[test]
fn message_mode() {
    let ack = b"\x81\xa3ack\xa1x";
    let whole = b"\x94\xa1t\xce\x5f\x5e\x10\x00\x81\xa1k\x01\x81\xa5chunk\xa1x";
    assert_eq!(one(whole), event("t", &["1600000000 {\"k\":1}"], 0, ack));
    let no_option = b"\x93\xa1t\xce\x5f\x5e\x10\x00\x81\xa1k\x01";
    assert_eq!(
        one(no_option),
        event("t", &["1600000000 {\"k\":1}"], 0, b"")
    );
    let time_0 = b"\x93\xa1t\x00\x80";
    assert_eq!(one(time_0), event("t", &["now {}"], 0, b""));
    let nil_time = b"\x94\xa1t\xc0\x80\x81\xa5chunk\xa1x";
    assert_eq!(one(nil_time), event("t", &[], 1, ack));
    let float_time = b"\x94\xa1t\xca\x3f\x80\x00\x00\x80\x81\xa5chunk\xa1x";
    assert_eq!(one(float_time), event("t", &[], 1, ack));
    // A string where the time should be makes it a packed payload, the record its option.
    let text_time = b"\x94\xa1t\xa3abc\x81\xa1k\x01\x81\xa5chunk\xa1x";
    assert_eq!(one(text_time), event("t", &[], 3, b""));
    let no_record = b"\x92\xa1t\x01";
    assert_eq!(one(no_record), event("t", &[], 1, b""));
    let negative = b"\x93\xa1t\xff\x80";
    assert_eq!(one(negative), event("t", &["-1 {}"], 0, b""));
    let large = b"\x93\xa1t\xcf\x00\x00\x00\x01\x00\x00\x00\x00\x80";
    assert_eq!(one(large), event("t", &["4294967296 {}"], 0, b""));
    let empty_tag = b"\x93\xa0\x01\x80";
    assert_eq!(one(empty_tag), event("", &["1 {}"], 0, b""));
    let number_tag = b"\x93\x01\x01\x80";
    assert_eq!(one(number_tag), event("", &[], 1, b""));
}

#[test]
fn entries_of_version_1_5_lose_their_metadata() {
    let forward = b"\x92\xa1t\x92\x92\x92\x05\x81\xa1m\x01\x81\xa1k\x01\x92\x06\x80";
    let events = ["5 {\"k\":1}", "6 {}"];
    assert_eq!(one(forward), event("t", &events, 0, b""));
    let packed = b"\x92\xa1t\xc4\x0e\x92\x92\x05\x81\xa1m\x01\x81\xa1k\x01\x92\x06\x80";
    assert_eq!(one(packed), event("t", &events, 0, b""));
}

#[test]
fn an_entry_that_is_none_is_left_out_and_the_rest_kept() {
    let forward =
        b"\x93\xa1t\x95\x92\x01\x80\x92\xa1x\x80\x92\x02\x01\xa1x\x92\x03\x80\x81\xa5chunk\x05";
    let expected = event("t", &["1 {}", "3 {}"], 3, b"\x81\xa3ack\x05");
    assert_eq!(one(forward), expected);
}

#[test]
fn values_that_are_no_messages_leave_the_connection_open() {
    let seen = run(
        ReceiverSettings::default(),
        b"\x80\xa1x\x05\xc0\x93\xa1t\x01\x80",
    );
    let tags: Vec<_> = seen.iter().map(|seen| seen.0.as_str()).collect();
    assert_eq!(tags, ["broken", "broken", "broken", "t"]);
}

#[test]
fn a_payload_cut_within_an_entry_gives_the_entries_before() {
    let packed = b"\x93\xa1t\xc4\x07\x92\x01\x80\x92\x02\x81\xa1\x81\xa5chunk\xa1x";
    assert_eq!(one(packed), event("t", &["1 {}"], 0, b"\x81\xa3ack\xa1x"));
}

#[test]
fn plain_payloads_are_given_out_where_they_arrived() {
    let mut receiver = Receiver::new(ReceiverSettings::default());
    let packed =
        b"\x92\xa1t\xc4\x12\x92\x05\x81\xa1k\x01\x92\xd7\x00\x01\x02\x03\x04\x00\x00\x00\x00\x80";
    receiver.room()[..packed.len()].copy_from_slice(packed);
    let place = receiver.room().as_ptr();
    receiver.filled(packed.len());
    let Some(Received::Message(message)) = receiver.poll(NOW).unwrap() else {
        panic!("one message");
    };
    assert_eq!(message.mode, Mode::PackedForward);
    assert_eq!(message.events.count, 2);
    assert_eq!(message.events.bytes, &packed[5..]);
    assert_eq!(message.events.bytes.as_ptr().addr(), place.addr() + 5);
}

#[test]
fn the_other_form_of_event_time_is_written_in_the_usual_one() {
    let packed = b"\x92\xa1t\xc4\x0d\x92\xc7\x08\x00\x00\x00\x00\x07\x00\x00\x00\x09\x80";
    let mut receiver = Receiver::new(ReceiverSettings::default());
    receiver.handle_input(packed);
    let Some(Received::Message(message)) = receiver.poll(NOW).unwrap() else {
        panic!("one message");
    };
    assert_eq!(
        message.events.bytes,
        b"\x92\xd7\x00\x00\x00\x00\x07\x00\x00\x00\x09\x80"
    );
}

#[test]
fn text_as_compression_means_none() {
    let packed = b"\x93\xa1t\xa3\x92\x01\x80\x81\xaacompressed\xa4text";
    assert_eq!(one(packed), event("t", &["1 {}"], 0, b""));
}

#[test]
fn an_empty_compressed_payload_holds_nothing() {
    let packed = b"\x93\xa1t\xa0\x81\xaacompressed\xa4gzip";
    assert_eq!(one(packed), event("t", &[], 0, b""));
}

#[test]
fn settings_rewrite_tags_and_records() {
    let mut settings = ReceiverSettings {
        add_tag_prefix: Some(b"pre".to_vec()),
        fields: vec![(b"addr".to_vec(), b"::1".to_vec())],
        ..ReceiverSettings::default()
    };
    let bytes = b"\x93\xa1t\x01\x81\xa1k\x01\x93\x07\x01\x82\xa4addr\x01\xa1k\x02\x93\xc0\x01\x80";
    let seen = run(settings.clone(), bytes);
    let expected = [
        event("pre.t", &["1 {\"k\":1,\"addr\":\"::1\"}"], 0, b""),
        event("pre.7", &["1 {\"k\":2,\"addr\":\"::1\"}"], 0, b""),
        event("pre.", &["1 {\"addr\":\"::1\"}"], 0, b""),
    ];
    assert_eq!(seen, expected);

    settings.tag = Some(b"all".to_vec());
    settings.fields.clear();
    let seen = run(settings, b"\x93\x90\x01\x80");
    assert_eq!(seen, [event("pre.all", &["1 {}"], 0, b"")]);
}

#[test]
fn a_message_over_chunk_size_limit_is_dropped_and_answered_at_every_cut() {
    let settings = ReceiverSettings {
        chunk_size_limit: Some(100),
        ..ReceiverSettings::default()
    };
    let mut bytes = b"\x93\xa3big\xc5\x40\x00".to_vec();
    bytes.resize(bytes.len() + 0x4000, 0);
    bytes.extend_from_slice(b"\x82\xa4size\x01\xa5chunk\xa1x");
    let len = bytes.len();
    bytes.extend_from_slice(b"\x93\xa1t\x01\x80");
    let expected = [
        (format!("big of {len}"), b"\x81\xa3ack\xa1x".to_vec()),
        ("t".to_owned(), Vec::new()),
    ];
    let cuts = (0..40).chain(len - 40..=len);
    for cut in cuts {
        let mut receiver = Receiver::new(settings.clone());
        let mut seen = Vec::new();
        for piece in [&bytes[..cut], &bytes[cut..]] {
            receiver.handle_input(piece);
            while let Some(received) = receiver.poll(NOW).unwrap() {
                let mut answer = Vec::new();
                seen.push(match received {
                    Received::Oversized(oversized) => {
                        oversized.ack.unwrap().write(&mut answer);
                        let tag = String::from_utf8_lossy(oversized.tag);
                        (format!("{tag} of {}", oversized.size), answer)
                    }
                    Received::Message(message) => {
                        (String::from_utf8_lossy(message.tag).into_owned(), answer)
                    }
                    Received::Broken(_) => panic!("nothing is broken"),
                });
            }
        }
        assert_eq!(seen, expected, "cut at {cut}");
    }
}

#[test]
fn what_is_dropped_is_not_kept_in_memory() {
    let settings = ReceiverSettings {
        chunk_size_limit: Some(1 << 20),
        ..ReceiverSettings::default()
    };
    let mut receiver = Receiver::new(settings);
    receiver.handle_input(b"\x93\xa1t\xc6\x02\x00\x00\x00");
    let mut most = 0;
    for _ in 0..32 {
        receiver.handle_input(&vec![0; 1 << 20]);
        assert!(receiver.poll(NOW).unwrap().is_none());
        most = most.max(receiver.room().len());
    }
    assert!(most <= 8 << 20, "room of {most} bytes");
    receiver.handle_input(b"\x81\xa5chunk\xa1x");
    assert!(matches!(
        receiver.poll(NOW).unwrap(),
        Some(Received::Oversized(_))
    ));
}

#[test]
fn json_mode() {
    let text = br#"["j.a",1700000000,{"k":1},{"chunk":"abc"}] ["j.b",[[1,{"k":"\u00e9\n"}],[0,{}],[null,{}]],{"chunk":"x=="}]
        {"no":"message"}["j.c",null,{}]"#;
    let expected = [
        event("j.a", &["1700000000 {\"k\":1}"], 0, b"{\"ack\":\"abc\"}"),
        event(
            "j.b",
            &["1 {\"k\":\"\u{e9}\\n\"}", "now {}"],
            1,
            b"{\"ack\":\"x==\"}",
        ),
        event("broken", &[], 0, b"\n        {\"no\":\"message\"}"),
        event("j.c", &[], 1, b""),
    ];
    assert_eq!(run(ReceiverSettings::default(), text), expected);
}

#[test]
fn several_members_are_one_stream() {
    for (compression, word) in [
        (Compression::Gzip, b"\xa4gzip"),
        (Compression::Zstd, b"\xa4zstd"),
    ] {
        let (mut payload, mut member) = (Vec::new(), Vec::new());
        for entries in [b"\x92\x01\x80", b"\x92\x02\x80"] {
            compression.compress(entries, &mut member).unwrap();
            payload.extend_from_slice(&member);
        }
        let mut bytes = b"\x93\xa1t\xc4".to_vec();
        bytes.push(payload.len() as u8);
        bytes.extend_from_slice(&payload);
        bytes.extend_from_slice(b"\x81\xaacompressed");
        bytes.extend_from_slice(word);
        assert_eq!(one(&bytes), event("t", &["1 {}", "2 {}"], 0, b""));
    }
}
