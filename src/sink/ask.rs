//! Asks the writer of the tables to give them up for a moment: by a row that its heartbeat reads.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use postgres::Client;
use tracing::info;

use super::lease::Instance;
use super::{Sink, owner, session};
use crate::database::{For, Schema, Target, connect, db_result};
use crate::failure::Failure;

/// How often it is asked, and how soon the owner must have given the tables up.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
const ASK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for another process that asks, which may have been killed.
const OTHER_ASK_TIMEOUT: Duration = Duration::from_secs(15);

/// Renews the request, unless another process asks: others may take the tables only once the request has ended.
const ASK: &str = "UPDATE freshet_heartbeat SET asked_by = $1, asked_at = clock_timestamp()
    WHERE coalesce(asked_by = $1 OR asked_at < clock_timestamp() - interval '10 seconds', true)";
const END: &str = "UPDATE freshet_heartbeat SET asked_by = NULL WHERE asked_by = $1";

/// Asks for the tables.
pub struct Ask {
    client: Client,
    instance: Instance,
    begun: Instant,
}

impl Ask {
    /// Asks nobody yet.
    pub fn new(target: &Target) -> Result<Ask> {
        let mut client = connect(target)?;
        let schema = target.schema().cloned().map_or_else(|| Schema::current(&mut client), Ok)?;
        schema.enter(&mut client, For::Session)?;
        session::without_limits(&mut client)?;
        Ok(Ask { client, instance: Instance::new(), begun: Instant::now() })
    }

    /// Takes the tables for this instance with `open`, once nobody else owns them.
    pub fn acquire(&mut self, open: impl Fn(Instance) -> Result<Sink>) -> Result<Sink> {
        loop {
            self.wait()?;
            match open(self.instance.clone()) {
                // Somebody took them who had looked before the request.
                Err(error) if is_owned(&error) && self.begun.elapsed() < ASK_TIMEOUT => {}
                taken => return taken,
            }
        }
    }

    /// Waits until nobody else owns the tables.
    fn wait(&mut self) -> Result<()> {
        let mut is_logged = false;
        loop {
            if !self.ask()? {
                if self.begun.elapsed() >= OTHER_ASK_TIMEOUT {
                    bail!(Failure::OwnedByAnother("another freshet forget is under way; wait for its end".into()));
                }
                thread::sleep(ASK_INTERVAL);
                continue;
            }
            let claim = owner::claim(&mut self.client)?;
            if claim.is_free().is_some() {
                return Ok(());
            }
            let owner = claim.instance.unwrap_or_default();
            if self.begun.elapsed() >= ASK_TIMEOUT {
                bail!(Failure::OwnedByAnother(format!(
                    "these tables are owned by another instance ({owner}), which does not give them up; stop it first"
                )));
            }
            if !std::mem::replace(&mut is_logged, true) {
                info!("asking {owner} for the tables");
            }
            thread::sleep(ASK_INTERVAL);
        }
    }

    /// False if another asks.
    fn ask(&mut self) -> Result<bool> {
        Ok(db_result(self.client.execute(ASK, &[&self.instance.name()]))? > 0)
    }
}

fn is_owned(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(Failure::OwnedByAnother(_)))
}

impl Drop for Ask {
    fn drop(&mut self) {
        // A waiting process finds out within ten seconds otherwise.
        let _ = self.client.execute(END, &[&self.instance.name()]);
    }
}
