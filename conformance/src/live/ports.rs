use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, ensure};

/// Below the ports that Linux gives to outgoing connections, so that none of those takes one
/// between this choice and its use.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// How many have been looked at in this process.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// Ports of the loopback address that are free for TCP and UDP; none is given out twice in a row.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    let span = LAST - FIRST;
    // Runners side by side begin at different places.
    let start = u16::try_from(std::process::id() * 97 % u32::from(span))?;
    let mut ports = Vec::with_capacity(count);
    for _ in 0..span {
        let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed) % span;
        let port = FIRST + (start + step) % span;
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            ports.push(port);
        }
        if ports.len() == count {
            return Ok(ports);
        }
    }
    ensure!(
        ports.len() == count,
        "fewer than {count} ports from {FIRST} to {LAST} are free"
    );
    Ok(ports)
}
