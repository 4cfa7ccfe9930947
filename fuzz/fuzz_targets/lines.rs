//! What every target of a parser shares: the parser of a `<parse>` section, and what must hold of what it makes.

use millrun_config::{Diagnostics, NoIncludes, NoRuby, parse_str};
use millrun_event::{Cursor, EventTime};
use millrun_plugins::parser::{LineParser, Parsed, TextKind, parse_section};

const NOW: EventTime = EventTime::new(1_795_264_496, 0);

/// The parser of a section such as `@type csv …`.
pub fn parser(section: &str) -> Box<dyn LineParser> {
    let text = format!("<source>\n<parse>\n{section}\n</parse>\n</source>");
    let parsed = parse_str("fuzz.conf", &text, &mut NoRuby, &mut NoIncludes);
    let mut diagnostics = Diagnostics::default();
    parse_section(&parsed.root.elements()[0], TextKind::Str, &mut diagnostics)
        .unwrap_or_else(|| panic!("{:?}", diagnostics.errors().next()))
}

/// Parses a line twice and looks at what came out.
pub fn hold(parser: &mut dyn LineParser, line: &[u8]) {
    let first = records(parser, line);
    let second = records(parser, line);
    assert_eq!(first, second, "nothing is remembered of a line");
    for record in first.into_iter().flatten() {
        assert!(
            matches!(record.first(), Some(0x80..=0x8f | 0xde | 0xdf)),
            "a record is a map"
        );
        let mut cursor = Cursor::new(&record);
        cursor.skip().expect("what a parser writes can be walked");
        assert!(cursor.is_at_end(), "and is one value");
        let mut rest = record.as_slice();
        rmpv::decode::read_value(&mut rest).expect("and the oracle reads it");
        assert!(rest.is_empty(), "to the same end");
    }
}

/// What the parser makes of a line: records, and nothing for what it does not take.
fn records(parser: &mut dyn LineParser, line: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut found = Vec::new();
    let mut out = Vec::new();
    let mut outcome = parser.parse(line, NOW, &mut out);
    loop {
        found.push(matches!(outcome, Ok(Parsed::Event { .. })).then(|| out.clone()));
        out.clear();
        match parser.parse_next(NOW, &mut out) {
            Some(next) => outcome = next,
            None => return found,
        }
    }
}
