//! Which database, and how its server must show who it is.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use percent_encoding::percent_decode_str;
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::connection_string::{self, WrongTarget};
use super::{error, password};

/// A server that has not answered for this long is away: one that was switched off or cut off never says so itself.
const SILENT: Duration = Duration::from_secs(10);

/// Where a server's socket is if no host is given: Debian's place, and that of Postgres's own build.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// A database, parsed from `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…` or from libpq's
/// `host=… dbname=…`; without a host it is at this machine's socket. Its `Debug` form has no password.
#[derive(Clone, Debug)]
pub struct Target {
    config: Config,
    verify: Verify,
    /// A file with the certificates of the authorities to trust, in PEM, instead of the system's.
    authorities: Option<PathBuf>,
    /// Whether a session was found to last longer than a transaction.
    keeps_sessions: Arc<AtomicBool>,
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
        let mut config = self.located();
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

    /// Whether its sessions are known to be kept, as without a pooler: a standby need not find that out each time.
    pub fn keeps_sessions(&self) -> bool {
        self.keeps_sessions.load(Ordering::Relaxed)
    }

    /// From now on they are known to be kept.
    pub fn has_kept_sessions(&self) {
        self.keeps_sessions.store(true, Ordering::Relaxed);
    }

    /// Host, port and database, without user and password.
    pub(super) fn place(&self) -> String {
        error::place(&self.located())
    }

    /// Where the server is, as libpq finds it: at a socket if no host is given; and TLS is nothing for a socket.
    fn located(&self) -> Config {
        let mut config = self.config.clone();
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host_path(socket_directory(config.get_ports().first().copied().unwrap_or(5432)));
        }
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) && !config.get_hosts().is_empty() {
            config.ssl_mode(SslMode::Disable);
        }
        config
    }
}

/// The directory with the socket of this port; without one that where it is most likely to appear.
fn socket_directory(port: u16) -> &'static str {
    let [usual, other] = SOCKET_DIRECTORIES;
    let found = SOCKET_DIRECTORIES.into_iter().find(|place| Path::new(place).join(format!(".s.PGSQL.{port}")).exists());
    found.unwrap_or(if Path::new(usual).is_dir() { usual } else { other })
}

impl FromStr for Target {
    type Err = WrongTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mode, text) = take(text.trim(), "sslmode");
        let (authorities, text) = take(&text, "sslrootcert");
        let mut config = connection_string::parse(&text).map_err(WrongTarget)?;
        let verify = match mode.as_deref() {
            Some("verify-ca") => Verify::Authority,
            Some("verify-full" | "require") => Verify::Name,
            _ => Verify::Nothing,
        };
        match mode.as_deref() {
            _ if verify != Verify::Nothing => config.ssl_mode(SslMode::Require),
            Some(other @ ("disable" | "prefer")) => {
                config.ssl_mode(if other == "disable" { SslMode::Disable } else { SslMode::Prefer })
            }
            Some(_) => {
                let modes = "disable, prefer, require, verify-ca or verify-full";
                return Err(WrongTarget(format!("the parameter 'sslmode' is {modes}")));
            }
            None => &mut config,
        };
        let authorities = authorities.map(PathBuf::from);
        Ok(Target { config, verify, authorities, keeps_sessions: Arc::default() })
    }
}

/// Takes a parameter out of a connection string, as the library knows only some of libpq's.
fn take(text: &str, name: &str) -> (Option<String>, String) {
    let is_url = connection_string::behind_scheme(text).is_some();
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

    #[test]
    fn without_a_host_it_is_at_a_socket() {
        let hosts = |text: &str| text.parse::<Target>().expect(text).session().get_hosts().to_vec();
        assert!(matches!(hosts("postgres:///db").as_slice(), [Host::Unix(_)]));
        assert!(matches!(hosts("dbname=db").as_slice(), [Host::Unix(_)]));
        let given = [Host::Unix("/run/here".into())];
        for text in ["postgres://%2Frun%2Fhere/db", "postgres:///db?host=/run/here", "host=/run/here dbname=db"] {
            assert_eq!(hosts(text), given, "{text}");
        }
        let target: Target = "postgres://%2Frun%2Fhere/db?sslmode=require".parse().expect("a URL");
        assert_eq!(target.session().get_ssl_mode(), SslMode::Disable);
    }
}
