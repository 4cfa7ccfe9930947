//! What reading a session gives.

/// What was there to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// So many bytes.
    Bytes(usize),
    /// Nothing until more comes from the wire.
    Wanting,
    /// Nothing ever: the other end has said that it is done.
    Closed,
}
