//! Postgres: the tables, who owns them, what they hold, and one transaction for each group of closed epochs.
//!
//! SQL is built from the tables' descriptions; nothing here knows of a report, of Kafka's clients or of timely.

mod built_with;
mod chunks;
mod columns;
mod commit;
mod copy;
mod definitions;
mod group;
mod heartbeat;
mod identity;
mod indexed;
mod lease;
mod load;
mod lock;
mod places;
mod preconditions;
mod process;
mod rejected;
mod repair;
mod schema;
mod session;
mod snapshot;
mod statements;
mod tid;
mod trust;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use dataflows::{Model, Row};
use postgres::Client;

use crate::batch::{Progress, TopicIdentity};
use crate::database::{Schema, Target, connect, explained};
use crate::metrics::Metrics;
use crate::schema::Ddl;
pub use built_with::{BuiltWith, check_reports, stored_model};
use heartbeat::Heartbeat;
use lease::Lease;
use places::Places;
pub use rejected::RejectedLimits;
use rejected::RejectedTables;
use schema::Wanted;
pub use snapshot::{Reader, Snapshot};
use statements::Statements;
pub use trust::locate;

/// Postgres came back without commits that it had acknowledged, as after a failover to a server that was behind: the tables
/// are to be read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Postgres lost commits {first} to {last}")]
pub struct Rewound {
    first: i64,
    last: i64,
}

/// The tables, owned by this process.
pub struct Sink {
    target: Target,
    schema: Schema,
    client: Client,
    topic: String,
    model: Arc<Model>,
    lease: Lease,
    _heartbeat: Heartbeat,
    statements: Statements,
    /// Where the tables stand, by partition.
    progress: BTreeMap<i32, Progress>,
    /// What the commit that is under way makes of it.
    in_flight: BTreeMap<i32, Progress>,
    /// Which topic they are of, as far as they know.
    identity: TopicIdentity,
    /// The rows of derived tables, as they were loaded.
    derived: Vec<Row>,
    places: Places,
    rejected: RejectedTables,
    /// The most rows that a statement gets.
    statement_rows: usize,
    /// Whether the last commit could not be told of.
    is_notice_lost: bool,
    /// Whether no session can be had.
    away: Arc<AtomicBool>,
    metrics: Metrics,
}

impl Sink {
    /// Connects, makes the tables if there are none, refuses those of other settings, and takes the lease.
    pub fn open(
        target: &Target,
        topic: &str,
        model: &Arc<Model>,
        built_with: &BuiltWith,
        metrics: &Metrics,
    ) -> Result<Sink> {
        let mut client = connect(target)?;
        preconditions::check_session(target, &mut client)?;
        let wanted = Wanted { model, ddl: Ddl::of(model), built_with };
        let schema = trust::claim(&mut client, &wanted.ddl)?;
        session::without_limits(&mut client)?;
        schema::prepare(&mut client, &schema, &wanted)?;
        let lease = Lease::acquire(&mut client)?;
        let heartbeat = Heartbeat::start(target, &schema, lease.instance())?;
        schema::repair(&mut client, &schema, &wanted)?;
        session::rename(&mut client, &session::name(target, &lease))?;
        let statements = explained(Statements::prepare(&mut client, model))?;
        Ok(Sink {
            target: target.clone(),
            schema,
            client,
            topic: topic.to_owned(),
            model: model.clone(),
            lease,
            _heartbeat: heartbeat,
            statements,
            progress: BTreeMap::new(),
            identity: TopicIdentity::default(),
            in_flight: BTreeMap::new(),
            derived: Vec::new(),
            places: Places::default(),
            rejected: RejectedTables::default(),
            statement_rows: commit::STATEMENT_ROWS_MAX,
            is_notice_lost: false,
            away: Arc::default(),
            metrics: metrics.clone(),
        })
    }

    /// Keeps no more rejected records than this from now on.
    pub fn limit_rejected(&mut self, limits: RejectedLimits) {
        self.rejected.limit(limits);
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
