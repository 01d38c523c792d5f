//! Sessions with Postgres, and what its errors mean.

mod connection_string;
mod environment;
mod error;
mod password;
mod pooler;
mod schema;
mod target;

use anyhow::Result;
use postgres::{Client, IsolationLevel, Transaction};
use tracing::debug;

pub use connection_string::WrongTarget;
pub use error::{Outage, db_result, has_no_free_session, is_cancelled, is_lock_timeout, is_outage};
pub use pooler::is_lent_by_transaction;
pub use schema::{For, Schema};
pub use target::Target;

/// Opens a session. Errors never show the password.
pub fn connect(target: &Target) -> Result<Client> {
    open(target, target.session())
}

/// Opens a session under this `application_name`.
pub fn connect_as(target: &Target, name: &str) -> Result<Client> {
    let mut config = target.session();
    config.application_name(name);
    open(target, config)
}

fn open(target: &Target, config: tokio_postgres::Config) -> Result<Client> {
    let mut config = postgres::Config::from(config);
    // The end of a session shows as an error to its user, so Postgres's notice about it is only logged at debug.
    config.notice_callback(|notice| debug!("Postgres says: {}", error::said(&notice)));
    // No session setting is changed: behind a pooler the session may be lent to another program next.
    config.connect(target.tls()?).map_err(|error| error::unreachable(&error, &target.place()))
}

/// A read-only snapshot of all tables. A long one keeps Postgres from vacuuming.
pub fn snapshot(client: &mut Client) -> Result<Transaction<'_>> {
    db_result(client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start())
}
