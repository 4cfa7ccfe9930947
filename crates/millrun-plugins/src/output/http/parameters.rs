//! What a configuration may say, and what it means.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use millrun_config::{Diagnostic, Diagnostics, Element, Hash, Secret, parameters, words};
use millrun_core::{Assembly, PluginId};
use millrun_http_client::{Endpoint, EndpointError, Method, Settings, basic_credentials};
use millrun_pattern::Zone;
use millrun_tls::{Connector, Trust};

use super::content::Form;
use crate::transport::{ConnectorParts, TlsVersion};

words! {
    /// What a request asks for.
    pub enum MethodName {
        /// Take this.
        Post = "post",
        /// Be this.
        Put = "put",
    }
}

words! {
    /// How the content is compressed.
    pub enum Compress {
        /// Not at all.
        Text = "text",
        /// As gzip.
        Gzip = "gzip",
    }
}

words! {
    /// How the output says who it is.
    pub enum AuthMethod {
        /// By name and password in a header.
        Basic = "basic",
        /// By a signature. Not in this build.
        AwsSigv4 = "aws_sigv4",
    }
}

words! {
    /// Whether a server's certificate is looked at.
    pub enum VerifyMode {
        /// No.
        None = "none",
        /// Yes.
        Peer = "peer",
    }
}

parameters! {
    /// How the output says who it is.
    pub struct AuthParameters in "auth" {
        /// In which way.
        method: AuthMethod = "basic";
        /// The name.
        username: Option<String>;
        /// The password.
        password: Option<Secret<String>>, secret;
        /// Of aws_sigv4: the service. Not in this build.
        aws_service: Option<String>;
        /// Of aws_sigv4: the region. Not in this build.
        aws_region: Option<String>;
        /// Of aws_sigv4: the role. Not in this build.
        aws_role_arn: Option<String>;
    }
}

parameters! {
    /// Sends each chunk in one request to an HTTP server.
    pub struct HttpParameters in "match", type "http" {
        /// Where: an http or https URL. May hold placeholders of chunk keys.
        endpoint: String = required;
        /// What the request asks for.
        http_method: MethodName = "post";
        /// An HTTP proxy to send through, which opens a tunnel to https servers; without it, what HTTP_PROXY or http_proxy of the environment names.
        proxy: Option<String>;
        /// The header Content-Type; without it, what fits the format.
        content_type: Option<String>;
        /// One JSON array of the events instead of one line each (format json only).
        json_array: bool = "false";
        /// Further headers, as a hash.
        headers: Option<Hash<String>>;
        /// Further headers whose values hold placeholders of chunk keys.
        headers_from_placeholders: Option<Hash<String>>;
        /// How the content is compressed.
        compress: Compress = "text";
        /// Where placeholders in the host of the endpoint may lead.
        allowed_hosts: Vec<String> = "";
        /// Seconds that connecting may take; 60 without.
        open_timeout: Option<u32>;
        /// Seconds that an answer may take; 60 without.
        read_timeout: Option<u32>;
        /// Seconds that the handshake of TLS may take; as open_timeout without.
        ssl_timeout: Option<u32>;
        /// Use a connection for more than one request.
        reuse_connections: bool = "false";
        /// The certificates of authorities that are believed, instead of those of the system.
        tls_ca_cert_path: Option<PathBuf>;
        /// The certificate shown to servers that ask for one.
        tls_client_cert_path: Option<PathBuf>;
        /// Its private key.
        tls_private_key_path: Option<PathBuf>;
        /// What the key is encrypted with.
        tls_private_key_passphrase: Option<Secret<String>>, secret;
        /// Whether the server's certificate must be for its host, and of somebody believed. With `none` nobody knows who
        /// receives the events.
        tls_verify_mode: VerifyMode = "peer";
        /// The only version of TLS spoken.
        tls_version: TlsVersion = "TLSv1_2";
        /// The ciphers of TLS 1.2, in OpenSSL's words.
        tls_ciphers: String = "ALL:!aNULL:!eNULL:!SSLv2";
        /// A chunk that the server refuses goes to the secondary output or the backup; otherwise it is logged and dropped.
        error_response_as_unrecoverable: bool = "true";
        /// Answers after which a chunk is tried again; 503 where nothing is said.
        retryable_response_codes: Option<Vec<u16>>;
        /// Warn of flushes that take longer, in seconds.
        slow_flush_log_threshold: f64 = "20.0";
    }
    sections {
        /// What an event looks like.
        format: Option<Element>;
        /// How the output says who it is.
        auth: Option<AuthParameters>;
        /// Where events wait.
        buffer: Option<Element>;
        /// Where chunks go that the server never takes.
        secondary: Option<Element>;
    }
    legacy { Buffer, Format }
}

/// What the parameters mean: what all flush threads send by.
pub(super) struct Plan {
    pub(super) id: PluginId,
    /// The endpoint as it was written, with its placeholders.
    pub(super) endpoint: String,
    /// Its host, where that holds no placeholder.
    pub(super) fixed_host: Option<String>,
    pub(super) is_https: bool,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) method: Method,
    /// In the order in which they are sent, before those with placeholders.
    pub(super) headers: Vec<(String, String)>,
    pub(super) templates: Vec<(String, String)>,
    /// In the order in which they are sent, behind those.
    pub(super) content_headers: Vec<(String, String)>,
    pub(super) form: Form,
    pub(super) is_gzip: bool,
    pub(super) settings: Settings,
    pub(super) discards: bool,
    pub(super) retryable: Vec<u16>,
    pub(super) zone: Zone,
}

/// What Ruby's client waits where nothing is said.
const TIMEOUT_SECONDS: u32 = 60;

/// Headers as Ruby's client sends them, which receivers may look for; `headers` says others.
const USUAL_HEADERS: [(&str, &str); 3] = [
    ("Accept-Encoding", "gzip;q=1.0,deflate;q=0.6,identity;q=0.3"),
    ("Accept", "*/*"),
    ("User-Agent", "Ruby"),
];

impl HttpParameters {
    /// The plan, or a diagnostic of what is wrong. `format` is the name of the formatter.
    pub(super) fn plan(
        self,
        element: &Element,
        id: &PluginId,
        format: &str,
        zone: Zone,
        assembly: &mut Assembly<'_>,
    ) -> Option<Arc<Plan>> {
        let mut refuse = |key: &str, fault: String, hint: &str| {
            let fault = Diagnostic::error(fault).at(element.span_of(key), "here");
            assembly.diagnostics.push(fault.hint(hint));
        };
        let is_https;
        let fixed_host = match example(&self.endpoint) {
            Ok(endpoint) => {
                is_https = endpoint.is_https();
                (!host_part(&self.endpoint).contains(['$', '%']))
                    .then(|| endpoint.host().to_owned())
            }
            Err(error) => {
                let hint = "write a URL like: http://collector:8080/logs";
                refuse("endpoint", format!("Invalid endpoint URI: {error}"), hint);
                return None;
            }
        };
        let form = match (self.json_array, format) {
            (true, "json") => Form::Array,
            (true, _) => {
                let fault = "json_array option could be used with json formatter only".to_owned();
                refuse(
                    "json_array",
                    fault,
                    "leave json_array out, or write <format> with @type json",
                );
                return None;
            }
            (false, "json") => Form::Lines,
            (false, "msgpack") => Form::Values,
            (false, _) => Form::Whole,
        };
        let auth = match &self.auth {
            Some(auth) if auth.method == AuthMethod::AwsSigv4 => {
                let fault = "method aws_sigv4 of <auth> is not supported by this build".to_owned();
                refuse("auth", fault, "send through a proxy that signs requests");
                return None;
            }
            Some(auth) => Some(auth.credentials()),
            None => None,
        };
        let proxy = self.proxy.clone().or_else(proxy_of_environment);
        let proxy = match proxy.as_deref().map(proxy_endpoint) {
            Some(Err(error)) => {
                refuse(
                    "proxy",
                    format!("Invalid proxy URI: {error}"),
                    "write a URL like: http://proxy:3128",
                );
                return None;
            }
            Some(Ok(proxy)) => Some(proxy),
            None => None,
        };
        if self.retryable_response_codes.is_none() {
            let warning = "without retryable_response_codes a chunk is tried again after the answer 503; Fluentd 2 will not";
            let warning = Diagnostic::warning(warning).at(element.span(), "this output");
            assembly
                .diagnostics
                .push(warning.hint("write: retryable_response_codes 503"));
        }
        let seconds =
            |limit: Option<u32>| Duration::from_secs(limit.unwrap_or(TIMEOUT_SECONDS).into());
        let tls = match is_https {
            true => Some(self.connector(element, id, assembly.diagnostics)?),
            false => None,
        };
        let is_gzip = self.compress == Compress::Gzip;
        let encoding = is_gzip.then(|| ("Content-Encoding".to_owned(), "gzip".to_owned()));
        let content_type = self
            .content_type
            .unwrap_or_else(|| content_type(format, form).to_owned());
        let usual = USUAL_HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let authorization = auth.map(|credentials| ("Authorization".to_owned(), credentials));
        let pairs = |hash: Option<Hash<String>>| hash.map_or_else(Vec::new, |hash| hash.0);
        Some(Arc::new(Plan {
            id: id.clone(),
            fixed_host,
            is_https,
            allowed_hosts: self.allowed_hosts,
            endpoint: self.endpoint,
            method: match self.http_method {
                MethodName::Post => Method::Post,
                MethodName::Put => Method::Put,
            },
            headers: usual
                .into_iter()
                .chain(authorization)
                .chain(pairs(self.headers))
                .collect(),
            templates: pairs(self.headers_from_placeholders),
            content_headers: encoding
                .into_iter()
                .chain([("Content-Type".to_owned(), content_type)])
                .collect(),
            form,
            is_gzip,
            settings: Settings {
                open_timeout: seconds(self.open_timeout),
                read_timeout: seconds(self.read_timeout),
                tls_timeout: seconds(self.ssl_timeout.or(self.open_timeout)),
                tls,
                keeps_connection: self.reuse_connections,
                proxy,
            },
            discards: !self.error_response_as_unrecoverable,
            retryable: self.retryable_response_codes.unwrap_or_else(|| vec![503]),
            zone,
        }))
    }
}

impl HttpParameters {
    /// Makes sessions as the parameters of TLS say. `None` when a diagnostic says why not.
    fn connector(
        &self,
        element: &Element,
        id: &PluginId,
        diagnostics: &mut Diagnostics,
    ) -> Option<Connector> {
        let trust = match self.tls_verify_mode {
            VerifyMode::Peer => Trust::Authorities {
                files: self.tls_ca_cert_path.iter().cloned().collect(),
                system: self.tls_ca_cert_path.is_none(),
                checks_name: true,
            },
            VerifyMode::None => {
                tracing::warn!(
                    plugin_id = id.given(),
                    "tls_verify_mode is none: any server is believed"
                );
                Trust::Anyone
            }
        };
        let parts = ConnectorParts {
            asked_at: element.span_of("endpoint"),
            version: self.tls_version,
            ciphers: &self.tls_ciphers,
            trust,
            certificate: ("tls_client_cert_path", self.tls_client_cert_path.as_ref()),
            key: ("tls_private_key_path", self.tls_private_key_path.as_ref()),
            passphrase: (
                "tls_private_key_passphrase",
                self.tls_private_key_passphrase.as_ref(),
            ),
        };
        parts.connector(element, diagnostics)
    }
}

impl AuthParameters {
    fn credentials(&self) -> String {
        let password = self
            .password
            .as_ref()
            .map_or("", |password| password.expose());
        basic_credentials(self.username.as_deref().unwrap_or_default(), password)
    }
}

/// The endpoint with something in the place of each placeholder, to see that it can be one.
fn example(template: &str) -> Result<Endpoint, EndpointError> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, from)) = rest.split_once("${") {
        text.push_str(before);
        text.push('x');
        rest = from.split_once('}').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    // A time in a host, which is rare, is a letter; in a path it is no matter.
    let host = host_part(&text).len();
    let (head, path) = text.split_at_checked(host).unwrap_or((&text, ""));
    Endpoint::parse(&format!("{}{path}", head.replace('%', "x")))
}

/// The URL up to its path.
fn host_part(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let length = url.get(start..).and_then(|rest| rest.find(['/', '?']));
    url.get(..length.map_or(url.len(), |length| start + length))
        .unwrap_or(url)
}

fn proxy_of_environment() -> Option<String> {
    let names = ["HTTP_PROXY", "http_proxy"];
    let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
    values.find(|value| !value.is_empty())
}

/// A proxy, and the value of the header that says who we are to it.
fn proxy_endpoint(url: &str) -> Result<(Endpoint, Option<String>), EndpointError> {
    let endpoint = Endpoint::parse(url)?;
    let authority = host_part(url).rsplit_once('@').map(|(before, _)| before);
    let user = authority
        .and_then(|before| before.split_once("://"))
        .map(|(_, user)| user);
    let credentials = user.map(|user| {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        basic_credentials(name, password)
    });
    Ok((endpoint, credentials))
}

/// The media type of what a formatter makes.
fn content_type(format: &str, form: Form) -> &'static str {
    match (format, form) {
        ("json", Form::Array) => "application/json",
        ("json", _) => "application/x-ndjson",
        ("csv", _) => "text/csv",
        ("tsv" | "ltsv", _) => "text/tab-separated-values",
        ("msgpack", _) => "application/x-msgpack",
        _ => "text/plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_something_a_url_can_hold() {
        let shown = |text| example(text).map(|endpoint| endpoint.to_string());
        assert_eq!(
            shown("http://h/p/${tag}/%Y"),
            Ok("http://h/p/x/%Y".to_owned())
        );
        assert_eq!(shown("http://${h}.d:8/"), Ok("http://x.d:8/".to_owned()));
        assert!(shown("${url}").is_err());
    }

    #[test]
    fn a_proxy_may_carry_credentials() {
        let (endpoint, credentials) = proxy_endpoint("http://u:p@proxy:3128").unwrap();
        assert_eq!(endpoint.to_string(), "http://proxy:3128/");
        assert_eq!(credentials.as_deref(), Some("Basic dTpw"));
        assert_eq!(proxy_endpoint("http://proxy/").unwrap().1, None);
    }
}
