//! Postgres: the tables, who owns them, what they hold, and one transaction for each group of closed epochs.
//!
//! SQL is built from the tables' descriptions; nothing here knows of a report, of Kafka's clients or of timely.

mod columns;
mod error;
mod load;
mod owner;
mod repair;
mod schema;
mod snapshot;
mod statements;
mod writer;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dataflows::Row;
use postgres::{Client, Config, NoTls};

use crate::batch::Progress;
use error::explained;
use owner::Ownership;
pub use schema::BuiltWith;
pub use snapshot::{Reader, Snapshot};
use statements::Statements;

/// The tables, owned by this process.
pub struct Sink {
    config: Config,
    client: Client,
    topic: String,
    ownership: Ownership,
    statements: Statements,
    /// Where the tables stand, by partition.
    progress: BTreeMap<i32, Progress>,
    /// The rows of derived tables, as they were loaded.
    derived: Vec<Row>,
}

impl Sink {
    /// Connects, makes the tables if there are none, refuses those of other settings, and takes ownership.
    pub fn open(config: &Config, topic: &str, built_with: &BuiltWith) -> Result<Sink> {
        let mut client = connect(config)?;
        schema::prepare(&mut client, built_with)?;
        let ownership = Ownership::take(&mut client)?;
        schema::record(&mut client, built_with)?;
        let statements = explained(Statements::prepare(&mut client))?;
        let (config, topic) = (config.clone(), topic.to_owned());
        Ok(Sink { config, client, topic, ownership, statements, progress: BTreeMap::new(), derived: Vec::new() })
    }

    /// Where the tables stand, by partition: read by [`Sink::load`], moved by each commit.
    pub fn progress(&self) -> &BTreeMap<i32, Progress> {
        &self.progress
    }
}

/// Opens a session. Never says the password.
fn connect(config: &Config) -> Result<Client> {
    let mut config = config.clone();
    if config.get_application_name().is_none() {
        config.application_name("freshet");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(std::time::Duration::from_secs(10));
    }
    let place = error::place(&config);
    let mut client = config.connect(NoTls).map_err(|error| error::unreachable(&error, &place))?;
    // Notices such as "relation already exists, skipping" are of no use to anybody here.
    explained(client.batch_execute("SET client_min_messages = warning")).context("a new session failed")?;
    Ok(client)
}
