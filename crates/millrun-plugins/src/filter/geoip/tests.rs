//! Where addresses of a small database made for the tests are.

use serde_json::{Value, json};

use crate::filter::tests::{filter, play, said, stream};

const DATABASE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../millrun-geoip/tests/places.mmdb"
);

fn configuration(options: &str, record: &str) -> String {
    format!("@type geoip\ngeoip2_database {DATABASE}\n{options}\n<record>\n{record}\n</record>")
}

fn located(options: &str, record: &str, list: &[Value]) -> Vec<Value> {
    let played = play(
        &*filter(&configuration(options, record)),
        "t",
        stream(list).as_events(),
    );
    assert_eq!(played["errors"], json!([]));
    let events = played["events"].as_array().unwrap().iter();
    events.map(|event| event[1].clone()).collect()
}

const CITY: &str = r#"city ${city.names.en["host"]}
lat ${location.latitude["host"]}
country ${country.iso_code['host']}
part ${subdivisions.0.names.de[host]}"#;

#[test]
fn values_keep_their_types_and_what_is_not_known_is_null() {
    assert_eq!(
        located(
            "",
            CITY,
            &[
                json!({"host": "192.0.2.7", "m": 1}),
                json!({"host": "198.51.100.1", "lat": "own"}),
                json!({"host": "203.0.113.1"}),
                json!({"host": "::ffff:192.0.2.7"}),
                json!({"host": "no address"}),
                json!({"m": 2}),
            ]
        ),
        [
            json!({"host": "192.0.2.7", "m": 1, "city": "Millbrook", "lat": 37.5, "country": "XM", "part": "Bachau"}),
            json!({"host": "198.51.100.1", "lat": null, "city": null, "country": "XM", "part": null}),
            json!({"host": "203.0.113.1", "city": null, "lat": null, "country": null, "part": null}),
            json!({"host": "::ffff:192.0.2.7", "city": "Millbrook", "lat": 37.5, "country": "XM", "part": "Bachau"}),
            json!({"host": "no address", "city": null, "lat": null, "country": null, "part": null}),
            json!({"m": 2, "city": null, "lat": null, "country": null, "part": null}),
        ]
    );
}

#[test]
fn more_is_injected_behind_all_that_also_where_nothing_is_added() {
    let options = "skip_adding_null_record true\n<inject>\ntag_key tag\ntime_key at\ntime_type unixtime\n</inject>";
    assert_eq!(
        located(
            options,
            CITY,
            &[json!({"host": "192.0.2.7"}), json!({"tag": 1, "m": 2})]
        ),
        [
            json!({"host": "192.0.2.7", "city": "Millbrook", "lat": 37.5, "country": "XM", "part": "Bachau", "tag": "t",
                   "at": 1_700_000_000}),
            json!({"tag": "t", "m": 2, "at": 1_700_000_001}),
        ]
    );
    let old = "include_tag_key true";
    let events = located(old, CITY, &[json!({"host": "192.0.2.7"})]);
    assert_eq!(events[0]["tag"], "t");
}

#[test]
fn the_first_placeholder_decides_whether_anything_is_added() {
    let given = [
        json!({"host": "198.51.100.1"}),
        json!({"host": "192.0.2.1"}),
        json!({"host": "10.0.0.1"}),
    ];
    let skip = "skip_adding_null_record true";
    let city_first = "city ${city.names.en[\"host\"]}\nland ${country.iso_code[\"host\"]}";
    assert_eq!(
        located(skip, city_first, &given),
        [
            given[0].clone(),
            json!({"host": "192.0.2.1", "city": "Millbrook", "land": "XM"}),
            given[2].clone(),
        ]
    );
    let land_first = "land ${country.iso_code[\"host\"]}\ncity ${city.names.en[\"host\"]}";
    assert_eq!(
        located(skip, land_first, &given),
        [
            json!({"host": "198.51.100.1", "land": "XM", "city": null}),
            json!({"host": "192.0.2.1", "land": "XM", "city": "Millbrook"}),
            given[2].clone(),
        ]
    );
}

#[test]
fn placeholders_stand_in_text_and_in_json() {
    let record = r#"properties '{ "lat" : ${location.latitude["host"]}, "name": "in ${city.names.en["host"]}" }'
array '[${location.longitude["host"]},${location.latitude["host"]}]'
text ${location.latitude["host"]},${location.longitude["host"]}
fixed '{"a": [1]}'
word plain"#;
    assert_eq!(
        located(
            "",
            record,
            &[json!({"host": "192.0.2.1"}), json!({"host": "x"})]
        ),
        [
            json!({"host": "192.0.2.1", "properties": {"lat": 37.5, "name": "in Millbrook"}, "array": [-122.25, 37.5],
                   "text": "37.5,-122.25", "fixed": {"a": [1]}, "word": "plain"}),
            json!({"host": "x", "properties": {"lat": null, "name": "in "}, "array": [null, null], "text": ",",
                   "fixed": {"a": [1]}, "word": "plain"}),
        ]
    );
}

#[test]
fn several_fields_hold_addresses_also_deep_in_the_record() {
    assert_eq!(
        located(
            "geoip_lookup_keys from, $.to.ip",
            "a ${country.iso_code[\"from\"]}\nb ${city.names.en[\"$.to.ip\"]}",
            &[json!({"from": "2001:db8::1", "to": {"ip": "192.0.2.1"}})]
        ),
        [json!({"from": "2001:db8::1", "to": {"ip": "192.0.2.1"}, "a": "XM", "b": "Millbrook"})]
    );
    assert_eq!(
        located(
            "geoip_lookup_key old",
            "a ${country.iso_code[\"old\"]}",
            &[json!({"old": "192.0.2.1"})]
        ),
        [json!({"old": "192.0.2.1", "a": "XM"})]
    );
}

#[test]
fn the_names_of_the_legacy_database_lead_to_the_same() {
    let names = [
        "city",
        "latitude",
        "longitude",
        "country_code",
        "country_name",
        "postal_code",
        "region",
        "region_name",
    ];
    let record: Vec<String> = names
        .iter()
        .map(|name| format!("{name} ${{{name}[\"host\"]}}"))
        .collect();
    assert_eq!(
        located(
            "backend_library geoip2_compat",
            &record.join("\n"),
            &[json!({"host": "192.0.2.1"})]
        ),
        [
            json!({"host": "192.0.2.1", "city": "Millbrook", "latitude": 37.5, "longitude": -122.25, "country_code": "XM",
                "country_name": "Millland", "postal_code": "94043", "region": "MB", "region_name": "Brookshire"})
        ]
    );
}

#[test]
fn what_cannot_be_is_said_with_its_place() {
    assert_eq!(
        said("@type geoip\n<record>\na ${country[\"host\"]}\n</record>"),
        "error: geoip2_database is missing, and no database comes with this program\n --> f.conf:2:7\n  |\n2 | @type geoip\n  \
         |       ^^^^^ of this filter\n  |\n  = help: write a line like: geoip2_database /usr/share/GeoIP/GeoLite2-City.mmdb"
    );
    for (options, record, expected) in [
        (
            "",
            "a ${country[\"host\"}",
            "error: `${country[\"host\"}` is no placeholder like ${country.iso_code[\"host\"]}\n",
        ),
        (
            "",
            "a ${country.iso_code[\"peer\"]}",
            "error: `peer` is none of geoip_lookup_keys (host)\n",
        ),
        (
            "",
            "a ${country",
            "error: the placeholder `${country` does not end\n",
        ),
        (
            "backend_library geoip2_compat",
            "a ${dma_code[\"host\"]}",
            "error: geoip2_compat has no `dma_code`\n",
        ),
        (
            "backend_library geoip",
            "a ${city[\"host\"]}",
            "error: the legacy databases of backend_library geoip are not read\n",
        ),
    ] {
        let text = said(&configuration(options, record));
        assert!(text.starts_with(expected), "{text}");
    }
}
