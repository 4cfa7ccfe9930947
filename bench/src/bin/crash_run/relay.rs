//! The network between agent and aggregators: it delays answers and cuts connections, also between
//! a message that was stored and its answer; at times it stalls, closes what is opened, or refuses.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::random::Random;

/// The longest delay of an answer, in milliseconds.
const DELAY_MS_MAX: u64 = 60;

/// One answer in so many is lost with its connection.
const LOST_ONE_IN: u64 = 40;

/// How often it is looked whether the mood has changed.
const POLL: Duration = Duration::from_millis(20);

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Fine,
    /// Nothing passes, in either direction.
    Stalled,
    /// Connections are accepted and closed.
    Closing,
    /// Nobody listens.
    Refusing,
}

#[derive(Clone, Default)]
struct Weather(Arc<AtomicU8>);

impl Weather {
    fn mood(&self) -> Mood {
        match self.0.load(Ordering::Relaxed) {
            0 => Mood::Fine,
            1 => Mood::Stalled,
            2 => Mood::Closing,
            _ => Mood::Refusing,
        }
    }

    /// Most of the time fine; a stall is longer than the agent waits for an answer at times.
    fn change(&self, mut random: Random) {
        loop {
            self.0.store(0, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1_000 + random.below(5_000)));
            let mood = 1 + random.below(3) as u8;
            self.0.store(mood, Ordering::Relaxed);
            let longest = if random.below(6) == 0 { 7_000 } else { 1_000 };
            thread::sleep(Duration::from_millis(random.below(longest)));
        }
    }
}

/// Passes connections on to `port`; gives the port to connect to.
pub(crate) fn start(port: u16, seed: u64) -> Result<u16> {
    let mut listener = Some(TcpListener::bind("127.0.0.1:0")?);
    let own_port = listener.as_ref().map_or(Ok(0), |listener| {
        listener.set_nonblocking(true)?;
        listener.local_addr().map(|address| address.port())
    })?;
    let weather = Weather::default();
    let changing = weather.clone();
    thread::spawn(move || changing.change(Random::new(!seed)));
    thread::spawn(move || {
        let mut number = 0;
        loop {
            let mood = weather.mood();
            if mood == Mood::Refusing {
                listener = None;
            } else if listener.is_none() {
                // Somebody may have the port for a moment.
                listener = TcpListener::bind(("127.0.0.1", own_port)).ok();
                if let Some(listener) = &listener {
                    let _ = listener.set_nonblocking(true);
                }
            }
            let accepted = listener
                .as_ref()
                .and_then(|listener| listener.accept().ok());
            let Some((client, _)) = accepted else {
                thread::sleep(POLL);
                continue;
            };
            number += 1;
            if mood == Mood::Closing || client.set_nonblocking(false).is_err() {
                continue;
            }
            // A receiver that is being started: the client sees a connection that ends at once.
            if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                pass(client, server, Random::new(seed ^ (number << 8)), &weather);
            }
        }
    });
    Ok(own_port)
}

fn pass(client: TcpStream, server: TcpStream, mut random: Random, weather: &Weather) {
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let stalling = weather.clone();
    thread::spawn(move || {
        let mut block = vec![0; 64 * 1024];
        while let Ok(len @ 1..) = (&from).read(&mut block) {
            wait_out(&stalling);
            let sent = block.get(..len).unwrap_or_default();
            if (&to).write_all(sent).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let stalling = weather.clone();
    thread::spawn(move || {
        let mut answer = [0; 4096];
        while let Ok(len @ 1..) = (&server).read(&mut answer) {
            thread::sleep(Duration::from_millis(random.below(DELAY_MS_MAX)));
            wait_out(&stalling);
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

fn wait_out(weather: &Weather) {
    while weather.mood() == Mood::Stalled {
        thread::sleep(POLL);
    }
}
