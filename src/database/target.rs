//! Which database to connect to, and how its server must identify itself.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, anyhow, bail};
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslVerifyMode, SslVersion};
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::connection_string::{self, WrongTarget, split_parameter};
use super::password::is_open_to_others;
use super::{Schema, environment, error, password};

/// How long a server may be silent before it counts as away: one that lost power or its network cannot say so.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a server's socket is if no host is given: Debian's place, and that of Postgres's own build.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// A database, parsed from `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…` or from libpq's
/// `host=… dbname=…`, completed from libpq's variables; without a host it is this machine's socket. Its `Debug` form has no
/// password.
#[derive(Clone, Debug)]
pub struct Target {
    config: Config,
    verify: Verify,
    /// A file with the certificates of the authorities to trust, in PEM, instead of the system's.
    authorities: Option<PathBuf>,
    /// Files with the client certificate and its key, in PEM.
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    /// Whether a session was found to last longer than a transaction.
    keeps_sessions: Arc<AtomicBool>,
    /// Where the tables are; none for the first schema of the session's `search_path`.
    schema: Option<Schema>,
}

/// What is verified of a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verify {
    /// Nothing: `sslmode=prefer`, the default. It encrypts if the server can; as that promises nothing, a self-signed
    /// certificate will do.
    Nothing,
    /// That an authority signed it: `sslmode=verify-ca`.
    Authority,
    /// Also the server's name: `sslmode=require` and `verify-full`.
    Name,
}

impl Target {
    /// The configuration of a session, with timeouts, and with the password of `PGPASSWORD` or of a password file if the URL
    /// has none.
    pub fn session(&self) -> Config {
        let mut config = self.located();
        if config.get_application_name().is_none() {
            config.application_name("freshet");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(SILENCE_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE_TIMEOUT);
        }
        config.keepalives_idle(config.get_keepalives_idle().min(SILENCE_TIMEOUT));
        if config.get_password().is_none()
            && let Some(password) = password::find(&config)
        {
            config.password(password);
        }
        config
    }

    /// The `application_name`, if the URL has one.
    pub fn application_name(&self) -> Option<&str> {
        self.config.get_application_name()
    }

    /// The same database, with the tables in this schema.
    pub fn in_schema(&self, schema: Schema) -> Target {
        Target { schema: Some(schema), ..self.clone() }
    }

    /// The schema of the tables, if it is not that of the session.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// The TLS configuration.
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
        builder.set_min_proto_version(Some(SslVersion::TLS1_2)).context("OpenSSL")?;
        self.show(&mut builder)?;
        let (mut connector, verify_name) = (MakeTlsConnector::new(builder.build()), self.verify == Verify::Name);
        connector.set_callback(move |session, _| {
            session.set_verify_hostname(verify_name);
            Ok(())
        });
        Ok(connector)
    }

    /// Adds the client certificate, if there is one.
    fn show(&self, builder: &mut SslConnectorBuilder) -> Result<()> {
        if let Some(file) = &self.certificate {
            let cannot = || format!("sslcert: no certificate can be read from {}", file.display());
            builder.set_certificate_chain_file(file).with_context(cannot)?;
        }
        let Some(file) = &self.key else { return Ok(()) };
        let cannot = || format!("sslkey: no key of the certificate can be read from {}", file.display());
        if is_open_to_others(&fs::metadata(file).with_context(cannot)?) {
            bail!("sslkey: others may read {}; chmod 600 makes it private", file.display());
        }
        builder.set_private_key_file(file, SslFiletype::PEM).with_context(cannot)?;
        builder.check_private_key().with_context(cannot)
    }

    /// Whether its sessions are known to outlast a transaction: a standby need not find that out each time.
    pub fn keeps_sessions(&self) -> bool {
        self.keeps_sessions.load(Ordering::Relaxed)
    }

    /// From now on they are known to do so.
    pub fn has_kept_sessions(&self) {
        self.keeps_sessions.store(true, Ordering::Relaxed);
    }

    /// Host, port and database, without user and password.
    pub(super) fn place(&self) -> String {
        error::place(&self.located())
    }

    /// The configuration with the server's place as libpq finds it: a socket if no host is given; and no TLS over a socket.
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

/// The directory with the socket of this port; if there is none, the one where it is most likely to appear.
fn socket_directory(port: u16) -> &'static str {
    let [usual, other] = SOCKET_DIRECTORIES;
    let found = SOCKET_DIRECTORIES.into_iter().find(|place| Path::new(place).join(format!(".s.PGSQL.{port}")).exists());
    found.unwrap_or(if Path::new(usual).is_dir() { usual } else { other })
}

impl Target {
    /// Parses a connection string, completed from these variables.
    fn parse_with(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Target, WrongTarget> {
        let (mut text, mut target) = (text.trim().to_owned(), Target::parse(text.trim())?);
        if let Some(sentence) = environment::refused(&variable) {
            return Err(WrongTarget(sentence));
        }
        for (name, parameter) in environment::HONOURED {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
            text = environment::with_parameter(&text, parameter, &value);
            target = Target::parse(&text).map_err(|WrongTarget(why)| WrongTarget(format!("with {name}: {why}")))?;
        }
        Ok(target)
    }

    fn parse(text: &str) -> Result<Target, WrongTarget> {
        let (mode, text) = split_parameter(text, "sslmode");
        let [mut authorities, mut certificate, mut key] = [None, None, None];
        let mut rest = text;
        for (file, name) in [(&mut authorities, "sslrootcert"), (&mut certificate, "sslcert"), (&mut key, "sslkey")] {
            let (found, text) = split_parameter(&rest, name);
            (*file, rest) = (found.map(PathBuf::from), text);
        }
        let mut config = connection_string::parse(&rest).map_err(WrongTarget)?;
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
        // libpq's name for the default.
        let authorities = authorities.filter(|file| file != Path::new("system"));
        Ok(Target { config, verify, authorities, certificate, key, keeps_sessions: Arc::default(), schema: None })
    }
}

impl FromStr for Target {
    type Err = WrongTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Target::parse_with(text, |name| env::var(name).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libpq_knows_of_tls_is_understood() {
        let parse = |text: &str| Target::parse(text).expect(text);
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
        assert!(Target::parse("postgres://me@host/db?sslmode=perhaps").is_err());
    }

    #[test]
    fn without_a_host_it_is_at_a_socket() {
        let hosts = |text: &str| Target::parse(text).expect(text).session().get_hosts().to_vec();
        assert!(matches!(hosts("postgres:///db").as_slice(), [Host::Unix(_)]));
        assert!(matches!(hosts("dbname=db").as_slice(), [Host::Unix(_)]));
        let given = [Host::Unix("/run/here".into())];
        for text in ["postgres://%2Frun%2Fhere/db", "postgres:///db?host=/run/here", "host=/run/here dbname=db"] {
            assert_eq!(hosts(text), given, "{text}");
        }
        let target = Target::parse("postgres://%2Frun%2Fhere/db?sslmode=require").expect("a URL");
        assert_eq!(target.session().get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn libpq_variables_fill_in_the_url() {
        let variables = [
            ("PGHOST", "other"),
            ("PGPORT", "5433"),
            ("PGUSER", "you"),
            ("PGDATABASE", "shop"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/ca.pem"),
            ("PGAPPNAME", "board"),
        ];
        let variable = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        for (text, host, port, user, database, verify) in [
            ("postgres://", "other", 5433, "you", "shop", Verify::Name),
            ("postgres://me@host/db", "host", 5433, "me", "db", Verify::Name),
            ("postgres://host:1?sslmode=disable", "host", 1, "you", "shop", Verify::Nothing),
            ("dbname=db", "other", 5433, "you", "db", Verify::Name),
        ] {
            let target = Target::parse_with(text, variable).expect(text);
            let config = target.session();
            assert_eq!(
                (config.get_hosts(), config.get_ports()),
                (&[Host::Tcp(host.into())][..], &[port][..]),
                "{text}"
            );
            assert_eq!((config.get_user(), config.get_dbname(), target.verify), (Some(user), Some(database), verify));
            assert_eq!(
                (target.application_name(), target.authorities.as_deref()),
                (Some("board"), Some(Path::new("/ca.pem")))
            );
        }
        let wrong = Target::parse_with("postgres://h/d", |name| (name == "PGSSLMODE").then(|| "allow".into()));
        assert!(wrong.is_err_and(|WrongTarget(sentence)| sentence.contains("PGSSLMODE")));
    }
}
