//! Streams of entries: walked, looked into, printed, made of JSON.

use std::hint::black_box;
use std::rc::Rc;

use millrun_event::json::{FloatText, transcode, write_next};
use millrun_event::{
    Cursor, Entries, EntryHead, EventBuffer, EventTime, Events, Record, count_entries, write,
};

use crate::parsers::{JSON, validate};
use crate::{Goal, Loop, Work};

const LINE_BYTES: usize = 186;

pub(crate) fn loops() -> Vec<Loop> {
    vec![
        looped("walk, 186-byte line", Goal::Nanoseconds(45.0), |events| {
            let stream = lines(events);
            let same = Rc::clone(&stream);
            (
                Box::new(move || walk(stream.as_events())),
                Box::new(move || hop(same.as_events())),
            )
        }),
        looped("walk, 12 fields, nested", Goal::Any, |events| {
            let stream = records(events);
            let same = Rc::clone(&stream);
            (
                Box::new(move || walk(stream.as_events())),
                Box::new(move || sum_of_words(same.as_events().bytes)),
            )
        }),
        looped("find the 9th field", Goal::Any, |events| {
            let stream = records(events);
            let same = Rc::clone(&stream);
            let find = move || {
                each_record(stream.as_events(), |record| {
                    let field = record.field(b"agent");
                    field.map_or(0, |value| value.bytes().len())
                })
            };
            (Box::new(find), Box::new(move || walk(same.as_events())))
        }),
        looped(
            "format json, 260 bytes",
            Goal::Nanoseconds(350.0),
            |events| {
                let stream = records(events);
                let same = Rc::clone(&stream);
                let mut text = Vec::new();
                let print = move || print(stream.as_events(), &mut text);
                (Box::new(print), Box::new(move || walk(same.as_events())))
            },
        ),
        looped(
            "json to msgpack, 260 bytes",
            Goal::OrTwiceTheFloor(650.0),
            |events| {
                let mut out = Vec::new();
                let parse = move || {
                    (0..events)
                        .map(|_| {
                            out.clear();
                            let _ = transcode(black_box(JSON.as_bytes()), &mut out);
                            out.len()
                        })
                        .sum()
                };
                (Box::new(parse), Box::new(move || validate(JSON, events)))
            },
        ),
    ]
}

fn looped(name: &'static str, goal: Goal, make: impl Fn(u32) -> (Work, Work) + 'static) -> Loop {
    Loop {
        name,
        goal,
        make: Box::new(make),
    }
}

fn lines(events: u32) -> Rc<EventBuffer> {
    stream(events, |record| {
        write::map(record, 1);
        write::str(record, b"message");
        write::str(record, &[b'x'; LINE_BYTES]);
    })
}

fn records(events: u32) -> Rc<EventBuffer> {
    let mut record = Vec::new();
    transcode(JSON.as_bytes(), &mut record).unwrap();
    stream(events, |out| out.extend_from_slice(&record))
}

fn stream(events: u32, record: impl Fn(&mut Vec<u8>)) -> Rc<EventBuffer> {
    let mut stream = EventBuffer::default();
    for number in 0..events {
        stream.push(EventTime::new(1_700_000_000, number), &record);
    }
    Rc::new(stream)
}

pub(crate) fn walk(events: Events<'_>) -> usize {
    count_entries(black_box(events.bytes)).map_or(0, |count| count as usize)
}

fn each_record(events: Events<'_>, mut work: impl FnMut(Record<'_>) -> usize) -> usize {
    Entries::new(events.bytes)
        .filter_map(Result::ok)
        .map(|entry| work(entry.record()))
        .sum()
}

/// Checks and prints a stream in one pass, as the json formatter does.
fn print(events: Events<'_>, text: &mut Vec<u8>) -> usize {
    let mut cursor = Cursor::new(black_box(events.bytes));
    let mut total = 0;
    while EntryHead::read(&mut cursor).is_ok() {
        text.clear();
        let _ = write_next(&mut cursor, FloatText::Oj, text);
        total += text.len();
    }
    total
}

/// The floor of anything that reads: every byte once.
fn sum_of_words(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0, |sum: u64, word| {
        sum.wrapping_add(u64::from_le_bytes(*word))
    });
    sum as usize
}

/// The floor of a walk: one length read per entry, nothing checked.
fn hop(events: Events<'_>) -> usize {
    const HEADER: usize = 1 + EventTime::ENCODED_LEN + 1 + 8;
    let (mut at, mut count) = (0, 0);
    while let Some([0xd9, len]) = events.bytes.get(at + HEADER..at + HEADER + 2) {
        at += HEADER + 2 + usize::from(*len);
        count += 1;
    }
    count
}
