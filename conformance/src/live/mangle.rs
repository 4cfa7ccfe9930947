use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rmpv::Value as Packed;
use serde_json::{Map, Value};

use super::content::META_MAGIC;
use super::message;
use crate::notation::decode_base64;

/// Where the map of a meta file begins: behind the magic and the length.
const META_HEADER: usize = 6;

/// Damages a file.
///
/// ```text
/// "empty"   "unlink"   {cut: n}   {append_b64}   {set: [offset, b64]}   {replace_b64}
/// {rename_state: [a, b]}   {meta_set: {key: value | "$del"}}   {bare_meta: 1}
/// ```
pub(crate) fn mangle(path: &Path, how: &Value) -> Result<()> {
    match how.as_str() {
        Some("empty") => return Ok(fs::write(path, b"")?),
        Some("unlink") => return Ok(fs::remove_file(path)?),
        _ => {}
    }
    let Some((what, argument)) = how.as_object().and_then(|how| how.iter().next()) else {
        bail!("unknown damage {how}");
    };
    let base64 = |value: &Value| decode_base64(value.as_str().unwrap_or_default());
    let mut bytes = fs::read(path)?;
    match what.as_str() {
        "cut" => {
            let cut = usize::try_from(argument.as_u64().unwrap_or_default())?;
            bytes.truncate(bytes.len().saturating_sub(cut));
        }
        "append_b64" => bytes.extend(base64(argument)),
        "replace_b64" => bytes = base64(argument),
        "set" => {
            let offset = argument.get(0).and_then(Value::as_u64).unwrap_or_default();
            let new = base64(argument.get(1).unwrap_or(&Value::Null));
            for (at, byte) in (usize::try_from(offset)?..).zip(new) {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
        }
        "rename_state" => return rename_state(path, argument),
        "meta_set" => bytes = with_meta(&bytes, argument.as_object().context("no map")?)?,
        "bare_meta" => {
            bytes.drain(..META_HEADER.min(bytes.len()));
        }
        _ => bail!("unknown damage {how}"),
    }
    Ok(fs::write(path, bytes)?)
}

/// Changes the letter before the 32 hex digits of a chunk's id.
fn rename_state(path: &Path, letters: &Value) -> Result<()> {
    let letter = |index: usize| {
        letters
            .get(index)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_hex = |c: char| c.is_ascii_hexdigit();
    let at = name.match_indices(letter(0)).map(|(at, _)| at).find(|at| {
        let rest = name.get(at + letter(0).len()..).unwrap_or_default();
        rest.chars().take_while(|c| is_hex(*c)).count() >= 32
    });
    if let Some(at) = at {
        let (before, from) = name.split_at(at);
        let after = from.get(letter(0).len()..).unwrap_or_default();
        fs::rename(
            path,
            path.with_file_name(format!("{before}{}{after}", letter(1))),
        )?;
    }
    Ok(())
}

/// A meta file with members changed or removed, its length adapted.
fn with_meta(bytes: &[u8], changes: &Map<String, Value>) -> Result<Vec<u8>> {
    let mut rest = bytes.get(META_HEADER..).context("no meta file")?;
    let Packed::Map(mut members) = rmpv::decode::read_value(&mut rest)? else {
        bail!("no meta file");
    };
    for (key, change) in changes {
        let at = members
            .iter()
            .position(|(name, _)| name.as_str() == Some(key));
        if change.as_str() == Some("$del") {
            if let Some(at) = at {
                members.remove(at);
            }
            continue;
        }
        let mut encoded = Vec::new();
        message::encode(change, &mut encoded);
        let value = rmpv::decode::read_value(&mut encoded.as_slice())?;
        match at.and_then(|at| members.get_mut(at)) {
            Some(member) => member.1 = value,
            None => members.push((Packed::from(key.as_str()), value)),
        }
    }
    let mut map = Vec::new();
    rmpv::encode::write_value(&mut map, &Packed::Map(members))?;
    let mut meta = META_MAGIC.to_vec();
    meta.extend_from_slice(&u32::try_from(map.len())?.to_be_bytes());
    meta.extend(map);
    meta.extend_from_slice(rest);
    Ok(meta)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::live::content;

    fn mangled(name: &str, bytes: &[u8], how: &Value) -> (String, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        mangle(&path, how).unwrap();
        let entry = fs::read_dir(directory.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    }

    #[test]
    fn bytes_are_cut_and_overwritten() {
        let bytes = |how| mangled("f", b"abcdef", &how).1;
        assert_eq!(bytes(json!({"cut": 2})), b"abcd");
        assert_eq!(bytes(json!({"set": [1, "WFk="]})), b"aXYdef");
        assert_eq!(bytes(json!({"append_b64": "WA=="})), b"abcdefX");
        assert_eq!(bytes(json!("empty")), b"");
    }

    #[test]
    fn the_state_is_the_letter_before_the_id() {
        let id = "b".repeat(32);
        let (name, _) = mangled(
            &format!("buffer.b{id}.log"),
            b"",
            &json!({"rename_state": ["b", "q"]}),
        );
        assert_eq!(name, format!("buffer.q{id}.log"));
    }

    #[test]
    fn a_changed_meta_file_has_its_own_length() {
        let meta = [0xC1, 0, 0, 0, 0, 4, 0x81, 0xA1, b's', 1];
        let (_, bytes) = mangled("x.meta", &meta, &json!({"meta_set": {"s": 99}}));
        let told = content::describe("x.meta", &bytes);
        assert_eq!(told["meta"], json!({"s": 99}));
        assert_eq!(told["meta_len"], 4);
    }
}
