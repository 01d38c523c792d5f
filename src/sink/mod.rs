//! Postgres: the tables, who owns them, what they hold, and one transaction for each group of closed epochs.
//!
//! SQL is built from the tables' descriptions; nothing here knows of a report, of Kafka's clients or of timely.

mod columns;
mod copy;
mod identity;
mod indexed;
mod load;
mod owner;
mod repair;
mod schema;
mod session;
mod snapshot;
mod statements;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use dataflows::Row;
use postgres::Client;

use crate::batch::{Progress, TopicIdentity};
use crate::database::{Target, connect, explained};
use crate::metrics::Metrics;
use owner::Ownership;
pub use schema::BuiltWith;
pub use snapshot::{Reader, Snapshot};
use statements::Statements;

/// The tables, owned by this process.
pub struct Sink {
    target: Target,
    client: Client,
    topic: String,
    ownership: Ownership,
    statements: Statements,
    /// Where the tables stand, by partition.
    progress: BTreeMap<i32, Progress>,
    /// Which topic they are of, as far as they know.
    identity: TopicIdentity,
    /// The rows of derived tables, as they were loaded.
    derived: Vec<Row>,
    /// Whether Postgres is away.
    away: Arc<AtomicBool>,
    metrics: Metrics,
}

impl Sink {
    /// Connects, makes the tables if there are none, refuses those of other settings, and takes ownership.
    pub fn open(target: &Target, topic: &str, built_with: &BuiltWith, metrics: &Metrics) -> Result<Sink> {
        let mut client = connect(target)?;
        schema::prepare(&mut client, built_with)?;
        let ownership = Ownership::take(&mut client)?;
        schema::record(&mut client, built_with)?;
        let statements = explained(Statements::prepare(&mut client))?;
        let (progress, derived, away) = (BTreeMap::new(), Vec::new(), Arc::default());
        Ok(Sink {
            target: target.clone(),
            client,
            topic: topic.to_owned(),
            ownership,
            statements,
            progress,
            identity: TopicIdentity::default(),
            derived,
            away,
            metrics: metrics.clone(),
        })
    }

    /// Where the tables stand, by partition: read by [`Sink::load`], moved by each commit.
    pub fn progress(&self) -> &BTreeMap<i32, Progress> {
        &self.progress
    }

    /// Which topic the tables are of, as far as they know: read by [`Sink::load`].
    pub fn identity(&self) -> &TopicIdentity {
        &self.identity
    }
}
