//! Bytes for a meta file and for a chunk's data.

use super::meta::Meta;
use super::{count_lines, count_values};

pub(crate) fn read(bytes: &[u8]) {
    if let Ok(meta) = Meta::decode(bytes) {
        assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
    }
    let length = bytes.len() as u64;
    assert!(count_values(bytes) <= length && count_lines(bytes) <= length);
}
