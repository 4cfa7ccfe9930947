//! Which servers a chunk may go to.
//!
//! ```text
//! never sent                          any
//! sent, in doubt                      the one it was sent to, until it answers
//! in doubt for `in_doubt_timeout`     any; going elsewhere is counted as a possible double
//! ```
//!
//! A server that has a chunk and whose answer got lost knows the chunk again; another one would
//! store it a second time.

use std::time::Duration;

use crate::{Dispatch, Timestamp};

/// Where a chunk may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// To any server.
    Free,
    /// To this one only.
    To {
        /// Its place among the servers.
        server: usize,
        /// For so long.
        left: Duration,
    },
    /// To one that is not configured any more: nowhere.
    Unknown {
        /// For so long.
        left: Duration,
    },
}

impl Pin {
    /// Where a chunk may go by `dispatch`, where it was sent, if it was. `servers` are named as there.
    pub fn of<'a>(
        dispatch: Option<&Dispatch>,
        mut servers: impl Iterator<Item = &'a str>,
        in_doubt_timeout: Duration,
        now: Timestamp,
    ) -> Self {
        let Some(dispatch) = dispatch else {
            return Self::Free;
        };
        // Wall time, for it goes on while the process does not live. A clock that was set makes the
        // wait shorter or longer, nothing worse.
        let left = (dispatch.since + in_doubt_timeout).since(now);
        if left.is_zero() {
            return Self::Free;
        }
        // After a clock that was set back it would never end.
        let left = left.min(in_doubt_timeout);
        match servers.position(|server| *server == *dispatch.receiver) {
            Some(server) => Self::To { server, left },
            None => Self::Unknown { left },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_in_doubt_stays_until_its_time_is_over() {
        let servers = || ["one:1", "two:1"].into_iter();
        let since = Timestamp::from_secs(1_700_000_000);
        let dispatch = |receiver: &str| Dispatch {
            receiver: receiver.into(),
            sender: [1; 16],
            sequence: 7,
            since,
        };
        let pin = |receiver: &str, seconds| {
            let (timeout, now) = (
                Duration::from_secs(60),
                since + Duration::from_secs(seconds),
            );
            Pin::of(Some(&dispatch(receiver)), servers(), timeout, now)
        };
        let left = Duration::from_secs(1);
        assert_eq!(pin("two:1", 59), Pin::To { server: 1, left });
        assert_eq!(pin("gone:1", 59), Pin::Unknown { left });
        assert_eq!(pin("two:1", 60), Pin::Free);
        assert_eq!(pin("gone:1", 61), Pin::Free);
        assert_eq!(Pin::of(None, servers(), left, since), Pin::Free);
        let before = Timestamp::from_secs(1_600_000_000);
        let waits = Pin::of(Some(&dispatch("one:1")), servers(), left, before);
        assert_eq!(waits, Pin::To { server: 0, left });
    }
}
