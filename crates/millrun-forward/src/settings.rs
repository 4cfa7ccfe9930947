//! What an operator may say about a server end.

use crate::limits::{DECOMPRESSION_BYTES_MAX, MAX_MESSAGE_BYTES};
use crate::stream::Field;

/// What a receiver does with messages; the defaults are in_forward's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceiverSettings {
    /// Replaces every tag (`tag`).
    pub tag: Option<Vec<u8>>,
    /// Stands before every tag, with a dot between (`add_tag_prefix`).
    pub add_tag_prefix: Option<Vec<u8>>,
    /// Pairs set in every record, key and value both text (`source_address_key` and its like).
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Messages longer than this many bytes are dropped, the connection goes on
    /// (`chunk_size_limit`).
    pub chunk_size_limit: Option<u64>,
    /// A message longer than this many bytes ends the connection.
    pub message_bytes_max: u64,
    /// What a compressed payload may expand to, in bytes (`decompression_size_limit`).
    pub decompression_bytes_max: u64,
}

impl Default for ReceiverSettings {
    fn default() -> Self {
        Self {
            tag: None,
            add_tag_prefix: None,
            fields: Vec::<Field>::new(),
            chunk_size_limit: None,
            message_bytes_max: MAX_MESSAGE_BYTES,
            decompression_bytes_max: DECOMPRESSION_BYTES_MAX,
        }
    }
}
