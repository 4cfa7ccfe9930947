//! The `nginx` parser: nginx's combined log format.
//!
//! ```text
//! 127.0.0.1 - bob [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "10.0.0.1"
//! remote    host user time                      method path      code size referer agent http_x_forwarded_for
//! ```
//! All values are text. The last field is optional and may stand without quotes; referer and agent are optional
//! together; a request that is not of the form `method path protocol` is all method.

use super::{RegexpParser, Settings, SetupError, built_in::built_in};

/// The default of the parameter `expression`.
pub const NGINX_EXPRESSION: &str = concat!(
    r#"^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\]"#,
    r#" "(?<method>\S+)(?: +(?<path>[^"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)"#,
    r#"(?: "(?<referer>[^"]*)" "(?<agent>[^"]*)"(?:\s+"?(?<http_x_forwarded_for>[^"]*)"?)?)?$"#,
);

/// The default of the parameter `time_format`.
pub const NGINX_TIME_FORMAT: &str = "%d/%b/%Y:%H:%M:%S %z";

/// A parser of nginx's combined log format; the settings may name another format for the time.
///
/// # Errors
/// Settings that contradict each other or do not compile.
pub fn nginx_parser(mut settings: Settings) -> Result<RegexpParser, SetupError> {
    settings
        .time_format
        .get_or_insert_with(|| NGINX_TIME_FORMAT.to_owned());
    RegexpParser::new(built_in(NGINX_EXPRESSION)?, settings)
}
