//! A run inside of another program.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;

use crate::Model;
use crate::commands::rebuild;
use crate::commands::reports::ReportsArgs;
use crate::commands::run::Run;
use crate::commands::start::Starting;
use crate::serve::Address;

/// Keeps the tables of a model fresh, inside of another program: what `freshet run` does.
///
/// It reads every partition of one topic, and writes to one schema of one database: the first of the connection's
/// `search_path`. The tables are made where they are missing; `freshet schema` shows them. There is no page, unless `--http`
/// says where.
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
    run: Run,
}

impl Pipeline {
    /// A pipeline from a topic to a database. `brokers` are `host:port` pairs, comma-separated; `database_url` is
    /// `postgres://user:password@host:port/database`. Everything else is as `freshet run` has it by itself.
    ///
    /// # Errors
    /// If the URL cannot be understood. Nothing is connected to yet.
    pub fn new(model: Arc<Model>, brokers: &str, topic: &str, database_url: &str) -> Result<Pipeline> {
        Pipeline::of_flags(model, ["--brokers", brokers, "--topic", topic, "--database-url", database_url])
    }

    /// The pipeline of flags of `freshet run`, each followed by its value, as `["--clock", "time-stamp"]`: whatever can be set.
    /// The environment is not asked.
    ///
    /// # Errors
    /// What is wrong with a flag, or which one is missing.
    pub fn of_flags<'a>(model: Arc<Model>, flags: impl IntoIterator<Item = &'a str>) -> Result<Pipeline> {
        let mut run = Run::of_flags(flags)?;
        run.http.page.http.get_or_insert(Address::Off);
        run.rules.reports = ReportsArgs { reports: Some(model) };
        Ok(Pipeline { run })
    }

    /// So many worker threads, 1 to 256; 1 if nobody says so. More than partitions do not read faster.
    pub fn workers(mut self, workers: u16) -> Pipeline {
        self.run.workers = workers.clamp(1, 256);
        self
    }

    /// The time between commits while Postgres keeps up; 25 ms if nobody says so.
    pub fn tick(mut self, tick: Duration) -> Pipeline {
        self.run.tick = tick;
        self
    }

    /// Whether [`Pipeline::run`] returns once it has committed what was in the topic when it began.
    pub fn until_end(mut self, until_end: bool) -> Pipeline {
        self.run.until_end = until_end;
        self
    }

    /// Runs until `stop` is set, or to the end of the topic if that was asked for. On return without an error, everything that
    /// was read is in the tables, and the offsets behind it are.
    ///
    /// It takes the calling thread, and starts others: one a worker, and a few for Kafka and Postgres. A worker that panics
    /// cannot be waited for, so build the program with `panic = "abort"`, or end it in a panic hook. A run may be begun again
    /// after any error; it goes on where the tables stand.
    ///
    /// Reports that were added to the model since the tables were built are counted from the topic beside, while the others go
    /// on, as `freshet run` does; so are tables of an older version. What was removed is kept as it was, unless `--drop-removed`
    /// is among the flags.
    ///
    /// # Errors
    /// The first that no waiting heals. [`Failure`](crate::Failure) tells apart what a supervisor would treat differently, for
    /// example tables that another instance owns, or that were built with another model.
    pub fn run(&self, stop: Arc<AtomicBool>) -> Result<()> {
        rebuild::run_or_renew(&self.run, &stop, &Starting::unwatched())
    }
}
