//! What an expression costs: `cargo run --release -p millrun-ruby --example speed`.

use std::time::Instant;

use millrun_event::{EventTime, Record, json};
use millrun_pattern::Zone;
use millrun_ruby::{Evaluator, Place, Program, RubyError, SystemWorld};

/// The best of many short batches: on a busy machine the others measure its neighbours.
const BATCHES: u32 = 200;
const ROUNDS: u32 = 1_000;

fn main() -> Result<(), RubyError> {
    let mut record = Vec::new();
    let text = br#"{"a":"hello world","level":"warn","n":42,"kubernetes":{"namespace_name":"default","labels":{"app":"web"}},"message":"user=42 took 13ms"}"#;
    if json::transcode(text, &mut record).is_err() {
        return Ok(());
    }
    let mut evaluator = Evaluator::new(SystemWorld::new("web1", "0", Zone::UTC, 1));
    for template in [
        r#"${record["n"]}"#,
        r#"${record["a"].upcase}"#,
        r#"${record["a"] + "x"}"#,
        r#"v-${record["a"]}-${tag}"#,
        r#"${record["kubernetes"]["labels"]["app"] || "none"}"#,
        r#"${record.dig("kubernetes", "labels", "app")}"#,
        r#"${record["level"] == "warn" ? 1 : 0}"#,
        r#"${tag_parts[1]}"#,
        r#"${record["message"].gsub(/\d+/, "N")}"#,
        r#"${record["message"] =~ /user=(\d+)/ ? $1 : nil}"#,
        r#"${time.strftime("%Y-%m-%d")}"#,
        r#"${record.to_json}"#,
        r#"${record["a"].split(" ").map(&:capitalize).join("-")}"#,
    ] {
        let program = Program::template(template, true, Place::Record)?;
        let mut out = Vec::new();
        let mut each = u128::MAX;
        for _ in 0..BATCHES {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                out.clear();
                let time = EventTime::new(1_700_000_000, 0);
                let mut event = evaluator.event(Record::new(&record), "app.web.access", time);
                event.evaluate(&program, &mut out)?;
            }
            each = each.min(start.elapsed().as_nanos() / u128::from(ROUNDS));
        }
        println!("{each:>6} ns  {template}");
    }
    Ok(())
}
