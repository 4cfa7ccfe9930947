//! Servers that are named elsewhere: `<service_discovery>`.
//!
//! ```text
//! <service_discovery>                  - host: 192.0.2.1
//!   @type file                           port: 24224
//!   path /etc/millrun/servers.yaml       weight: 60
//! </service_discovery>                 - host: 192.0.2.2
//!                                        standby: true
//! ```
//!
//! ```text
//! <service_discovery>                  _forward._tcp.example.com  SRV  10 60 24224 a.example.com
//!   @type srv                                                          20 60 24224 b.example.com
//!   service forward
//!   hostname example.com
//! </service_discovery>
//! ```
//!
//! `static` has `<service>` sections in the place of the file. A file, in YAML or JSON, is read again when it
//! changes; one that cannot be read or understood changes nothing, and is told once. Its servers come
//! behind those of the `<server>` sections, and then those that `srv` finds: of the records of DNS, those of the
//! lowest priority are used, and the others stand by. Without an answer the servers stay as they are.

use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_config::{Diagnostic, Diagnostics, Element, Json, Secret, parameters, words};
use millrun_core::{PluginId, Stop};

use super::fleet::Fleet;
use super::parameters::{SecurityParameters, Server, ServerParameters};
use super::service::Services;

words! {
    /// Where servers are named.
    pub enum DiscoveryType {
        /// In the section itself.
        Static = "static",
        /// In a file.
        File = "file",
        /// In DNS.
        Srv = "srv",
    }
}

parameters! {
    /// One receiver.
    pub struct ServiceParameters in "service" {
    }
    flatten {
        /// The same as of a server.
        server: ServerParameters;
    }
}

parameters! {
    /// Where further servers are named.
    pub struct DiscoveryParameters in "service_discovery" {
        /// How they are found.
        kind: DiscoveryType = required, key = "@type";
        /// The file of `@type file`, a list in YAML or JSON; it is read again when it changes.
        path: Option<PathBuf>;
        /// The encoding of the file; only UTF-8 is read.
        conf_encoding: String = "utf-8";
        /// The service that `@type srv` asks DNS for, without its underscore.
        asked: Option<String>, key = "service";
        /// Its protocol, without its underscore.
        proto: String = "tcp";
        /// The name of the domain that offers it.
        hostname: Option<String>;
        /// The address of the name server to ask, with a port where it is another than 53; without it, the system's.
        dns_server_host: Option<String>;
        /// Pause between two questions.
        interval: Duration = "60";
        /// Use the address of a server's name at the time of the question; if not, the name.
        dns_lookup: bool = "true";
        /// The key of the handshakes with the servers found.
        shared_key: Option<Secret<String>>, secret;
        /// The user of these handshakes.
        username: String = "";
        /// The password of these handshakes.
        password: Secret<String> = "", secret;
    }
    sections {
        /// A receiver of `@type static`.
        service: Vec<ServiceParameters>;
    }
}

/// The largest file read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How often files are looked at. Fluentd applies changes every three seconds.
const POLL: Duration = Duration::from_secs(1);

/// Where servers come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Discovery {
    /// The servers of the configuration.
    pub(super) fixed: Vec<Server>,
    files: Vec<PathBuf>,
    services: Services,
    security: Option<SecurityParameters>,
}

impl Discovery {
    /// `None` when a diagnostic says why not.
    pub(super) fn new(
        fixed: Vec<Server>,
        sections: &[DiscoveryParameters],
        security: Option<&SecurityParameters>,
        parent: &Element,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let mut discovery = Self {
            fixed,
            files: Vec::new(),
            services: Services::default(),
            security: security.cloned(),
        };
        let mut is_sound = true;
        let elements = parent.elements_named("service_discovery");
        for (section, element) in sections.iter().zip(elements) {
            let mut fault = |fault: String, hint: &str| {
                let fault = Diagnostic::error(fault).at(element.span(), "this section");
                diagnostics.push(fault.hint(hint));
                is_sound = false;
            };
            match (section.kind, &section.path) {
                (DiscoveryType::Static, _) => discovery.fixed.extend(
                    section
                        .service
                        .iter()
                        .map(|one| Server::new(&one.server, security)),
                ),
                (DiscoveryType::File, None) => {
                    fault(
                        "sd_file: no path is written".to_owned(),
                        "name the file in a line: path /etc/millrun/servers.yaml",
                    );
                }
                (DiscoveryType::File, Some(path)) => {
                    if let Err(error) = discovery.read(path) {
                        fault(
                            format!("sd_file: path={}: {error}", path.display()),
                            "write a list of servers into the file, each with a host",
                        );
                    }
                    discovery.files.push(path.clone());
                }
                (DiscoveryType::Srv, _) => {
                    if let Err((text, hint)) = discovery.services.add(section, security) {
                        fault(text, hint);
                    }
                }
            }
        }
        is_sound.then_some(discovery)
    }

    /// All servers as the files name them now; of a file that cannot be read, what is wrong.
    pub(super) fn servers(&self) -> Result<Vec<Server>, String> {
        let mut servers = self.fixed.clone();
        for path in &self.files {
            let found = self.read(path);
            servers.extend(found.map_err(|error| format!("{}: {error}", path.display()))?);
        }
        servers.extend(self.services.found());
        Ok(servers)
    }

    /// Whether servers may come and go.
    pub(super) fn changes(&self) -> bool {
        !self.files.is_empty() || !self.services.is_empty()
    }

    /// Keeps `fleet` at what the files say, until `stop`.
    pub(super) fn watch(&mut self, fleet: &Fleet, id: &PluginId, stop: &Stop) {
        let mut seen = self.stamps();
        loop {
            let is_news = self.services.ask(id, Instant::now());
            let stamps = self.stamps();
            if !is_news && stamps == seen {
                if stop.wait(POLL) {
                    return;
                }
                continue;
            }
            seen = stamps;
            match self.servers() {
                Ok(servers) => fleet.set(servers, id, Instant::now()),
                Err(error) => tracing::error!(
                    plugin_id = id.given(),
                    error,
                    "sd_file: the servers stay as they are; they are looked at again when the file changes"
                ),
            }
        }
    }

    fn stamps(&self) -> Vec<Option<(u64, i64, i64, u64)>> {
        let stamp = |of: Metadata| (of.ino(), of.mtime(), of.mtime_nsec(), of.len());
        self.files
            .iter()
            .map(|path| fs::metadata(path).ok().map(stamp))
            .collect()
    }

    fn read(&self, path: &Path) -> Result<Vec<Server>, String> {
        let mut text = String::new();
        let file = File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "not found".to_owned(),
            _ => error.to_string(),
        })?;
        let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
        let len = read.map_err(|error| error.to_string())? as u64;
        if len > FILE_BYTES_MAX {
            return Err(format!("the file has more than {FILE_BYTES_MAX} bytes"));
        }
        servers(&text, self.security.as_ref())
    }
}

/// The servers of a file's text.
fn servers(text: &str, security: Option<&SecurityParameters>) -> Result<Vec<Server>, String> {
    let list = read(text)?;
    let list = match list {
        Json::Array(list) => list,
        Json::Null => Vec::new(),
        _ => return Err("expected a list of servers".to_owned()),
    };
    let numbered = (1..).zip(list);
    numbered
        .map(|(number, item)| {
            let server = parameters(item).map_err(|error| format!("server {number}: {error}"))?;
            Ok(Server::new(&server, security))
        })
        .collect()
}

#[cfg(feature = "yaml")]
fn read(text: &str) -> Result<Json, String> {
    // JSON is YAML.
    Json::parse_yaml(text).map_err(|error| error.to_string())
}

#[cfg(not(feature = "yaml"))]
fn read(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|error| format!("{error} at byte {}", error.offset))
}

/// What one item of the list says. Fields nobody knows are passed over, as in Fluentd.
fn parameters(item: Json) -> Result<ServerParameters, String> {
    let Json::Object(fields) = item else {
        return Err("expected a mapping with a host".to_owned());
    };
    let mut server = ServerParameters {
        host: String::new(),
        port: 24224,
        name: None,
        weight: 60,
        standby: false,
        shared_key: None,
        username: String::new(),
        password: Secret::new(String::new()),
    };
    for (name, value) in fields {
        let wrong = |expected: &str| format!("{name} is {value}: expected {expected}");
        let text = match &value {
            Json::String(text) => Some(text.clone()),
            Json::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        match (name.as_str(), value.clone()) {
            (_, Json::Null) => {}
            ("host", Json::String(host)) => server.host = host,
            ("port", Json::Integer(port)) => {
                server.port = u16::try_from(port).map_err(|_| wrong("a port"))?;
            }
            ("weight", Json::Integer(weight)) => {
                server.weight = u32::try_from(weight).map_err(|_| wrong("a weight from 0"))?;
            }
            ("standby", Json::Bool(standby)) => server.standby = standby,
            ("name", _) => server.name = Some(text.ok_or_else(|| wrong("a text"))?),
            ("shared_key", _) => {
                server.shared_key = Some(Secret::new(text.ok_or_else(|| wrong("a text"))?));
            }
            ("username", _) => server.username = text.ok_or_else(|| wrong("a text"))?,
            ("password", _) => {
                server.password = Secret::new(text.ok_or("password: expected a text")?);
            }
            ("host", _) => return Err(wrong("a host name or an address")),
            ("port" | "weight", _) => return Err(wrong("a whole number")),
            ("standby", _) => return Err(wrong("true or false")),
            _ => {}
        }
    }
    match server.host.is_empty() {
        true => Err("there is no host".to_owned()),
        false => Ok(server),
    }
}

/// The work of a thread that keeps `fleet` at what the files say.
pub(super) fn watcher(
    mut discovery: Discovery,
    fleet: Arc<Fleet>,
    id: PluginId,
) -> impl FnOnce(Stop) + Send {
    move |stop| discovery.watch(&fleet, &id, &stop)
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "yaml")]
    use super::*;

    #[cfg(feature = "yaml")]
    #[test]
    fn files_name_servers_in_yaml_and_json() {
        let found = servers(
            "- host: 192.0.2.1\n  port: 24225\n  name: one\n  weight: 10\n- {host: b, standby: true, more: [1]}\n",
            None,
        );
        let found = found.unwrap();
        assert_eq!(
            (found.len(), &*found[0].address, found[0].weight),
            (2, "192.0.2.1:24225", 10)
        );
        assert_eq!((&*found[1].address, found[1].standby), ("b:24224", true));
        assert_eq!(
            servers("[{\"host\":\"::1\"}]", None).unwrap()[0].address,
            "[::1]:24224"
        );
        assert!(servers("", None).unwrap().is_empty());
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn what_is_no_list_of_servers_is_told() {
        let fault = |text| servers(text, None).unwrap_err();
        assert_eq!(fault("host: a"), "expected a list of servers");
        assert_eq!(fault("- a"), "server 1: expected a mapping with a host");
        assert_eq!(fault("- host: a\n- port: 1"), "server 2: there is no host");
        assert_eq!(
            fault("[{host: a, port: 70000}]"),
            "server 1: port is 70000: expected a port"
        );
        assert_eq!(
            fault("[{host: a, standby: maybe}]"),
            "server 1: standby is \"maybe\": expected true or false"
        );
        assert!(fault("- [").starts_with("line "));
    }
}
