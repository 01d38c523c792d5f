//! libpq's variables supply what a connection string leaves open, as for psql; those that Freshet does not support are refused:
//! <https://www.postgresql.org/docs/current/libpq-envars.html>. [`password`](super::password) reads `PGPASSWORD` and
//! `PGPASSFILE`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::connection_string::{Parts, behind_scheme, port_of, split_parameter};

/// Variables, and the parameters that they stand for.
pub(super) const HONOURED: [(&str, &str); 16] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGAPPNAME", "application_name"),
    ("PGOPTIONS", "options"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
];

/// Variables that Freshet does not support, and their values that ask for nothing.
const REFUSED: [(&str, &[&str]); 14] = [
    ("PGSERVICE", &[]),
    ("PGREQUIRESSL", &["0"]),
    ("PGREQUIREAUTH", &[]),
    ("PGREQUIREPEER", &[]),
    ("PGSSLCRL", &[]),
    ("PGSSLCRLDIR", &[]),
    ("PGSSLCERTMODE", &["allow"]),
    ("PGSSLSNI", &["1"]),
    ("PGSSLMINPROTOCOLVERSION", &["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ("PGSSLMAXPROTOCOLVERSION", &[]),
    ("PGGSSENCMODE", &["disable", "prefer"]),
    ("PGGSSDELEGATION", &["0"]),
    ("PGGSSLIB", &[]),
    ("PGKRBSRVNAME", &[]),
];

/// A variable that cannot be honoured, as a sentence.
pub(super) fn refused(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let asks = |(name, harmless): &&(&str, &[&str])| {
        variable(name).is_some_and(|value| !value.is_empty() && !harmless.contains(&value.as_str()))
    };
    let (name, _) = REFUSED.iter().find(asks)?;
    Some(format!("the environment has {name}, which Freshet cannot honour: unset it for Freshet"))
}

/// The connection string with this parameter, unless it sets that already.
pub(super) fn with_parameter(text: &str, name: &str, value: &str) -> String {
    let rivals: &[&str] = if ["host", "hostaddr"].contains(&name) { &["host", "hostaddr"] } else { &[name] };
    if rivals.iter().any(|name| split_parameter(text, name).0.is_some()) {
        return text.to_owned();
    }
    let Some(rest) = behind_scheme(text) else {
        return format!("{text} {name}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
    };
    let Parts { credentials, hosts, database, .. } = Parts::parse(rest);
    let is_there = match name {
        "user" => credentials.is_some(),
        "host" | "hostaddr" => !hosts.is_empty(),
        "dbname" => !database.is_empty(),
        "port" if !hosts.is_empty() => {
            // In a URL each host is followed by its port.
            let with_port =
                |host: &str| if port_of(host).is_some() { host.to_owned() } else { format!("{host}:{value}") };
            let ported: Vec<_> = hosts.split(',').map(with_port).collect();
            let front = text.len() - rest.len() + credentials.map_or(0, |credentials| credentials.len() + 1);
            return format!("{}{}{}", &text[..front], ported.join(","), &text[front + hosts.len()..]);
        }
        _ => false,
    };
    if is_there {
        return text.to_owned();
    }
    let mark = if rest.contains('?') { '&' } else { '?' };
    format!("{text}{mark}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_added_where_there_is_none() {
        for (text, name, value, expected) in [
            ("postgres://me@h/d", "user", "you", "postgres://me@h/d"),
            ("postgres://h/d", "user", "y&u", "postgres://h/d?user=y%26u"),
            ("postgres://h/d?user=me", "user", "you", "postgres://h/d?user=me"),
            ("postgres:///d?sslmode=disable", "host", "/tmp", "postgres:///d?sslmode=disable&host=%2Ftmp"),
            ("postgres://h/d", "hostaddr", "10.0.0.1", "postgres://h/d"),
            ("postgres://h", "dbname", "d", "postgres://h?dbname=d"),
            ("postgres://h/", "dbname", "d", "postgres://h/?dbname=d"),
            ("postgres://me:p@a,[::1],b:1/d", "port", "5433", "postgres://me:p@a:5433,[::1]:5433,b:1/d"),
            ("postgres:///d", "port", "5433", "postgres:///d?port=5433"),
            ("host=h", "port", "5433", "host=h port='5433'"),
            ("host=h port=1", "port", "5433", "host=h port=1"),
            ("dbname=d", "options", "-c a='b'", r"dbname=d options='-c a=\'b\''"),
        ] {
            assert_eq!(with_parameter(text, name, value), expected);
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let of = |name: &'static str, value: &'static str| refused(move |asked| (asked == name).then(|| value.into()));
        assert!(of("PGSERVICE", "shop").is_some_and(|sentence| sentence.contains("PGSERVICE")));
        assert_eq!((of("PGSERVICE", ""), of("PGGSSENCMODE", "disable"), of("PGTZ", "UTC")), (None, None, None));
    }
}
