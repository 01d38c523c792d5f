//! Sessions that are lost, and opened again.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use backon::{BlockingRetryable, ExponentialBuilder};
use tracing::{info, warn};

use super::Sink;
use super::statements::Statements;
use crate::database::{connect, explained, is_outage};

/// How long after a failed attempt the next one comes: at first soon, as after a restart; a shared server that is in
/// trouble is not to be pressed.
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_secs(2);

impl Sink {
    /// Does something, and again in a new session whenever Postgres goes away meanwhile, until it is done. One line in
    /// the log for each outage.
    pub(super) fn outlast(&mut self, mut attempt: impl FnMut(&mut Sink) -> Result<()>) -> Result<()> {
        let (away, metrics) = (self.away.clone(), self.metrics.clone());
        let began = Cell::new(None);
        let outcome = (|| {
            if began.get().is_some() {
                self.reconnect()?;
            }
            attempt(self)
        })
        .retry(ExponentialBuilder::default().with_min_delay(SOONEST).with_max_delay(LATEST).without_max_times())
        .when(is_outage)
        .notify(|error, _| {
            if began.get().is_none() {
                began.set(Some(Instant::now()));
                away.store(true, Ordering::Relaxed);
                metrics.set_postgres_up(false);
                warn!("{error}; trying again until it works, nothing is lost");
            }
        })
        .call();
        away.store(false, Ordering::Relaxed);
        self.metrics.set_postgres_up(true);
        if let Some(began) = began.get().filter(|_| outcome.is_ok()) {
            info!("Postgres works again, after {:.1} s", began.elapsed().as_secs_f64());
        }
        outcome
    }

    /// A new session that owns the tables.
    fn reconnect(&mut self) -> Result<()> {
        let mut client = connect(&self.target)?;
        self.ownership.regain(&mut client)?;
        self.statements = explained(Statements::prepare(&mut client))?;
        self.client = client;
        Ok(())
    }

    /// Set while Postgres is away.
    pub fn away(&self) -> Arc<AtomicBool> {
        self.away.clone()
    }
}
