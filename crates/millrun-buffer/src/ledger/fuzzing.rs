//! Bytes for a ledger, taken as the bodies of its records: nobody guesses a checksum.

use super::codec;
use super::file::read as read_file;
use super::state::State;

pub(crate) fn read(bytes: &[u8]) {
    let _ = read_file(bytes);

    let mut file = Vec::new();
    codec::encode_header(1, &mut file);
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (body, behind) = behind.split_at_checked(length).unwrap_or((behind, &[]));
        codec::frame(body, file.len() as u64, &mut file);
        rest = behind;
    }
    let Some(found) = read_file(&file) else {
        assert!(bytes.is_empty(), "a ledger with a header is one");
        return;
    };
    let written = write(&found.state);
    let again = read_file(&written).map(|again| {
        assert_eq!(
            (again.torn, again.damaged),
            (0, 0),
            "what is written is whole"
        );
        write(&again.state)
    });
    assert_eq!(
        again,
        Some(written),
        "compacted once, nothing more is to be had"
    );
}

fn write(state: &State) -> Vec<u8> {
    let mut file = Vec::new();
    codec::encode_header(1, &mut file);
    state.each_record(|record| {
        let offset = file.len() as u64;
        codec::encode(record, offset, &mut file);
    });
    file
}
