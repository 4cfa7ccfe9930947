//! The works that are measured.
//!
//! ```text
//! tail, tail-file, nginx, json     a log file  ──▶ contender ──▶ the receiver
//! relay                            the feeder  ──▶ contender ──▶ the receiver
//! to-file                          the feeder  ──▶ contender ──▶ a file, which the receiver reads
//! ```

use anyhow::{Result, bail};

use crate::log_file::Text;

/// One work.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// As it is asked for.
    pub(crate) name: &'static str,
    /// What is done with each line.
    pub(crate) title: &'static str,
    /// Which lines.
    pub(crate) text: Text,
    pub(crate) from: From,
    pub(crate) to: To,
    /// Processor time of all of millrun's processes that a line should cost, in microseconds.
    pub(crate) goal: f64,
}

/// Where the lines come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// A file, which is read from its head.
    File,
    /// A connection: the forward protocol for who speaks it, else lines.
    Stream,
}

/// Where the lines go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// One TCP connection.
    Socket,
    /// Files in the round's directory.
    File,
}

/// All of them, in the order in which they are run.
pub(crate) const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "tail",
        title: "tail→forward, unparsed, memory buffer",
        text: Text::Access,
        from: From::File,
        to: To::Socket,
        goal: 0.10,
    },
    Scenario {
        name: "tail-file",
        title: "tail→forward, unparsed, file buffer (durability process)",
        text: Text::Access,
        from: From::File,
        to: To::Socket,
        goal: 0.20,
    },
    Scenario {
        name: "nginx",
        title: "tail→forward, parsed as nginx's log, memory buffer",
        text: Text::Access,
        from: From::File,
        to: To::Socket,
        goal: 0.40,
    },
    Scenario {
        name: "json",
        title: "tail→forward, parsed as JSON, memory buffer",
        text: Text::Json,
        from: From::File,
        to: To::Socket,
        goal: 0.75,
    },
    Scenario {
        name: "relay",
        title: "forward→forward, memory buffer",
        text: Text::Access,
        from: From::Stream,
        to: To::Socket,
        goal: 0.12,
    },
    Scenario {
        name: "to-file",
        title: "forward→file, as JSON, memory buffer",
        text: Text::Access,
        from: From::Stream,
        to: To::File,
        goal: 0.60,
    },
];

impl Scenario {
    /// The scenarios with these names, in this order.
    pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Self>> {
        let known = || SCENARIOS.map(|one| one.name).join(", ");
        let find = |name: &String| match SCENARIOS.iter().find(|one| one.name == name) {
            Some(scenario) => Ok(scenario),
            None => bail!("unknown scenario '{name}'; known are {}", known()),
        };
        names.iter().map(find).collect()
    }
}
