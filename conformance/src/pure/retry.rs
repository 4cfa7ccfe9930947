//! `retry`: when the next tries come, without jitter.

use std::time::Duration;

use millrun_buffer::{Random, Retry, RetryConfig, RetryKind, Timestamp};
use serde_json::{Value, json};

use super::Answer;
use crate::case::{Case, Unplayable};

/// No recording lists more tries.
const TRIES_MAX: usize = 30;

pub(crate) fn retry(case: &Case) -> Result<Answer, Unplayable> {
    let start = Timestamp::from_secs(1_700_000_000);
    let config = config(case)?;
    let mut retry = Retry::first_failure(&config, start);
    let mut next = Vec::new();
    while next.len() < TRIES_MAX {
        // The recording is rounded to milliseconds.
        let offset = (retry.next().since(start).as_secs_f64() * 1000.0).round() / 1000.0;
        next.push(json!([offset, retry.uses_secondary()]));
        if retry.limit_reached() {
            break;
        }
        let now = retry.next();
        retry.failure(&config, now, &mut Random::from_seed(0));
    }
    Ok(Answer::Out(
        json!({"next": next, "limit": retry.limit_reached()}),
    ))
}

fn config(case: &Case) -> Result<RetryConfig, Unplayable> {
    let seconds = |value: &Value| Duration::try_from_secs_f64(value.as_f64()?).ok();
    let need = |key: &str| {
        let missing = || Unplayable::new(format!("expected seconds in `{key}`"));
        seconds(case.get(key)).ok_or_else(missing)
    };
    let option = |name: &str| case.at(&format!("/opts/{name}"));
    let has = |name: &str| option(name).as_bool().unwrap_or(false);
    let times_max = option("max_steps").as_u64();
    Ok(RetryConfig {
        kind: match case.need_text("retry_type")? {
            "periodic" => RetryKind::Periodic,
            "exponential_backoff" => RetryKind::ExponentialBackoff,
            other => return Err(Unplayable::new(format!("unknown retry_type {other}"))),
        },
        wait: need("retry_wait")?,
        base: option("backoff_base").as_f64().unwrap_or(2.0),
        interval_max: seconds(option("max_interval")),
        timeout: need("retry_timeout")?,
        times_max: times_max.map(|max| u32::try_from(max).unwrap_or(u32::MAX)),
        forever: has("forever"),
        randomize: false,
        secondary_threshold: has("secondary")
            .then(|| option("secondary_threshold").as_f64().unwrap_or(0.8)),
    })
}
