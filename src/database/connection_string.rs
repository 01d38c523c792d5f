//! What is wrong with a connection string, as a sentence that never shows a password or a part of one.
//!
//! The library's parser reads the user and the password up to the first `@` and says little about what it refuses. So a
//! string is checked here first: anything that could be a misplaced part of a password is refused, and never shown.

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

/// Parameters of libpq that a user may expect to work, so their names are no secrets.
const KNOWN: [&str; 33] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "krbsrvname",
    "load_balance_hosts",
    "options",
    "passfile",
    "password",
    "port",
    "requirepeer",
    "service",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

const FORM: &str = "expected postgres://user:password@host:port/database, or host=… user=… dbname=…";

const ENCODE: &str = "a special character in the user or the password must be percent-encoded: \
                      @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25";

/// The string after `postgres://`, if it is a URL.
pub(super) fn behind_scheme(text: &str) -> Option<&str> {
    ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme))
}

/// What is wrong with a connection string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongTarget(pub(super) String);

/// The library's configuration, or what is wrong. Parameters that the library does not know are removed before.
pub(super) fn parse(text: &str) -> Result<Config, String> {
    match behind_scheme(text) {
        Some(rest) => check_url(rest)?,
        None if text.contains("://") || !text.contains('=') => return Err(FORM.into()),
        None => {}
    }
    text.parse().map_err(|error| sentence_of(&error))
}

/// The parts of a URL after its scheme.
pub(super) struct Parts<'a> {
    /// User and password, if there are any.
    pub credentials: Option<&'a str>,
    pub hosts: &'a str,
    pub database: &'a str,
    pub query: &'a str,
}

impl Parts<'_> {
    pub fn parse(rest: &str) -> Parts<'_> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (credentials, place) = place.rsplit_once('@').map_or((None, place), |(front, place)| (Some(front), place));
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        Parts { credentials, hosts, database, query }
    }
}

fn check_url(rest: &str) -> Result<(), String> {
    let Parts { credentials, hosts, query, .. } = Parts::parse(rest);
    let credentials = credentials.unwrap_or_default();
    // Anything before an @ may be a password.
    if credentials.contains('@') || query.contains('@') {
        return Err(format!("there is an @ where none can be; {ENCODE}"));
    }
    check_encoding(credentials)?;
    if !hosts.is_empty() && !hosts.split(',').all(has_good_port) {
        return Err(format!("the port is no number from 1 to 65535; {ENCODE}"));
    }
    query.split('&').filter(|parameter| !parameter.is_empty()).try_for_each(check_parameter)
}

/// Refuses an unencoded `%`, which the library reads as it is, or with two digits after it as another character.
fn check_encoding(credentials: &str) -> Result<(), String> {
    let is_encoded = |rest: &str| rest.get(..2).is_some_and(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if credentials.split('%').skip(1).all(is_encoded) {
        Ok(())
    } else {
        Err(format!("there is a % without two hexadecimal digits; {ENCODE}"))
    }
}

/// The port after a host.
pub(super) fn port_of(host: &str) -> Option<&str> {
    let behind_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    behind_address.split_once(':').map(|(_, port)| port)
}

/// Whether the port of a host, if it has one, is a number.
fn has_good_port(host: &str) -> bool {
    let port = port_of(host).map(|port| percent_decode_str(port).decode_utf8_lossy());
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Checks one parameter by itself, as the library names only some of those that it refuses.
fn check_parameter(parameter: &str) -> Result<(), String> {
    let Some((name, _)) = parameter.split_once('=') else {
        return Err("a parameter after the ? has no =; expected name=value, several separated by &".into());
    };
    let alone: Result<Config, _> = format!("postgres:///?{parameter}").parse();
    alone.map(drop).map_err(|error| refused(&error, &percent_decode_str(name).decode_utf8_lossy()))
}

fn refused(error: &tokio_postgres::Error, name: &str) -> String {
    let is_unknown = cause(error).starts_with("unknown option");
    if is_unknown {
        format!("Freshet knows no parameter '{}'", name.escape_debug())
    } else {
        format!("the value of the parameter '{}' is not one that it can have", name.escape_debug())
    }
}

/// For the form `name=value name=value`, where a password that lacks quotes looks like further parameters.
fn sentence_of(error: &tokio_postgres::Error) -> String {
    let cause = cause(error);
    let name = cause.split('`').nth(1).filter(|name| KNOWN.contains(name));
    match name {
        Some(name) => refused(error, name),
        None => format!("{FORM}; a value with blanks stands in single quotes, \\ and ' in it behind a \\"),
    }
}

fn cause(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// Takes a parameter out of a connection string, as the library knows only some of libpq's.
pub(super) fn split_parameter(text: &str, name: &str) -> (Option<String>, String) {
    let is_url = behind_scheme(text).is_some();
    let (front, parameters, mark, between) = match text.split_once('?') {
        Some((front, query)) if is_url => (front, query, "?", "&"),
        _ if is_url => return (None, text.to_owned()),
        _ => ("", text, "", " "),
    };
    let is_it = |parameter: &&str| parameter.split_once('=').is_some_and(|(key, _)| key.trim() == name);
    let (found, rest): (Vec<_>, Vec<_>) = parameters.split(between).partition(is_it);
    let value = found.last().and_then(|parameter| parameter.split_once('=')).map(|(_, value)| {
        if is_url {
            percent_decode_str(value).decode_utf8_lossy().into_owned()
        } else {
            value.trim_matches('\'').to_owned()
        }
    });
    let rest = rest.join(between);
    (value, if rest.is_empty() { front.to_owned() } else { format!("{front}{mark}{rest}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_wrong_and_no_secret() {
        for (text, words) in [
            ("mysql://me:secret@h/d", "postgres://user"),
            ("secret", "postgres://user"),
            ("postgres://me:secret@localhost:no-port/d", "port"),
            ("postgres://me:secret/d", "port"),
            ("postgres://me:sec@ret@h/d", "@ as %40"),
            ("postgres://me:sec@s/ret@h/d", "@ as %40"),
            ("postgres://me:sec?ret=1@h/d", "@ as %40"),
            ("postgres://me:s@c?ret=1@secret/d", "@ as %40"),
            ("postgres://me:sec@ret/@secret", "@ as %40"),
            ("postgres://me:secret%@h/d", "% as %25"),
            ("postgres://me:secret@h/d?conect_timeout=3", "'conect_timeout'"),
            ("postgres://me:secret@h/d?password=secret&connect_timeout=secret", "'connect_timeout'"),
            ("postgres://me:secret@h/d?port=x", "'port'"),
            ("postgres://me:secret@h/d?secret", "no ="),
            ("host=h password=my secret=x", "single quotes"),
            ("host=h password=secret port=secret", "'port'"),
            ("host=h password=secret passfile=secret", "'passfile'"),
        ] {
            let sentence = parse(text).map(|_| ()).expect_err(text);
            assert!(
                sentence.contains(words) && !sentence.contains("secret") && !sentence.contains("sec'"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn what_is_right_is_taken() {
        for text in [
            "postgres:///d",
            "postgres://%2Fvar%2Frun%2Fpostgresql/d",
            "postgres://me:p%40ss@[::1]:5433,h:1/d?connect_timeout=3&application_name=a%40b",
            "postgresql://me:pa:ss@h/d",
            "host=/tmp dbname=d",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
