//! Which database, and how its server must show who it is.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use percent_encoding::percent_decode_str;
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::{error, password};

/// A server that has not answered for this long is away: one that was switched off or cut off never says so itself.
const SILENT: Duration = Duration::from_secs(10);

/// A database, parsed from `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…` or from libpq's
/// `host=… dbname=…`. Its `Debug` form has no password.
#[derive(Clone, Debug)]
pub struct Target {
    config: Config,
    verify: Verify,
    /// A file with the certificates of the authorities to trust, in PEM, instead of the system's.
    authorities: Option<PathBuf>,
}

/// What a server's certificate must be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verify {
    /// Nothing: `sslmode=prefer`, the default. What can be encrypted is; as that promises nothing, a certificate that a
    /// server has made for itself will do.
    Nothing,
    /// An authority vouches for it: `sslmode=verify-ca`.
    Authority,
    /// And for the server's name: `sslmode=require` and `verify-full`.
    Name,
}

impl Target {
    /// How a session is opened, with time limits, and with the password of `PGPASSWORD` or of a password file where the
    /// URL has none.
    pub fn session(&self) -> Config {
        let mut config = self.config.clone();
        if config.get_application_name().is_none() {
            config.application_name("freshet");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(SILENT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENT);
        }
        config.keepalives_idle(config.get_keepalives_idle().min(SILENT));
        if config.get_password().is_none()
            && let Some(password) = password::find(&config)
        {
            config.password(password);
        }
        config
    }

    /// What the user calls the program, if that stands in the URL.
    pub fn application_name(&self) -> Option<&str> {
        self.config.get_application_name()
    }

    /// How its server is reached by TLS.
    pub fn tls(&self) -> Result<MakeTlsConnector> {
        let mut builder =
            SslConnector::builder(SslMethod::tls_client()).map_err(|error| anyhow!("OpenSSL: {error}"))?;
        if self.verify == Verify::Nothing {
            builder.set_verify(SslVerifyMode::NONE);
        }
        if let Some(file) = &self.authorities {
            let cannot = || format!("sslrootcert: no certificates can be read from {}", file.display());
            builder.set_ca_file(file).with_context(cannot)?;
        }
        let (mut connector, verify_name) = (MakeTlsConnector::new(builder.build()), self.verify == Verify::Name);
        connector.set_callback(move |session, _| {
            session.set_verify_hostname(verify_name);
            Ok(())
        });
        Ok(connector)
    }

    /// Host, port and database, without user and password.
    pub(super) fn place(&self) -> String {
        error::place(&self.config)
    }
}

impl FromStr for Target {
    type Err = tokio_postgres::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mode, text) = take(text, "sslmode");
        let (authorities, text) = take(&text, "sslrootcert");
        let mut config: Config = text.parse()?;
        let verify = match mode.as_deref() {
            Some("verify-ca") => Verify::Authority,
            Some("verify-full" | "require") => Verify::Name,
            _ => Verify::Nothing,
        };
        match mode.as_deref() {
            _ if verify != Verify::Nothing => config.ssl_mode(SslMode::Require),
            // Such as `disable`; the library knows them, and what is no mode at all.
            Some(other) => config.ssl_mode(format!("sslmode={other}").parse::<Config>()?.get_ssl_mode()),
            None => &mut config,
        };
        Ok(Target { config, verify, authorities: authorities.map(PathBuf::from) })
    }
}

/// Takes a parameter out of a connection string, as the library knows only some of libpq's.
fn take(text: &str, name: &str) -> (Option<String>, String) {
    let is_url = text.contains("://");
    let (front, parameters, mark, between) = match text.split_once('?') {
        Some((front, query)) if is_url => (front, query, "?", "&"),
        _ if is_url => return (None, text.to_owned()),
        _ => ("", text, "", " "),
    };
    let is_it = |parameter: &&str| parameter.split_once('=').is_some_and(|(key, _)| key.trim() == name);
    let (found, rest): (Vec<_>, Vec<_>) = parameters.split(between).partition(is_it);
    let value = found.last().and_then(|parameter| parameter.split_once('=')).map(|(_, value)| {
        if is_url { percent_decode_str(value).decode_utf8_lossy().into_owned() } else { value.to_owned() }
    });
    let rest = rest.join(between);
    (value, if rest.is_empty() { front.to_owned() } else { format!("{front}{mark}{rest}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libpq_knows_of_tls_is_understood() {
        let parse = |text: &str| text.parse::<Target>().expect(text);
        for (text, verify, authorities) in [
            ("postgres://me@host/db", Verify::Nothing, None),
            ("postgres://me@host/db?sslmode=disable", Verify::Nothing, None),
            ("postgres://me@host/db?sslmode=require&connect_timeout=3", Verify::Name, None),
            ("postgres://me@host/db?connect_timeout=3&sslmode=verify-full", Verify::Name, None),
            ("postgres://me@host/db?sslmode=verify-ca&sslrootcert=%2Fa%20b.pem", Verify::Authority, Some("/a b.pem")),
            ("host=host user=me dbname=db sslmode=verify-full sslrootcert=/ca.pem", Verify::Name, Some("/ca.pem")),
        ] {
            let target = parse(text);
            assert_eq!(
                (target.verify, target.authorities.as_deref()),
                (verify, authorities.map(AsRef::as_ref)),
                "{text}"
            );
            assert_eq!((target.config.get_user(), target.config.get_dbname()), (Some("me"), Some("db")), "{text}");
            assert_eq!(target.config.get_ssl_mode() == SslMode::Require, verify != Verify::Nothing, "{text}");
        }
        assert_eq!(parse("postgres://me@h/d?sslmode=disable").config.get_ssl_mode(), SslMode::Disable);
        assert!("postgres://me@host/db?sslmode=perhaps".parse::<Target>().is_err());
    }
}
