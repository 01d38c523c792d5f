//! A run: what is decided before the first record is read, and what is watched while reading.
//!
//! ```text
//! Settings ──► connect ──► own the tables ──► load them ──► Plan ──► engine reads ──► sink writes
//!              (start)     (sink::Sink)       (engine)     (plan)    watch: topic, partitions, `freshet forget`
//!
//! refused, as the tables lack reports or are older ──► rebuild: the same run into new tables  ──► swap
//! ```

mod backfill;
mod cluster;
pub(crate) mod forget;
mod plan;
pub mod rebuild;
mod rules;
mod run;
mod settings;
mod start;
mod stores;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;

pub use plan::Policy;
pub use rules::CountRules;
pub use settings::Settings;
pub use stores::StoreNames;

use crate::{Model, source};
use start::Starting;

/// Keeps the tables of a model fresh from inside another program, as `freshet run` does.
///
/// It reads every partition of one topic, and writes to one schema of one database: the first of the connection's
/// `search_path`. Missing tables are created; `freshet schema` shows them. There is no page, unless the settings say where.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicBool;
/// use freshet::{Model, Pipeline};
///
/// let model = Arc::new(Model::read("shop.toml".as_ref())?);
/// let pipeline = Pipeline::new(model, "localhost:9092", "events", "postgres://me@localhost/shop")?;
/// pipeline.workers(2).run(Arc::new(AtomicBool::new(false)))?;
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pipeline {
    settings: Settings,
}

impl Pipeline {
    /// A pipeline from a topic to a database. `brokers` are `host:port` pairs, comma-separated; `database_url` is
    /// `postgres://user:password@host:port/database`. Everything else has the default of `freshet run`.
    ///
    /// # Errors
    /// If the URL is invalid. Nothing connects yet.
    pub fn new(model: Arc<Model>, brokers: &str, topic: &str, database_url: &str) -> Result<Pipeline> {
        let database = database_url.parse()?;
        Ok(Settings::new(source::Settings::new(brokers, topic, &[]), database, model).into())
    }

    /// Worker threads, 1 to 256; by default 1. More than there are partitions do not read faster.
    pub fn workers(mut self, workers: u16) -> Pipeline {
        self.settings.workers = workers.clamp(1, 256);
        self
    }

    /// The time between commits while Postgres keeps up; by default 25 ms.
    pub fn tick(mut self, tick: Duration) -> Pipeline {
        self.settings.tick = tick;
        self
    }

    /// Whether [`Pipeline::run`] returns once it has committed what was in the topic when it began.
    pub fn until_end(mut self, until_end: bool) -> Pipeline {
        self.settings.until_end = until_end;
        self
    }

    /// Runs until `stop` is set, or to the end of the topic if that was asked for. On return without an error, everything that
    /// was read is in the tables, together with its offsets.
    ///
    /// It blocks the calling thread, and starts others: one per worker, and a few for Kafka and Postgres. A worker that panics
    /// cannot be waited for, so build the program with `panic = "abort"`, or end it in a panic hook. After any error a run may be
    /// started again; it resumes where the tables stand.
    ///
    /// Reports that were added to the model since the tables were built are backfilled from the topic while the others go on,
    /// as with `freshet run`; tables of an older version are rebuilt too. Removed reports keep their tables as they were,
    /// unless [`Settings::drop_removed`] is set.
    ///
    /// # Errors
    /// The first that does not heal by waiting. [`Failure`](crate::Failure) distinguishes what a supervisor would treat
    /// differently, for example tables that another instance owns, or that were built with another model.
    pub fn run(&self, stop: Arc<AtomicBool>) -> Result<()> {
        rebuild::run_or_renew(&self.settings, &stop, &Starting::unwatched())
    }
}

impl From<Settings> for Pipeline {
    fn from(settings: Settings) -> Pipeline {
        Pipeline { settings }
    }
}

/// The same where the run owns the process: a stop before the first record exits at once, and an error that a restart heals
/// makes the process execute its own program again.
///
/// # Errors
/// Those of [`Pipeline::run`].
pub fn run_process(settings: &Settings, stop: &Arc<AtomicBool>) -> Result<()> {
    rebuild::run_or_renew(settings, stop, &Starting::watch(stop.clone())?)
}
