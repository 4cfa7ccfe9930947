//! The database of the tests: made here, so that nothing of anyone's data is in the repository.
//!
//! ```text
//! tree       nodes of two 24-bit records; below the number of nodes: the next node; equal: nothing; above: data
//! 16 zeros
//! data       values, each behind a control byte: its type and its size
//! marker, metadata
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may be blunt, as tests may"
)]

use std::path::PathBuf;

/// A value of a database.
enum Value {
    Text(&'static str),
    Double(f64),
    Short(u16),
    Uint(u32),
    Long(u64),
    Bool(bool),
    Array(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

use Value::*;

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        let head = |kind: u8, size: usize, out: &mut Vec<u8>| {
            assert!(size < 29);
            match kind {
                0..=7 => out.push(kind << 5 | size as u8),
                _ => out.extend([size as u8, kind - 7]),
            }
        };
        match self {
            Text(text) => {
                head(2, text.len(), out);
                out.extend(text.as_bytes());
            }
            Double(number) => {
                head(3, 8, out);
                out.extend(number.to_be_bytes());
            }
            Uint(number) => {
                head(6, 4, out);
                out.extend(number.to_be_bytes());
            }
            Short(number) => {
                head(5, 2, out);
                out.extend(number.to_be_bytes());
            }
            Long(number) => {
                head(9, 8, out);
                out.extend(number.to_be_bytes());
            }
            Bool(value) => head(14, usize::from(*value), out),
            Array(values) => {
                head(11, values.len(), out);
                values.iter().for_each(|value| value.write(out));
            }
            Map(pairs) => {
                head(7, pairs.len(), out);
                for (key, value) in pairs {
                    Text(key).write(out);
                    value.write(out);
                }
            }
        }
    }
}

/// Where a record of a node leads.
#[derive(Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    Data(usize),
}

fn put(tree: &mut Vec<[Record; 2]>, address: u128, length: u32, data: usize) {
    let mut node = 0;
    for depth in 0..length {
        let side = (address >> (127 - depth) & 1) as usize;
        if depth + 1 == length {
            tree[node][side] = Record::Data(data);
            return;
        }
        node = match tree[node][side] {
            Record::Node(next) => next,
            _ => {
                tree.push([Record::Nothing; 2]);
                let next = tree.len() - 1;
                tree[node][side] = Record::Node(next);
                next
            }
        };
    }
}

fn database() -> Vec<u8> {
    let mut data = Vec::new();
    let millbrook = data.len();
    let names = |en, de| Map(vec![("en", Text(en)), ("de", Text(de))]);
    let place = Map(vec![
        (
            "city",
            Map(vec![
                ("names", names("Millbrook", "Mühlbach")),
                ("geoname_id", Uint(4242)),
            ]),
        ),
        (
            "country",
            Map(vec![
                ("iso_code", Text("XM")),
                ("names", names("Millland", "Mühlenland")),
                ("is_in_european_union", Bool(true)),
            ]),
        ),
        (
            "location",
            Map(vec![
                ("latitude", Double(37.5)),
                ("longitude", Double(-122.25)),
            ]),
        ),
        ("postal", Map(vec![("code", Text("94043"))])),
        (
            "subdivisions",
            Array(vec![Map(vec![
                ("iso_code", Text("MB")),
                ("names", names("Brookshire", "Bachau")),
            ])]),
        ),
    ]);
    place.write(&mut data);
    let land = data.len();
    Map(vec![("country", Map(vec![("iso_code", Text("XM"))]))]).write(&mut data);

    let mut tree = vec![[Record::Nothing; 2]];
    put(&mut tree, 0xc000_0200, 96 + 24, millbrook);
    put(&mut tree, 0xc633_6400, 96 + 25, land);
    put(&mut tree, 0x2001_0db8 << 96, 32, land);

    let mut bytes = Vec::new();
    for node in &tree {
        for record in node {
            let number = match record {
                Record::Nothing => tree.len(),
                Record::Node(node) => *node,
                Record::Data(at) => tree.len() + 16 + at,
            };
            bytes.extend(&(number as u32).to_be_bytes()[1..]);
        }
    }
    bytes.extend([0; 16]);
    bytes.extend(&data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    Map(vec![
        ("node_count", Uint(tree.len() as u32)),
        ("record_size", Short(24)),
        ("ip_version", Short(6)),
        ("database_type", Text("Millrun-Test-City")),
        ("languages", Array(vec![Text("en"), Text("de")])),
        ("binary_format_major_version", Short(2)),
        ("binary_format_minor_version", Short(0)),
        ("build_epoch", Long(1_795_000_000)),
        (
            "description",
            Map(vec![("en", Text("places that are not"))]),
        ),
    ])
    .write(&mut bytes);
    bytes
}

#[test]
fn the_committed_database_is_the_one_made_here() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/places.mmdb");
    let made = database();
    if std::env::var_os("MILLRUN_MAKE_PLACES").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == made);
}
