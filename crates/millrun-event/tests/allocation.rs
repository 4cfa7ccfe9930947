//! Nothing is allocated per event: counted by the allocator itself.
//!
//! One test in one file, so that no other test's thread allocates beside it; what the harness does
//! on its own threads is not counted.

mod counting;

use millrun_event::json::{FloatText, transcode, write_next};
use millrun_event::{Cursor, Entries, EntryHead, EventBuffer, EventTime, count_entries, write};

use counting::allocations_so_far;

fn allocations(work: impl FnOnce()) -> usize {
    let before = allocations_so_far();
    work();
    allocations_so_far() - before
}

const EVENTS: u32 = 1_000;
const JSON: &[u8] =
    br#"{"host":"a\tb","size":18273,"took":0.0125,"tags":["x",{"y":null}],"host":"c"}"#;

fn fill(events: &mut EventBuffer) {
    for number in 0..EVENTS {
        events.push(EventTime::new(number, 0), |record| {
            write::map(record, 3);
            write::str(record, b"message");
            write::str(record, &[b'x'; 186]);
            write::str(record, b"number");
            write::uint(record, number.into());
            write::str(record, b"nested");
            write::array(record, 2);
            write::float(record, 0.0125);
            write::map(record, 0);
        });
    }
}

#[test]
fn a_steady_flow_allocates_nothing() {
    let mut events = EventBuffer::default();
    let first = allocations(|| fill(&mut events));
    assert!(first > 0, "the counter counts");

    let reuse = allocations(|| {
        events.clear();
        fill(&mut events);
    });
    assert_eq!(reuse, 0, "writing into a buffer used before");

    let bytes = events.as_events().bytes;
    let walk = allocations(|| assert_eq!(count_entries(bytes), Ok(EVENTS)));
    assert_eq!(walk, 0, "walking");

    let find = allocations(|| {
        for entry in Entries::new(bytes).flatten() {
            let nested = entry.record().field(b"nested");
            assert!(nested.and_then(|value| value.element(-1)).is_some());
        }
    });
    assert_eq!(find, 0, "finding a field");

    let mut text = Vec::with_capacity(4096);
    let print = allocations(|| {
        let mut cursor = Cursor::new(bytes);
        while EntryHead::read(&mut cursor).is_ok() {
            text.clear();
            assert!(write_next(&mut cursor, FloatText::Oj, &mut text).is_ok());
        }
        assert!(cursor.is_at_end());
    });
    assert_eq!(print, 0, "printing as JSON");

    let mut out = Vec::with_capacity(4096);
    let read = allocations(|| {
        for _ in 0..EVENTS {
            out.clear();
            assert_eq!(transcode(JSON, &mut out), Ok(()));
        }
    });
    assert_eq!(read, 0, "reading JSON");
}
