//! Whom to ask, and the asking: a datagram, and a connection where the answer does not fit into one.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::message::Answer;
use crate::{Error, Place, Question};

/// The most name servers asked one after the other, as in the C library.
const SERVERS_MAX: usize = 3;

/// The longest datagram of an answer to a question that asks for no more.
const DATAGRAM_BYTES_MAX: usize = 512;

const PORT: u16 = 53;

/// The name servers to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
}

impl Resolver {
    /// Those of the system.
    ///
    /// # Errors
    /// [`Error::NoServer`].
    pub fn of_system() -> Result<Self, Error> {
        let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let servers: Vec<SocketAddr> = text
            .lines()
            .filter_map(nameserver)
            .take(SERVERS_MAX)
            .collect();
        match servers.is_empty() {
            true => Err(Error::NoServer),
            false => Ok(Self { servers }),
        }
    }

    /// One server: an address, with a port where it is another than 53.
    ///
    /// # Errors
    /// [`Error::Server`].
    pub fn at(text: &str) -> Result<Self, Error> {
        let address = text.parse::<IpAddr>();
        let address = address.map(|address| SocketAddr::new(address, PORT));
        let server = address
            .or_else(|_| text.parse())
            .map_err(|_| Error::Server {
                text: text.to_owned(),
            })?;
        Ok(Self {
            servers: vec![server],
        })
    }

    /// Asks the servers in turn, `timeout` for each, until one answers; `id` should not be one that others can guess.
    ///
    /// # Errors
    /// What the last of them did wrong.
    pub fn ask(
        &self,
        question: &Question,
        id: u16,
        timeout: Duration,
    ) -> Result<Vec<Place>, Error> {
        let mut failure = Error::NoServer;
        for server in &self.servers {
            match ask(*server, question, id, timeout) {
                Ok(places) => return Ok(places),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

fn nameserver(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_ascii_whitespace();
    let address = words
        .next()
        .filter(|word| *word == "nameserver")
        .and(words.next())?;
    // Without a zone: the system's servers are asked through the way that the table names.
    let address: IpAddr = address.parse().ok()?;
    Some(SocketAddr::new(address, PORT))
}

fn ask(
    server: SocketAddr,
    question: &Question,
    id: u16,
    timeout: Duration,
) -> Result<Vec<Place>, Error> {
    let network = |error| Error::Network { server, error };
    let deadline = Instant::now() + timeout;
    let answer = match by_datagram(server, question, id, deadline).map_err(network)? {
        Some(Answer::Truncated) => {
            by_connection(server, question, id, deadline).map_err(network)?
        }
        other => other,
    };
    match answer {
        Some(Answer::Places(places)) => Ok(places),
        Some(Answer::Refused(code)) => Err(Error::Refused {
            server,
            code,
            name: question.name(),
        }),
        Some(Answer::Truncated | Answer::Foreign) | None => Err(Error::Malformed { server }),
    }
}

/// What is left, and at least so much that a socket takes it for a limit.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(ErrorKind::TimedOut.into()),
        false => Ok(left.max(Duration::from_millis(1))),
    }
}

fn by_datagram(
    server: SocketAddr,
    question: &Question,
    id: u16,
    deadline: Instant,
) -> io::Result<Option<Answer>> {
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0))?;
    // Connected: what others send does not come through.
    socket.connect(server)?;
    socket.send(&question.encode(id))?;
    let mut datagram = [0; DATAGRAM_BYTES_MAX];
    loop {
        socket.set_read_timeout(Some(left(deadline)?))?;
        let length = match socket.recv(&mut datagram) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        };
        // An answer to another question may be late, or made up: the right one may follow.
        match question.read(id, datagram.get(..length).unwrap_or_default()) {
            Some(Answer::Foreign) => {}
            other => return Ok(other),
        }
    }
}

fn by_connection(
    server: SocketAddr,
    question: &Question,
    id: u16,
    deadline: Instant,
) -> io::Result<Option<Answer>> {
    let mut stream = TcpStream::connect_timeout(&server, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let asked = question.encode(id);
    let length = u16::try_from(asked.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&length[..], &asked].concat())?;
    let mut length = [0; 2];
    read_exact(&mut stream, &mut length, deadline)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    read_exact(&mut stream, &mut answer, deadline)?;
    Ok(question.read(id, &answer))
}

/// Reads all of it before the deadline, however slowly it comes.
fn read_exact(stream: &mut TcpStream, mut out: &mut [u8], deadline: Instant) -> io::Result<()> {
    while !out.is_empty() {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(out) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => out = out.get_mut(length..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use domain::base::iana::Rcode;

    use super::*;
    use crate::message::tests::{answer, question};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A name server for one question: what it says to a datagram, and what over a connection.
    fn server(
        datagrams: Vec<Vec<u8>>,
        connected: Option<Vec<u8>>,
    ) -> (Resolver, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).unwrap();
        let work = thread::spawn(move || {
            let mut asked = [0; 512];
            let (_, peer) = socket.recv_from(&mut asked).unwrap();
            for datagram in datagrams {
                socket.send_to(&datagram, peer).unwrap();
            }
            if let Some(answer) = connected {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut asked = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut asked).unwrap();
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                for piece in [&length[..1], &length[1..], &answer[..5], &answer[5..]] {
                    stream.write_all(piece).unwrap();
                }
            }
        });
        (Resolver::at(&address.to_string()).unwrap(), work)
    }

    fn ask(datagrams: Vec<Vec<u8>>, connected: Option<Vec<u8>>) -> Result<Vec<Place>, Error> {
        let (resolver, work) = server(datagrams, connected);
        let found = resolver.ask(&question(), 7, PATIENCE);
        work.join().unwrap();
        found
    }

    #[test]
    fn a_datagram_is_enough_and_foreign_ones_are_passed_over() {
        let places = [(1, 2, 24224, "a.test")];
        let foreign = answer(8, Rcode::NOERROR, false, &[(1, 1, 1, "evil.test")]);
        let right = answer(7, Rcode::NOERROR, false, &places);
        let found = ask(vec![foreign, right], None).unwrap();
        assert_eq!((found.len(), &*found[0].host), (1, "a.test"));
    }

    #[test]
    fn an_answer_that_does_not_fit_comes_over_a_connection() {
        let names: Vec<String> = (0..60)
            .map(|number| format!("host-{number:03}.test"))
            .collect();
        let places: Vec<_> = names
            .iter()
            .map(|name| (1, 1, 24224, name.as_str()))
            .collect();
        let cut = answer(7, Rcode::NOERROR, true, &[]);
        let whole = answer(7, Rcode::NOERROR, false, &places);
        assert!(whole.len() > DATAGRAM_BYTES_MAX);
        assert_eq!(ask(vec![cut], Some(whole)).unwrap().len(), 60);
    }

    #[test]
    fn what_a_name_server_refuses_is_told_with_its_words() {
        let refused = answer(7, Rcode::NXDOMAIN, false, &[]);
        let error = ask(vec![refused], None).unwrap_err().to_string();
        assert!(
            error.ends_with(" says NXDOMAIN to _forward._tcp.example.test"),
            "{error}"
        );
        let error = ask(vec![b"no message".to_vec()], None).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }

    #[test]
    fn a_silent_name_server_is_given_up() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let resolver = Resolver::at(&socket.local_addr().unwrap().to_string()).unwrap();
        let found = resolver.ask(&question(), 7, Duration::from_millis(50));
        assert!(matches!(found, Err(Error::Network { .. })));
    }

    #[test]
    fn servers_are_named_by_addresses() {
        let servers = |text| Resolver::at(text).map(|found| found.servers[0].to_string());
        assert_eq!(servers("192.0.2.1").unwrap(), "192.0.2.1:53");
        assert_eq!(servers("192.0.2.1:5353").unwrap(), "192.0.2.1:5353");
        assert_eq!(servers("2001:db8::1").unwrap(), "[2001:db8::1]:53");
        assert_eq!(
            servers("dns.test").unwrap_err().to_string(),
            "dns.test is no address of a name server: expected one like 192.0.2.53 or 192.0.2.53:53"
        );
        assert_eq!(nameserver("nameserver 192.0.2.7").unwrap().port(), 53);
        assert_eq!(nameserver("# nameserver 192.0.2.7"), None);
    }
}
