//! A thread's way to its servers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use millrun_tls::Connector;
use tokio::runtime::Runtime;

use crate::connection::Connection;
use crate::way::{Limits, Way};
use crate::{ClientError, Endpoint};

/// How much of an answer's text is kept, for messages.
pub const TEXT_BYTES_MAX: usize = 1024;

/// How a client connects and waits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long connecting may take, a proxy's part included.
    pub open_timeout: Duration,
    /// How long the handshake of TLS may take.
    pub tls_timeout: Duration,
    /// How long an answer may take, from the request on.
    pub read_timeout: Duration,
    /// Use a connection again for the next request to the same server.
    pub keeps_connection: bool,
    /// Makes the sessions to `https` servers, without which there are none.
    pub tls: Option<Connector>,
    /// Send requests there instead, with the whole URL; `https` goes through a tunnel that it opens. And the value of a
    /// `Proxy-Authorization` header.
    pub proxy: Option<(Endpoint, Option<String>)>,
}

impl Settings {
    fn limits(&self, open: Duration) -> Limits<'_> {
        Limits {
            open,
            handshake: self.tls_timeout,
            tls: self.tls.as_ref(),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Take this.
    Post,
    /// Be this.
    Put,
}

/// A request; `Host` and `Content-Length` are added behind its headers.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What is to be done.
    pub method: Method,
    /// Where.
    pub endpoint: &'a Endpoint,
    /// Further headers, in their order; of equal names the last counts.
    pub headers: &'a [(String, String)],
    /// The content.
    pub body: &'a [u8],
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its number, 200 to 599.
    pub status: u16,
    /// What that number means.
    pub reason: String,
    /// The beginning of its content, at most [`TEXT_BYTES_MAX`] bytes.
    pub text: String,
}

impl Answer {
    /// Whether the server has done what was asked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends requests, one at a time, and waits for the answers.
pub struct Client {
    settings: Settings,
    runtime: Option<Runtime>,
    /// Open, and to whom.
    idle: Option<(Way, Connection)>,
}

impl Client {
    /// A client that is not connected to anybody yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            runtime: None,
            idle: None,
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`ClientError::Connect`], [`ClientError::ConnectTimeout`], [`ClientError::Proxy`] and [`ClientError::Tls`]: nothing
    /// was sent. After
    /// [`ClientError::NoAnswer`] and [`ClientError::AnswerTimeout`] nobody here knows what became of it.
    pub fn send(&mut self, request: &Request<'_>) -> Result<Answer, ClientError> {
        let way = Way::to(request.endpoint, &self.settings);
        let message = self.message(request)?;
        let runtime = running(&mut self.runtime)?;
        let limits = self.settings.limits(self.settings.open_timeout);
        let Settings {
            read_timeout,
            keeps_connection,
            ..
        } = self.settings;
        let idle = self.idle.take();
        let (kept, answer) = runtime.block_on(async {
            let now = Instant::now();
            let mut connection = match idle {
                Some((to, open)) if to == way && open.is_usable(now).await => open,
                other => {
                    if let Some((_, old)) = other {
                        old.close().await;
                    }
                    Connection::open(&way, &limits, now).await?
                }
            };
            let answer = connection.send(message, read_timeout).await;
            if keeps_connection && answer.is_ok() {
                return Ok((Some(connection), answer?));
            }
            connection.close().await;
            Ok::<_, ClientError>((None, answer?))
        })?;
        self.idle = kept.map(|connection| (way, connection));
        Ok(answer)
    }

    /// Looks whether somebody takes connections there, within `limit`; the next request goes over the one that was made.
    pub fn is_reachable(&mut self, endpoint: &Endpoint, limit: Duration) -> bool {
        let way = Way::to(endpoint, &self.settings);
        let Ok(runtime) = running(&mut self.runtime) else {
            return false;
        };
        let mut limits = self.settings.limits(limit);
        limits.handshake = limits.handshake.min(limit);
        let opened = Connection::open(&way, &limits, Instant::now());
        match runtime.block_on(opened) {
            Ok(connection) => {
                self.idle = Some((way, connection));
                true
            }
            Err(_) => false,
        }
    }

    fn message(&self, request: &Request<'_>) -> Result<hyper::Request<Full<Bytes>>, ClientError> {
        let wrong = |reason: String| ClientError::Request { reason };
        let Request {
            method,
            endpoint,
            headers,
            body,
        } = *request;
        let proxy = self.settings.proxy.as_ref();
        // A tunnel is none of the server's business.
        let proxy = proxy.filter(|_| !endpoint.is_https());
        let target = match proxy {
            Some(_) => endpoint.to_string(),
            None => endpoint.target().to_owned(),
        };
        let uri = Uri::try_from(&target).map_err(|error| wrong(format!("{target:?}: {error}")))?;
        let mut message = hyper::Request::new(Full::new(Bytes::copy_from_slice(body)));
        *message.method_mut() = match method {
            Method::Post => hyper::Method::POST,
            Method::Put => hyper::Method::PUT,
        };
        *message.uri_mut() = uri;
        let host = ("Host".to_owned(), endpoint.authority());
        let credentials = proxy.and_then(|(_, credentials)| credentials.clone());
        let credentials = credentials.map(|value| ("Proxy-Authorization".to_owned(), value));
        for (name, value) in headers.iter().chain(&credentials).chain([&host]) {
            let known = HeaderName::try_from(name.as_str())
                .map_err(|_| wrong(format!("{name:?} is no name of a header")))?;
            let value = HeaderValue::try_from(value.as_str()).map_err(|_| {
                wrong(format!(
                    "the header {name} holds a line end or another control character"
                ))
            })?;
            message.headers_mut().insert(known, value);
        }
        Ok(message)
    }
}

/// The runtime of this thread, made when it is first needed.
fn running(runtime: &mut Option<Runtime>) -> Result<&Runtime, ClientError> {
    if runtime.is_none() {
        let made = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        *runtime = Some(made.map_err(ClientError::Runtime)?);
    }
    let missing = || ClientError::Runtime(std::io::Error::other("no runtime"));
    runtime.as_ref().ok_or_else(missing)
}

#[cfg(test)]
mod tests;
