//! The frames of a life-line: bytes to values and back, no I/O.
//!
//! ```text
//! child → parent
//!   01                                  READY
//!   02                                  HEARTBEAT, the first one: see `heart`
//!   03 request:u32 socket               LISTEN
//!   07 socket                           RELEASE
//!   08 code:i32                         EXITED, of a worker that is a thread
//!   11                                  FREE
//!   13 version:u32                      CONFIG TAKEN
//! between socket managers
//!   14                                  TAKE OVER: the next socket, please
//!   15 socket                           SOCKET, with the descriptor
//!   16                                  MANAGER, with its own socket: there are no more
//! parent → child
//!   04 request:u32                      LISTENER, with the descriptor
//!   05 request:u32 errno:i32 text       REFUSED
//!   06 word:u8 [signal:i32]             ORDER
//!        1 stop graceful   2 stop immediate   3 restart graceful   4 restart immediate
//!        5 reload          6 dump             7 forward the signal   8 detach
//!   09                                  NEW LOGGER
//!   12 version:u32 text:u8              CONFIG, if text is 1 with a descriptor of the text
//!   10                                  SET FREE: the parent leaves, live on without it
//!   17 slot:u64 generation:u64          BORN: a process in reserve is this worker from now on
//!
//! socket := kind:u8 (1 tcp, 2 udp, 3 unix, 4 unix datagram) flags:u8 (1 reuse_port, 2 ipv6_only, 4 mode is set)
//!           backlog:u32 mode:u32 address (text: "127.0.0.1:80", "[::1]:80", or a path's bytes)
//! ```
//!
//! Integers are little-endian. One frame is one packet, at most [`FRAME_LEN_MAX`] bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::core::{Generation, Mode, Order, SlotId};
use crate::listen::{ListenAddress, ListenOptions, SocketKey};

/// Longest frame, in bytes: a Unix path (108) or an explanation, and some.
pub(crate) const FRAME_LEN_MAX: usize = 1024;

/// Longest explanation of a refusal, in bytes; what is longer is cut.
const TEXT_LEN_MAX: usize = 512;

const FLAG_REUSE_PORT: u8 = 1;
const FLAG_IPV6_ONLY: u8 = 2;
const FLAG_MODE: u8 = 4;

/// One message on a life-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Ready,
    Heartbeat,
    Listen {
        request: u32,
        key: SocketKey,
    },
    /// A server no longer needs a socket that its supervisor holds.
    Release {
        key: SocketKey,
    },
    /// A worker that is a thread has ended. Processes do not say so, the kernel does.
    Exited {
        code: i32,
    },
    Listener {
        request: u32,
    },
    Refused {
        request: u32,
        errno: i32,
        text: String,
    },
    Order(Order),
    /// There is another logger process, which knows of nobody's pipes.
    NewLogger,
    /// The level above leaves on purpose: what would end the child with it is to be disarmed.
    SetFree,
    /// It is.
    Free,
    /// A process in reserve is this worker from now on.
    Born {
        slot: SlotId,
        generation: Generation,
    },
    /// The application's configuration has changed.
    Config {
        version: u32,
        /// Whether there is a text.
        text: bool,
    },
    /// The worker works with that version now.
    ConfigTaken {
        version: u32,
    },
    /// A new server wants the next of all sockets.
    TakeOver,
    /// It gets one.
    Socket {
        key: SocketKey,
    },
    /// There are no more: here is the socket of the one who hands them out.
    Manager,
}

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        match self {
            Self::Ready => bytes.push(1),
            Self::Heartbeat => bytes.push(2),
            Self::Listen { request, key } => {
                bytes.push(3);
                bytes.extend(request.to_le_bytes());
                encode_key(key, &mut bytes);
            }
            Self::Release { key } => {
                bytes.push(7);
                encode_key(key, &mut bytes);
            }
            Self::Exited { code } => {
                bytes.push(8);
                bytes.extend(code.to_le_bytes());
            }
            Self::Listener { request } => {
                bytes.push(4);
                bytes.extend(request.to_le_bytes());
            }
            Self::Refused {
                request,
                errno,
                text,
            } => {
                bytes.push(5);
                bytes.extend(request.to_le_bytes());
                bytes.extend(errno.to_le_bytes());
                let end = text.floor_char_boundary(TEXT_LEN_MAX);
                bytes.extend(text.bytes().take(end));
            }
            Self::NewLogger => bytes.push(9),
            Self::SetFree => bytes.push(10),
            Self::Free => bytes.push(11),
            Self::Config { version, text } => {
                bytes.push(12);
                bytes.extend(version.to_le_bytes());
                bytes.push(u8::from(*text));
            }
            Self::ConfigTaken { version } => {
                bytes.push(13);
                bytes.extend(version.to_le_bytes());
            }
            Self::TakeOver => bytes.push(14),
            Self::Socket { key } => {
                bytes.push(15);
                encode_key(key, &mut bytes);
            }
            Self::Manager => bytes.push(16),
            Self::Born { slot, generation } => {
                bytes.push(17);
                bytes.extend((*slot as u64).to_le_bytes());
                bytes.extend(generation.0.to_le_bytes());
            }
            Self::Order(order) => {
                bytes.push(6);
                let (word, signal) = match order {
                    Order::Stop(Mode::Graceful) => (1, None),
                    Order::Stop(Mode::Immediate) => (2, None),
                    Order::Restart(Mode::Graceful) => (3, None),
                    Order::Restart(Mode::Immediate) => (4, None),
                    Order::Reload => (5, None),
                    Order::Dump => (6, None),
                    Order::Forward(signal) => (7, Some(*signal)),
                    Order::Detach => (8, None),
                };
                bytes.push(word);
                bytes.extend(signal.into_iter().flat_map(i32::to_le_bytes));
            }
        }
        bytes
    }

    /// Returns `None` for what is no frame of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let frame = match rest.byte()? {
            1 => Self::Ready,
            2 => Self::Heartbeat,
            3 => Self::Listen {
                request: rest.number()?,
                key: decode_key(&mut rest)?,
            },
            4 => Self::Listener {
                request: rest.number()?,
            },
            5 => Self::Refused {
                request: rest.number()?,
                errno: rest.number()?.cast_signed(),
                text: rest.text()?,
            },
            6 => Self::Order(match rest.byte()? {
                1 => Order::Stop(Mode::Graceful),
                2 => Order::Stop(Mode::Immediate),
                3 => Order::Restart(Mode::Graceful),
                4 => Order::Restart(Mode::Immediate),
                5 => Order::Reload,
                6 => Order::Dump,
                7 => Order::Forward(rest.number()?.cast_signed()),
                8 => Order::Detach,
                _ => return None,
            }),
            7 => Self::Release {
                key: decode_key(&mut rest)?,
            },
            9 => Self::NewLogger,
            10 => Self::SetFree,
            11 => Self::Free,
            12 => Self::Config {
                version: rest.number()?,
                text: match rest.byte()? {
                    0 => false,
                    1 => true,
                    _ => return None,
                },
            },
            13 => Self::ConfigTaken {
                version: rest.number()?,
            },
            14 => Self::TakeOver,
            15 => Self::Socket {
                key: decode_key(&mut rest)?,
            },
            16 => Self::Manager,
            17 => Self::Born {
                slot: SlotId::try_from(rest.long()?).ok()?,
                generation: Generation(rest.long()?),
            },
            8 => Self::Exited {
                code: rest.number()?.cast_signed(),
            },
            _ => return None,
        };
        rest.0.is_empty().then_some(frame)
    }
}

fn encode_key(key: &SocketKey, bytes: &mut Vec<u8>) {
    let (kind, address) = match &key.address {
        ListenAddress::Tcp(address) => (1, address.to_string().into_bytes()),
        ListenAddress::Udp(address) => (2, address.to_string().into_bytes()),
        ListenAddress::Unix(path) => (3, path.as_os_str().as_bytes().to_vec()),
        ListenAddress::UnixDatagram(path) => (4, path.as_os_str().as_bytes().to_vec()),
    };
    let ListenOptions {
        backlog,
        reuse_port,
        ipv6_only,
        mode,
    } = key.options;
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    bytes.push(kind);
    bytes.push(
        flag(reuse_port, FLAG_REUSE_PORT)
            | flag(ipv6_only, FLAG_IPV6_ONLY)
            | flag(mode.is_some(), FLAG_MODE),
    );
    bytes.extend(backlog.to_le_bytes());
    bytes.extend(mode.unwrap_or(0).to_le_bytes());
    bytes.extend(address);
}

fn decode_key(rest: &mut Reader<'_>) -> Option<SocketKey> {
    let kind = rest.byte()?;
    let flags = rest.byte()?;
    let backlog = rest.number()?;
    let mode = rest.number()?;
    let address = rest.all();
    let socket_address = || std::str::from_utf8(address).ok()?.parse().ok();
    Some(SocketKey {
        address: match kind {
            1 => ListenAddress::Tcp(socket_address()?),
            2 => ListenAddress::Udp(socket_address()?),
            3 => ListenAddress::Unix(PathBuf::from(OsStr::from_bytes(address))),
            4 => ListenAddress::UnixDatagram(PathBuf::from(OsStr::from_bytes(address))),
            _ => return None,
        },
        options: ListenOptions {
            backlog,
            reuse_port: flags & FLAG_REUSE_PORT != 0,
            ipv6_only: flags & FLAG_IPV6_ONLY != 0,
            mode: (flags & FLAG_MODE != 0).then_some(mode),
        },
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*first))
    }

    fn long(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*first))
    }

    fn text(&mut self) -> Option<String> {
        let bytes = self.all();
        let text = std::str::from_utf8(bytes).ok()?;
        (text.len() <= TEXT_LEN_MAX).then(|| text.to_owned())
    }

    fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Vec<Frame> {
        let options = ListenOptions::default();
        let key = |address| SocketKey { address, options };
        let mut frames = vec![
            Frame::Ready,
            Frame::Heartbeat,
            Frame::Release {
                key: key(ListenAddress::Udp("0.0.0.0:514".parse().unwrap())),
            },
            Frame::Listener { request: u32::MAX },
            Frame::Exited { code: -1 },
            Frame::NewLogger,
            Frame::SetFree,
            Frame::Free,
            Frame::Born {
                slot: 63,
                generation: Generation(u64::MAX),
            },
            Frame::Config {
                version: 7,
                text: true,
            },
            Frame::Config {
                version: 8,
                text: false,
            },
            Frame::ConfigTaken { version: 1 << 31 },
            Frame::TakeOver,
            Frame::Manager,
            Frame::Socket {
                key: key(ListenAddress::UnixDatagram("/dev/log".into())),
            },
            Frame::Refused {
                request: 7,
                errno: 98,
                text: "held by ünix".to_owned(),
            },
            Frame::Order(Order::Forward(10)),
            Frame::Order(Order::Reload),
            Frame::Order(Order::Dump),
            Frame::Order(Order::Detach),
            Frame::Listen {
                request: 1,
                key: key(ListenAddress::Unix("/run/x y.sock".into())),
            },
        ];
        for mode in [Mode::Graceful, Mode::Immediate] {
            frames.push(Frame::Order(Order::Stop(mode)));
            frames.push(Frame::Order(Order::Restart(mode)));
        }
        for address in ["127.0.0.1:0", "[::1]:24224", "[fe80::1%3]:5"] {
            let address = address.parse().unwrap();
            frames.push(Frame::Listen {
                request: 2,
                key: key(ListenAddress::Tcp(address)),
            });
            let options = ListenOptions {
                backlog: 7,
                reuse_port: true,
                ipv6_only: false,
                mode: Some(0o660),
            };
            let key = SocketKey {
                address: ListenAddress::Udp(address),
                options,
            };
            frames.push(Frame::Listen { request: 3, key });
        }
        frames
    }

    #[test]
    fn every_frame_comes_back_as_it_went() {
        for frame in examples() {
            let bytes = frame.encode();
            assert!(bytes.len() <= FRAME_LEN_MAX);
            assert_eq!(Frame::decode(&bytes), Some(frame));
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for frame in examples() {
            let bytes = frame.encode();
            for length in 0..bytes.len() {
                crate::fuzz_frame(&bytes[..length]);
            }
            for place in 0..bytes.len() {
                for byte in 0..=255 {
                    let mut changed = bytes.clone();
                    changed[place] = byte;
                    crate::fuzz_frame(&changed);
                }
            }
        }
        assert_eq!(Frame::decode(&[]), None);
        assert_eq!(Frame::decode(&[1, 1]), None, "trailing bytes");
    }

    #[test]
    fn a_long_explanation_is_cut_at_a_character() {
        let text = "ü".repeat(TEXT_LEN_MAX);
        let bytes = Frame::Refused {
            request: 0,
            errno: 0,
            text,
        }
        .encode();
        assert!(bytes.len() <= FRAME_LEN_MAX);
        assert!(Frame::decode(&bytes).is_some());
    }
}
