//! Heartbeats: signs of life that are asked for.
//!
//! Each server has a thread of its own, so a server that does not answer delays no other's heartbeat
//! (in Fluentd one thread asks all, one after the other). The threads live as long as their server is
//! a member and the output runs; none is waited for, since each holds nothing but its member.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_core::{PluginId, Stop};

use super::super::resolver::Resolver;
use super::{Fleet, Member};

/// How long one heartbeat over a connection may take.
const BEAT_TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// How often changes of the members are looked for.
const MEMBERS_POLL: Duration = Duration::from_millis(500);

/// The longest answer to a heartbeat that is read.
const ANSWER_BYTES_MAX: usize = 64;

/// How servers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Beats {
    /// By a connection that is closed at once.
    Connection,
    /// By a datagram of one zero byte that comes back.
    Datagram,
}

/// What asks for signs of life.
pub(in super::super) struct Heart {
    pub(in super::super) fleet: Arc<Fleet>,
    pub(in super::super) id: PluginId,
    pub(in super::super) beats: Beats,
    pub(in super::super) interval: Duration,
    /// A server that took data a moment ago need not be asked.
    pub(in super::super) data_will_do: bool,
    /// Connects to a server, as for data.
    pub(in super::super) connect: Connect,
}

/// Connects to a server within a time, and closes the connection.
pub(in super::super) type Connect =
    Arc<dyn Fn(&Arc<Member>, &mut Resolver, Duration) -> bool + Send + Sync>;

impl Heart {
    /// Sees to it that every member is asked, until `stop`.
    pub(in super::super) fn run(self, stop: &Stop) {
        let heart = Arc::new(self);
        let mut asked: Vec<Arc<Member>> = Vec::new();
        let mut version = None;
        loop {
            let now_version = heart.fleet.version();
            if version != Some(now_version) {
                version = Some(now_version);
                let members = heart.fleet.members();
                asked.retain(|member| super::holds(&members, member));
                for member in members.iter() {
                    if !asked.iter().any(|other| Arc::ptr_eq(other, member)) {
                        heart.attend(member, stop);
                        asked.push(Arc::clone(member));
                    }
                }
            }
            if stop.wait(MEMBERS_POLL) {
                return;
            }
        }
    }

    fn attend(self: &Arc<Self>, member: &Arc<Member>, stop: &Stop) {
        let (heart, member, stop) = (Arc::clone(self), Arc::clone(member), stop.clone());
        let name = member.server.label.clone();
        let plugin_id = self.id.clone();
        let run = move || match heart.beats {
            Beats::Connection => heart.ask_by_connection(&member, &stop),
            Beats::Datagram => heart.ask_by_datagram(&member, &stop),
        };
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(run);
        if let Err(error) = thread {
            tracing::error!(
                plugin_id = plugin_id.given(), error = %error,
                "cannot start the heartbeats of {name}; it is watched by use only"
            );
        }
    }

    fn is_over(&self, member: &Arc<Member>, stop: &Stop) -> bool {
        stop.is_set() || !super::holds(&self.fleet.members(), member)
    }

    fn ask_by_connection(&self, member: &Arc<Member>, stop: &Stop) {
        let mut resolver = Resolver::new(&member.server.host, member.server.port, None, false);
        let mut due = Instant::now() + self.interval;
        while !stop.wait(due.saturating_duration_since(Instant::now()))
            && !self.is_over(member, stop)
        {
            let now = Instant::now();
            // A beat that took longer than the interval delays the next, and none are made up for.
            due = (due + self.interval).max(now);
            if !(self.data_will_do && member.is_fresh(now))
                && (self.connect)(member, &mut resolver, BEAT_TIMEOUT_MAX)
            {
                member.beat(&self.id, Instant::now());
            }
            member.look(&self.id, Instant::now());
        }
    }

    fn ask_by_datagram(&self, member: &Arc<Member>, stop: &Stop) {
        let mut socket = None;
        let mut due = Instant::now() + self.interval;
        while !stop.wait(due.saturating_duration_since(Instant::now()))
            && !self.is_over(member, stop)
        {
            due += self.interval;
            if socket.is_none() {
                socket = open(&member.server.host, member.server.port).ok();
            }
            if let Some(open) = &socket
                && open.send(&[0]).is_err()
            {
                // Perhaps the name has another address now.
                socket = None;
            }
            if let Some(open) = &socket
                && answers(open, due)
            {
                member.beat(&self.id, Instant::now());
            }
            member.look(&self.id, Instant::now());
        }
    }
}

fn open(host: &str, port: u16) -> io::Result<UdpSocket> {
    let host = host.trim_matches(['[', ']']);
    let address = (host, port).to_socket_addrs()?.next();
    let address = address.ok_or(io::ErrorKind::NotFound)?;
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    Ok(socket)
}

/// Whether an answer comes before `due`.
fn answers(socket: &UdpSocket, due: Instant) -> bool {
    let mut answer = [0; ANSWER_BYTES_MAX];
    let left = due.saturating_duration_since(Instant::now());
    // No time at all would mean no limit.
    let left = left.max(Duration::from_millis(1));
    socket.set_read_timeout(Some(left)).is_ok() && socket.recv(&mut answer).is_ok()
}
