//! The owner's sign of life, by a thread and a session of its own: neither a long load nor a commit that waits for a lock
//! nor a session that was lost makes a living owner look dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use postgres::Client;
use tracing::debug;

use super::lease::Instance;
use super::session;
use crate::database::{Schema, Target, db_result};

/// How often an owner shows that it lives.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// How soon it tries again without a session.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Beats until it is dropped.
#[derive(Debug)]
pub(super) struct Heartbeat {
    _stop: Sender<()>,
}

impl Heartbeat {
    /// Starts to beat for this instance. Sets `is_asked` once another asks for the tables.
    pub fn start(
        target: &Target,
        schema: &Schema,
        instance: &Instance,
        is_asked: &Arc<AtomicBool>,
    ) -> Result<Heartbeat> {
        let (stop, stopped) = channel::<()>();
        let (target, schema, name) = (target.clone(), schema.clone(), instance.name().to_owned());
        let is_asked = is_asked.clone();
        let session_name = instance.session_name(target.application_name(), "heartbeat");
        thread::Builder::new().name("heartbeat".into()).spawn(move || {
            let ends_within = |time| stopped.recv_timeout(time) != Err(RecvTimeoutError::Timeout);
            loop {
                // Whether the lease still holds is for the commits to find out.
                let session = session::open(&target, &schema, &session_name);
                if let Err(error) = session.and_then(|client| beat(client, &name, &is_asked, &ends_within)) {
                    debug!("no heartbeat: {error:#}");
                }
                if ends_within(RETRY_INTERVAL) {
                    return;
                }
            }
        })?;
        Ok(Heartbeat { _stop: stop })
    }
}

/// Beats in one session, until that is lost or the beat is to end.
fn beat(
    mut client: Client,
    instance: &str,
    is_asked: &AtomicBool,
    ends_within: &impl Fn(Duration) -> bool,
) -> Result<()> {
    // So that a lock on the row cannot hold a beat, and this thread, for ever.
    db_result(client.batch_execute("SET lock_timeout = '2s'"))?;
    // An owner that asked for the tables also renews its request by this.
    let update = "UPDATE freshet_heartbeat SET number = number + 1, beat_at = clock_timestamp(),
             asked_at = CASE WHEN asked_by = $1 THEN clock_timestamp() ELSE asked_at END
         WHERE EXISTS (SELECT FROM freshet_owner WHERE instance = $1)
         RETURNING asked_by <> $1 AND asked_at > clock_timestamp() - interval '10 seconds'";
    let update = db_result(client.prepare(update))?;
    loop {
        let row = db_result(client.query_opt(&update, &[&instance]))?;
        if row.is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)) {
            is_asked.store(true, Ordering::Relaxed);
        }
        if ends_within(HEARTBEAT_INTERVAL) {
            return Ok(());
        }
    }
}
