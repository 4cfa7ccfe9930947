//! How to get to a server: straight or through a proxy, as it is or under TLS.
//!
//! ```text
//! http                   TCP to the server
//! http, through a proxy  TCP to the proxy, which is given whole URLs
//! https                  TCP to the server, TLS
//! https, through a proxy TCP to the proxy, CONNECT, TLS with the server
//! ```

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper_util::rt::TokioIo;
use millrun_tls::Connector;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stream::Stream;
use crate::{ClientError, Endpoint, Settings};

/// Where connections go; two requests can share one if their ways are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// Whom TCP connects to: host and port.
    address: (String, u16),
    /// Whom a proxy is asked to connect to, and the credentials it wants.
    tunnel: Option<(String, Option<String>)>,
    /// The name that the server's certificate must be for.
    tls: Option<String>,
}

impl Way {
    pub(crate) fn to(endpoint: &Endpoint, settings: &Settings) -> Self {
        let proxy = settings.proxy.as_ref();
        let (host, port) = proxy.map_or(endpoint, |(proxy, _)| proxy).address();
        let (server, server_port) = (endpoint.host(), endpoint.port());
        let tunnel = proxy
            .filter(|_| endpoint.is_https())
            .map(|(_, credentials)| (format!("{server}:{server_port}"), credentials.clone()));
        Self {
            address: (host.to_owned(), port),
            tunnel,
            tls: endpoint.is_https().then(|| server.to_owned()),
        }
    }

    /// Whom messages name: the server that is connected to.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.address.0, self.address.1)
    }

    /// Connects, in at most `limits`.
    pub(crate) async fn open(&self, limits: &Limits<'_>) -> Result<Stream, ClientError> {
        let server = self.server();
        let limit = limits.open;
        let begun = Instant::now();
        let (host, port) = &self.address;
        let connected = timeout(limit, TcpStream::connect((host.as_str(), *port))).await;
        let mut stream = match connected {
            Err(_) => return Err(ClientError::ConnectTimeout { server, limit }),
            Ok(Err(source)) => return Err(ClientError::Connect { server, source }),
            Ok(Ok(stream)) => stream,
        };
        // A request is written in one piece; without this its end could wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        if let Some((target, credentials)) = &self.tunnel {
            let left = limit.saturating_sub(begun.elapsed());
            let dug = timeout(left, dig(stream, target, credentials.as_deref())).await;
            let refused = |reason| ClientError::Proxy {
                proxy: server.clone(),
                target: target.clone(),
                reason,
            };
            stream = match dug {
                Err(_) => return Err(ClientError::ConnectTimeout { server, limit }),
                Ok(Err(reason)) => return Err(refused(reason)),
                Ok(Ok(stream)) => stream,
            };
        }
        let Some(name) = &self.tls else {
            return Ok(Stream::Plain(stream));
        };
        let server = self
            .tunnel
            .as_ref()
            .map_or(server, |(target, _)| target.clone());
        let failed = |reason: String| ClientError::Tls {
            server: server.clone(),
            reason,
        };
        let connector = limits
            .tls
            .ok_or_else(|| failed("it was not set up".to_owned()))?;
        let session = connector.connect(name);
        let session = session.map_err(|error| failed(error.to_string()))?;
        match timeout(limits.handshake, Stream::secured(stream, session)).await {
            Err(_) => Err(failed(format!(
                "no end of the handshake within {} s (ssl_timeout)",
                limits.handshake.as_secs_f64()
            ))),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(failed(
                "the connection ended within the handshake; does it speak TLS?".to_owned(),
            )),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Ok(Ok(stream)) => Ok(stream),
        }
    }
}

/// What opening a connection may take.
pub(crate) struct Limits<'a> {
    /// TCP, and a proxy's way on.
    pub(crate) open: Duration,
    /// The handshake of TLS.
    pub(crate) handshake: Duration,
    pub(crate) tls: Option<&'a Connector>,
}

/// Asks a proxy for a way to `target`; what comes back leads there.
async fn dig(tcp: TcpStream, target: &str, credentials: Option<&str>) -> Result<TcpStream, String> {
    let told = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.map_err(told)?;
    let mut request = hyper::Request::new(Empty::<Bytes>::new());
    *request.method_mut() = hyper::Method::CONNECT;
    *request.uri_mut() = target
        .parse()
        .map_err(|_| format!("{target} is no address"))?;
    let value = |text: &str| {
        let wrong = |_| "its credentials hold a line end or another control character".to_owned();
        HeaderValue::try_from(text).map_err(wrong)
    };
    request.headers_mut().insert(HOST, value(target)?);
    if let Some(credentials) = credentials {
        request
            .headers_mut()
            .insert(PROXY_AUTHORIZATION, value(credentials)?);
    }
    let asked = async {
        let answer = sender.send_request(request).await;
        // With the sender the connection ends, unless it is a tunnel now.
        drop(sender);
        answer.map(|answer| answer.status())
    };
    let (status, parts) = tokio::join!(asked, connection.without_shutdown());
    let status = status.map_err(told)?;
    if !status.is_success() {
        return Err(format!("it answers {status}"));
    }
    let parts = parts.map_err(told)?;
    // A server of TLS says nothing before it is spoken to.
    if !parts.read_buf.is_empty() {
        return Err("it sends more than its answer".to_owned());
    }
    Ok(parts.io.into_inner())
}
