//! Servers that DNS names: `<service_discovery>` of type `srv`.

#[cfg(feature = "srv")]
use std::time::Duration;
use std::time::Instant;

use millrun_core::PluginId;

use super::discovery::DiscoveryParameters;
use super::parameters::{SecurityParameters, Server};

/// What the configuration asks DNS for, and what it last answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Services {
    #[cfg(feature = "srv")]
    asked: Vec<asked::Service>,
}

/// The shortest pause between two questions.
#[cfg(feature = "srv")]
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// How long a name server may take, and the end of the output has to wait.
#[cfg(feature = "srv")]
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(not(feature = "srv"))]
impl Services {
    pub(super) fn add(
        &mut self,
        _: &DiscoveryParameters,
        _: Option<&SecurityParameters>,
    ) -> Result<(), (String, &'static str)> {
        let text = "sd_srv: this program was built without the feature srv, so it asks no DNS";
        Err((
            text.to_owned(),
            "name the servers in <server> sections, or in a file with @type file",
        ))
    }

    pub(super) fn is_empty(&self) -> bool {
        true
    }

    pub(super) fn found(&self) -> Vec<Server> {
        Vec::new()
    }

    pub(super) fn ask(&mut self, _: &PluginId, _: Instant) -> bool {
        false
    }
}

#[cfg(feature = "srv")]
impl Services {
    /// Adds a section; where it cannot be meant, what is wrong and what to do.
    pub(super) fn add(
        &mut self,
        section: &DiscoveryParameters,
        security: Option<&SecurityParameters>,
    ) -> Result<(), (String, &'static str)> {
        self.asked.push(asked::Service::new(section, security)?);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// The servers of the last answers.
    pub(super) fn found(&self) -> Vec<Server> {
        let found = self.asked.iter().flat_map(asked::Service::found);
        found.cloned().collect()
    }

    /// Asks for what was not asked for lately; true when there are other servers than before.
    pub(super) fn ask(&mut self, id: &PluginId, now: Instant) -> bool {
        let mut is_news = false;
        for service in &mut self.asked {
            is_news |= service.ask(id, now);
        }
        is_news
    }
}

#[cfg(feature = "srv")]
mod asked {
    use std::net::ToSocketAddrs as _;

    use millrun_buffer::Random;
    use millrun_config::Secret;
    use millrun_dns::{Place, Question, Resolver};

    use super::{
        ANSWER_TIMEOUT, DiscoveryParameters, Duration, INTERVAL_MIN, Instant, PluginId,
        SecurityParameters, Server,
    };
    use crate::output::forward::parameters::ServerParameters;

    #[derive(Clone, Debug)]
    pub(super) struct Service {
        question: Question,
        /// Who is asked; the system's name servers are looked up each time.
        resolver: Option<Resolver>,
        interval: Duration,
        looks_up: bool,
        shared_key: Option<Secret<String>>,
        username: String,
        password: Secret<String>,
        security: Option<SecurityParameters>,
        next: Option<Instant>,
        found: Vec<Server>,
        is_failing: bool,
    }

    impl Service {
        pub(super) fn new(
            section: &DiscoveryParameters,
            security: Option<&SecurityParameters>,
        ) -> Result<Self, (String, &'static str)> {
            let name = |name: &Option<String>, word: &str, hint| {
                name.clone()
                    .ok_or_else(|| (format!("sd_srv: no {word} is written"), hint))
            };
            let service = name(
                &section.asked,
                "service",
                "name it in a line: service forward",
            )?;
            let hint = "name the domain in a line: hostname example.com";
            let hostname = name(&section.hostname, "hostname", hint)?;
            let question = Question::new(&service, &section.proto, &hostname)
                .map_err(|error| (format!("sd_srv: {error}"), "write names that DNS has"))?;
            let resolver = section.dns_server_host.as_deref().map(Resolver::at);
            let resolver = resolver.transpose().map_err(|error| {
                let hint = "write the address of the name server, or leave dns_server_host out";
                (format!("sd_srv: {error}"), hint)
            })?;
            Ok(Self {
                question,
                resolver,
                interval: section.interval.max(INTERVAL_MIN),
                looks_up: section.dns_lookup,
                shared_key: section.shared_key.clone(),
                username: section.username.clone(),
                password: section.password.clone(),
                security: security.cloned(),
                next: None,
                found: Vec::new(),
                is_failing: false,
            })
        }

        pub(super) fn found(&self) -> &[Server] {
            &self.found
        }

        pub(super) fn ask(&mut self, id: &PluginId, now: Instant) -> bool {
            if self.next.is_some_and(|next| now < next) {
                return false;
            }
            self.next = Some(now + self.interval);
            // Sixteen bits that nobody can guess.
            let number = u16::try_from(Random::from_entropy().below(1 << 16)).unwrap_or_default();
            let resolver = self.resolver.clone().map_or_else(Resolver::of_system, Ok);
            let places = resolver.and_then(|one| one.ask(&self.question, number, ANSWER_TIMEOUT));
            match places {
                Ok(places) => {
                    self.is_failing = false;
                    let servers = self.servers(&places);
                    let is_news = servers != self.found;
                    self.found = servers;
                    is_news
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::error!(
                            plugin_id = id.given(),
                            %error,
                            "sd_srv: the servers stay as they are; DNS is asked again every {} s",
                            self.interval.as_secs_f64()
                        );
                    }
                    false
                }
            }
        }

        fn servers(&self, places: &[Place]) -> Vec<Server> {
            let first = places.iter().map(|place| place.priority).min();
            let server = |place: &Place| {
                let parameters = ServerParameters {
                    host: self.host(place),
                    port: place.port,
                    name: Some(place.host.clone()),
                    // 0 is a small share in DNS, and none here.
                    weight: u32::from(place.weight.max(1)),
                    standby: Some(place.priority) != first,
                    shared_key: self.shared_key.clone(),
                    username: self.username.clone(),
                    password: self.password.clone(),
                };
                Server::new(&parameters, self.security.as_ref())
            };
            places.iter().map(server).collect()
        }

        /// The address of a place, or its name where that has none now.
        fn host(&self, place: &Place) -> String {
            let addresses = match self.looks_up {
                true => (place.host.as_str(), place.port).to_socket_addrs().ok(),
                false => None,
            };
            let address = addresses.and_then(|mut addresses| addresses.next());
            address.map_or_else(|| place.host.clone(), |address| address.ip().to_string())
        }
    }
}

#[cfg(test)]
#[cfg(feature = "srv")]
mod tests {
    use std::net::UdpSocket;
    use std::thread;

    use millrun_config::{Diagnostics, NoIncludes, NoRuby, parse_str};

    use super::*;

    fn services(lines: &str) -> Result<Services, (String, &'static str)> {
        let text = format!("<service_discovery>\n@type srv\n{lines}\n</service_discovery>\n");
        let parsed = parse_str("t.conf", &text, &mut NoRuby, &mut NoIncludes);
        let mut diagnostics = Diagnostics::default();
        let section = &parsed.root.elements()[0];
        let section = DiscoveryParameters::read(section, &mut diagnostics).unwrap();
        let mut services = Services::default();
        services.add(&section, None).map(|()| services)
    }

    type Places = Vec<(u16, u16, u16, &'static str)>;

    /// A name server of the test's own: it answers with these places, or refuses.
    fn name_server(answers: Vec<Option<Places>>) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            for places in answers {
                let mut asked = [0; 512];
                let (length, peer) = socket.recv_from(&mut asked).unwrap();
                let mut answer = asked[..length].to_vec();
                answer[2..4].copy_from_slice(&[0x81, 0x80]);
                let Some(places) = places else {
                    answer[3] |= 5;
                    socket.send_to(&answer, peer).unwrap();
                    continue;
                };
                answer[7] = u8::try_from(places.len()).unwrap();
                for (priority, weight, port, host) in places {
                    // The name is the question's; SRV, IN, a minute.
                    answer.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
                    let mut data = Vec::new();
                    for number in [priority, weight, port] {
                        data.extend_from_slice(&number.to_be_bytes());
                    }
                    for label in host.split('.') {
                        data.push(u8::try_from(label.len()).unwrap());
                        data.extend_from_slice(label.as_bytes());
                    }
                    data.push(0);
                    answer.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
                    answer.extend_from_slice(&data);
                }
                socket.send_to(&answer, peer).unwrap();
            }
        });
        address.to_string()
    }

    fn id() -> PluginId {
        PluginId {
            text: "fw".into(),
            is_given: true,
        }
    }

    #[test]
    fn places_become_servers_and_those_of_higher_priority_stand_by() {
        let first = vec![(20, 5, 24225, "b.test"), (10, 0, 24224, "a.test")];
        let then = vec![(10, 60, 24224, "a.test")];
        let server = name_server(vec![Some(first), Some(then)]);
        let lines = format!(
            "service forward\nhostname example.test\ndns_lookup false\ninterval 5\ndns_server_host {server}"
        );
        let mut services = services(&lines).unwrap();
        let start = Instant::now();
        assert!(services.found().is_empty() && !services.is_empty());
        assert!(services.ask(&id(), start));
        let found = services.found();
        let told = |server: &Server| (server.address.clone(), server.weight, server.standby);
        assert_eq!(
            found.iter().map(told).collect::<Vec<_>>(),
            [
                ("a.test:24224".to_owned(), 1, false),
                ("b.test:24225".to_owned(), 5, true)
            ]
        );
        assert!(!services.ask(&id(), start + Duration::from_secs(4)));
        assert!(services.ask(&id(), start + Duration::from_secs(5)));
        assert_eq!(services.found().len(), 1);
    }

    #[test]
    fn names_are_looked_up_where_that_is_wanted() {
        let server = name_server(vec![Some(vec![(1, 60, 24224, "localhost")])]);
        let lines = format!("service forward\nhostname example.test\ndns_server_host {server}");
        let mut services = services(&lines).unwrap();
        assert!(services.ask(&id(), Instant::now()));
        let found = services.found();
        assert!(matches!(&*found[0].host, "127.0.0.1" | "::1"), "{found:?}");
        assert_eq!(found[0].name, "localhost");
    }

    #[test]
    fn without_an_answer_the_servers_stay() {
        let server = name_server(vec![Some(vec![(1, 60, 24224, "a.test")]), None]);
        let lines = format!(
            "service forward\nhostname example.test\ndns_lookup false\ninterval 1\ndns_server_host {server}"
        );
        let mut services = services(&lines).unwrap();
        let start = Instant::now();
        assert!(services.ask(&id(), start));
        assert!(!services.ask(&id(), start + Duration::from_secs(2)));
        assert_eq!(services.found().len(), 1);
    }

    #[test]
    fn what_cannot_be_asked_is_an_error() {
        let fault = |lines| services(lines).unwrap_err().0;
        assert_eq!(fault("hostname a.test"), "sd_srv: no service is written");
        assert_eq!(fault("service forward"), "sd_srv: no hostname is written");
        assert_eq!(
            fault("service forward\nhostname a.test\ndns_server_host dns.test"),
            "sd_srv: dns.test is no address of a name server: expected one like 192.0.2.53 or 192.0.2.53:53"
        );
    }
}
