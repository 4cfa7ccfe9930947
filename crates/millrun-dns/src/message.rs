//! Questions and answers as bytes.
//!
//! ```text
//! question   id  rd=1   _service._proto.hostname  SRV  IN
//! answer     id  qr=1   the same question, then records: priority  weight  port  target
//! ```

use domain::base::iana::Rcode;
use domain::base::name::ToName as _;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::Srv;

use crate::Error;

/// The most places taken from one answer.
pub const PLACES_MAX: usize = 256;

/// Where a service is offered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Lower ones are tried before higher ones.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// A host name, without a dot at its end.
    pub host: String,
    /// The port there.
    pub port: u16,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    name: Name<Vec<u8>>,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These places, lowest priority first.
    Places(Vec<Place>),
    /// There is more than a datagram holds.
    Truncated,
    /// It is none to this question.
    Foreign,
    /// A code other than that of success.
    Refused(String),
}

impl Question {
    /// Asks for `_service._proto.hostname`.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn new(service: &str, proto: &str, hostname: &str) -> Result<Self, Error> {
        let text = format!("_{service}._{proto}.{hostname}");
        match Name::vec_from_str(&text) {
            Ok(name) => Ok(Self { name }),
            Err(_) => Err(Error::Name { name: text }),
        }
    }

    /// The name, as messages write it.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// The bytes of the question with this id.
    pub(crate) fn encode(&self, id: u16) -> Vec<u8> {
        let mut message = MessageBuilder::new_vec();
        message.header_mut().set_id(id);
        message.header_mut().set_rd(true);
        let mut question = message.question();
        // A vector takes what it is given, and one question is within every limit.
        let _ = question.push((&self.name, Rtype::SRV));
        question.finish()
    }

    /// What `bytes` answer to the question of this id; `None` where they are no message.
    pub(crate) fn read(&self, id: u16, bytes: &[u8]) -> Option<Answer> {
        let message = Message::from_octets(bytes).ok()?;
        let header = message.header();
        if header.id() != id || !header.qr() {
            return Some(Answer::Foreign);
        }
        if header.tc() {
            return Some(Answer::Truncated);
        }
        if header.rcode() != Rcode::NOERROR {
            return Some(Answer::Refused(header.rcode().to_string()));
        }
        let asked = message.sole_question().ok()?;
        if asked.qtype() != Rtype::SRV || !asked.qname().name_eq(&self.name) {
            return Some(Answer::Foreign);
        }
        let records = message.answer().ok()?.limit_to_in::<Srv<_>>();
        let mut places = Vec::new();
        for record in records.take(PLACES_MAX) {
            let record = record.ok()?;
            let place = record.data();
            // A root as target says that the service is not offered.
            let host = place.target().to_string();
            let host = host.trim_end_matches('.');
            if !host.is_empty() {
                places.push(Place {
                    priority: place.priority(),
                    weight: place.weight(),
                    host: host.to_owned(),
                    port: place.port(),
                });
            }
        }
        places.sort();
        Some(Answer::Places(places))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use domain::base::Ttl;
    use proptest::prelude::*;

    pub(crate) fn question() -> Question {
        Question::new("forward", "tcp", "example.test").unwrap()
    }

    /// An answer that a server could give.
    pub(crate) fn answer(
        id: u16,
        code: Rcode,
        is_cut: bool,
        places: &[(u16, u16, u16, &str)],
    ) -> Vec<u8> {
        let mut message = MessageBuilder::new_vec();
        let header = message.header_mut();
        header.set_id(id);
        header.set_qr(true);
        header.set_tc(is_cut);
        header.set_rcode(code);
        let mut message = message.question();
        let name = question().name;
        message.push((&name, Rtype::SRV)).unwrap();
        let mut message = message.answer();
        for (priority, weight, port, target) in places {
            let target = Name::vec_from_str(target).unwrap();
            let data = Srv::new(*priority, *weight, *port, target);
            message.push((&name, Ttl::from_secs(60), data)).unwrap();
        }
        message.finish()
    }

    #[test]
    fn a_question_is_asked_in_the_words_of_dns() {
        let bytes = question().encode(0x1234);
        let name = b"\x08_forward\x04_tcp\x07example\x04test\0";
        let expected = [
            &b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0"[..],
            name,
            b"\0\x21\0\x01",
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(question().name(), "_forward._tcp.example.test");
        let long = "a".repeat(64);
        let error = Question::new(&long, "tcp", "x").unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "_{long}._tcp.x is no name that DNS knows: expected letters, digits and dots, 253 at most"
            )
        );
    }

    #[test]
    fn places_are_read_in_the_order_of_their_priority() {
        let places = [
            (20, 1, 24224, "c.test"),
            (10, 5, 24225, "b.test"),
            (10, 0, 1, "."),
        ];
        let bytes = answer(7, Rcode::NOERROR, false, &places);
        let place = |priority, weight, host: &str, port| Place {
            priority,
            weight,
            host: host.to_owned(),
            port,
        };
        assert_eq!(
            question().read(7, &bytes),
            Some(Answer::Places(vec![
                place(10, 5, "b.test", 24225),
                place(20, 1, "c.test", 24224)
            ]))
        );
        assert_eq!(question().read(8, &bytes), Some(Answer::Foreign));
        let other = Question::new("other", "tcp", "example.test").unwrap();
        assert_eq!(other.read(7, &bytes), Some(Answer::Foreign));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let cut = answer(7, Rcode::NOERROR, true, &[]);
        assert_eq!(question().read(7, &cut), Some(Answer::Truncated));
        let refused = answer(7, Rcode::NXDOMAIN, false, &[]);
        let answer = question().read(7, &refused);
        assert_eq!(answer, Some(Answer::Refused("NXDOMAIN".to_owned())));
        assert_eq!(question().read(7, b"short"), None);
        // The question itself is no answer.
        let own = question().encode(7);
        assert_eq!(question().read(7, &own), Some(Answer::Foreign));
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(
            behind in prop::collection::vec(any::<u8>(), 0..80),
            at in 0usize..120,
            byte in any::<u8>(),
        ) {
            let places = [(1, 2, 3, "a.example.test"), (4, 5, 6, "b.test")];
            let mut bytes = answer(7, Rcode::NOERROR, false, &places);
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
            let _ = question().read(7, &bytes);
            for length in 0..bytes.len() {
                let _ = question().read(7, &bytes[..length]);
            }
            let _ = question().read(7, &[&7u16.to_be_bytes()[..], &[0x80, 0], &behind].concat());
        }
    }
}
