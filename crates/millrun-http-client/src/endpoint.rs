use std::fmt::{self, Write as _};

use thiserror::Error;

/// Where requests go: an `http` URL, taken apart.
///
/// Bytes that a URI cannot hold (a space, letters beyond ASCII) are written as `%20` and the like: they come from tags and
/// fields that placeholders put there. Credentials are left out: nothing is sent that was not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: Option<u16>,
    target: String,
    is_https: bool,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// It does not begin with `http://` or `https://`.
    #[error("{0:?} does not begin with http:// or https://")]
    Scheme(String),
    /// Nothing stands where the host should.
    #[error("{0:?} names no host")]
    NoHost(String),
    /// The host holds what no name or address does.
    #[error("{0:?}: a host has letters, digits, '-', '.' and '_', or is an address in [ ]")]
    Host(String),
    /// What stands behind the host is no port.
    #[error("{0:?}: expected a port of 1 to 65535 behind the host")]
    Port(String),
}

impl Endpoint {
    /// Reads `http://[user[:password]@]host[:port][/path][?query]`. A fragment is left out.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = |kind: fn(String) -> EndpointError| Err(kind(text.to_owned()));
        let scheme = |word: &str| {
            let head = text.get(..word.len())?;
            head.eq_ignore_ascii_case(word).then_some(())?;
            text.get(word.len()..)
        };
        let (is_https, rest) = match (scheme("http://"), scheme("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => return wrong(EndpointError::Scheme),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        // The colons of an IPv6 address stand in brackets.
        let port_at = match authority.rfind(']') {
            Some(close) => authority
                .get(close..)
                .and_then(|rest| rest.find(':'))
                .map(|at| close + at),
            None => authority.find(':'),
        };
        let (host, port) = match port_at {
            Some(at) => (authority.get(..at), authority.get(at + 1..)),
            None => (Some(authority), None),
        };
        let host = host.unwrap_or_default();
        if host.is_empty() || host == "[]" {
            return wrong(EndpointError::NoHost);
        }
        if !is_host(host) {
            return wrong(EndpointError::Host);
        }
        let port = match port.filter(|port| !port.is_empty()) {
            None => None,
            Some(port) => match port.parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => return wrong(EndpointError::Port),
            },
        };
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port,
            target: target_of(target),
            is_https,
        })
    }

    /// The host, as a name or an address; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; that of the scheme where none was written.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// What a connection is made to: the host without brackets, and the port.
    pub(crate) fn address(&self) -> (&str, u16) {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        (host, self.port())
    }

    /// Path and query, beginning with a slash.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether it is to be spoken to over TLS.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Host, and port unless it is the usual one: what the header `Host` says.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) if port != if self.is_https { 443 } else { 80 } => {
                format!("{}:{port}", self.host)
            }
            _ => self.host.clone(),
        }
    }
}

/// The whole URL, without credentials.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| {
            address
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
        }),
        None => host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

/// Path and query with everything escaped that a URI cannot hold. A `%` is taken for one that escapes already.
fn target_of(text: &str) -> String {
    let mut target = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        target.push('/');
    }
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
        if is_plain {
            target.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        match Endpoint::parse(text) {
            Ok(endpoint) => format!("{endpoint} {:?}", endpoint.address()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        let cases = [
            ("http://h", r#"http://h/ ("h", 80)"#),
            ("HTTP://Host:8080", r#"http://host:8080/ ("host", 8080)"#),
            ("http://h:80/p", r#"http://h/p ("h", 80)"#),
            (
                "https://h/p?x=1&y=a%20b#f",
                r#"https://h/p?x=1&y=a%20b ("h", 443)"#,
            ),
            ("http://u:p@h:1/", r#"http://h:1/ ("h", 1)"#),
            ("http://[::1]:9/x", r#"http://[::1]:9/x ("::1", 9)"#),
            ("http://h?q", r#"http://h/?q ("h", 80)"#),
            (
                "http://h/é \"{}",
                r#"http://h/%C3%A9%20%22%7B%7D ("h", 80)"#,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_what_was_expected() {
        let cases = [
            (
                "not a url",
                "\"not a url\" does not begin with http:// or https://",
            ),
            (
                "ftp://h",
                "\"ftp://h\" does not begin with http:// or https://",
            ),
            ("http:///p", "\"http:///p\" names no host"),
            (
                "http://a b/p",
                "\"http://a b/p\": a host has letters, digits, '-', '.' and '_', or is an address in [ ]",
            ),
            (
                "http://h:0/",
                "\"http://h:0/\": expected a port of 1 to 65535 behind the host",
            ),
            (
                "http://h:x/",
                "\"http://h:x/\": expected a port of 1 to 65535 behind the host",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_reads_the_same_again(text in "(http://)?\\PC{0,40}") {
            if let Ok(endpoint) = Endpoint::parse(&text) {
                prop_assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint));
            }
        }
    }
}
