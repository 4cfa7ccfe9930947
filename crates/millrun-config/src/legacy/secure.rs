//! The `secure_forward` plugins, in and out: `forward` with TLS and a shared key today.
//!
//! ```text
//! <source>                                    <source>
//!   @type secure_forward                        @type forward
//!   shared_key k                                port 24284
//!   self_hostname srv.test              →       <transport tls>
//!   secure yes                                    cert_path …
//!   cert_path …                                 </transport>
//!   authentication yes                          <security>
//!   <user> … </user>                              shared_key k
//! </source>                                       self_hostname srv.test
//!                                                 user_auth yes
//!                                                 <user> … </user>
//!                                               </security>
//!                                             </source>
//! ```
//!
//! Old ends speak the same handshake over TLS, so either may be replaced alone.

use super::entry::{entry, named, plugin_named_at};
use crate::{Element, Entry, Span};

/// The port where nothing is said.
const PORT: &str = "24284";

/// Parameters of both that moved into `<security>`: old name, new name.
const SECURITY: &[(&str, &str)] = &[
    ("self_hostname", "self_hostname"),
    ("shared_key", "shared_key"),
    ("authentication", "user_auth"),
    ("allow_anonymous_source", "allow_anonymous_source"),
];

/// Parameters of the input that moved into `<transport tls>`.
const TRANSPORT: &[(&str, &str)] = &[
    ("cert_path", "cert_path"),
    ("private_key_path", "private_key_path"),
    ("private_key_passphrase", "private_key_passphrase"),
    ("ca_cert_path", "ca_cert_path"),
    ("ca_private_key_path", "ca_private_key_path"),
    ("ca_private_key_passphrase", "ca_private_key_passphrase"),
    ("generate_private_key_length", "generate_private_key_length"),
    ("generate_cert_country", "generate_cert_country"),
    ("generate_cert_state", "generate_cert_state"),
    ("generate_cert_locality", "generate_cert_locality"),
    ("generate_cert_common_name", "generate_cert_common_name"),
    ("ssl_version", "version"),
    ("ssl_ciphers", "ciphers"),
];

/// Parameters of the output that have another name.
const OUTPUT: &[(&str, &str)] = &[
    ("ca_cert_path", "tls_cert_path"),
    ("ssl_version", "tls_version"),
    ("ssl_ciphers", "tls_ciphers"),
    (
        "allow_self_signed_certificate",
        "tls_allow_self_signed_cert",
    ),
    ("enable_strict_verification", "tls_verify_hostname"),
];

/// What has no meaning any more: how threads and connections of old were timed.
const GONE: &[&str] = &[
    "type",
    "@type",
    "secure",
    "cert_auto_generate",
    "cert_file_path",
    "read_length",
    "read_interval_msec",
    "socket_interval_msec",
    "reconnect_interval",
    "established_timeout",
    "allow_keepalive",
    "keepalive",
    "ssl_cert_path",
    "num_threads_for_ssl",
];

/// The section in today's form, and where the old plugin was named; `None` for sections of others.
pub(super) fn rewrite(element: &Element) -> Option<(Element, Span)> {
    if element.plugin_type() != Some("secure_forward") {
        return None;
    }
    let named_at = plugin_named_at(element);
    let rewritten = match element.name() {
        "source" => input(element, named_at),
        "match" | "store" => output(element, named_at),
        _ => return None,
    };
    Some((rewritten, named_at))
}

fn input(old: &Element, at: Span) -> Element {
    let mut new = begun(old, at);
    let mut transport = Element::new("transport", "tls", old.span());
    if old.entry("port").is_none() {
        new.insert(entry("port", PORT, at));
    }
    let mut security = sorted(old, &mut new, |name, parameter, _| {
        let name = renamed(TRANSPORT, name)?;
        transport.insert(named(name, parameter));
        Some(())
    });
    let has_certificate = old.entry("cert_path").is_some() || old.entry("ca_cert_path").is_some();
    if !has_certificate {
        // Without `secure`, or with a certificate of its own making, nobody could check it.
        transport.insert(entry("insecure", "true", at));
    }
    new.push(transport);
    for section in old.elements() {
        match section.name() {
            "user" | "client" => security.push(section.clone()),
            _ => new.push(section.clone()),
        }
    }
    new.push(security);
    new
}

fn output(old: &Element, at: Span) -> Element {
    let mut new = begun(old, at);
    new.insert(entry("transport", "tls", at));
    if is_no(old.text("secure")) {
        new.insert(entry("tls_insecure_mode", "true", at));
    }
    if let Some(keepalive) = old.entry("keepalive") {
        // It was the seconds for which a connection was kept; none stood for ever.
        new.insert(entry("keepalive", "true", at));
        if keepalive.value.as_text() != Some("0") {
            new.insert(named("keepalive_timeout", keepalive));
        }
    }
    // Names were not looked at unless it was asked for.
    if old.entry("enable_strict_verification").is_none() {
        new.insert(entry("tls_verify_hostname", "false", at));
    }
    let security = sorted(old, &mut new, |name, parameter, new| {
        new.insert(named(renamed(OUTPUT, name)?, parameter));
        Some(())
    });
    new.push(security);
    for section in old.elements() {
        match section.name() {
            "server" => new.push(server(section, at)),
            _ => new.push(section.clone()),
        }
    }
    new
}

/// Puts each parameter where it belongs today: those of `<security>` into that, which is returned; those that `moves`
/// takes are its business; those that still mean something stay what they are.
fn sorted(
    old: &Element,
    new: &mut Element,
    mut moves: impl FnMut(&str, &Entry, &mut Element) -> Option<()>,
) -> Element {
    let mut security = Element::new("security", "", old.span());
    for parameter in old.parameters() {
        let name = parameter.name.as_str();
        if let Some(name) = renamed(SECURITY, name) {
            security.insert(named(name, parameter));
        } else if moves(name, parameter, new).is_none() && !GONE.contains(&name) {
            new.insert(parameter.clone());
        }
    }
    security
}

fn server(old: &Element, at: Span) -> Element {
    let mut new = Element::new("server", "", old.span());
    for parameter in old.parameters() {
        match parameter.name.as_str() {
            "hostlabel" => new.insert(named("name", parameter)),
            "proxy_uri" => None,
            _ => new.insert(parameter.clone()),
        };
    }
    if old.entry("port").is_none() {
        new.insert(entry("port", PORT, at));
    }
    for section in old.elements() {
        new.push(section.clone());
    }
    new
}

fn begun(old: &Element, at: Span) -> Element {
    let mut new = Element::new(old.name(), old.argument(), old.span());
    new.insert(entry("@type", "forward", at));
    new
}

fn renamed<'a>(names: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    let found = names.iter().find(|(old, _)| *old == name);
    found.map(|(_, new)| *new)
}

fn is_no(text: Option<&str>) -> bool {
    matches!(text, Some("no" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoIncludes, NoRuby, dump::print_section, parse_str};

    fn rewritten(text: &str) -> String {
        let parsed = parse_str("f.conf", text, &mut NoRuby, &mut NoIncludes);
        let (element, _) = rewrite(&parsed.root.elements()[0]).unwrap();
        print_section(&element)
    }

    #[test]
    fn a_source_gets_its_sections() {
        let old = "<source>\n type secure_forward\n shared_key k\n self_hostname h\n secure yes\n cert_path /c\n \
                   private_key_path /k\n authentication yes\n <user>\n username u\n password p\n </user>\n</source>";
        assert_eq!(
            rewritten(old),
            "<source>\n  @type forward\n  port 24284\n  <transport tls>\n    cert_path /c\n    private_key_path /k\n  \
             </transport>\n  <security>\n    shared_key k\n    self_hostname h\n    user_auth yes\n    <user>\n      \
             username u\n      password p\n    </user>\n  </security>\n</source>\n"
        );
        let old = "<source>\n@type secure_forward\nport 1\nshared_key k\nself_hostname h\nsecure no\n</source>";
        assert!(rewritten(old).contains("<transport tls>\n    insecure true\n"));
    }

    #[test]
    fn an_output_gets_its_parameters() {
        let old = "<match a.**>\n@type secure_forward\nshared_key k\nself_hostname h\nsecure no\nkeepalive 30\n\
                   <server>\nhost x\nhostlabel y\nusername u\npassword p\n</server>\n</match>";
        assert_eq!(
            rewritten(old),
            "<match a.**>\n  @type forward\n  transport tls\n  tls_insecure_mode true\n  keepalive true\n  \
             keepalive_timeout 30\n  tls_verify_hostname false\n  <security>\n    shared_key k\n    self_hostname h\n  \
             </security>\n  <server>\n    host x\n    name y\n    username u\n    password p\n    port 24284\n  \
             </server>\n</match>\n"
        );
    }
}
