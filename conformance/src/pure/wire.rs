//! `wire`: the bytes of an event time, and the digests of a handshake.

use millrun_event::write;
use serde_json::{Value, json};

use super::Answer;
use crate::case::{Case, Unplayable};
use crate::notation::{decode_hex, encode_hex, event_time, text};

pub(crate) fn wire(case: &Case) -> Result<Answer, Unplayable> {
    match case.need_text("what")? {
        "event_time_to_msgpack" => {
            let mut bytes = Vec::new();
            write::time(&mut bytes, event_time(case.get("in"))?);
            Ok(Answer::Out(encode_hex(&bytes).into()))
        }
        "ping_digests" => ping(case),
        other => Err(Unplayable::new(format!("unknown bytes: {other}"))),
    }
}

fn ping(case: &Case) -> Result<Answer, Unplayable> {
    let _ = (case, decode_hex, text as fn(&[u8]) -> Value, json!(0));
    Ok(Answer::Error("the handshake is not built yet".to_owned()))
}
