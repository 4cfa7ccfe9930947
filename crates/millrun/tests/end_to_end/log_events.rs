//! The program's own log lines as events: `<label @FLUENT_LOG>`, and `<match fluent.**>` at the top.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::mill::Mill;
use crate::wire::Wire;

const SOURCE: &str = "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match app.**>
  @type null
</match>
";

/// An output that writes events with their tags, at once.
fn file(path: &str) -> String {
    format!(
        "  @type file\n  path $D/{path}\n  append true\n  <inject>\n    tag_key _tag\n  </inject>\n  \
         <format>\n    @type json\n  </format>\n  <buffer []>\n    @type memory\n    flush_mode immediate\n  \
         </buffer>\n"
    )
}

fn records(mill: &Mill, prefix: &str) -> Vec<Value> {
    let lines = mill.lines(prefix);
    let records = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    records.collect()
}

/// The texts of the events of a tag.
fn messages(mill: &Mill, prefix: &str, tag: &str) -> Vec<String> {
    let records = records(mill, prefix);
    let of_tag = records.iter().filter(|record| record["_tag"] == tag);
    let texts = of_tag.map(|record| record["message"].as_str().unwrap().to_owned());
    texts.collect()
}

#[test]
fn log_lines_are_events_of_their_label() {
    let label = format!(
        "<label @FLUENT_LOG>\n<match **>\n{}</match>\n</label>\n",
        file("log")
    );
    let mut mill = Mill::with_conf(&format!("{SOURCE}{label}"));
    Wire::connect(mill.port(1)).send_event("unknown", &[("k", "1")]);
    mill.wait_until("the warning as an event", || {
        !messages(&mill, "log", "fluent.warn").is_empty()
    });
    let pid = mill.worker();
    assert_eq!(mill.stop().code(), Some(0));

    let records = records(&mill, "log");
    let warning = records
        .iter()
        .find(|record| record["_tag"] == "fluent.warn")
        .unwrap();
    assert_eq!(
        *warning,
        json!({
            "tag": "unknown", "message": "no patterns matched tag=\"unknown\"", "_tag": "fluent.warn"
        })
    );
    let first = &records[0];
    assert_eq!((&first["pid"], &first["worker"]), (&pid.into(), &0.into()));
    let life = messages(&mill, "log", "fluent.info");
    let life: Vec<&str> = life
        .iter()
        .filter(|text| text.starts_with("fluentd worker is"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        life,
        [
            "fluentd worker is now running worker=0",
            "fluentd worker is now stopping worker=0"
        ],
        "what is logged while the outputs end is a line only"
    );
}

#[test]
fn a_process_alone_shows_its_configuration_in_an_event() {
    let label = format!(
        "<label @FLUENT_LOG>\n<match **>\n{}</match>\n</label>\n",
        file("log")
    );
    let mut mill = Mill::idle(&format!("{SOURCE}{label}"));
    mill.start_unready_with(&["--no-supervisor", "--log-event-verbose"]);
    mill.wait_until_ready();
    assert_eq!(mill.stop().code(), Some(0));
    let life = messages(&mill, "log", "fluent.info");
    assert!(
        life.iter()
            .any(|text| text.starts_with("using configuration file: <ROOT>")),
        "{life:?}"
    );
}

#[test]
fn a_match_at_the_top_takes_log_lines_too_and_what_their_way_logs_is_no_event() {
    let conf = format!(
        "{SOURCE}<match fluent.warn>\n{}</match>\n",
        file("warnings")
    );
    let mut mill = Mill::with_conf(&conf);
    // The event of the first line has no way: that is a line, and must not be an event again.
    mill.wait_for_log("no patterns matched tag=\"fluent.info\"", 1);
    Wire::connect(mill.port(1)).send_event("app.x", &[("k", "1")]);
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(records(&mill, "warnings"), [] as [Value; 0]);
    let warning = "match for some tags of log events are not defined in top level (to be ignored): \
                   fluent.trace, fluent.debug, fluent.info, fluent.error, fluent.fatal";
    mill.wait_for_log(warning, 1);
}

/// Their order was that of two threads: of a start under load in one of ten the first client's events came before the lines of the
/// start, so that its unmatched events were the first to be told, which are events again.
#[test]
fn lines_of_the_start_are_events_before_what_a_source_has() {
    let source = "<source>\n@type tail\npath $D/in.log\ntag app.x\nread_from_head true\n<parse>\n@type none\n</parse>\n</source>\n";
    let conf = format!("{source}<match **>\n{}</match>\n", file("log"));
    let mut mill = Mill::idle(&conf);
    mill.write("in.log", "first\n");
    mill.start();
    let tags = || -> Vec<(Value, Value)> {
        let of = |record: &Value| (record["_tag"].clone(), record["message"].clone());
        records(&mill, "log").iter().map(of).collect()
    };
    mill.wait_until("the line as an event", || {
        tags().iter().any(|(tag, _)| tag == "app.x")
    });
    let tags = tags();
    let place = |is_it: &dyn Fn(&(Value, Value)) -> bool| tags.iter().position(is_it);
    let running = json!("fluentd worker is now running worker=0");
    let running = place(&|(_, message)| *message == running).unwrap();
    assert!(
        running < place(&|(tag, _)| tag == "app.x").unwrap(),
        "{tags:?}"
    );
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn without_a_way_for_them_log_lines_are_lines_only() {
    let catch_all = format!(
        "<label @L>\n<match **>\n{}</match>\n</label>\n",
        file("got")
    );
    let mut mill = Mill::with_conf(&format!(
        "{}{catch_all}",
        SOURCE.replace("bind", "@label @L\n  bind")
    ));
    Wire::connect(mill.port(1)).send_event("t", &[("k", "1")]);
    mill.wait_for_lines("got", 1);
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(records(&mill, "got"), [json!({"k": "1", "_tag": "t"})]);
}

/// The way of log events leads over the network to this program itself, which logs about it at the
/// finest level: the circle must not grow.
#[test]
fn a_circle_of_log_events_about_log_events_does_not_grow() {
    let label = "\
<label @FLUENT_LOG>
  <match **>
    @type copy
    <store>
      @type forward
      require_ack_response true
      keepalive false
      <server>
        host 127.0.0.1
        port $P1
      </server>
      <buffer>
        flush_mode immediate
      </buffer>
    </store>
    <store>
      @type forward
      <server>
        host 127.0.0.1
        port $P2
      </server>
      <buffer tag>
        flush_mode immediate
        retry_wait 0.1
        retry_max_interval 0.1
      </buffer>
    </store>
  </match>
</label>
";
    let take = format!("<match fluent.**>\n{}</match>\n", file("got"));
    let mut mill = Mill::idle(&format!("{SOURCE}{take}{label}"));
    mill.start_unready_with(&["-vv"]);
    mill.wait_until_ready();
    mill.wait_for_lines("got", 3);
    let lines = || mill.log().lines().count();
    let before = lines();
    thread::sleep(Duration::from_secs(2));
    let more = lines() - before;
    assert!(more < 2_000, "{more} lines in two seconds");
    // Its end would wait for the output that reaches nobody.
    mill.kill9();
}
