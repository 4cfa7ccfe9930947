//! One connection: made, used for one request after another, watched between them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use crate::ClientError;
use crate::client::{Answer, TEXT_BYTES_MAX};
use crate::way::{Limits, Way};

/// How long an idle connection is used again. A server that closes at the same moment would leave it open whether a request
/// was carried out; most wait longer than this.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// An open connection, without a request under way.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What reads and writes; it has the socket.
    driver: JoinHandle<hyper::Result<()>>,
    server: String,
    idle_since: Instant,
}

impl Connection {
    /// Connects; on the runtime the caller is in.
    pub(crate) async fn open(
        way: &Way,
        limits: &Limits<'_>,
        now: Instant,
    ) -> Result<Self, ClientError> {
        let stream = way.open(limits).await?;
        let server = way.server();
        let mut builder = Builder::new();
        // Receivers that compare header names letter by letter know this form.
        builder.title_case_headers(true);
        let (sender, driver) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::NoAnswer {
                server: server.clone(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            sender,
            // Its error is the request's, too.
            driver: tokio::spawn(driver),
            server,
            idle_since: now,
        })
    }

    /// Closes the socket now, not when the runtime runs next.
    pub(crate) async fn close(self) {
        drop(self.sender);
        self.driver.abort();
        // Aborted is what it is to be.
        let _ = self.driver.await;
    }

    /// Whether it is open still and was not idle for long.
    pub(crate) async fn is_usable(&self, now: Instant) -> bool {
        // Lets the driver see an end that has come meanwhile.
        tokio::task::yield_now().await;
        now.saturating_duration_since(self.idle_since) < IDLE_MAX
            && !self.sender.is_closed()
            && self.sender.is_ready()
    }

    /// Sends a request and takes its whole answer.
    pub(crate) async fn send(
        &mut self,
        request: hyper::Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Answer, ClientError> {
        let exchange = async {
            let answer = self.sender.send_request(request).await?;
            read(answer).await
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(Ok(answer)) => {
                self.idle_since = Instant::now();
                Ok(answer)
            }
            Ok(Err(error)) => Err(ClientError::NoAnswer {
                server: self.server.clone(),
                reason: reason(&error),
            }),
            Err(_) => Err(ClientError::AnswerTimeout {
                server: self.server.clone(),
                limit,
            }),
        }
    }
}

/// Takes an answer to its end, and keeps the beginning of its text.
async fn read(answer: Response<Incoming>) -> hyper::Result<Answer> {
    let status = answer.status();
    let mut text = Vec::new();
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = TEXT_BYTES_MAX.saturating_sub(text.len());
            text.extend_from_slice(data.get(..room).unwrap_or(&data));
        }
    }
    Ok(Answer {
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default().to_owned(),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

/// hyper's words for the usual case are those of its own parts.
fn reason(error: &hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_canceled() {
        "the connection ended before the answer".to_owned()
    } else {
        error.to_string()
    }
}
