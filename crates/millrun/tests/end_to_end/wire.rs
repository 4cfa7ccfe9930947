//! Hand-made forward messages, for what no well-behaved client sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rmpv::Value;

/// How long the server is given to answer or to close.
const PATIENCE: Duration = Duration::from_secs(5);

/// A raw connection to a forward port.
pub(crate) struct Wire(TcpStream);

impl Wire {
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends one event in Message mode and waits for its acknowledgement.
    pub(crate) fn send_event(&mut self, tag: &str, record: &[(&str, &str)]) {
        let record = record
            .iter()
            .map(|(key, value)| (Value::from(*key), Value::from(*value)));
        let option = vec![(Value::from("chunk"), Value::from("c1"))];
        let message = Value::Array(vec![
            Value::from(tag),
            Value::from(1_700_000_000),
            Value::Map(record.collect()),
            Value::Map(option),
        ]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &message).unwrap();
        self.send(&bytes);
        let answer = rmpv::decode::read_value(&mut self.0).unwrap();
        assert_eq!(
            answer,
            Value::Map(vec![(Value::from("ack"), Value::from("c1"))])
        );
    }

    /// Whether the server closes the connection without having answered anything.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
