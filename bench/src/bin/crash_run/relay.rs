//! The network between agent and aggregators: it delays answers and cuts connections, also between
//! a message that was stored and its answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::random::Random;

/// The longest delay of an answer, in milliseconds.
const DELAY_MS_MAX: u64 = 60;

/// One answer in so many is lost with its connection.
const LOST_ONE_IN: u64 = 40;

/// Passes connections on to `port`; gives the port to connect to.
pub(crate) fn start(port: u16, seed: u64) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own_port = listener.local_addr()?.port();
    thread::spawn(move || {
        for (number, client) in (0..).zip(listener.incoming().flatten()) {
            // A receiver that is being started: the client sees a connection that ends at once.
            if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                pass(client, server, Random::new(seed ^ (number << 8)));
            }
        }
    });
    Ok(own_port)
}

fn pass(client: TcpStream, server: TcpStream, mut random: Random) {
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    thread::spawn(move || {
        let _ = std::io::copy(&mut &from, &mut &to);
        let _ = to.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let mut answer = [0; 4096];
        while let Ok(len @ 1..) = (&server).read(&mut answer) {
            thread::sleep(Duration::from_millis(random.below(DELAY_MS_MAX)));
            let is_lost = random.below(LOST_ONE_IN) == 0;
            let answer = answer.get(..len).unwrap_or_default();
            if is_lost || (&client).write_all(answer).is_err() {
                break;
            }
        }
        let _ = (
            client.shutdown(Shutdown::Both),
            server.shutdown(Shutdown::Both),
        );
    });
}
