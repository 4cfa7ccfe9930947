//! `bytes`: a staged chunk of Fluentd is taken over as it is, and a position file written like one.

use std::path::{Path, PathBuf};

use millrun_buffer::disk::{Disk, SimulatedDisk};
use millrun_buffer::{Buffer, BufferConfig, Durability, Random, StateDirectory};
use serde_json::{Value, json};

use super::Answer;
use crate::case::{Case, Unplayable};
use crate::notation::{decode_hex, encode_hex};

pub(crate) fn bytes(case: &Case) -> Result<Answer, Unplayable> {
    match case.need_text("what")? {
        "file buffer staged chunk" => staged_chunk(case),
        "in_tail pos file" => position_file(case),
        other => Err(Unplayable::new(format!("unknown bytes: {other}"))),
    }
}

/// The case's own bytes: what these cases have in the place of `out`.
pub(crate) fn recorded(case: &Case) -> Value {
    match case.text("hex") {
        Some(hex) => json!(hex),
        None => json!([case.get("chunk_hex"), case.get("meta_hex")]),
    }
}

/// Fluentd's chunk is opened and queued: its bytes, and those of the meta file under the new name.
fn staged_chunk(case: &Case) -> Result<Answer, Unplayable> {
    let file = case.need_text("file")?;
    let hex = |key: &str| -> Result<Vec<u8>, Unplayable> {
        let bytes = decode_hex(case.need_text(key)?);
        bytes.ok_or_else(|| Unplayable::new(format!("`{key}` is not hex")))
    };
    let (data, meta) = (hex("chunk_hex")?, hex("meta_hex")?);
    Ok(Answer::of(take_over(file, &data, &meta).map(
        |(data, meta)| json!([encode_hex(&data), encode_hex(&meta)]),
    )))
}

fn take_over(file: &str, data: &[u8], meta: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let disk = SimulatedDisk::new();
    let directory = Path::new("/buffers");
    disk.create_dir_all(directory).map_err(|e| said(&e))?;
    let data_path = directory.join(file);
    disk.poke(&data_path, data);
    disk.poke(&with_meta(&data_path.display().to_string()), meta);

    let shared = disk.shared();
    let state = Path::new("/state");
    let mut state =
        StateDirectory::open(&shared, state, 0, 1, Durability::Process).map_err(|e| said(&e))?;
    let config = BufferConfig::file(directory, "/backup");
    let random = Random::from_seed(1);
    let (buffer, resumed) =
        Buffer::open("out", config, shared, state.ledgers(), random).map_err(|e| said(&e))?;
    state.start().map_err(|e| said(&e))?;
    if (resumed.staged, resumed.queued) != (1, 0) {
        return Err(format!("the chunk is not resumed as staged: {resumed:?}"));
    }
    buffer.enqueue_all();
    let chunk = buffer.take().ok_or("no chunk is queued")?;
    let mut scratch = Vec::new();
    let read = chunk.read(&mut scratch).map_err(|e| said(&e))?.to_vec();
    if !file.contains(&chunk.id().to_string()) {
        return Err(format!("the chunk became {}", chunk.id()));
    }
    let queued = data_path.display().to_string();
    let queued = with_meta(&queued.replace("buffer.b", "buffer.q"));
    let meta = disk
        .peek(&queued)
        .ok_or("the queued chunk has no meta file")?;
    buffer.delivered(chunk).map_err(|e| said(&e))?;
    match disk.paths().iter().find(|path| path.starts_with(directory)) {
        Some(left) => Err(format!("{} is left behind", left.display())),
        None => Ok((read, meta)),
    }
}

fn with_meta(path: &str) -> PathBuf {
    PathBuf::from(format!("{path}.meta"))
}

/// The recorded entries, written as this product writes them.
fn position_file(case: &Case) -> Result<Answer, Unplayable> {
    let bytes = decode_hex(case.need_text("hex")?);
    let bytes = bytes.ok_or_else(|| Unplayable::new("`hex` is not hex"))?;
    Ok(Answer::of(
        millrun_plugins::rewrite_position_file(&bytes)
            .map(|written| encode_hex(&written))
            .ok_or("not read as a position file"),
    ))
}
