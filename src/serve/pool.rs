//! The sessions that answers are read by: a few, only for reading, each question within a time limit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::refusal::Busy;
use crate::database::{Target, is_outage};
use crate::reports::{Nothing, Reader, Snapshot};

/// More would only wait for each other in a database that has its own work to do.
pub(super) const SESSIONS: usize = 4;
/// A statement takes no longer.
const STATEMENT: Duration = Duration::from_secs(5);
/// Nobody waits longer for a session.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sessions, opened when needed. Its clones are one.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    target: Target,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Reader>>,
}

impl Pool {
    pub fn new(target: Target) -> Pool {
        Pool(Arc::new(Inner { target, permits: Arc::new(Semaphore::new(SESSIONS)), idle: Mutex::default() }))
    }

    /// Asks a snapshot, once more in a new session if the first one was lost.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl Fn(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = timeout(PATIENCE, self.0.permits.clone().acquire_owned()).await.map_err(|_| Busy)??;
        let inner = self.0.clone();
        spawn_blocking(move || {
            // Also one whom nobody waits for any more keeps its session until Postgres has answered.
            let _permit = permit;
            inner.ask(&ask)
        })
        .await?
    }
}

impl Inner {
    fn ask<T>(&self, ask: &impl Fn(&mut Snapshot<'_>) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let known = idle().pop();
        if let Some(reader) = known {
            match self.ask_by(reader, ask) {
                // What one session has lost, the others have lost too.
                Err(error) if is_outage(&error) => idle().clear(),
                answer => return answer,
            }
        }
        self.ask_by(Reader::connect(&self.target, STATEMENT)?, ask)
    }

    fn ask_by<T>(&self, mut reader: Reader, ask: &impl Fn(&mut Snapshot<'_>) -> Result<T>) -> Result<T> {
        let answer = reader.snapshot().and_then(|mut snapshot| ask(&mut snapshot));
        if answer.as_ref().err().is_none_or(|error| error.is::<Nothing>()) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
        answer
    }
}
