//! The session pool of the page: a few read-only sessions, with a time limit per statement.
//!
//! Not deadpool-postgres, which takes three more crates: it pools sessions of the asynchronous client, while reports and tables
//! are read with the synchronous one.
//!
//! A role may have few sessions. So idle ones are closed, and while the writer has none, all are: it would wait forever for
//! the one that it lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use dataflows::model::Model;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::error::{Busy, WriterFirst};
use super::panics::caught;
use crate::database::{Target, is_cancelled, is_outage};
use crate::metrics::Metrics;
use crate::reports::{NoData, Reader, Snapshot};

/// Sessions of the page. More would take CPU from the session that commits without answering more: see "The page under load"
/// in `docs/benchmarks.md`.
pub(super) const SESSIONS_MAX: usize = 3;
/// How long a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a session.
const SESSION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a session may be idle before it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often to look for idle sessions.
const TEND_INTERVAL: Duration = Duration::from_millis(250);

/// Sessions, opened when needed; clones share them.
#[derive(Clone)]
pub(super) struct Pool {
    inner: Arc<Inner>,
    permits: Arc<Semaphore>,
}

struct Inner {
    target: Target,
    model: Arc<Model>,
    metrics: Metrics,
    /// Idle sessions, and since when they are.
    idle: Mutex<Vec<(Reader, Instant)>>,
    /// Whether creating the extension for fuzzy search was tried.
    is_alike_tried: AtomicBool,
}

impl Pool {
    pub fn new(target: Target, model: Arc<Model>, metrics: Metrics) -> Pool {
        let (idle, is_alike_tried) = Default::default();
        let inner = Arc::new(Inner { target, model, metrics, idle, is_alike_tried });
        Pool { inner, permits: Arc::new(Semaphore::new(SESSIONS_MAX - 1)) }
    }

    /// The last session, which requests to the pool itself cannot take.
    pub fn reserved(&self) -> Pool {
        Pool { inner: self.inner.clone(), permits: Arc::new(Semaphore::new(1)) }
    }

    /// Closes idle sessions, forever.
    pub async fn tend(self) {
        loop {
            sleep(TEND_INTERVAL).await;
            let inner = self.inner.clone();
            // Closing a session may block on Postgres.
            if !inner.idle.lock().is_empty() && spawn_blocking(move || inner.close_idle()).await.is_err() {
                return;
            }
        }
    }

    /// Reads a snapshot; tries once more in a new session if the first one was lost.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl Fn(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.session().await?.ask(ask).await
    }

    /// A session, as soon as there is one.
    pub async fn session(&self) -> Result<Session> {
        let permit = timeout(SESSION_TIMEOUT, self.permits.clone().acquire_owned()).await.map_err(|_| Busy)??;
        Ok(Session { inner: self.inner.clone(), permit })
    }
}

/// The right to a session of the pool.
pub(super) struct Session {
    inner: Arc<Inner>,
    permit: OwnedSemaphorePermit,
}

impl Session {
    /// See [`Pool::ask`].
    pub async fn ask<T: Send + 'static>(
        self,
        ask: impl Fn(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Session { inner, permit } = self;
        spawn_blocking(move || {
            // A request that its client gave up keeps its session, too, until Postgres has answered.
            let _permit = permit;
            caught(|| inner.ask(&ask)).unwrap_or_else(|| Err(anyhow!("a bug in Freshet")))
        })
        .await?
    }
}

impl Inner {
    fn ask<T>(&self, ask: &impl Fn(&mut Snapshot<'_>) -> Result<T>) -> Result<T> {
        if !self.metrics.is_postgres_up() {
            bail!(WriterFirst);
        }
        let known = self.idle.lock().pop();
        if let Some((reader, _)) = known {
            match self.ask_by(reader, ask) {
                // If one session lost its connection, the others have too.
                Err(error) if is_outage(&error) && !is_cancelled(&error) => {
                    drop(std::mem::take(&mut *self.idle.lock()))
                }
                answer => return answer,
            }
        }
        self.ask_by(self.connect()?, ask)
    }

    fn connect(&self) -> Result<Reader> {
        let mut reader = Reader::connect(&self.target, STATEMENT_TIMEOUT, Arc::clone(&self.model))?;
        if !self.is_alike_tried.swap(true, Ordering::Relaxed)
            && let Err(error) = reader.find_alike()
        {
            info!("fuzzy search of names is off, as the extension pg_trgm cannot be created: {error:#}");
        }
        Ok(reader)
    }

    fn ask_by<T>(&self, mut reader: Reader, ask: &impl Fn(&mut Snapshot<'_>) -> Result<T>) -> Result<T> {
        let answer = reader.snapshot().and_then(|mut snapshot| ask(&mut snapshot));
        if answer.as_ref().err().is_none_or(|error| error.is::<NoData>()) && self.metrics.is_postgres_up() {
            self.idle.lock().push((reader, Instant::now()));
        }
        answer
    }

    fn close_idle(&self) {
        let is_to_stay = |since: &Instant| self.metrics.is_postgres_up() && since.elapsed() < IDLE_TIMEOUT;
        let closed: Vec<_> = self.idle.lock().extract_if(.., |(_, since)| !is_to_stay(since)).collect();
        drop(closed);
    }
}
