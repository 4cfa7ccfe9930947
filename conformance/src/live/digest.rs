use sha2::{Digest, Sha512};

use crate::notation::encode_hex;

/// SHA-512 of the parts, one behind the other, as lower-case hex digits.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    encode_hex(&hasher.finalize())
}
