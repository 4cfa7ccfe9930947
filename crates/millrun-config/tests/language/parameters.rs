//! What one declaration of parameters gives: typed values, a schema, and every complaint.

use std::{path::PathBuf, time::Duration};

use crate::support::Test;
use millrun_config::{
    Common, DefaultValue, Diagnostics, Element, FromElement, FromSections, Hash, Kind, LogLevel,
    Mode, Occurrence, Parsed, Regexp, Secret, Size, SizeLimit, Strictness, parameters, words,
};

words! {
    /// How chunks are compressed.
    pub enum Compress {
        /// Not at all.
        Text = "text",
        /// As gzip members.
        Gzip = "gzip",
    }
}

parameters! {
    /// What every output has.
    pub struct Shared in "match" {
        /// How much is kept.
        limit: Size = "8m";
    }
    sections {
        /// Where failed chunks go.
        secondary: Option<Element>;
    }
}

parameters! {
    /// One receiver.
    pub struct Server in "server" {
        /// Where it listens.
        host: String = required;
        /// The port there.
        port: u16 = "24224";
    }
}

parameters! {
    /// Sends events on.
    ///
    /// To several servers.
    pub struct Send in "match", type "send" {
        /// The tag.
        tag: String = required;
        /// Where positions are kept.
        pos_file: Option<PathBuf>;
        /// How long to wait.
        send_timeout: Duration = "60", alias = "timeout";
        /// How chunks are compressed.
        compress: Compress = "text";
        /// A secret.
        shared_key: Option<Secret<String>>, secret;
        /// Whether to keep connections.
        keepalive: bool = "false";
        /// How fast to read.
        rate: SizeLimit = "-1", key = "rate.limit";
        /// Permissions.
        mode: Mode = "0644";
        /// Names.
        names: Vec<String> = "";
        /// Rules.
        rules: Hash<Regexp> = "{}";
        /// Nothing.
        heartbeat: bool = "true", deprecated = "it has no effect";
        /// Gone.
        port: Option<u16>, obsolete = "use the <server> section";
    }
    flatten {
        /// What every output has.
        shared: Shared;
    }
    sections {
        /// The receivers.
        server: Vec<Server>, required;
        /// Read as an empty one when absent.
        more: Shared, init;
    }
}

#[track_caller]
fn says(text: &str, expected: &str) {
    let read = |section: &Element, diagnostics: &mut Diagnostics| {
        let parameters = Send::read(section, diagnostics);
        assert_eq!(
            parameters.is_none(),
            diagnostics.has_errors(),
            "None means an error"
        );
    };
    Test::new(text).reads(read, expected);
}

#[test]
fn values_have_their_types_and_defaults() {
    let Parsed {
        root,
        mut diagnostics,
        ..
    } = Test::new(
        r#"
            <match a>
              @type send
              tag a.b
              timeout 1m
              compress gzip
              shared_key k
              keepalive
              rate.limit 1k
              names a, b
              rules {"a":"/x/i"}
              limit 1g
              <server>
                host ::1
              </server>
              <server>
                host ::2
                port "1"
              </server>
              <secondary>
                path x
              </secondary>
            </match>
        "#,
    )
    .parse();
    let Send {
        tag,
        pos_file,
        send_timeout,
        compress,
        shared_key,
        keepalive,
        rate,
        mode,
        names,
        rules,
        heartbeat,
        port,
        shared,
        server,
        more,
    } = Send::read(&root.elements()[0], &mut diagnostics).unwrap();
    assert_eq!((tag.as_str(), pos_file, port), ("a.b", None, None));
    assert_eq!(
        (send_timeout, compress),
        (Duration::from_secs(60), Compress::Gzip)
    );
    assert_eq!((keepalive, heartbeat, mode), (true, true, Mode(0o644)));
    assert_eq!(rate, SizeLimit(Some(1024)));
    assert_eq!(names, ["a", "b"]);
    let regexp = Regexp {
        source: "x".to_owned(),
        ignore_case: true,
        multi_line: false,
    };
    assert_eq!(rules, Hash(vec![("a".to_owned(), regexp)]));
    assert_eq!((shared.limit, more.limit), (Size(1 << 30), Size(8 << 20)));
    assert_eq!(shared.secondary.unwrap().text("path"), Some("x"));
    let servers: Vec<_> = server
        .iter()
        .map(|server| (server.host.as_str(), server.port))
        .collect();
    assert_eq!(servers, [("::1", 24224), ("::2", 1)]);
    let shared_key = shared_key.unwrap();
    assert_eq!(
        (
            format!("{shared_key:?}").as_str(),
            shared_key.expose().as_str()
        ),
        ("xxxxxx", "k")
    );
    // The alias is all there is to say.
    assert_eq!(diagnostics.iter().count(), 1);
}

#[test]
fn the_schema_says_the_same() {
    let parameter = |name| Send::SCHEMA.parameter(name).unwrap();
    assert_eq!(Send::SCHEMA.directive, "match");
    assert_eq!(Send::SCHEMA.plugin_type, Some("send"));
    assert_eq!(
        Send::SCHEMA.doc,
        " Sends events on.\n\n To several servers.\n"
    );
    assert_eq!(parameter("tag").default, DefaultValue::Required);
    assert_eq!(parameter("pos_file").default, DefaultValue::Nil);
    assert_eq!(parameter("timeout").name, "send_timeout");
    assert_eq!(parameter("send_timeout").default, DefaultValue::Text("60"));
    assert_eq!(parameter("compress").kind, Kind::Enum(&["text", "gzip"]));
    assert_eq!(parameter("rules").kind.to_string(), "hash<regexp>");
    assert_eq!(parameter("rate.limit").doc, " How fast to read.\n");
    assert!(parameter("shared_key").is_secret);
    assert_eq!(parameter("limit").kind, Kind::Size);
    let section = Send::SCHEMA.section("server").unwrap();
    assert_eq!(section.occurrence, Occurrence::Many);
    assert_eq!(section.schema.unwrap().directive, "server");
    assert_eq!(
        <Send as FromElement>::SCHEMA.unwrap().plugin_type,
        Some("send")
    );
    assert_eq!(
        <Option<Server> as FromSections>::OCCURRENCE,
        Occurrence::Optional
    );
}

#[test]
fn a_missing_parameter() {
    says(
        "
            <match a>
              <server>
              </server>
            </match>
        ",
        "
            error: 'tag' parameter is required
             --> fluent.conf:1:1
              |
            1 | <match a>
              | ^^^^^^^^^ in this section
              |
              = help: add a line 'tag VALUE' (expected a string)

            error: 'host' parameter is required, in section server
             --> fluent.conf:2:3
              |
            2 |   <server>
              |   ^^^^^^^^ in this section
              |
              = help: add a line 'host VALUE' (expected a string)
        ",
    );
}

#[test]
fn an_unknown_parameter_and_an_unknown_section() {
    says(
        "
            <match a>
              tag a
              keepalvie true
              colour red
              <server>
                host a
                prot 1
              </server>
              <servers>
              </servers>
              <format>
              </format>
            </match>
        ",
        "
            warning: parameter 'keepalvie' in <match a> is not used.
             --> fluent.conf:3:3
              |
            3 |   keepalvie true
              |   ^^^^^^^^^
              |
              = help: did you mean 'keepalive'?

            warning: parameter 'colour' in <match a> is not used.
             --> fluent.conf:4:3
              |
            4 |   colour red
              |   ^^^^^^

            warning: section <servers> is not used in <match a> of send plugin
             --> fluent.conf:9:3
              |
            9 |   <servers>
              |   ^^^^^^^^^
              |
              = help: did you mean 'server'?

            warning: section <format> is not used in <match a> of send plugin
              --> fluent.conf:11:3
               |
            11 |   <format>
               |   ^^^^^^^^

            warning: parameter 'prot' in <server> is not used.
             --> fluent.conf:7:5
              |
            7 |     prot 1
              |     ^^^^
              |
              = help: did you mean 'port'?
        ",
    );
}

#[test]
fn values_that_do_not_fit() {
    says(
        r##"
            <match a>
              tag "#{use_nil}"
              compress gzipp
              keepalive on
              mode 0999
              send_timeout -1
              limit 99999999999t
              rules {"a":1
              <server>
                host "#{use_default}"
                port 65536
              </server>
            </match>
        "##,
        r##"
            error: got incomplete JSON hash configuration
             --> fluent.conf:8:9
              |
            8 |   rules {"a":1
              |         ^ expected a matching '}' somewhere below

            error: 'tag' parameter is required but nil is specified
             --> fluent.conf:2:7
              |
            2 |   tag "#{use_nil}"
              |       ^^^^^^^^^^^^ this gives nothing

            error: send_timeout: "-1" is out of range: expected a time that is not negative
             --> fluent.conf:6:16
              |
            6 |   send_timeout -1
              |                ^^ expected a time such as 10s

            error: compress: valid options are text,gzip but got gzipp
             --> fluent.conf:3:12
              |
            3 |   compress gzipp
              |            ^^^^^ expected one of text, gzip
              |
              = help: did you mean 'gzip'?

            error: 'keepalive' parameter is required but nil is specified
             --> fluent.conf:4:13
              |
            4 |   keepalive on
              |             ^^ expected true or false
              |
              = help: write 'true'

            error: mode: "0999" is out of range: expected permission bits up to 7777
             --> fluent.conf:5:8
              |
            5 |   mode 0999
              |        ^^^^ expected octal digits such as 0644

            error: limit: "99999999999t" is out of range: expected a size below 8 exbibytes
             --> fluent.conf:7:9
              |
            7 |   limit 99999999999t
              |         ^^^^^^^^^^^^ expected a size such as 8m

            error: 'host' doesn't have default value, in section server
              --> fluent.conf:10:10
               |
            10 |     host "#{use_default}"
               |          ^^^^^^^^^^^^^^^^ there is no default to use

            error: port: "65536" is out of range: expected 0 to 65535
              --> fluent.conf:11:10
               |
            11 |     port 65536
               |          ^^^^^ expected an integer
        "##,
    );
}

#[test]
fn values_that_look_like_mistakes() {
    says(
        "
            <match a>
              tag a
              send_timeout 100ms
              limit 1.5m
              <server>
                host a
                port 24_224x
              </server>
            </match>
        ",
        r#"
            warning: send_timeout: the time "100ms" is read as 100m (6000 seconds)
             --> fluent.conf:3:16
              |
            3 |   send_timeout 100ms
              |                ^^^^^
              |
              = help: write '0.1' if that is meant

            warning: limit: the size "1.5m" is read as 5m (5242880 bytes)
             --> fluent.conf:4:9
              |
            4 |   limit 1.5m
              |         ^^^^
              |
              = help: write '1572864' if that is meant

            warning: port: "24_224x" is no plain integer and is read as 24224
             --> fluent.conf:7:10
              |
            7 |     port 24_224x
              |          ^^^^^^^
        "#,
    );
}

#[test]
fn names_of_former_times() {
    says(
        "
            <match a>
              tag a
              timeout 5
              heartbeat false
              port 1
              <server>
                host a
              </server>
            </match>
        ",
        "
            warning: 'timeout' is an old name of 'send_timeout'
             --> fluent.conf:3:3
              |
            3 |   timeout 5
              |   ^^^^^^^ write 'send_timeout'

            warning: 'heartbeat' parameter is deprecated: it has no effect
             --> fluent.conf:4:3
              |
            4 |   heartbeat false
              |   ^^^^^^^^^

            error: 'port' parameter is already removed: use the <server> section
             --> fluent.conf:5:3
              |
            5 |   port 1
              |   ^^^^
              |
              = help: remove the line
        ",
    );
}

#[test]
fn sections_that_are_too_few_or_too_many() {
    says(
        "
            <match a>
              tag a
              <more>
              </more>
              <more>
              </more>
            </match>
        ",
        "
            error: '<server>' section is required
             --> fluent.conf:1:1
              |
            1 | <match a>
              | ^^^^^^^^^ in this section
              |
              = help: add '<server>' and '</server>'

            error: '<more>' section cannot be written twice or more
             --> fluent.conf:5:3
              |
            3 |   <more>
              |   ------ the first one
            4 |   </more>
            5 |   <more>
              |   ^^^^^^ the second one
        ",
    );
}

#[test]
fn strict_values() {
    let text = "
        <match a>
          tag a
          keepalive on
          limit 0x1g
          <server>
            host a
            port 24224x
          </server>
        </match>
    ";
    let read = |section: &Element, diagnostics: &mut Diagnostics| {
        diagnostics.set_strictness(Strictness::Strict);
        Send::read(section, diagnostics);
    };
    Test::new(text).reads(
        read,
        r#"
            error: keepalive: invalid bool value: on
             --> fluent.conf:3:13
              |
            3 |   keepalive on
              |             ^^ expected true or false
              |
              = help: write 'true'

            warning: limit: the size "0x1g" is read as 1g (1073741824 bytes)
             --> fluent.conf:4:9
              |
            4 |   limit 0x1g
              |         ^^^^

            error: port: invalid value for Integer(): "24224x"
             --> fluent.conf:7:10
              |
            7 |     port 24224x
              |          ^^^^^^ expected an integer
        "#,
    );
}

#[test]
fn parameters_of_every_plugin() {
    let text = "
        <match a>
          type x
          @id y
          @label @Z
          log_level debug
        </match>
        <match b>
          @log_level loud
        </match>
    ";
    let Parsed {
        root,
        mut diagnostics,
        ..
    } = Test::new(text).parse();
    let common = Common::read(&root.elements()[0], &mut diagnostics);
    assert_eq!(common.plugin_type.as_deref(), Some("x"));
    assert_eq!(
        (common.id.as_deref(), common.label.as_deref()),
        (Some("y"), Some("@Z"))
    );
    assert_eq!(common.log_level, Some(LogLevel::Debug));
    let second = &root.elements()[1];
    let common = Common::read(second, &mut diagnostics);
    assert_eq!(common.require_type(second, &mut diagnostics), None);
    let messages: Vec<_> = diagnostics
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "'log_level' is deprecated parameter name. use '@log_level' instead.",
            "'type' is deprecated parameter name. use '@type' instead.",
            "@log_level: valid options are trace,debug,info,warn,error,fatal but got loud",
            "Missing '@type' parameter on <match> directive",
        ]
    );
}
