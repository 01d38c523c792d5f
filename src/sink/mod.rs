//! Postgres: the tables, who owns them, what they hold, and one transaction for each group of closed epochs.
//!
//! ```text
//! start:   lease (acquire) ► schema ► load ──rows──► the engine
//! Batch ──► group (merge) ──► writer ──┬─ many rows: commit, a transaction: owner (fence) ► rows ► progress ► COMMIT
//!                                      └─ few rows: at_once, one statement that does all of it, fence first
//! ```
//!
//! SQL is built from the tables' descriptions; nothing here knows of a report, of Kafka's clients or of timely.

mod also_counted;
mod ask;
mod at_once;
mod chunks;
mod columns;
mod commit;
mod copy;
mod date;
mod definitions;
mod forgotten;
mod group;
mod heartbeat;
mod identity;
mod indexed;
mod kept;
mod lease;
mod load;
mod lock;
mod owner;
mod places;
mod preconditions;
mod process;
mod processes;
mod progress_columns;
mod rebuild;
mod reconcile;
mod reconnect;
mod rejected;
mod schema;
mod session;
mod snapshot;
mod statements;
pub mod store;
mod table_settings;
mod tid;
mod trust;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use dataflows::{Model, Row};
use hashbrown::HashMap;

use crate::batch::{Progress, TopicIdentity};
use crate::clock::{Clock, SystemClock};
use crate::database::{Target, connect};
use crate::metrics::Metrics;
use crate::schema::Ddl;
pub use ask::Ask;
pub use forgotten::Forgotten;
use heartbeat::Heartbeat;
use lease::Lease;
pub use lease::{Claim, Instance, Owner};
pub use rebuild::{Attempt, Extent, Rebuild, Snapshots, Standing};
pub use rejected::{RejectedLimits, RejectedTables};
use schema::Wanted;
pub use session::{Postgres, PostgresSession};
pub use snapshot::{NoTables, Reader, Snapshot, outcome_columns};
use store::{Session, Store};
pub use table_settings::{Renewal, TableSettings, check_reports, stored_model};
pub use trust::locate;

/// Postgres came back without commits that it had acknowledged, as after a failover to a server that was behind: the tables
/// are to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rewound {
    /// It has fewer than this process made.
    #[error("Postgres lost commits {first} to {last}")]
    Commits {
        /// The first that is gone.
        first: i64,
        /// The last.
        last: i64,
    },
    /// It has as many, but not of this process.
    #[error("Postgres lost this process's takeover of the tables")]
    Ownership,
}

/// The most rows in one statement: enough that its fixed cost does not matter, few enough that its arrays do not; and
/// the least that they are reduced to when it fails.
const STATEMENT_ROWS_MAX: usize = 8_192;
const STATEMENT_ROWS_MIN: usize = 64;

/// The tables, owned by this process.
pub struct Sink<S: Store = Postgres> {
    store: S,
    session: S::Session,
    clock: Arc<dyn Clock>,
    model: Arc<Model>,
    lease: Lease,
    /// Where the tables stand, by partition.
    progress: BTreeMap<i32, Progress>,
    /// The number of the commit that is under way, and what it makes of them.
    in_flight: Option<(i64, BTreeMap<i32, Progress>)>,
    /// Which topic they are of, as far as they know.
    identity: TopicIdentity,
    /// The rows of derived tables, as they were loaded.
    derived: Vec<Row>,
    rejected: RejectedTables,
    /// The most rows that a statement gets.
    statement_rows: usize,
    /// Whether the last commit could not be announced.
    is_notice_lost: bool,
    /// Whether no session can be had.
    away: Arc<AtomicBool>,
    /// Whether another instance asks for the tables.
    is_asked: Arc<AtomicBool>,
    forgotten: Forgotten,
    metrics: Metrics,
}

impl Sink {
    /// Connects, makes the tables if there are none, refuses those of other settings, and takes the lease.
    pub fn open(
        target: &Target,
        topic: &str,
        model: &Arc<Model>,
        built_with: &TableSettings,
        metrics: &Metrics,
    ) -> Result<Sink> {
        Sink::open_by(Instance::new(), target, topic, model, built_with, metrics)
    }

    /// The same for an instance that may have asked for the tables.
    pub fn open_by(
        instance: Instance,
        target: &Target,
        topic: &str,
        model: &Arc<Model>,
        built_with: &TableSettings,
        metrics: &Metrics,
    ) -> Result<Sink> {
        let mut client = connect(target)?;
        preconditions::check_session(target, &mut client)?;
        let wanted = Wanted { model, ddl: Ddl::new(model), built_with };
        let schema = trust::claim(&mut client, target, &wanted.ddl)?;
        session::without_limits(&mut client)?;
        schema::prepare(&mut client, &schema, &wanted)?;
        owner::make(&mut client)?;
        let mut session = PostgresSession::new(client, topic, model);
        let lease = Lease::acquire(&mut session, &SystemClock, instance)?;
        let is_asked = Arc::default();
        let heartbeat = Heartbeat::start(target, &schema, lease.instance(), &is_asked)?;
        // A rebuild may have swapped the tables since they were looked at.
        table_settings::check(&mut session.client, model, built_with)?;
        schema::reconcile(&mut session.client, &schema, &wanted)?;
        let model = &also_counted::with(model, &table_settings::stored(&mut session.client, table_settings::SETTINGS)?);
        session.rename(target, lease.instance())?;
        session.prepare()?;
        let forgotten = forgotten::stored(&mut session.client)?;
        let (target, topic, model) = (target.clone(), topic.to_owned(), model.clone());
        let store = Postgres { target, schema, topic, model: model.clone(), _heartbeat: heartbeat };
        let sink = Sink::new(store, session, lease, &model, Arc::new(SystemClock), metrics);
        Ok(Sink { is_asked, forgotten, ..sink })
    }
}

impl<S: Store> Sink<S> {
    /// Takes the lease of tables that are there, by a first session.
    pub fn over(
        store: S,
        mut session: S::Session,
        model: &Arc<Model>,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Result<Sink<S>> {
        let lease = Lease::acquire(&mut session, &*clock, Instance::new())?;
        Ok(Sink::new(store, session, lease, model, clock, metrics))
    }

    fn new(
        store: S,
        session: S::Session,
        lease: Lease,
        model: &Arc<Model>,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Sink<S> {
        Sink {
            store,
            session,
            clock,
            model: model.clone(),
            lease,
            progress: BTreeMap::new(),
            in_flight: None,
            identity: TopicIdentity::default(),
            derived: Vec::new(),
            rejected: RejectedTables::default(),
            statement_rows: STATEMENT_ROWS_MAX,
            is_notice_lost: false,
            away: Arc::default(),
            is_asked: Arc::default(),
            forgotten: Forgotten::nothing(),
            metrics: metrics.clone(),
        }
    }

    /// Reads progress and all rows, as of one moment; passes the rows to `each` one after the other.
    pub fn load(&mut self, mut each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let Sink { session, model, derived, .. } = self;
        let mut held: HashMap<String, usize> = HashMap::new();
        (self.progress, self.identity) = session.load(&mut |table, row| {
            if table.is_derived(model) {
                derived.push(row.clone());
            } else {
                *held.entry_ref(&table.name).or_default() += 1;
            }
            each(row)
        })?;
        for table in model.tables.iter().filter(|table| !table.is_derived(model)) {
            self.metrics.add_keys(&table.name, held.get(&table.name).copied().unwrap_or_default());
        }
        Ok(())
    }

    /// Keeps no more rejected records than this from now on.
    pub fn limit_rejected(&mut self, limits: RejectedLimits) {
        self.rejected.limit(limits);
    }

    /// What is read, counted and written: what was given, and what else counts since reports were removed.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Where the tables stand, by partition: read by [`Sink::load`], moved by each commit.
    pub fn progress(&self) -> &BTreeMap<i32, Progress> {
        &self.progress
    }

    /// What was forgotten of the tables' events.
    pub fn forgotten(&self) -> &Forgotten {
        &self.forgotten
    }

    /// Set once another instance asks for the tables, which then should be given up.
    pub fn is_asked(&self) -> Arc<AtomicBool> {
        self.is_asked.clone()
    }

    /// Which topic the tables are of, as far as they know: read by [`Sink::load`].
    pub fn identity(&self) -> &TopicIdentity {
        &self.identity
    }
}
