use std::time::Duration;

use millrun_core::{DeliveryError, PluginId};
use millrun_http_client::{Answer, Endpoint, Method, Settings};
use millrun_pattern::Zone;

use super::content::Form;
use super::parameters::Plan;

fn plan() -> Plan {
    Plan {
        id: PluginId {
            text: "http_1".into(),
            is_given: false,
        },
        endpoint: "http://h/".to_owned(),
        fixed_host: Some("h".to_owned()),
        is_https: false,
        allowed_hosts: Vec::new(),
        method: Method::Post,
        headers: Vec::new(),
        templates: Vec::new(),
        content_headers: Vec::new(),
        form: Form::Lines,
        is_gzip: false,
        settings: Settings {
            open_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            tls_timeout: Duration::from_secs(1),
            tls: None,
            keeps_connection: false,
            proxy: None,
        },
        discards: false,
        retryable: vec![429, 503],
        zone: Zone::UTC,
    }
}

/// How a plan takes the answers of these numbers.
fn verdicts<const COUNT: usize>(plan: &Plan, statuses: [u16; COUNT]) -> [&'static str; COUNT] {
    let endpoint = Endpoint::parse("http://h/").unwrap();
    statuses.map(|status| {
        let answer = Answer {
            status,
            reason: String::new(),
            text: String::new(),
        };
        match plan.judge(&endpoint, &answer) {
            Ok(()) => "delivered",
            Err(DeliveryError::Retriable(_)) => "retriable",
            Err(DeliveryError::Refused(_)) => "refused",
            Err(DeliveryError::Discarded(_)) => "discarded",
            Err(DeliveryError::Unrecoverable(_)) => "unrecoverable",
            Err(_) => "other",
        }
    })
}

#[test]
fn the_number_of_an_answer_says_what_becomes_of_a_chunk() {
    let statuses = [200, 204, 301, 400, 401, 413, 422, 429, 500, 503];
    let expected = [
        "delivered",
        "delivered",
        "unrecoverable",
        "refused",
        "unrecoverable",
        "refused",
        "refused",
        "retriable",
        "unrecoverable",
        "retriable",
    ];
    assert_eq!(verdicts(&plan(), statuses), expected);
    let discarding = Plan {
        discards: true,
        ..plan()
    };
    assert_eq!(
        verdicts(&discarding, [200, 400, 503, 500]),
        ["delivered", "discarded", "retriable", "discarded"]
    );
}
