//! Sessions with Postgres, and what its errors mean.

mod error;

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use postgres::config::SslMode;
use postgres::{Client, Config, IsolationLevel, Transaction};
use postgres_openssl::MakeTlsConnector;

pub use error::{explained, is_outage};

/// A server that has not answered for this long is away: one that was switched off or cut off never says so itself.
const SILENT: Duration = Duration::from_secs(10);

/// Opens a session. Never says the password.
pub fn connect(config: &Config) -> Result<Client> {
    let mut config = config.clone();
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
    let place = error::place(&config);
    let mut client = config.connect(tls(&config)?).map_err(|error| error::unreachable(&error, &place))?;
    // Notices such as "relation already exists, skipping" are of no use to anybody here.
    explained(client.batch_execute("SET client_min_messages = warning")).context("a new session failed")?;
    Ok(client)
}

/// All tables as of one moment, only to be read. A long one keeps Postgres from cleaning up.
pub fn snapshot(client: &mut Client) -> Result<Transaction<'_>> {
    explained(client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start())
}

/// With `sslmode=require` the server must show a certificate for its name that the system's authorities vouch for, or
/// those of `SSL_CERT_FILE`. With `prefer`, the default, what can be encrypted is; as that promises nothing, it
/// also takes the certificate that a server has made for itself.
fn tls(config: &Config) -> Result<MakeTlsConnector> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(|error| anyhow!("OpenSSL: {error}"))?;
    let verified = config.get_ssl_mode() == SslMode::Require;
    if !verified {
        builder.set_verify(SslVerifyMode::NONE);
    }
    let mut connector = MakeTlsConnector::new(builder.build());
    connector.set_callback(move |session, _| {
        session.set_verify_hostname(verified);
        Ok(())
    });
    Ok(connector)
}
