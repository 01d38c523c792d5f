//! Sessions with Postgres, and what its errors mean.

mod error;
mod password;
mod target;

use anyhow::{Context, Result};
use postgres::{Client, IsolationLevel, Transaction};

pub use error::{explained, is_outage};
pub use target::Target;

/// Opens a session. Never says the password.
pub fn connect(target: &Target) -> Result<Client> {
    let config = postgres::Config::from(target.session());
    let mut client = config.connect(target.tls()?).map_err(|error| error::unreachable(&error, &target.place()))?;
    // Notices such as "relation already exists, skipping" are of no use to anybody here.
    explained(client.batch_execute("SET client_min_messages = warning")).context("a new session failed")?;
    Ok(client)
}

/// All tables as of one moment, only to be read. A long one keeps Postgres from cleaning up.
pub fn snapshot(client: &mut Client) -> Result<Transaction<'_>> {
    explained(client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start())
}
