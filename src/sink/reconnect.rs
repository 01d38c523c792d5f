//! Another session when the writer's is lost.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use backon::{BlockingRetryable, ExponentialBuilder};
use tracing::{info, warn};

use super::Sink;
use super::store::{Session, Store};
use crate::database::{is_lock_timeout, is_outage};

/// The pause after a failed attempt: short at first, as after a restart; longer later, to spare a shared server that is
/// in trouble.
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(50);
const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(2);

impl<S: Store> Sink<S> {
    /// Runs `attempt`, and again in a new session whenever Postgres goes away meanwhile, until it is done. Logs one
    /// line for each outage.
    pub(super) fn with_reconnect(&mut self, mut attempt: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let (away, metrics, clock) = (self.away.clone(), self.metrics.clone(), self.clock.clone());
        let began = Cell::new(None);
        let outcome = (|| {
            if began.get().is_some() {
                let reconnected = self.reconnect();
                // A wait for a lock on the owner's row means that there is a session.
                let is_away = reconnected.as_ref().is_err_and(|error| !is_lock_timeout(error));
                self.away.store(is_away, Ordering::Relaxed);
                reconnected?;
            }
            attempt(self)
        })
        .retry(
            ExponentialBuilder::default()
                .with_min_delay(RETRY_INTERVAL_MIN)
                .with_max_delay(RETRY_INTERVAL_MAX)
                .without_max_times(),
        )
        .sleep({
            let clock = clock.clone();
            move |time| clock.sleep(time)
        })
        .when(is_outage)
        .notify(|error, _| {
            if began.get().is_none() {
                began.set(Some(clock.now()));
                metrics.set_postgres_up(false);
                warn!("{error}; trying again until it works, nothing is lost");
            }
        })
        .call();
        away.store(false, Ordering::Relaxed);
        self.metrics.set_postgres_up(true);
        if let Some(began) = began.get().filter(|_| outcome.is_ok()) {
            info!("Postgres works again, after {:.1} s", (clock.now() - began).as_secs_f64());
        }
        outcome
    }

    /// A new session that holds the lease, in a Postgres that has all that this process knows of.
    fn reconnect(&mut self) -> Result<()> {
        let mut session = self.store.connect(self.lease.instance())?;
        self.lease.regain(&mut session)?;
        let mut expected = self.progress.clone();
        if let Some((number, moved)) = &self.in_flight
            && self.lease.commit_number() >= *number
        {
            expected.extend(moved);
        }
        if session.progress()? != expected {
            bail!("the table progress is not where this process left it: somebody else has written to it");
        }
        self.session = session;
        Ok(())
    }

    /// Set while no session with Postgres can be had.
    pub fn away(&self) -> Arc<AtomicBool> {
        self.away.clone()
    }
}
