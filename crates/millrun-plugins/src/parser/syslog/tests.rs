//! What the recorded cases do not say.

use millrun_event::EventTime;
use proptest::prelude::*;

use super::*;

/// 2026-01-02T00:00:00Z.
const NEW_YEAR: EventTime = EventTime::new(1_767_312_000, 0);

fn parser(format: SyslogFormat, engine: SyslogEngine) -> SyslogParser {
    let options = SyslogOptions {
        format,
        engine,
        ..SyslogOptions::default()
    };
    let settings = Settings {
        utc: true,
        ..Settings::default()
    };
    SyslogParser::new(options, settings).unwrap()
}

fn seconds(line: &str, now: EventTime) -> i64 {
    let mut parser = parser(SyslogFormat::Rfc3164, SyslogEngine::Regexp);
    match parser.parse(line.as_bytes(), now, &mut Vec::new()) {
        Ok(Parsed::Event { time: Some(time) }) => i64::from(time.seconds),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_of_december_read_in_january_is_of_last_year() {
    let new_year = i64::from(NEW_YEAR.seconds);
    assert_eq!(
        seconds("Dec 31 00:00:00 h p: m", NEW_YEAR),
        new_year - 2 * 86_400
    );
    assert_eq!(
        seconds("Jan  5 00:00:00 h p: m", NEW_YEAR),
        new_year + 3 * 86_400
    );
    let december = EventTime::new(NEW_YEAR.seconds - 2 * 86_400, 0);
    assert_eq!(seconds("Jan  2 00:00:00 h p: m", december), new_year);
    let november = EventTime::new(NEW_YEAR.seconds - 42 * 86_400, 0);
    assert_eq!(
        seconds("Dec 31 00:00:00 h p: m", november),
        new_year - 367 * 86_400
    );
}

#[test]
fn the_time_may_be_spaced() {
    let mut out = Vec::new();
    let options = SyslogOptions::default();
    let settings = Settings {
        utc: true,
        keep_time_key: true,
        ..Settings::default()
    };
    let mut parser = SyslogParser::new(options, settings).unwrap();
    let line = b"Feb   1  03:04:05 h p[1] text";
    assert!(matches!(
        parser.parse(line, NEW_YEAR, &mut out),
        Ok(Parsed::Event { .. })
    ));
    let expected: &[u8] =
        b"\x85\xa4time\xaeFeb 1 03:04:05\xa4host\xa1h\xa5ident\xa1p\xa3pid\xa11\xa7message\xa4text";
    assert_eq!(out, expected);
}

proptest! {
    #[test]
    fn the_usual_form_is_what_the_expression_says(
        rest in r#"[ab]{0,2} ?[ab]{1,2} [ab\-]{1,2} -? ?[a\-]{0,2} ?(-|(\[[a" \]\[\\]{0,4}\]?){0,3}) ?[ a\]\n]{0,3}"#
    ) {
        let regex = Regex::compile(rfc5424::EXPRESSION, Flags::default()).unwrap();
        let mut spans = regex.spans();
        let found = regex.captures_into(rest.as_bytes(), &mut spans).unwrap();
        if let Some(fields) = rfc5424::usual(rest.as_bytes()) {
            prop_assert!(found);
            let [host, ident, pid, message_id] = fields.header;
            let all = [Some(host), Some(ident), Some(pid), Some(message_id), Some(fields.data), fields.message];
            for (number, field) in all.into_iter().enumerate() {
                let expected = spans.get(number + 1).map(|(start, end)| &rest.as_bytes()[start..end]);
                prop_assert_eq!(field, expected);
            }
        }
    }

    #[test]
    fn no_line_panics_and_what_is_written_is_one_sound_map(
        line in r#"(<[0-9a]{0,4}>)?[12]{0,2} ?(Feb +1 03:04:05|2024-02-01T03:04:05Z)[ .]{0,2}h? ?[a\-\[\]:]{0,6} [ab:\]\[]{0,4} - - ?[\[\]" \\]{0,5}"#,
        priority in any::<bool>(),
    ) {
        for format in [SyslogFormat::Rfc3164, SyslogFormat::Rfc5424, SyslogFormat::Auto] {
            for engine in [SyslogEngine::Regexp, SyslogEngine::String] {
                let mut parser = parser(format, engine);
                parser.options.with_priority = priority;
                let mut out = Vec::new();
                match parser.parse(line.as_bytes(), NEW_YEAR, &mut out) {
                    Ok(Parsed::Event { .. }) => prop_assert_eq!(millrun_event::Cursor::new(&out).value(), Ok(&out[..])),
                    _ => prop_assert!(out.is_empty()),
                }
            }
        }
    }
}
