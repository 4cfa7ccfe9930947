//! One flush thread's requests.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use millrun_buffer::Chunk;
use millrun_core::{DeliveryError, PROBE_TIMEOUT, Progress, Sender, expand, read_chunk};
use millrun_http_client::{Answer, Client, ClientError, Endpoint, Method, Request};
use millrun_pattern::TimeFormat;

use super::content::body;
use super::parameters::Plan;

/// Answers that refuse a request for what is in it: bad request, content too large, unprocessable content. The others
/// refuse the sender or the place.
const CONTENT_REFUSED: [u16; 3] = [400, 413, 422];

pub(super) struct HttpSender {
    plan: Arc<Plan>,
    client: Client,
    /// Where the last chunk was to go.
    endpoint: Option<Endpoint>,
    bytes: Vec<u8>,
    array: Vec<u8>,
    compressed: Vec<u8>,
}

impl HttpSender {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self {
            client: Client::new(plan.settings.clone()),
            plan,
            endpoint: None,
            bytes: Vec::new(),
            array: Vec::new(),
            compressed: Vec::new(),
        }
    }
}

impl Sender for HttpSender {
    fn begin(&mut self, chunk: &Chunk, _: Instant) -> Result<Progress, DeliveryError> {
        let plan = &*self.plan;
        let endpoint = plan.endpoint_of(chunk)?;
        let mut headers = plan.headers.clone();
        for (name, template) in &plan.templates {
            headers.push((name.clone(), plan.text_of(template, chunk)?));
        }
        headers.extend(plan.content_headers.iter().cloned());
        let bytes = read_chunk(chunk, &mut self.bytes)?;
        let mut content = body(plan.form, bytes, &mut self.array);
        if plan.is_gzip {
            self.compressed.clear();
            let mut encoder = GzEncoder::new(&mut self.compressed, Compression::default());
            encoder
                .write_all(content)
                .and_then(|()| encoder.finish())
                .map_err(|error| DeliveryError::Retriable(format!("cannot compress: {error}")))?;
            content = &self.compressed;
        }
        let request = Request {
            method: plan.method,
            endpoint: &endpoint,
            headers: &headers,
            body: content,
        };
        let answer = self.client.send(&request);
        let judged = match answer {
            Ok(answer) => plan.judge(&endpoint, &answer),
            Err(error) => Err(failure(error)),
        };
        self.endpoint = Some(endpoint);
        judged.map(|()| Progress::Delivered)
    }

    fn probe(&mut self, _: Instant) -> Option<bool> {
        let endpoint = self.endpoint.as_ref()?;
        let limit = PROBE_TIMEOUT.min(self.plan.settings.open_timeout);
        Some(self.client.is_reachable(endpoint, limit))
    }
}

impl Plan {
    /// Where a chunk goes. A host that is made of a chunk's keys must be one that is allowed.
    fn endpoint_of(&self, chunk: &Chunk) -> Result<Endpoint, DeliveryError> {
        let text = self.text_of(&self.endpoint, chunk)?;
        let endpoint = Endpoint::parse(&text).map_err(|error| {
            DeliveryError::Unrecoverable(format!("Invalid endpoint URI: {error}"))
        })?;
        let host = endpoint.host();
        let is_allowed = match &self.fixed_host {
            Some(fixed) => fixed == host,
            None => self
                .allowed_hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(host)),
        };
        if is_allowed && endpoint.is_https() == self.is_https {
            return Ok(endpoint);
        }
        Err(DeliveryError::Unrecoverable(format!(
            "the endpoint {endpoint} is not one that chunks may choose: name its host in allowed_hosts"
        )))
    }

    fn text_of(&self, template: &str, chunk: &Chunk) -> Result<String, DeliveryError> {
        let strftime = |template: &str, slice: i64| match TimeFormat::compile(template) {
            Ok(format) => format.to_string(slice, 0, &self.zone),
            Err(_) => template.to_owned(),
        };
        let expansion = expand(template, chunk.metadata(), Some(chunk.id()), strftime)
            .map_err(|error| DeliveryError::Unrecoverable(error.to_string()))?;
        for unknown in &expansion.unknown {
            tracing::warn!(
                plugin_id = self.id.given(),
                "chunk key placeholder '{unknown}' not replaced. template:{template}"
            );
        }
        Ok(expansion.text)
    }

    /// What an answer means for its chunk.
    pub(super) fn judge(&self, endpoint: &Endpoint, answer: &Answer) -> Result<(), DeliveryError> {
        if answer.is_success() {
            return Ok(());
        }
        let text = format!("{} {} {}", answer.status, answer.reason, answer.text);
        if self.retryable.contains(&answer.status) {
            return Err(DeliveryError::Retriable(text));
        }
        if self.discards {
            let method = match self.method {
                Method::Post => "Post",
                Method::Put => "Put",
            };
            tracing::error!(
                plugin_id = self.id.given(),
                "got error response from '{method} {endpoint}' : {text}"
            );
            return Err(DeliveryError::Discarded(text));
        }
        Err(match CONTENT_REFUSED.contains(&answer.status) {
            true => DeliveryError::Refused(text),
            false => DeliveryError::Unrecoverable(text),
        })
    }
}

/// What it means for a chunk that there is no answer.
fn failure(error: ClientError) -> DeliveryError {
    let text = error.to_string();
    match error {
        ClientError::Connect { .. } | ClientError::ConnectTimeout { .. } => {
            DeliveryError::Unreachable(text)
        }
        // The server may be there and its certificate be renewed, or a proxy be told better: nothing was sent.
        ClientError::Tls { .. } | ClientError::Proxy { .. } => DeliveryError::Retriable(text),
        // No later try would be written otherwise.
        ClientError::Request { .. } => DeliveryError::Unrecoverable(text),
        _ => DeliveryError::Retriable(text),
    }
}
