//! `wire`: the bytes of an event time, and the digests of a handshake.

use millrun_event::write;
use millrun_forward::{ClientHandshake, ClientSecurity};

use super::Answer;
use crate::case::{Case, Unplayable};
use crate::notation;

pub(crate) fn wire(case: &Case) -> Result<Answer, Unplayable> {
    match case.need_text("what")? {
        "event_time_to_msgpack" => {
            let mut bytes = Vec::new();
            write::time(&mut bytes, notation::event_time(case.get("in"))?);
            Ok(Answer::Out(notation::encode_hex(&bytes).into()))
        }
        "ping_digests" => ping(case),
        other => Err(Unplayable::new(format!("unknown bytes: {other}"))),
    }
}

/// What a client answers to a HELO with these challenges.
fn ping(case: &Case) -> Result<Answer, Unplayable> {
    let bytes = |key: &str| {
        let bytes = notation::decode_hex(case.need_text(key)?);
        bytes.ok_or_else(|| Unplayable::new(format!("`{key}` is not hex")))
    };
    let (nonce, auth, salt) = (bytes("nonce_hex")?, bytes("auth_hex")?, bytes("salt_hex")?);
    let security = ClientSecurity {
        self_hostname: case.need_text("hostname")?.to_owned(),
        shared_key: case.need_text("shared_key")?.to_owned(),
        username: case.text("username").unwrap_or_default().to_owned(),
        password: case.text("password").unwrap_or_default().to_owned(),
    };
    let mut hello = Vec::new();
    write::array(&mut hello, 2);
    write::str(&mut hello, b"HELO");
    write::map(&mut hello, 2);
    write::str(&mut hello, b"nonce");
    write::bin(&mut hello, &nonce);
    write::str(&mut hello, b"auth");
    write::bin(&mut hello, &auth);
    let ping = ClientHandshake::new(&security, &salt).ping(&hello);
    Ok(Answer::of(
        ping.map(|ping| notation::decode(&ping).unwrap_or_default()),
    ))
}
