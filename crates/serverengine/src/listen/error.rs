//! Why a worker did not get a listening socket.

use std::fmt;
use std::io;

use super::ListenAddress;

/// Why there is no listening socket. The message names the address, what failed and what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// The kernel refused the address.
    Refused {
        /// The address as asked for, with its type: `tcp 127.0.0.1:24224`.
        address: String,
        /// The kernel's answer.
        source: io::Error,
        /// What the control process knows about it: who holds the address. May be empty.
        detail: String,
    },
    /// The control process did not answer: it is gone, or too busy for longer than the limit.
    NoAnswer {
        /// The address as asked for.
        address: String,
        /// What went wrong on the way.
        source: io::Error,
    },
}

impl ListenError {
    pub(crate) fn refused(address: &ListenAddress, errno: i32, detail: String) -> Self {
        let source = io::Error::from_raw_os_error(errno);
        Self::Refused {
            address: address.to_string(),
            source,
            detail,
        }
    }

    pub(crate) fn no_answer(address: &ListenAddress, source: io::Error) -> Self {
        Self::NoAnswer {
            address: address.to_string(),
            source,
        }
    }

    /// Returns the kind of the underlying error, for example [`io::ErrorKind::AddrInUse`].
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Refused { source, .. } | Self::NoAnswer { source, .. } => source.kind(),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                address,
                source,
                detail,
            } => {
                write!(formatter, "cannot listen on {address}: ")?;
                if source.kind() == io::ErrorKind::AddrInUse {
                    formatter.write_str("port in use: ")?;
                }
                write!(formatter, "{source}")?;
                if !detail.is_empty() {
                    write!(formatter, " ({detail})")?;
                }
                formatter.write_str(advice(address, source.kind()))
            }
            Self::NoAnswer { address, source } => write!(
                formatter,
                "cannot listen on {address}: the server process did not answer: {source}"
            ),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused { source, .. } | Self::NoAnswer { source, .. } => Some(source),
        }
    }
}

fn advice(address: &str, kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse if address.starts_with("unix") => {
            "; stop the program that listens there, or choose another path"
        }
        io::ErrorKind::AddrInUse => {
            "; stop the program that holds it (`ss -lnp` names it), or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; choose an address of this host (`ip address` lists them), or 0.0.0.0 for all"
        }
        io::ErrorKind::PermissionDenied if address.starts_with("unix") => {
            "; the server's user must be allowed to write to the directory"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need root or CAP_NET_BIND_SERVICE, or choose a higher one"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_address_the_failure_and_the_remedy() {
        let tcp = ListenAddress::Tcp("127.0.0.1:80".parse().unwrap());
        let error = ListenError::refused(&tcp, libc::EADDRINUSE, String::new());
        assert_eq!(
            error.to_string(),
            "cannot listen on tcp 127.0.0.1:80: port in use: Address already in use (os error 98); \
             stop the program that holds it (`ss -lnp` names it), or choose another port"
        );
        let error = ListenError::refused(&tcp, libc::EACCES, String::new());
        assert_eq!(
            error.to_string(),
            "cannot listen on tcp 127.0.0.1:80: Permission denied (os error 13); ports below 1024 need \
             root or CAP_NET_BIND_SERVICE, or choose a higher one"
        );
        let udp = ListenAddress::Udp("10.99.99.99:1".parse().unwrap());
        let error = ListenError::refused(&udp, libc::EADDRNOTAVAIL, "detail".to_owned());
        assert_eq!(
            error.to_string(),
            "cannot listen on udp 10.99.99.99:1: Cannot assign requested address (os error 99) (detail); \
             choose an address of this host (`ip address` lists them), or 0.0.0.0 for all"
        );
        let unix = ListenAddress::Unix("/run/a.sock".into());
        let source = io::Error::new(io::ErrorKind::TimedOut, "no answer within 10s");
        assert_eq!(
            ListenError::no_answer(&unix, source).to_string(),
            "cannot listen on unix /run/a.sock: the server process did not answer: no answer within 10s"
        );
    }
}
